//! RIFF WAVE, read and written: where the samples are and what they are.
//!
//! Chunks: Microsoft, "Multiple Channel Audio Data and WAVE Files"; RF64 and BW64: ITU-R BS.2088.
//!
//! The size of the outer RIFF chunk is not relied on, since many programs write it wrong. Chunks that follow the data
//! are ignored. A file written to a pipe, whose data size was never filled in (0, or a placeholder just
//! under 2 or 4 GiB), reaches to the end of the file.

use ser_core::{Error, ErrorKind, Result};
use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_ADPCM_IMA_WAV, CODEC_ID_ADPCM_MS, CODEC_ID_PCM_ALAW, CODEC_ID_PCM_F32LE, CODEC_ID_PCM_F64LE,
    CODEC_ID_PCM_MULAW, CODEC_ID_PCM_S16LE, CODEC_ID_PCM_S24LE, CODEC_ID_PCM_S32LE, CODEC_ID_PCM_U8,
};

use crate::pcm::{Block, SampleData, take};
use crate::refusal::COPY_AGAIN;

/// Sizes from here on stand for "unknown": 0xFFFFFFFF (ffmpeg, FLAC), 0x7FFFFFFF and slightly less (SoX),
/// 0x80000000 (ALSA).
const PLACEHOLDER: u32 = 0x7fff_f000;

/// Finds the samples of a WAV file.
pub(super) fn parse(bytes: &[u8]) -> Result<SampleData<'_>> {
    let mut format = None;
    let mut facts = Facts::default();
    let mut at = 12;
    loop {
        let (Some(id), Some(size)) = (take::<4>(bytes, at), take(bytes, at.saturating_add(4))) else {
            return Err(Error::new(
                ErrorKind::Damaged,
                "ends before its samples begin (it has no data chunk)",
            )
            .help(COPY_AGAIN));
        };
        let size = u32::from_le_bytes(size);
        let body = at.saturating_add(8);
        let end = body.saturating_add(size as usize);
        let content = || {
            let problem =
                || Error::new(ErrorKind::Damaged, "is cut short inside its header").help(COPY_AGAIN);
            bytes.get(body..end).ok_or_else(problem)
        };
        match &id {
            b"fmt " if format.is_none() => format = Some(FormatChunk::parse(content()?)?),
            b"fact" => facts.frames = take(content()?, 0).map(u32::from_le_bytes),
            b"ds64" => facts.data_size = take(content()?, 8).map(u64::from_le_bytes),
            b"data" => {
                let format = format
                    .ok_or_else(|| Error::new(ErrorKind::Damaged, "has its samples before their format"))?;
                refuse_more_data(bytes, end, size)?;
                refuse_unsaid_data(bytes, end)?;
                return samples(bytes, body, size, &format, &facts);
            }
            _ => {}
        }
        at = next_chunk(bytes, end, size);
    }
}

/// Refuses a file whose chunks go on to a second one with samples, which nothing says how to join.
fn refuse_more_data(bytes: &[u8], mut end: usize, mut size: u32) -> Result<()> {
    // What follows need not be chunks at all; a chain of them ends at the first that does not fit the file.
    for _ in 0..MOST_CHUNKS {
        let at = next_chunk(bytes, end, size);
        let (Some(id), Some(next)) = (take::<4>(bytes, at), take(bytes, at.saturating_add(4))) else { break };
        size = u32::from_le_bytes(next);
        end = at.saturating_add(8).saturating_add(size as usize);
        if end > bytes.len() || end <= at {
            break;
        }
        if id == *b"RIFF" || id == *b"RF64" {
            let what = "is several WAV files, one after another";
            return Err(Error::new(ErrorKind::Unsupported, what).help("split it into separate files"));
        }
        if id == *b"data" && size > 0 {
            let what = "has its samples in two data chunks, as if joined from several files";
            return Err(Error::new(ErrorKind::Unsupported, what).help("export it again as one recording"));
        }
    }
    Ok(())
}

/// Refuses a file that goes on behind its samples, as its RIFF chunk says as well, with what is no chunk: these are samples, and
/// how many there are is said wrongly.
fn refuse_unsaid_data(bytes: &[u8], end: usize) -> Result<()> {
    let riff_end = take(bytes, 4).map_or(0, u32::from_le_bytes).saturating_add(8) as usize;
    if riff_end > bytes.len() {
        return Ok(());
    }
    let rest = bytes.get(end..riff_end).unwrap_or_default();
    // A chunk may begin at an odd place, and others fill up with zeros.
    let is_chunk = |at: usize| {
        let (Some(id), Some(size)) = (take::<4>(rest, at), take(rest, at + 4)) else { return true };
        // The last may lack the byte that makes its size even.
        let fits = (rest.len() - at) as u64 + 1 >= u64::from(u32::from_le_bytes(size)) + 8;
        fits && id.iter().all(|byte| (b' '..=b'~').contains(byte))
    };
    if is_chunk(0) || is_chunk(1) || rest.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    let what = format!(
        "says that its samples end {} bytes before its end, but no other chunk begins there: its header is wrong",
        rest.len()
    );
    Err(Error::new(ErrorKind::Damaged, what).help("export it again from its source"))
}

/// Files have a handful of chunks.
const MOST_CHUNKS: usize = 256;

/// Chunks are padded to even sizes, which some programs forget.
fn next_chunk(bytes: &[u8], end: usize, size: u32) -> usize {
    let unpadded =
        matches!(take::<4>(bytes, end), Some(id) if [*b"fmt ", *b"data", *b"fact", *b"LIST"].contains(&id));
    if size % 2 == 1 && !unpadded { end.saturating_add(1) } else { end }
}

/// What other chunks say about the data.
#[derive(Default)]
struct Facts {
    /// Frames by the `fact` chunk; tells how much of the last ADPCM block is real.
    frames: Option<u32>,
    /// Size of the data in bytes by the `ds64` chunk of RF64.
    data_size: Option<u64>,
}

fn samples<'a>(
    bytes: &'a [u8],
    start: usize,
    size: u32,
    format: &FormatChunk,
    facts: &Facts,
) -> Result<SampleData<'a>> {
    let rest = bytes.get(start..).unwrap_or_default();
    let riff_size = take(bytes, 4).map_or(0, u32::from_le_bytes);
    // A complete header has the file's true size; an empty data chunk in it is really empty.
    let unfinished = u64::from(riff_size) + 8 != bytes.len() as u64;
    let size = match (size, facts.data_size) {
        (u32::MAX, Some(size)) => Some(size),
        (0, _) if unfinished => None,
        (PLACEHOLDER.., _) => None,
        (size, _) => Some(u64::from(size)),
    };
    let (codec, block) = format.codec()?;
    let present = size.map_or(rest.len(), |size| usize::try_from(size).unwrap_or(usize::MAX).min(rest.len()));
    if size.is_none() && !present.is_multiple_of(block.bytes.max(1)) {
        return Err(Error::new(ErrorKind::Damaged, "ends in the middle of a sample, so it is cut short")
            .help(COPY_AGAIN));
    }
    let mut promised = size.map(|size| block.frames_in(size));
    if let (Some(frames), true) = (facts.frames.map(u64::from), block.frames > 1) {
        let blocks = block.frames_in(present as u64);
        // The last block is padded; `fact` has the true count. It may also reveal a missing block.
        if size.is_some() && frames.saturating_add(block.frames) > blocks {
            promised = Some(frames);
        }
    }
    Ok(SampleData {
        codec,
        sample_rate: format.sample_rate,
        channels: format.channels,
        block,
        bytes: rest.get(..present).unwrap_or_default(),
        promised,
    })
}

struct FormatChunk {
    tag: u16,
    channels: u16,
    sample_rate: u32,
    /// Bytes a second.
    byte_rate: u32,
    block_align: u16,
    bits: u16,
}

const TAG_PCM: u16 = 1;
const TAG_ADPCM_MS: u16 = 2;
const TAG_FLOAT: u16 = 3;
const TAG_ALAW: u16 = 6;
const TAG_MULAW: u16 = 7;
const TAG_ADPCM_IMA: u16 = 0x11;
const TAG_EXTENSIBLE: u16 = 0xfffe;

/// The last 14 bytes of the GUIDs that carry a format tag in their first two: KSDATAFORMAT_SUBTYPE_WAVEFORMATEX
/// and Ambisonic B-format.
const TAGGED_GUIDS: [[u8; 14]; 2] = [
    [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71],
    [0, 0, 0x21, 7, 0xd3, 0x11, 0x86, 0x44, 0xc8, 0xc1, 0xca, 0, 0, 0],
];

impl FormatChunk {
    fn parse(chunk: &[u8]) -> Result<Self> {
        let u16_at = |at| take(chunk, at).map(u16::from_le_bytes);
        let fields = || {
            let u32_at = |at| take(chunk, at).map(u32::from_le_bytes);
            Some((u16_at(0)?, u16_at(2)?, u32_at(4)?, u32_at(8)?, u16_at(12)?, u16_at(14)?))
        };
        let (mut tag, channels, sample_rate, byte_rate, block_align, bits) = fields().ok_or_else(|| {
            Error::new(
                ErrorKind::Damaged,
                format!("has a fmt chunk of {} bytes, too small to be one", chunk.len()),
            )
        })?;
        if tag == TAG_EXTENSIBLE {
            match (u16_at(24), take::<14>(chunk, 26)) {
                (Some(inner), Some(rest)) if TAGGED_GUIDS.contains(&rest) => tag = inner,
                _ => {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        "is a WAV of an unknown extensible format",
                    )
                    .help("convert it to 16-bit PCM WAV"));
                }
            }
        }
        Ok(Self { tag, channels, sample_rate, byte_rate, block_align, bits })
    }

    fn codec(&self) -> Result<(AudioCodecId, Block)> {
        let width = self.sample_width();
        let frame = Block::frame(self.channels, width);
        let coded = match (self.tag, width) {
            (TAG_PCM, 1) => (CODEC_ID_PCM_U8, frame),
            (TAG_PCM, 2) => (CODEC_ID_PCM_S16LE, frame),
            (TAG_PCM, 3) => (CODEC_ID_PCM_S24LE, frame),
            (TAG_PCM, 4) => (CODEC_ID_PCM_S32LE, frame),
            (TAG_FLOAT, 4) => (CODEC_ID_PCM_F32LE, frame),
            (TAG_FLOAT, 8) => (CODEC_ID_PCM_F64LE, frame),
            (TAG_ALAW, 1) => (CODEC_ID_PCM_ALAW, frame),
            (TAG_MULAW, 1) => (CODEC_ID_PCM_MULAW, frame),
            (TAG_ADPCM_MS, _) => (CODEC_ID_ADPCM_MS, self.adpcm_block(7, 2)?),
            (TAG_ADPCM_IMA, _) => (CODEC_ID_ADPCM_IMA_WAV, self.adpcm_block(4, 1)?),
            _ => return Err(self.unsupported()),
        };
        Ok(coded)
    }

    /// Bytes of one sample. Samples narrower than their room are left-justified, so the room is what counts; a
    /// block size that contradicts the rest is ignored, also where the bytes a second are as many as without that room.
    fn sample_width(&self) -> u16 {
        let by_bits = self.bits.div_ceil(8);
        match self.block_align.checked_div(self.channels) {
            Some(room)
                if room > by_bits
                    && room <= 8
                    && self.block_align.is_multiple_of(self.channels)
                    && !self.has_rate_of(by_bits) =>
            {
                room
            }
            _ => by_bits,
        }
    }

    /// Whether its bytes a second are those of samples of `width` bytes.
    fn has_rate_of(&self, width: u16) -> bool {
        let frame = u64::from(self.channels) * u64::from(width);
        u64::from(self.byte_rate) == u64::from(self.sample_rate) * frame
    }

    /// A block has a header of some bytes for each channel, which holds the first frames; 4 bits each follow.
    fn adpcm_block(&self, header_bytes: u16, header_frames: u64) -> Result<Block> {
        let channels = self.channels;
        if self.bits != 4 || !(1..=2).contains(&channels) || self.block_align < header_bytes * channels {
            return Err(Error::new(ErrorKind::Damaged, "describes invalid ADPCM blocks"));
        }
        let nibbles = u64::from(self.block_align - header_bytes * channels) * 2;
        let frames = nibbles / u64::from(channels) + header_frames;
        Ok(Block { bytes: usize::from(self.block_align), frames })
    }

    fn unsupported(&self) -> Error {
        let inside = match self.tag {
            TAG_PCM => format!("{}-bit PCM", self.bits),
            TAG_FLOAT => format!("{}-bit float", self.bits),
            0x31 => "GSM 6.10".into(),
            0x50 | 0x55 => "MPEG audio".into(),
            0x160..=0x163 => "Windows Media audio".into(),
            tag => format!("format 0x{tag:04x}"),
        };
        Error::new(ErrorKind::Unsupported, format!("is a WAV with {inside} inside"))
            .help("convert it to 16-bit PCM WAV")
    }
}

/// A 16-bit WAV file of samples within −1 to 1; what lies beyond is cut off.
pub fn pcm16_wav(samples: &[f32], sample_rate: u32) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| pcm16(*sample).to_le_bytes()).collect();
    riff(1, 16, sample_rate, &data)
}

/// A 32-bit float WAV file.
pub fn float_wav(samples: &[f32], sample_rate: u32) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    riff(3, 32, sample_rate, &data)
}

/// A sample within −1 to 1 as 16 bits.
pub fn pcm16(sample: f32) -> i16 {
    (sample * 32_767.0).round() as i16
}

/// A RIFF header of 44 bytes, then `data`.
fn riff(format: u16, bits: u16, sample_rate: u32, data: &[u8]) -> Vec<u8> {
    let frame = bits / 8;
    let mut file = Vec::with_capacity(44 + data.len());
    file.extend(b"RIFF");
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend(format.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(sample_rate.to_le_bytes());
    file.extend((sample_rate * u32::from(frame)).to_le_bytes());
    file.extend(frame.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}
