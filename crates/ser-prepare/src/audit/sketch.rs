//! Which recordings may be copies of each other, found without comparing all with all.
//!
//! As Haitsma and Kalker ("A Highly Robust Audio Fingerprinting System", ISMIR 2002) do, a moment of sound becomes a
//! word of bits: whether the difference between neighbouring bands grows or falls. Gain and a fixed filter leave these
//! bits alone, coding and noise most of them. Of all words of a recording the few that a hash puts lowest are kept
//! (Broder, "On the resemblance and containment of documents", 1997; on audio Baluja and Covell, "Waveprint", 2008): the
//! same words are kept from a copy, wherever it begins and ends. Recordings that share words at one and the same lag
//! are candidates, which is what Wang's landmarks ask as well ("An Industrial Strength Audio Search Algorithm", ISMIR
//! 2003).

use std::borrow::Cow;

use rayon::prelude::*;

use crate::audit::bands::{Bands, ClipFraming, Energies, smooth};

/// Bits of a word.
const BITS: usize = 24;
/// A bit is about two neighbouring bands.
pub(super) const BANDS: usize = BITS + 1;

/// Words kept of a recording.
const KEPT: usize = 40;

/// A word is about the difference between two moments this far apart, seconds, each smoothed over some time, so that it
/// does not matter where the frames of a copy begin.
const WORD_SPACING_S: f64 = 0.128;
const SMOOTHED_S: f64 = 0.176;

/// Differences below this, dB, in all bands mean silence or a steady tone.
const FLAT_DB: f32 = 1.0;

/// A word that more recordings than this share tells nothing. It also bounds the work, so that it grows with the number of
/// recordings and not with its square.
const COMMON: usize = 50;

/// A copy may begin this much earlier or later than its original, seconds.
const LARGEST_LAG_S: f64 = 0.45;

/// Lags that differ by no more frames than this are the same.
const SAME_LAG: i32 = 2;

/// So many words in common, at one lag, make a candidate.
const FEWEST_SHARED: usize = 2;

/// No word: a recording that is short or steady has fewer.
const NONE: u32 = u32::MAX;

/// The words kept of a recording, each in 24 bits above 8 bits of the frame where it occurs, modulo 256.
pub(super) type Sketch = [u32; KEPT];

/// Makes sketches.
#[derive(Debug)]
pub(super) struct Sketcher {
    bands: Bands<BANDS>,
    apart: usize,
    smoothed: usize,
}

impl Sketcher {
    pub(super) fn new(framing: &ClipFraming) -> Self {
        Self {
            bands: Bands::new(framing),
            apart: framing.frames_in(WORD_SPACING_S),
            smoothed: framing.frames_in(SMOOTHED_S),
        }
    }

    /// A sketch that is like no other.
    pub(super) fn nothing() -> Sketch {
        [NONE; KEPT]
    }

    /// The sketch of the clip whose tensor starts with `mfcc` and has `frames` real frames.
    pub(super) fn sketch(&self, mfcc: &[f32], frames: usize) -> Sketch {
        let energies = smooth(&self.bands.energies(mfcc, frames, 1), self.smoothed);
        let mut words = words(&energies, self.apart);
        words.sort_unstable();
        words.dedup_by_key(|entry| value(*entry));
        let mut sketch = [NONE; KEPT];
        sketch.iter_mut().zip(words).for_each(|(kept, word)| *kept = word);
        sketch
    }
}

fn words(energies: &Energies<BANDS>, apart: usize) -> Vec<u32> {
    let later = energies.iter().skip(apart);
    let word = |(frame, (now, later)): (usize, (&[f32; BANDS], &[f32; BANDS]))| {
        let mut differences = [0.0; BITS];
        for (band, difference) in differences.iter_mut().enumerate() {
            *difference = later[band + 1] - later[band] - now[band + 1] + now[band];
        }
        let steady = differences.iter().all(|difference| difference.abs() < FLAT_DB);
        let bits = differences.iter().fold(0, |bits, difference| bits << 1 | u32::from(*difference > 0.0));
        (!steady).then_some(hash(bits) << 8 | frame as u32 & 0xff)
    };
    energies.iter().zip(later).enumerate().filter_map(word).collect()
}

/// A permutation of the 24-bit numbers that looks random.
fn hash(bits: u32) -> u32 {
    let mask = (1 << BITS) - 1;
    let mixed = bits.wrapping_mul(0x9e37_79b1) & mask;
    let mixed = (mixed ^ mixed >> 13).wrapping_mul(0x85eb_ca6b) & mask;
    mixed ^ mixed >> 12
}

fn value(entry: u32) -> u32 {
    entry >> 8
}

/// Two recordings that may be copies, by their positions: `later` is `lag` frames after `earlier`, that is, frame `t`
/// of the one sounds like frame `t + lag` of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DuplicateCandidate {
    pub(super) later: usize,
    pub(super) earlier: usize,
    pub(super) lag: i32,
}

/// The words of a sketch.
fn words_of(sketch: &Sketch) -> impl Iterator<Item = u32> {
    sketch.iter().copied().take_while(|entry| *entry != NONE)
}

/// How many recordings have each word, as far as it matters.
pub(super) struct WordCounts(Vec<u8>);

impl WordCounts {
    pub(super) fn new() -> Self {
        Self(vec![0; 1 << BITS])
    }

    pub(super) fn add(&mut self, sketch: &Sketch) {
        for entry in words_of(sketch) {
            let count = &mut self.0[value(entry) as usize];
            *count = count.saturating_add(1);
        }
    }

    /// Whether so many recordings have it that it tells nothing.
    fn is_common(&self, entry: u32) -> bool {
        usize::from(self.0[value(entry) as usize]) > COMMON
    }
}

/// Sketches of recordings that follow each other, and which of them have a word.
pub(super) struct SketchIndex<'a> {
    /// Position of the first of these recordings.
    first: usize,
    sketches: Cow<'a, [Sketch]>,
    /// Places of words in `sketches`, counted through, in the order of the words.
    order: Vec<u32>,
    /// Where in `order` the words begin whose upper 16 bits are these, and finally where all end.
    starts: Vec<u32>,
    largest_lag: i32,
}

impl<'a> SketchIndex<'a> {
    /// Of recordings with these sketches, of which the first is at the position `first`.
    pub(super) fn new(first: usize, sketches: Cow<'a, [Sketch]>, framing: &ClipFraming) -> Self {
        let flat = sketches.as_flattened();
        // The words of one block are far fewer than a u32 can count.
        let places = 0..u32::try_from(flat.len()).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = places.filter(|place| flat[*place as usize] != NONE).collect();
        order.par_sort_unstable_by_key(|place| (value(flat[*place as usize]), *place));
        let upper = |place: &u32| flat[*place as usize] >> 16;
        let start = |bits: u32| order.partition_point(|place| upper(place) < bits) as u32;
        let starts = (0..=1 << 16).map(start).collect();
        let largest_lag = framing.frames_in(LARGEST_LAG_S) as i32;
        Self { first, sketches, order, starts, largest_lag }
    }

    /// The candidates among these recordings that are before `later`, whose sketch is `sketch`; `counts` are of all recordings.
    pub(super) fn candidates(
        &self,
        later: usize,
        sketch: &Sketch,
        counts: &WordCounts,
    ) -> Vec<DuplicateCandidate> {
        let flat = self.sketches.as_flattened();
        let position = |place: u32| self.first + place as usize / KEPT;
        let mut shared: Vec<(usize, i32)> = Vec::new();
        for entry in words_of(sketch).filter(|entry| !counts.is_common(*entry)) {
            let of = |place: &u32| flat[*place as usize];
            let upper = (entry >> 16) as usize;
            let near = &self.order[self.starts[upper] as usize..self.starts[upper + 1] as usize];
            let from = near.partition_point(|place| value(of(place)) < value(entry));
            let same = near[from..].iter().take_while(|place| value(of(place)) == value(entry));
            for place in same.filter(|place| position(**place) < later) {
                // Frames are known modulo 256, which is enough for lags of less than half of that.
                let lag = i32::from((of(place) as u8).wrapping_sub(entry as u8) as i8);
                if lag.abs() <= self.largest_lag {
                    shared.push((position(*place), lag));
                }
            }
        }
        shared.sort_unstable();
        shared.chunk_by(|a, b| a.0 == b.0).filter_map(|of_one| candidate(later, of_one)).collect()
    }
}

/// The lag at which most words agree, if enough do. `shared` are words shared with one recording, sorted by lag.
fn candidate(later: usize, shared: &[(usize, i32)]) -> Option<DuplicateCandidate> {
    let agreeing = |from: usize| {
        let rest = &shared[from..];
        &rest[..rest.partition_point(|(_, lag)| *lag <= rest[0].1 + SAME_LAG)]
    };
    // The first of several that are equal, so that the result does not depend on anything else.
    let best = (0..shared.len()).rev().map(agreeing).max_by_key(|words| words.len())?;
    let (earlier, lag) = best[best.len() / 2];
    (best.len() >= FEWEST_SHARED).then_some(DuplicateCandidate { later, earlier, lag })
}
