//! AIFF and AIFF-C: where the samples are and what they are.
//!
//! Apple, "Audio Interchange File Format, version 1.3", and its AIFF-C draft. As for WAV, the size of the outer
//! FORM chunk is not relied on, and a file written to a pipe reaches to the end of the file.

use ser_core::{Error, ErrorKind, Result};
use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_ADPCM_IMA_QT, CODEC_ID_PCM_ALAW, CODEC_ID_PCM_F32BE, CODEC_ID_PCM_F64BE, CODEC_ID_PCM_MULAW,
    CODEC_ID_PCM_S8, CODEC_ID_PCM_S16BE, CODEC_ID_PCM_S16LE, CODEC_ID_PCM_S24BE, CODEC_ID_PCM_S24LE,
    CODEC_ID_PCM_S32BE, CODEC_ID_PCM_S32LE, CODEC_ID_PCM_U8,
};

use crate::pcm::{Block, SampleData, take};
use crate::refusal::COPY_AGAIN;

/// Sizes from here on stand for "unknown", as SoX writes them to a pipe.
const PLACEHOLDER: u32 = 0x7f00_0000;

/// Refuses audio after the samples, which nobody would hear. Anything that is not a chunk ends the search.
fn refuse_more_audio(bytes: &[u8], mut at: usize) -> Result<()> {
    while let (Some(id), Some(size)) = (take::<4>(bytes, at), take(bytes, at.saturating_add(4))) {
        let what = match &id {
            b"SSND" => "has a second sound chunk, so part of it would not be heard",
            b"FORM" => "is several AIFF files, one after another",
            id if id.iter().all(|byte| matches!(byte, b' '..=b'~')) => {
                let size = u32::from_be_bytes(size) as usize;
                at = at.saturating_add(8).saturating_add(size).saturating_add(size % 2);
                continue;
            }
            _ => break,
        };
        return Err(Error::new(ErrorKind::Unsupported, what).help("split it into separate files"));
    }
    Ok(())
}

/// Finds the samples of an AIFF file.
pub(super) fn parse(bytes: &[u8]) -> Result<SampleData<'_>> {
    let compressed = take(bytes, 8) == Some(*b"AIFC");
    let mut common = None;
    let mut sound = None;
    let mut at = 12;
    // The two chunks may come in either order.
    while common.is_none() || sound.is_none() {
        let (Some(id), Some(size)) = (take::<4>(bytes, at), take(bytes, at.saturating_add(4))) else {
            break;
        };
        let size = u32::from_be_bytes(size);
        let body = at.saturating_add(8);
        let end = body.saturating_add(size as usize);
        match &id {
            b"COMM" => {
                let chunk = bytes.get(body..end).ok_or_else(cut_header)?;
                common = Some(Common::parse(chunk, compressed)?);
            }
            b"SSND" => {
                let offset = take(bytes, body).map(u32::from_be_bytes).ok_or_else(cut_header)?;
                let start = body.saturating_add(8).saturating_add(offset as usize);
                sound = Some((start, size, end));
            }
            _ => {}
        }
        at = end.saturating_add(size as usize % 2);
    }
    refuse_more_audio(bytes, at)?;
    match (common, sound) {
        (Some(common), Some((start, size, end))) => samples(bytes, &common, start, size, end),
        // Without a sound chunk there may be no samples, if the description says so.
        (Some(common), None) if common.frames == 0 => samples(bytes, &common, bytes.len(), 8, bytes.len()),
        (_, None) => {
            Err(Error::new(ErrorKind::Damaged, "ends before its samples begin (it has no SSND chunk)")
                .help(COPY_AGAIN))
        }
        (None, Some(_)) => {
            Err(Error::new(ErrorKind::Damaged, "does not describe its samples (it has no COMM chunk)")
                .help(COPY_AGAIN))
        }
    }
}

fn cut_header() -> Error {
    Error::new(ErrorKind::Damaged, "is cut short inside its header").help(COPY_AGAIN)
}

fn samples<'a>(
    bytes: &'a [u8],
    common: &Common,
    start: usize,
    size: u32,
    end: usize,
) -> Result<SampleData<'a>> {
    let form_size = take(bytes, 4).map_or(0, u32::from_be_bytes);
    let unfinished = u64::from(form_size) + 8 != bytes.len() as u64;
    let streamed = size >= PLACEHOLDER || (size <= 8 && common.frames == 0 && unfinished);
    let (codec, block) = common.codec()?;
    let end = if streamed { bytes.len() } else { end.min(bytes.len()) };
    let sound = bytes.get(start..end).unwrap_or_default();
    if streamed && !sound.len().is_multiple_of(block.bytes.max(1)) {
        return Err(Error::new(ErrorKind::Damaged, "ends in the middle of a sample, so it is cut short")
            .help(COPY_AGAIN));
    }
    Ok(SampleData {
        codec,
        sample_rate: common.sample_rate,
        channels: common.channels,
        block,
        bytes: sound,
        // ADPCM counts its blocks.
        promised: (!streamed).then(|| u64::from(common.frames).saturating_mul(block.frames)),
    })
}

struct Common {
    channels: u16,
    frames: u32,
    bits: u16,
    sample_rate: u32,
    compression: [u8; 4],
}

impl Common {
    fn parse(chunk: &[u8], compressed: bool) -> Result<Self> {
        let fields = || {
            let compression = if compressed { take(chunk, 18)? } else { *b"NONE" };
            Some(Self {
                channels: take(chunk, 0).map(u16::from_be_bytes)?,
                frames: take(chunk, 2).map(u32::from_be_bytes)?,
                bits: take(chunk, 6).map(u16::from_be_bytes)?,
                sample_rate: take(chunk, 8).map(rate_from_extended)?,
                compression,
            })
        };
        fields().ok_or_else(|| {
            let size = chunk.len();
            Error::new(ErrorKind::Damaged, format!("has a COMM chunk of {size} bytes, too small to be one"))
        })
    }

    fn codec(&self) -> Result<(AudioCodecId, Block)> {
        let width = self.bits.div_ceil(8);
        let (codec, width) = match (&self.compression.to_ascii_lowercase()[..], width) {
            (b"none" | b"twos" | b"sowt", 1) => (CODEC_ID_PCM_S8, 1),
            (b"none" | b"twos", 2) => (CODEC_ID_PCM_S16BE, 2),
            (b"none" | b"twos" | b"in24", 3) => (CODEC_ID_PCM_S24BE, 3),
            (b"none" | b"twos" | b"in32", 4) => (CODEC_ID_PCM_S32BE, 4),
            (b"sowt", 2) => (CODEC_ID_PCM_S16LE, 2),
            (b"sowt" | b"42ni", 3) => (CODEC_ID_PCM_S24LE, 3),
            (b"sowt" | b"23ni", 4) => (CODEC_ID_PCM_S32LE, 4),
            (b"raw ", 1) => (CODEC_ID_PCM_U8, 1),
            (b"fl32", _) => (CODEC_ID_PCM_F32BE, 4),
            (b"fl64", _) => (CODEC_ID_PCM_F64BE, 8),
            (b"alaw", _) => (CODEC_ID_PCM_ALAW, 1),
            (b"ulaw", _) => (CODEC_ID_PCM_MULAW, 1),
            (b"ima4", _) => {
                let bytes = usize::from(self.channels) * 34;
                return Ok((CODEC_ID_ADPCM_IMA_QT, Block { bytes, frames: 64 }));
            }
            _ => {
                let name = String::from_utf8_lossy(&self.compression).into_owned();
                let what = format!("is an AIFF with {}-bit {name:?} inside", self.bits);
                return Err(Error::new(ErrorKind::Unsupported, what).help("convert it to 16-bit PCM WAV"));
            }
        };
        Ok((codec, Block::frame(self.channels, width)))
    }
}

/// A sample rate from an 80-bit IEEE 754 extended number, rounded to whole Hz; 0 where it is none.
fn rate_from_extended(bytes: [u8; 10]) -> u32 {
    let [sign_exponent @ .., m0, m1, m2, m3, m4, m5, m6, m7] = bytes;
    let exponent = u16::from_be_bytes(sign_exponent);
    let mantissa = u64::from_be_bytes([m0, m1, m2, m3, m4, m5, m6, m7]);
    // Bias 16383 and 63 binary places; a negative or an infinite number has an exponent outside of 0..=63 + bias.
    let shift = i32::from(exponent) - (16_383 + 63);
    if !(-63..=0).contains(&shift) {
        return 0;
    }
    let rate = (mantissa as f64 * f64::from(shift).exp2()).round();
    if rate <= f64::from(u32::MAX) { rate as u32 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_numbers_are_read_as_rates() {
        let rate = |exponent: u16, mantissa: u64| {
            let mut bytes = [0; 10];
            bytes[..2].copy_from_slice(&exponent.to_be_bytes());
            bytes[2..].copy_from_slice(&mantissa.to_be_bytes());
            rate_from_extended(bytes)
        };
        assert_eq!(rate(0x400e, 0xac44_0000_0000_0000), 44_100);
        assert_eq!(rate(0x400d, 0xbebc_0000_0000_0000), 24_414);
        assert_eq!(rate(0x400f, 0xbb80_0000_0000_0000), 96_000);
        assert_eq!(rate(0x400d, 0xaddd_1745_d174_5800), 22_255, "the first Macintosh's 22,254.5 Hz");
        assert_eq!(rate(0xc00e, 0xac44_0000_0000_0000), 0, "negative");
        assert_eq!(rate(0x7fff, 0), 0, "infinite");
        assert_eq!(rate(0, 0), 0);
    }
}
