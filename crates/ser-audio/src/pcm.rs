//! Samples that lie in the file one after another: PCM, float, G.711 and ADPCM in fixed blocks.
//!
//! WAV and AIFF are parsed here and not by symphonia's readers, which cannot say how much of a cut file is
//! there, take a streamed file (data size 0) for an empty one, and stop at 26 channels. The samples themselves
//! are decoded by symphonia's codecs, straight from the file's bytes.

use ser_core::{Error, ErrorKind, Result};
use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known::CODEC_ID_PCM_S16LE;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoderOptions};
use symphonia::core::packet::PacketBuilder;
use symphonia::core::units::{Duration, Timestamp};

use crate::Limits;
use crate::mix::Mixer;
use crate::refusal::{Format, check_format, cut_short, decoder_error, max_frames, too_long};

/// Frames decoded at a time, so that the decoder's buffer stays in the processor's cache.
const PACKET_FRAMES: u64 = 4096;

/// Sample data as its header describes it.
pub(super) struct SampleData<'a> {
    pub(super) codec: AudioCodecId,
    pub(super) sample_rate: u32,
    pub(super) channels: u16,
    pub(super) block: Block,
    /// The bytes that are present, at most as many as the header declares.
    pub(super) bytes: &'a [u8],
    /// How many frames the header declares; `None` for a stream of unknown length.
    pub(super) promised: Option<u64>,
}

/// The smallest piece that can be decoded by itself: one frame (a sample for each channel) except for ADPCM.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) bytes: usize,
    pub(super) frames: u64,
}

impl Block {
    /// One frame of `channels` samples that are `width` bytes wide.
    pub(super) fn frame(channels: u16, width: u16) -> Self {
        Self { bytes: usize::from(channels) * usize::from(width), frames: 1 }
    }

    /// How many frames `bytes` bytes hold, counting only complete blocks.
    pub(super) fn frames_in(self, bytes: u64) -> u64 {
        (bytes / self.bytes.max(1) as u64).saturating_mul(self.frames)
    }
}

/// Decodes and mixes down `data`, appending to `mono`.
pub(super) fn decode(
    data: &SampleData<'_>,
    limits: &Limits,
    mixer: &mut Mixer,
    mono: &mut Vec<f32>,
) -> Result<Format> {
    check_format(data.sample_rate, usize::from(data.channels))?;
    if data.block.bytes == 0 || data.block.frames == 0 {
        return Err(Error::new(ErrorKind::Damaged, "describes samples of zero size"));
    }
    let present = data.block.frames_in(data.bytes.len() as u64);
    let frames = data.promised.unwrap_or(present);
    if frames > present {
        return Err(cut_short(frames, present, data.sample_rate));
    }
    if frames > max_frames(limits, data.sample_rate) {
        return Err(too_long(Some(frames), limits, data.sample_rate));
    }

    let wanted = usize::try_from(frames).unwrap_or(usize::MAX);
    if (data.codec, data.channels) == (CODEC_ID_PCM_S16LE, 1) {
        // What nearly every corpus holds; the decoder and the mix-down, which give the same, take ten times as long.
        let samples = data.bytes.as_chunks().0.iter().take(wanted);
        mono.extend(samples.map(|&bytes| f32::from(i16::from_le_bytes(bytes)) / 32_768.0));
        return Ok(Format { codec: "pcm_s16le", sample_rate: data.sample_rate, channels: 1 });
    }
    decode_blocks(data, wanted, mixer, mono)
}

/// Decodes as many frames as are `wanted`, packets of blocks at a time.
fn decode_blocks(
    data: &SampleData<'_>,
    wanted: usize,
    mixer: &mut Mixer,
    mono: &mut Vec<f32>,
) -> Result<Format> {
    let blocks_per_packet = (PACKET_FRAMES / data.block.frames).max(1);
    let frames_per_packet = blocks_per_packet.saturating_mul(data.block.frames);
    let mut parameters = AudioCodecParameters::new();
    parameters
        .for_codec(data.codec)
        .with_sample_rate(data.sample_rate)
        .with_channels(Channels::Discrete(data.channels))
        .with_frames_per_block(data.block.frames)
        .with_max_frames_per_packet(frames_per_packet);
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(&parameters, &AudioDecoderOptions::default())
        .map_err(|error| decoder_error(error, 0, data.sample_rate))?;

    mono.reserve(wanted);
    let packet_bytes = data.block.bytes.saturating_mul(usize::try_from(blocks_per_packet).unwrap_or(1));
    for bytes in data.bytes.chunks(packet_bytes) {
        if mono.len() >= wanted {
            break;
        }
        let packet = PacketBuilder::new()
            .track_id(0)
            .pts(Timestamp::new(0))
            .dur(Duration::new(data.block.frames_in(bytes.len() as u64)))
            .data_by_ref(bytes)
            .build_packet_ref();
        let done = mono.len();
        let decoded =
            decoder.decode_ref(&packet).map_err(|error| decoder_error(error, done, data.sample_rate))?;
        mixer.mix_down(&decoded, mono);
    }
    mono.truncate(wanted);
    if mono.len() < wanted {
        return Err(cut_short(wanted as u64, mono.len() as u64, data.sample_rate));
    }
    let codec = decoder.codec_info().short_name;
    Ok(Format { codec, sample_rate: data.sample_rate, channels: data.channels })
}

/// The `N` bytes at offset `at`, if they are there.
pub(super) fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
