//! Recordings that are copies of each other without being the same sound: encoded again, resampled, louder or softer, with
//! a little noise, or with a bit cut off at either end.
//!
//! Sketches say which pairs to look at, spectrograms which of them to listen to, and the waveforms decide. What is found
//! and what is not was measured by `tests/fixtures/audit/measure.py`: `docs/design.md`.

use std::borrow::Cow;

use ser_core::Result;

use crate::audit::align::Aligner;
use crate::audit::bands::ClipFraming;
use crate::audit::sketch::DuplicateCandidate;
use crate::audit::sketches::Sketches;
use crate::audit::waveform::Waveform;

/// Recordings whose spectrograms are at least this similar are listened to.
const PROMISING_SIMILARITY: f32 = 0.92;

/// Recordings whose waveforms correlate at least this well are near-duplicates. Copies of every kind measured have 0.97
/// and more, different takes of one sentence by one speaker 0.42 and less.
const DUPLICATE_CORRELATION: f64 = 0.8;

/// The first coefficients of a recording, and how many of its frames are real.
pub(super) type MfccClip<'a> = (Cow<'a, [f32]>, usize);

/// Two recordings, by their positions, and how well their waveforms correlate: at most 1.
pub(super) type Pair = (usize, usize, f64);

/// What recordings are compared by, each by its position.
pub(super) trait Comparable: Sync {
    /// The first coefficients.
    fn clip(&self, position: usize) -> Result<MfccClip<'_>>;

    /// The waveform.
    fn waveform(&self, position: usize) -> Result<Waveform>;

    /// How well two waveforms correlate.
    fn correlation(&self, one: &Waveform, other: &Waveform) -> Result<f64>;
}

/// All pairs of near-duplicates among recordings with these sketches, the lower position first.
///
/// # Errors
/// Those of `recordings`, and when sketches cannot be read back.
pub(super) fn near_duplicates(
    framing: &ClipFraming,
    sketches: &Sketches,
    recordings: &impl Comparable,
) -> Result<Vec<Pair>> {
    let aligner = Aligner::new(framing);
    let mut pairs = sketches
        .compare(framing, |later, candidates| near_duplicates_of(later, candidates, &aligner, recordings))?;
    pairs.sort_unstable_by_key(|pair| (pair.0, pair.1));
    Ok(pairs)
}

/// Those of the recording at `later` among its candidates.
fn near_duplicates_of(
    later: usize,
    candidates: &[DuplicateCandidate],
    aligner: &Aligner,
    recordings: &impl Comparable,
) -> Result<Vec<Pair>> {
    let (mfcc, frames) = recordings.clip(later)?;
    let reference = aligner.reference(&mfcc, frames);
    let mut heard: Option<Waveform> = None;
    let mut pairs = Vec::new();
    for &DuplicateCandidate { earlier, lag, .. } in candidates {
        let (mfcc, frames) = recordings.clip(earlier)?;
        // Frame t of the later one sounds like frame t + lag of the earlier.
        if aligner.similarity(&reference, &mfcc, frames, -lag) < PROMISING_SIMILARITY {
            continue;
        }
        let later_waveform = match heard.take() {
            Some(waveform) => waveform,
            None => recordings.waveform(later)?,
        };
        let correlation = recordings.correlation(&later_waveform, &recordings.waveform(earlier)?)?;
        heard = Some(later_waveform);
        if correlation >= DUPLICATE_CORRELATION {
            pairs.push((earlier, later, correlation));
        }
    }
    Ok(pairs)
}
