//! Opus packets to samples at 48 kHz, by ropus, a port of the reference's fixed-point decoder, behind symphonia's trait.
//!
//! The identification header is RFC 7845's (section 5.1), in Ogg as in Matroska and WebM; in MP4 it is much the same.

use ser_core::{Error, ErrorKind, Result};
use symphonia::core::audio::{
    AsGenericAudioBufferRef, AudioBuffer, AudioMut, AudioSpec, GenericAudioBufferRef, layouts,
};
use symphonia::core::codecs::CodecInfo;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, FinalizeResult};
use symphonia::core::errors::{Error as SymphoniaError, Result as SymphoniaResult};
use symphonia::core::packet::PacketRef;

use crate::pcm::take;
use crate::refusal::COPY_AGAIN;

/// What Opus is always decoded to, Hz.
const RATE: u32 = 48_000;

/// The longest packet: 120 ms (RFC 6716, section 3.2.5).
const MOST_FRAMES: usize = 5_760;

/// What the identification header says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct OpusHead {
    pub(super) channels: u8,
    /// Samples before the recording begins, at 48 kHz.
    pub(super) pre_skip: u16,
    /// What samples are to be multiplied by.
    gain: f32,
}

impl OpusHead {
    /// # Errors
    /// `Damaged` where it is none; `Unsupported` for more than two channels.
    pub(super) fn parse(header: &[u8]) -> Result<Self> {
        let fields = || {
            let [version, channels] = take(header, 8)?;
            let (pre_skip, gain) = (take(header, 10)?, take(header, 16)?);
            // MP4's header has version 0 and the other byte order.
            let (pre_skip, gain) = match version {
                0 => (u16::from_be_bytes(pre_skip), i16::from_be_bytes(gain)),
                _ => (u16::from_le_bytes(pre_skip), i16::from_le_bytes(gain)),
            };
            (header.starts_with(b"OpusHead") && version < 16 && channels > 0)
                .then_some((channels, pre_skip, gain))
        };
        let Some((channels, pre_skip, gain)) = fields() else {
            return Err(Error::new(ErrorKind::Damaged, "has an invalid Opus header").help(COPY_AGAIN));
        };
        if channels > 2 {
            let what = format!("is Opus with {channels} channels; 1 and 2 are handled");
            return Err(
                Error::new(ErrorKind::Unsupported, what).help("mix it down, or convert it to WAV or FLAC")
            );
        }
        // In 1/256 dB.
        let gain = if gain == 0 { 1.0 } else { 10f64.powf(f64::from(gain) / (20.0 * 256.0)) as f32 };
        Ok(Self { channels, pre_skip, gain })
    }
}

/// A decoder of Opus packets.
pub(super) struct OpusDecoder {
    parameters: AudioCodecParameters,
    head: OpusHead,
    decoder: ropus::Decoder,
    samples: Vec<f32>,
    decoded: AudioBuffer<f32>,
}

static INFO: CodecInfo = CodecInfo { short_name: "opus", long_name: "Opus", profiles: &[] };

impl OpusDecoder {
    /// # Errors
    /// Those of [`OpusHead::parse`].
    pub(super) fn new(parameters: &AudioCodecParameters, head: OpusHead) -> Result<Self> {
        let stereo = head.channels == 2;
        let decoder = ropus::Decoder::new(RATE, channels_of(head))
            .map_err(|error| Error::new(ErrorKind::Unsupported, format!("cannot be decoded ({error:?})")))?;
        let layout = if stereo { layouts::CHANNEL_LAYOUT_STEREO } else { layouts::CHANNEL_LAYOUT_MONO };
        Ok(Self {
            parameters: parameters.clone(),
            head,
            decoder,
            samples: vec![0.0; MOST_FRAMES * usize::from(head.channels)],
            decoded: AudioBuffer::new(AudioSpec::new(RATE, layout), MOST_FRAMES),
        })
    }
}

fn channels_of(head: OpusHead) -> ropus::Channels {
    if head.channels == 2 { ropus::Channels::Stereo } else { ropus::Channels::Mono }
}

impl AudioDecoder for OpusDecoder {
    fn reset(&mut self) {
        // Nothing that decoded before is heard afterwards; a recording is decoded in one go.
        if let Ok(fresh) = ropus::Decoder::new(RATE, channels_of(self.head)) {
            self.decoder = fresh;
        }
    }

    fn codec_info(&self) -> &CodecInfo {
        &INFO
    }

    fn codec_params(&self) -> &AudioCodecParameters {
        &self.parameters
    }

    fn decode_ref(&mut self, packet: &PacketRef<'_>) -> SymphoniaResult<GenericAudioBufferRef<'_>> {
        self.decoded.clear();
        // Without data it would make up what was lost.
        if packet.data.is_empty() {
            return Err(SymphoniaError::DecodeError("opus: an empty packet"));
        }
        let frames = self
            .decoder
            .decode_float(packet.data, &mut self.samples, ropus::DecodeMode::Normal)
            .map_err(|_| SymphoniaError::DecodeError("opus: an invalid packet"))?;
        let frames = frames.min(MOST_FRAMES);
        let samples = self.samples.get_mut(..frames * usize::from(self.head.channels)).unwrap_or_default();
        samples.iter_mut().for_each(|sample| *sample *= self.head.gain);
        self.decoded.render_uninit(Some(frames));
        self.decoded.copy_from_slice_interleaved(&samples);
        let trim = |duration: u64| usize::try_from(duration).unwrap_or(usize::MAX);
        self.decoded.trim(trim(packet.trim_start.get()), trim(packet.trim_end.get()));
        Ok(self.decoded.as_generic_audio_buffer_ref())
    }

    fn finalize(&mut self) -> FinalizeResult {
        FinalizeResult::default()
    }

    fn last_decoded(&self) -> GenericAudioBufferRef<'_> {
        self.decoded.as_generic_audio_buffer_ref()
    }
}
