//! Bare frame streams, MP3 and AAC in ADTS: whether every frame is there, from the first to the last byte.
//!
//! Such streams have no table of contents. A decoder that loses its place silently searches for the next frame
//! so the chain of frames is followed here first. Frame headers: ISO/IEC 11172-3, 13818-3 and the
//! usual MPEG 2.5 extension; ADTS: ISO/IEC 13818-7.

use ser_core::{Error, ErrorKind, Result};

use crate::pcm::take;
use crate::refusal::COPY_AGAIN;

/// A stream whose frames follow each other without a gap.
pub(super) struct FrameStream<'a> {
    /// The frames alone, without tags before and after.
    pub(super) bytes: &'a [u8],
    /// How many there are. An MP3 may use the first one for a table (Xing, Info, VBRI).
    pub(super) frames: u64,
    /// Samples of each channel in a frame.
    pub(super) frame_length: u64,
}

/// Follows the frames of an MP3 file.
pub(super) fn mp3_frames(bytes: &[u8]) -> Result<FrameStream<'_>> {
    follow(bytes, mp3_header)
}

/// Follows the frames of an ADTS file.
pub(super) fn adts_frames(bytes: &[u8]) -> Result<FrameStream<'_>> {
    follow(bytes, adts_header)
}

/// Whether `bytes`, which follow any tag, begin with one MP3 frame and the header of another, or the end.
pub(super) fn starts_as_mp3(bytes: &[u8]) -> bool {
    starts_with_frame(bytes.get(leading_zeros(bytes)..).unwrap_or_default(), mp3_header)
}

/// Whether `bytes`, which follow any tag, begin with one ADTS frame and the header of another, or the end.
pub(super) fn starts_as_adts(bytes: &[u8]) -> bool {
    starts_with_frame(bytes, adts_header)
}

/// What the header of a frame says.
#[derive(Clone, Copy)]
struct Header {
    /// Size of the whole frame in bytes.
    size: usize,
    /// Samples of each channel.
    length: u64,
    sample_rate: u32,
}

type ReadHeader = fn(&[u8]) -> Option<Header>;

fn follow(bytes: &[u8], read_header: ReadHeader) -> Result<FrameStream<'_>> {
    let mut start = 0;
    loop {
        let rest = bytes.get(start..).unwrap_or_default();
        match after_id3v2(rest) {
            0 => break start += leading_zeros(rest),
            tag => start += tag,
        }
    }
    let end = without_trailing_tags(bytes);
    let bytes = bytes.get(start..end).unwrap_or_default();
    let mut first: Option<Header> = None;
    let mut at = 0;
    let mut frames = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.iter().all(|&byte| byte == 0) {
            break;
        }
        let Some(header) = read_header(rest) else {
            if rest.len() < 10 {
                return Err(incomplete(frames, first));
            }
            let what = format!("is corrupt {}: what follows is not an audio frame", place(frames, first));
            return Err(Error::new(ErrorKind::Damaged, what).help(COPY_AGAIN));
        };
        if rest.len() < header.size {
            return Err(incomplete(frames, first));
        }
        let first = first.get_or_insert(header);
        if first.sample_rate != header.sample_rate || first.length != header.length {
            let what = format!("changes its sample rate {}", place(frames, Some(*first)));
            return Err(Error::new(ErrorKind::Unsupported, what).help("split it where the format changes"));
        }
        at += header.size;
        frames += 1;
    }
    let frame_length = first.map_or(0, |first| first.length);
    Ok(FrameStream { bytes: bytes.get(..at).unwrap_or_default(), frames, frame_length })
}

fn place(frames: u64, first: Option<Header>) -> String {
    let seconds =
        first.map_or(0.0, |first| (frames * first.length) as f64 / f64::from(first.sample_rate.max(1)));
    format!("after {seconds:.3} s")
}

fn incomplete(frames: u64, first: Option<Header>) -> Error {
    let what = format!("is cut short: its last frame, {}, is incomplete", place(frames, first));
    Error::new(ErrorKind::Damaged, what).help(COPY_AGAIN)
}

fn starts_with_frame(bytes: &[u8], read_header: ReadHeader) -> bool {
    let Some(first) = read_header(bytes) else { return false };
    match bytes.get(first.size..) {
        Some(rest) if rest.len() >= 10 && !rest.starts_with(b"TAG") && !rest.starts_with(b"APETAGEX") => {
            rest.starts_with(&[0; 10])
                || read_header(rest).is_some_and(|second| second.sample_rate == first.sample_rate)
        }
        _ => true,
    }
}

fn leading_zeros(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|&&byte| byte == 0).count()
}

/// Where an ID3v1 tag and an APE tag, in either order, begin at the end of the file.
pub(super) fn without_trailing_tags(bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    for _ in 0..2 {
        let rest = bytes.get(..end).unwrap_or_default();
        if let Some(start) = end.checked_sub(128)
            && rest.get(start..).is_some_and(|tag| tag.starts_with(b"TAG"))
        {
            end = start;
        } else if let Some(footer) = end.checked_sub(32)
            && rest.get(footer..).is_some_and(|tag| tag.starts_with(b"APETAGEX"))
        {
            let size = take(rest, footer + 12).map_or(0, u32::from_le_bytes) as usize;
            let has_header = take(rest, footer + 20).map_or(0, u32::from_le_bytes) >> 31 == 1;
            end = end.saturating_sub(size + if has_header { 32 } else { 0 }).min(footer);
        }
    }
    end
}

/// Bit rates in kbit/s by index, for MPEG 1 and for MPEG 2 and 2.5. Index 0 means a rate that is not stated.
const BIT_RATES: [[u32; 15]; 2] = [
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

fn mp3_header(bytes: &[u8]) -> Option<Header> {
    let [sync, version_layer, rates, _] = take::<4>(bytes, 0)?;
    let is_layer_3 = version_layer & 0b0000_0110 == 0b0000_0010;
    if sync != 0xff || version_layer & 0xe0 != 0xe0 || !is_layer_3 {
        return None;
    }
    // Version 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5; each has half the sample rates of the one before.
    let (halvings, table) = match version_layer >> 3 & 3 {
        3 => (0, 0),
        2 => (1, 1),
        0 => (2, 1),
        _ => return None,
    };
    let bit_rate = BIT_RATES.get(table)?.get(usize::from(rates >> 4)).filter(|&&rate| rate > 0)?;
    let sample_rate = [44_100u32, 48_000, 32_000].get(usize::from(rates >> 2 & 3))? >> halvings;
    let length: u32 = if table == 0 { 1152 } else { 576 };
    let padding = u32::from(rates >> 1 & 1);
    let size = length / 8 * bit_rate * 1000 / sample_rate + padding;
    Some(Header { size: size as usize, length: u64::from(length), sample_rate })
}

/// Sample rates in Hz by index: ISO/IEC 14496-3, table 1.18.
const ADTS_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

fn adts_header(bytes: &[u8]) -> Option<Header> {
    let [sync, id_layer, rate, high, middle, low, blocks] = take::<7>(bytes, 0)?;
    if sync != 0xff || id_layer & 0xf6 != 0xf0 {
        return None;
    }
    let sample_rate = *ADTS_RATES.get(usize::from(rate >> 2 & 15))?;
    let size = usize::from(high & 3) << 11 | usize::from(middle) << 3 | usize::from(low >> 5);
    let length = 1024 * (u64::from(blocks & 3) + 1);
    (size >= 7).then_some(Header { size, length, sample_rate })
}

/// Where the audio starts after an ID3v2 tag (0 without one): <https://id3.org/id3v2.4.0-structure>, section 3.1.
pub(super) fn after_id3v2(bytes: &[u8]) -> usize {
    match bytes {
        [b'I', b'D', b'3', _, _, flags, a, b, c, d, ..] => {
            let size = [a, b, c, d].iter().fold(0, |size, &&byte| size << 7 | usize::from(byte & 0x7f));
            let footer = if flags & 0x10 != 0 { 10 } else { 0 };
            10 + size + footer
        }
        _ => 0,
    }
}
