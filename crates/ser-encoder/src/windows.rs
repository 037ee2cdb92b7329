//! Recordings that are longer than an encoder takes: windows, and which of their frames count.
//!
//! ```text
//! window 0   ├──────────── kept ───────────┼──────┤
//! window 1                          ├──────┼──────── kept ────────┼──────┤
//! window 2                                                 ├──────┼── kept ──┤
//! ```
//!
//! Neighbours overlap, and where they do each window counts up to the middle: states at its end have seen only what is
//! before them. So every frame of the recording counts once.

use std::ops::Range;

/// How far two windows overlap, seconds; a quarter of a window if that is less.
pub(crate) const OVERLAP_S: usize = 4;

/// A part of a recording that is given to the encoder at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its samples.
    pub(crate) samples: Range<usize>,
    /// Those of its own frames that count.
    pub(crate) frames: Range<usize>,
}

/// Windows of at most `most` samples over a recording of `total`, which is longer. A frame begins every `hop` samples, and
/// `frames_of` says how many there are in a window.
pub(crate) fn over(
    total: usize,
    most: usize,
    overlap: usize,
    hop: usize,
    frames_of: impl Fn(usize) -> usize,
) -> Vec<Window> {
    let hop = hop.max(1);
    // Whole frames, so that those of neighbours are the same ones.
    let half = (overlap.min(most / 4) / 2 / hop).max(1);
    let length = (most / hop).max(2 * half + 1);
    let step = length - 2 * half;
    let mut windows = Vec::new();
    for number in 0.. {
        let start = number * step * hop;
        let end = (start + length * hop).min(total);
        let first = if number == 0 { 0 } else { half };
        let last = if end == total { frames_of(end - start) } else { step + half };
        windows.push(Window { samples: start..end, frames: first..last.max(first) });
        if end == total {
            break;
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_counts_once() {
        for (total, most, overlap, hop, field) in [
            (160_000_usize, 16_000_usize, 4_000_usize, 320_usize, 400_usize),
            (16_001, 16_000, 64_000, 320, 400),
            (35_123, 16_000, 1_000, 320, 320),
            (57_600_000, 960_000, 64_000, 320, 400),
            (1_000, 100, 30, 5, 12),
        ] {
            let frames_of = |samples: usize| if samples < field { 0 } else { (samples - field) / hop + 1 };
            let windows = over(total, most, overlap, hop, frames_of);
            let mut next = 0;
            for window in &windows {
                assert!(window.samples.len() <= most, "{window:?}");
                assert_eq!(window.samples.start % hop, 0);
                let start = window.samples.start / hop;
                assert!(window.frames.end <= frames_of(window.samples.len()), "{window:?}");
                if !window.frames.is_empty() {
                    assert_eq!(start + window.frames.start, next, "{window:?}");
                    next = start + window.frames.end;
                }
            }
            assert_eq!(next, frames_of(total), "{total} {most}");
        }
    }
}
