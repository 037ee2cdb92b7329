//! MPEG-4's boxes: whether they are all there, and which part of a track is meant to be heard.
//!
//! AAC encoders put 1,024 to 2,112 samples of delay before the audio. In MP4 the edit list (`edts`/`elst`, ISO/IEC
//! 14496-12, section 8.6.6) says where the audio begins and how long it is; symphonia reads the list but gives no
//! access to it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ser_core::{Error, ErrorKind, Result};

use crate::pcm::take;
use crate::refusal::COPY_AGAIN;

/// Checks that the outermost boxes lie within the file and that the index is among them.
///
/// # Errors
/// `Damaged`, naming both sizes where the file is too short.
pub(super) fn check_boxes(bytes: &[u8]) -> Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some((_, _, size)) = box_header(rest).filter(|&(_, header, size)| header <= size) else {
            return Err(Error::new(
                ErrorKind::Damaged,
                "is cut short or corrupt: it does not end with a complete box",
            )
            .help(COPY_AGAIN));
        };
        rest = rest.get(size..).ok_or_else(|| {
            let promised = (bytes.len() - rest.len()).saturating_add(size);
            let what = format!("is cut short: it declares {promised} bytes but has {}", bytes.len());
            Error::new(ErrorKind::Damaged, what).help(COPY_AGAIN)
        })?;
    }
    if find(bytes, b"moov").is_none() {
        let what = "is an MP4 without an index (moov), as an interrupted recording leaves";
        return Err(Error::new(ErrorKind::Damaged, what).help(COPY_AGAIN));
    }
    Ok(())
}

/// How many samples (access units) each track has, by its ID: those of the index, and those of all fragments.
pub(super) fn samples_of_tracks(bytes: &[u8]) -> BTreeMap<u32, u64> {
    let mut samples: BTreeMap<u32, u64> = BTreeMap::new();
    let mut add = |id: Option<u32>, count: Option<u32>| {
        if let (Some(id), Some(count)) = (id, count) {
            let total = samples.entry(id).or_default();
            *total = total.saturating_add(u64::from(count));
        }
    };
    for (_, track) in find(bytes, b"moov").into_iter().flat_map(boxes).filter(|(kind, _)| kind == b"trak") {
        let id = find(track, b"tkhd").and_then(|header| full_box_u32(header, 12, 20));
        let table = ["mdia", "minf", "stbl"]
            .iter()
            .try_fold(track, |content, kind| find(content, kind.as_bytes().first_chunk()?));
        let count = table.and_then(|table| {
            find(table, b"stsz")
                .or_else(|| find(table, b"stz2"))
                .and_then(|sizes| take(sizes, 8))
                .map(u32::from_be_bytes)
        });
        add(id, count);
    }
    for (_, fragment) in boxes(bytes).filter(|(kind, _)| kind == b"moof") {
        for (_, track) in boxes(fragment).filter(|(kind, _)| kind == b"traf") {
            let id = find(track, b"tfhd").and_then(|header| take(header, 4)).map(u32::from_be_bytes);
            for (_, run) in boxes(track).filter(|(kind, _)| kind == b"trun") {
                add(id, take(run, 4).map(u32::from_be_bytes));
            }
        }
    }
    samples
}

/// The longest duration, in seconds, that is stated for each track by its ID outside of the tables of samples: in the headers
/// of its media and itself, in its edit, for all fragments (`mehd`) where it is the only track, and in the segment indexes.
pub(super) fn stated_durations(bytes: &[u8]) -> BTreeMap<u32, f64> {
    let mut durations: BTreeMap<u32, f64> = BTreeMap::new();
    let in_seconds = |units: u64, timescale: u32| match timescale {
        0 => 0.0,
        _ => units as f64 / f64::from(timescale),
    };
    let movie = find(bytes, b"moov").unwrap_or_default();
    let movie_timescale = find(movie, b"mvhd").and_then(|header| full_box_u32(header, 12, 20)).unwrap_or(0);
    let tracks: Vec<&[u8]> =
        boxes(movie).filter(|(kind, _)| kind == b"trak").map(|(_, content)| content).collect();
    let all_fragments = find(movie, b"mvex").and_then(|extends| find(extends, b"mehd"));
    for track in &tracks {
        let header = find(track, b"tkhd").unwrap_or_default();
        let Some(id) = full_box_u32(header, 12, 20) else { continue };
        let media = find(track, b"mdia").and_then(|media| find(media, b"mdhd")).unwrap_or_default();
        let timescale = full_box_u32(media, 12, 20).unwrap_or(0);
        let mut longest = in_seconds(full_box_duration(media, 16, 24), timescale);
        let list = find(track, b"edts").and_then(|edits| find(edits, b"elst"));
        longest = longest.max(match list.map(|list| single_edit(list, movie_timescale)) {
            None => in_seconds(full_box_duration(header, 20, 28), movie_timescale),
            Some(Ok(Some(edit))) if edit.duration > 0 => {
                in_seconds(edit.start, timescale) + in_seconds(edit.duration, movie_timescale)
            }
            // An empty edit: silence before the track is part of the duration of the track.
            Some(_) => 0.0,
        });
        if let (Some(header), [_]) = (all_fragments, &tracks[..]) {
            longest = longest.max(in_seconds(full_box_duration(header, 4, 4), movie_timescale));
        }
        durations.insert(id, longest);
    }
    let mut indexed: BTreeMap<u32, f64> = BTreeMap::new();
    for (_, index) in boxes(bytes).filter(|(kind, _)| kind == b"sidx") {
        let field = |at| take(index, at).map_or(0, u32::from_be_bytes);
        *indexed.entry(field(4)).or_default() += in_seconds(index_duration(index), field(8));
    }
    for (id, duration) in indexed {
        let longest = durations.entry(id).or_default();
        *longest = longest.max(duration);
    }
    durations
}

/// The duration that an index of fragments (`sidx`) states for those that it refers to itself.
fn index_duration(index: &[u8]) -> u64 {
    let start = if index.first() == Some(&1) { 28 } else { 20 };
    let count = take(index, start + 2).map_or(0, u16::from_be_bytes).into();
    let entries = index.get(start + 4..).unwrap_or_default().as_chunks::<12>().0.iter().take(count);
    entries.fold(0, |sum: u64, entry| {
        let [size, duration] = [0, 4].map(|at| take(entry, at).map_or(0, u32::from_be_bytes));
        // The first bit tells a reference to another index, which counts for itself.
        sum.saturating_add(if size >> 31 == 0 { duration.into() } else { 0 })
    })
}

/// The duration at `at` of a box of version 0, or at `at_1` of version 1, where it is twice as wide; 0 where it is unknown.
fn full_box_duration(content: &[u8], at: usize, at_1: usize) -> u64 {
    match content.first() {
        Some(1) => {
            take(content, at_1).map(u64::from_be_bytes).filter(|&units| units != u64::MAX).unwrap_or(0)
        }
        _ => {
            take(content, at).map(u32::from_be_bytes).filter(|&units| units != u32::MAX).map_or(0, u64::from)
        }
    }
}

/// The same file with its segment indexes (`sidx`) marked as free space. They help to seek; the demuxer goes by the first
/// one and would stop after the fragments that it lists, though each fragment may have its own.
pub(super) fn without_segment_indexes(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut places = Vec::new();
    let mut at = 0;
    while let Some((kind, _, size)) =
        bytes.get(at..).and_then(box_header).filter(|(_, header, size)| header <= size)
    {
        if kind == *b"sidx" {
            places.push(at + 4);
        }
        at += size;
    }
    if places.is_empty() {
        return Cow::Borrowed(bytes);
    }
    let mut bytes = bytes.to_vec();
    for place in places {
        if let Some(kind) = bytes.get_mut(place..place + 4) {
            kind.copy_from_slice(b"free");
        }
    }
    Cow::Owned(bytes)
}

/// The audible part of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edit {
    /// The first audible sample, in units of the track's own time scale.
    pub(super) start: u64,
    /// Its audible length, in units of the movie's time scale; 0 means to the end.
    pub(super) duration: u64,
    /// Units of the movie's time scale in a second.
    pub(super) movie_timescale: u32,
}

/// The edit of the track `id`, if it has one.
///
/// # Errors
/// `Unsupported` for an edit list that plays several pieces.
pub(super) fn edit(bytes: &[u8], id: u32) -> Result<Option<Edit>> {
    let Some(movie) = find(bytes, b"moov") else { return Ok(None) };
    let Some(movie_timescale) = find(movie, b"mvhd").and_then(|header| full_box_u32(header, 12, 20)) else {
        return Ok(None);
    };
    for (kind, track) in boxes(movie) {
        let is_track = || find(track, b"tkhd").and_then(|header| full_box_u32(header, 12, 20)) == Some(id);
        if kind == *b"trak" && is_track() {
            return match find(track, b"edts").and_then(|edits| find(edits, b"elst")) {
                Some(list) => single_edit(list, movie_timescale),
                None => Ok(None),
            };
        }
    }
    Ok(None)
}

fn single_edit(list: &[u8], movie_timescale: u32) -> Result<Option<Edit>> {
    let wide = list.first() == Some(&1);
    let entry_size = if wide { 20 } else { 12 };
    let entries = list.get(8..).unwrap_or_default().chunks_exact(entry_size).filter_map(|entry| {
        let (duration, start) = if wide {
            (take(entry, 0).map(u64::from_be_bytes)?, take(entry, 8).map(i64::from_be_bytes)?)
        } else {
            let duration = take(entry, 0).map(u32::from_be_bytes)?;
            (u64::from(duration), i64::from(take(entry, 4).map(i32::from_be_bytes)?))
        };
        // A negative start is an empty edit: silence before the track, which is left out.
        let start = u64::try_from(start).ok()?;
        Some(Edit { start, duration, movie_timescale })
    });
    let count = take(list, 4).map_or(0, u32::from_be_bytes) as usize;
    let mut entries = entries.take(count);
    match (entries.next(), entries.next()) {
        (edit, None) => Ok(edit),
        (_, Some(_)) => {
            Err(Error::new(ErrorKind::Unsupported, "is an MP4 edited together from several pieces")
                .help("export it as WAV"))
        }
    }
}

/// The field at `at` of a box of version 0, or at `at_1` of version 1, which has wider times before it.
fn full_box_u32(content: &[u8], at: usize, at_1: usize) -> Option<u32> {
    let at = if content.first() == Some(&1) { at_1 } else { at };
    take(content, at).map(u32::from_be_bytes)
}

fn find<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|(found, _)| found == kind).map(|(_, content)| content)
}

/// The boxes that `bytes` consist of: kind and content. Ends at the first incomplete one.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (kind, header, size) = box_header(bytes)?;
        let content = bytes.get(header..size)?;
        bytes = bytes.get(size..)?;
        Some((kind, content))
    })
}

/// Kind, size of the header and size of the whole of the box that `bytes` begin with.
fn box_header(bytes: &[u8]) -> Option<([u8; 4], usize, usize)> {
    let kind = take(bytes, 4)?;
    let (header, size) = match take(bytes, 0).map(u32::from_be_bytes)? {
        0 => (8, bytes.len()),
        1 => (16, usize::try_from(take(bytes, 8).map(u64::from_be_bytes)?).ok()?),
        size => (8, size as usize),
    };
    Some((kind, header, size))
}
