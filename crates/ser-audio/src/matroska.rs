//! Matroska and WebM: whether every element is there, and how long the audio is meant to be.
//!
//! EBML: RFC 8794; elements: RFC 9559. A browser's recorder leaves sizes and the duration open, since it cannot know
//! them; then a recording that ends after a whole element is as complete as anyone can tell.

use std::collections::BTreeMap;

use ser_core::{Error, ErrorKind, Result};

use crate::refusal::COPY_AGAIN;

/// What the file says of its audio.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct MatroskaLength {
    /// Its duration in seconds, if it is stated; with another track beside it, that may be the longer one's.
    pub(super) duration_s: Option<f64>,
    /// How much of the end is padding, nanoseconds.
    pub(super) discard_ns: u64,
    /// Packets of each track, by its number.
    pub(super) packets: BTreeMap<u32, u64>,
    /// How much of the beginning is the codec's delay, nanoseconds, of each track that states one, by its number.
    pub(super) codec_delays_ns: BTreeMap<u32, u64>,
    /// Whether some element has no size, so that the end of the file is that of the recording.
    pub(super) is_open: bool,
}

const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1F43_B675;
const BLOCK_GROUP: u32 = 0xA0;
const DISCARD_PADDING: u32 = 0x75A2;
const INFO: u32 = 0x1549_A966;
const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
const DURATION: u32 = 0x4489;
const TRACKS: u32 = 0x1654_AE6B;
const TRACK_ENTRY: u32 = 0xAE;
const TRACK_NUMBER: u32 = 0xD7;
const TRACK_TYPE: u32 = 0x83;
const CODEC_DELAY: u32 = 0x56AA;
const SIMPLE_BLOCK: u32 = 0xA3;
const BLOCK: u32 = 0xA1;

/// Walks over all elements.
///
/// # Errors
/// `Damaged`, where the file ends inside of one, or one says what cannot be.
pub(super) fn check_elements(bytes: &[u8]) -> Result<MatroskaLength> {
    let mut length = MatroskaLength::default();
    let (mut scale_ns, mut duration) = (1_000_000_u64, None);
    let mut tracks = 0;
    // Of the track whose entry was begun last: its number, and the delay of its codec.
    let (mut number, mut delay_ns) = (None, 0);
    let mut at = 0;
    while let Some(element) = Element::at(bytes, at)? {
        let content = element.content;
        length.is_open |= element.is_open;
        match element.id {
            TIMESTAMP_SCALE => scale_ns = unsigned(content).unwrap_or(scale_ns),
            DURATION => duration = float(content),
            TRACK_ENTRY => (number, delay_ns) = (None, 0),
            TRACK_TYPE => tracks += 1,
            TRACK_NUMBER => number = unsigned(content).and_then(|number| u32::try_from(number).ok()),
            CODEC_DELAY => delay_ns = unsigned(content).unwrap_or(0),
            SIMPLE_BLOCK | BLOCK => {
                let (track, packets) = packets_of_block(content).ok_or_else(cut_short)?;
                let total = length.packets.entry(track).or_default();
                *total = total.saturating_add(packets);
                length.discard_ns = 0;
            }
            // Behind its block, and only behind the last one that of the recording; a negative one means nothing there.
            DISCARD_PADDING => {
                length.discard_ns = signed(content).and_then(|ns| u64::try_from(ns).ok()).unwrap_or(0)
            }
            _ => {}
        }
        if let (Some(number), 1..) = (number, delay_ns) {
            length.codec_delays_ns.insert(number, delay_ns);
        }
        at = element.next;
    }
    let in_seconds = |duration: f64| duration * scale_ns as f64 / 1e9;
    length.duration_s = duration.map(in_seconds).filter(|s| *s > 0.0 && tracks == 1);
    Ok(length)
}

/// An element of a file.
struct Element<'a> {
    id: u32,
    /// What it holds; nothing where it has no size.
    content: &'a [u8],
    /// Whether it has no size, so that it ends where the file does.
    is_open: bool,
    /// Where the next one begins: inside of this one if it holds others that matter, behind it if not.
    next: usize,
}

impl<'a> Element<'a> {
    /// The one that begins at `at`; nothing at the end of the file.
    ///
    /// # Errors
    /// `Damaged`, where the file ends inside of it, or where it lacks a size that it needs.
    fn at(bytes: &'a [u8], at: usize) -> Result<Option<Self>> {
        let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else { return Ok(None) };
        let (id, id_bytes) = variable(rest, 4, true).ok_or_else(cut_short)?;
        let (size, size_bytes) =
            variable(rest.get(id_bytes..).unwrap_or_default(), 8, false).ok_or_else(cut_short)?;
        let id = u32::try_from(id).map_err(|_| cut_short())?;
        let body = at + id_bytes + size_bytes;
        let is_open = size == (1 << (7 * size_bytes)) - 1;
        let end = usize::try_from(size).ok().and_then(|size| body.checked_add(size)).unwrap_or(usize::MAX);
        let holds_others = [SEGMENT, CLUSTER, BLOCK_GROUP, INFO, TRACKS, TRACK_ENTRY].contains(&id);
        if !is_open && end > bytes.len() {
            return Err(cut_short());
        }
        if is_open && !holds_others {
            return Err(Error::new(ErrorKind::Damaged, "is corrupt: an element has no size").help(COPY_AGAIN));
        }
        let content = if is_open { &[] } else { bytes.get(body..end).unwrap_or_default() };
        let next = if holds_others { body } else { end };
        Ok(Some(Self { id, content, is_open, next }))
    }
}

/// The number of a block's track, and how many packets are laced together in it.
fn packets_of_block(content: &[u8]) -> Option<(u32, u64)> {
    let (track, bytes) = variable(content, 8, false)?;
    // A time of two bytes lies between.
    let flags = *content.get(bytes + 2)?;
    let packets = match flags & 0b110 {
        0 => 1,
        _ => u64::from(*content.get(bytes + 3)?) + 1,
    };
    Some((u32::try_from(track).ok()?, packets))
}

/// A number of variable length of at most `most` bytes, and how many it has; an ID keeps the bit that says so.
fn variable(bytes: &[u8], most: usize, is_id: bool) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = first.leading_zeros() as usize + 1;
    if length > most {
        return None;
    }
    let number = bytes.get(..length)?.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let mark = 1_u64 << (7 * length);
    Some((if is_id { number } else { number ^ mark }, length))
}

fn unsigned(content: &[u8]) -> Option<u64> {
    (content.len() <= 8).then(|| content.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn signed(content: &[u8]) -> Option<i64> {
    let bits = 8 * content.len() as u32;
    let number = unsigned(content)?;
    Some(if bits == 0 { 0 } else { (number << (64 - bits)).cast_signed() >> (64 - bits) })
}

fn float(content: &[u8]) -> Option<f64> {
    match content.len() {
        4 => Some(f64::from(f32::from_bits(unsigned(content)? as u32))),
        8 => Some(f64::from_bits(unsigned(content)?)),
        _ => None,
    }
}

fn cut_short() -> Error {
    Error::new(ErrorKind::Damaged, "is cut short: it ends inside of an element").help(COPY_AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
        [id, &[0x40 | (content.len() >> 8) as u8, content.len() as u8], content].concat()
    }

    fn file() -> Vec<u8> {
        file_with_delay(64_000_000)
    }

    fn file_with_delay(delay_ns: u32) -> Vec<u8> {
        let info = element(&[0x15, 0x49, 0xA9, 0x66], &element(&[0x44, 0x89], &1500f64.to_be_bytes()));
        let track =
            [element(&[0xD7], &[1]), element(&[0x83], &[2]), element(&[0x56, 0xAA], &delay_ns.to_be_bytes())];
        let track = element(&[0xAE], &track.concat());
        let group = element(&[0x75, 0xA2], &[0x00, 0x98, 0x96, 0x80]);
        let group = [element(&[0xA1], &[0x81, 0, 0, 0]), group].concat();
        let laced = element(&[0xA3], &[0x81, 0, 0, 0b10, 3, 9, 9, 9, 9]);
        let cluster = element(&[0x1F, 0x43, 0xB6, 0x75], &[laced, element(&[0xA0], &group)].concat());
        let body = [info, element(&[0x16, 0x54, 0xAE, 0x6B], &track), cluster].concat();
        [element(&[0x1A, 0x45, 0xDF, 0xA3], &[]), element(&[0x18, 0x53, 0x80, 0x67], &body)].concat()
    }

    #[test]
    fn durations_delays_and_padding_are_found_whatever_lies_between() {
        let length = check_elements(&file()).unwrap();
        assert_eq!((length.duration_s, length.discard_ns), (Some(1.5), 10_000_000));
        assert_eq!(length.packets, BTreeMap::from([(1, 5)]));
        assert_eq!(length.codec_delays_ns, BTreeMap::from([(1, 64_000_000)]));
    }

    #[test]
    fn a_delay_that_opus_may_have_is_read_and_not_refused() {
        let length = check_elements(&file_with_delay(1_200_000_000)).unwrap();
        assert_eq!(length.codec_delays_ns, BTreeMap::from([(1, 1_200_000_000)]));
    }

    #[test]
    fn a_file_that_ends_early_is_cut_short_wherever_it_does() {
        let file = file();
        for end in 1..file.len() {
            // After the first element the rest may be missing without a trace.
            if end != 6 {
                assert!(check_elements(&file[..end]).is_err(), "{end}");
            }
        }
        assert_eq!(signed(&[0xff]), Some(-1));
        assert_eq!(signed(&[]), Some(0));
    }
}
