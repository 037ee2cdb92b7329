//! Recordings that are copies of each other without being the same sound: encoded again, resampled, louder or softer, with
//! a little noise, or with a bit cut off at either end.
//!
//! What it finds and what it does not was measured by `tests/fixtures/audit/measure.py`: `docs/design.md`.

use rayon::prelude::*;
use ser_core::Result;

use crate::audit::align::Aligner;
use crate::audit::bands::ClipFraming;
use crate::audit::sketch::{DuplicateCandidate, Sketch, SketchIndex};

/// Recordings at least this similar are near-duplicates. Different takes stay below, also of one word by one speaker;
/// copies above.
const DUPLICATE_SIMILARITY: f32 = 0.92;

/// The first coefficients of a recording's tensor, and how many of its frames are real.
pub(super) type MfccClip<'a> = (std::borrow::Cow<'a, [f32]>, usize);

/// Two recordings, by their positions, and how similar they are: at most 1.
pub(super) type Pair = (usize, usize, f32);

/// All pairs of near-duplicates among recordings with these sketches, the lower position first; `clip` reads one.
///
/// # Errors
/// Those of `clip`.
pub(super) fn near_duplicates<'a>(
    framing: &ClipFraming,
    sketches: Vec<Sketch>,
    clip: impl Fn(usize) -> Result<MfccClip<'a>> + Sync,
) -> Result<Vec<Pair>> {
    let count = sketches.len();
    let index = SketchIndex::new(sketches, framing);
    let aligner = Aligner::new(framing);
    let of_one = |later: usize| -> Result<Vec<Pair>> {
        let candidates = index.candidates(later);
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let (mfcc, frames) = clip(later)?;
        let reference = aligner.reference(&mfcc, frames);
        let mut pairs = Vec::new();
        for DuplicateCandidate { earlier, lag, .. } in candidates {
            let (mfcc, frames) = clip(earlier)?;
            // Frame t of the later one sounds like frame t + lag of the earlier.
            let similarity = aligner.similarity(&reference, &mfcc, frames, -lag);
            if similarity >= DUPLICATE_SIMILARITY {
                pairs.push((earlier, later, similarity));
            }
        }
        Ok(pairs)
    };
    let found: Vec<Vec<Pair>> = (0..count).into_par_iter().map(of_one).collect::<Result<_>>()?;
    let mut pairs: Vec<Pair> = found.into_iter().flatten().collect();
    pairs.sort_unstable_by_key(|pair| (pair.0, pair.1));
    Ok(pairs)
}
