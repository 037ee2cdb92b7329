//! Features of augmented utterances that later epochs hear again.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes of features are kept in memory; the others are computed each time.
const MOST_KEPT_BYTES: usize = 2 << 30;

/// The variants of every utterance, by the index of the utterance.
#[derive(Debug)]
pub(super) struct Variants {
    /// How many of each utterance.
    number: u32,
    /// Frames of a tensor.
    frames: usize,
    /// Those of the first utterance, then those of the second, and so on.
    kept: Vec<OnceLock<Kept>>,
    kept_bytes: AtomicUsize,
}

/// The real frames of a tensor `[channel, band, frame]`.
#[derive(Debug)]
struct Kept {
    real: usize,
    values: Box<[f32]>,
}

impl Variants {
    /// `number` variants of each of so many utterances, whose tensors have `frames` frames. `None` where every epoch makes
    /// another one.
    pub(super) fn new(number: u32, utterances: usize, frames: usize) -> Option<Self> {
        let kept = (0..utterances.saturating_mul(number as usize)).map(|_| OnceLock::new()).collect();
        (number > 0).then_some(Self { number, frames, kept, kept_bytes: AtomicUsize::new(0) })
    }

    /// The variant that is heard in `epoch`.
    pub(super) fn of_epoch(&self, epoch: u32) -> u32 {
        epoch % self.number
    }

    /// Writes a variant into `row`, if it is kept: how many frames are real.
    pub(super) fn get(&self, utterance: usize, variant: u32, row: &mut [f32]) -> Option<u32> {
        let Kept { real, values } = self.place(utterance, variant)?.get()?;
        row.fill(0.0);
        if *real > 0 {
            for (band, kept) in row.chunks_exact_mut(self.frames).zip(values.chunks_exact(*real)) {
                band[..*real].copy_from_slice(kept);
            }
        }
        Some(*real as u32)
    }

    /// Keeps a variant, of which the first `real` frames are real and all others zero, unless memory for them is used up.
    pub(super) fn keep(&self, utterance: usize, variant: u32, row: &[f32], real: u32) {
        let real = (real as usize).min(self.frames);
        let bands = row.len() / self.frames.max(1);
        let size = bands * real * size_of::<f32>();
        let Some(place) = self.place(utterance, variant) else { return };
        if self.kept_bytes.fetch_add(size, Ordering::Relaxed) + size > MOST_KEPT_BYTES {
            self.kept_bytes.fetch_sub(size, Ordering::Relaxed);
            return;
        }
        let values = row.chunks_exact(self.frames.max(1)).flat_map(|band| &band[..real]).copied().collect();
        // Two threads that computed the same variant computed the same values.
        place.get_or_init(|| Kept { real, values });
    }

    fn place(&self, utterance: usize, variant: u32) -> Option<&OnceLock<Kept>> {
        self.kept.get(utterance * self.number as usize + variant as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_with_its_padding() {
        let variants = Variants::new(2, 3, 4).unwrap();
        let row = [1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0];
        let mut read = [9.0; 8];
        assert_eq!(variants.get(1, 1, &mut read), None);
        variants.keep(1, 1, &row, 3);
        assert_eq!(variants.get(1, 1, &mut read), Some(3));
        assert_eq!(read, row);
        assert_eq!(variants.get(1, 0, &mut read), None);
        assert_eq!(variants.get(2, 1, &mut read), None);
        assert_eq!([0, 1, 2, 7].map(|epoch| variants.of_epoch(epoch)), [0, 1, 0, 1]);
        assert!(Variants::new(0, 3, 4).is_none());
    }
}
