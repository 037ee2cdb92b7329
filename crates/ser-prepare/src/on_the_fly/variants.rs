//! Features of augmented utterances that later epochs hear again.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// How many bytes of features are kept in memory; the others are computed each time.
const MOST_KEPT_BYTES: usize = 2 << 30;

/// The variants of every utterance.
#[derive(Debug)]
pub(super) struct Variants {
    /// How many of each utterance; at least 1.
    number: u32,
    /// Frames of a tensor; at least 1.
    frames: usize,
    kept: RwLock<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: usize,
    /// By the index of the utterance and the number of the variant: the real frames of a tensor `[channel, band, frame]`.
    values: HashMap<(usize, u32), Box<[f32]>>,
}

impl Variants {
    /// `number` variants of each utterance, whose tensors have `frames` frames. `None` where every epoch makes another
    /// one.
    pub(super) fn new(number: u32, frames: usize) -> Option<Self> {
        (number > 0).then(|| Self { number, frames: frames.max(1), kept: RwLock::default() })
    }

    /// The variant that is heard in `epoch`.
    pub(super) fn of_epoch(&self, epoch: u32) -> u32 {
        epoch % self.number
    }

    /// Writes a variant into `row`, if it is kept: how many frames are real.
    pub(super) fn get(&self, utterance: usize, variant: u32, row: &mut [f32]) -> Option<u32> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let values = kept.values.get(&(utterance, variant))?;
        let real = values.len() / (row.len() / self.frames).max(1);
        row.fill(0.0);
        if real > 0 {
            for (band, kept) in row.chunks_exact_mut(self.frames).zip(values.chunks_exact(real)) {
                band[..real].copy_from_slice(kept);
            }
        }
        Some(real as u32)
    }

    /// Keeps a variant, of which the first `real` frames are real and all others zero, unless memory for them is used up.
    pub(super) fn keep(&self, utterance: usize, variant: u32, row: &[f32], real: u32) {
        let real = (real as usize).min(self.frames);
        let values: Box<[f32]> =
            row.chunks_exact(self.frames).flat_map(|band| &band[..real]).copied().collect();
        let bytes = size_of_val(&*values);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + bytes <= MOST_KEPT_BYTES && kept.values.insert((utterance, variant), values).is_none()
        {
            kept.bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_with_its_padding() {
        let variants = Variants::new(2, 4).unwrap();
        let row = [1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0];
        let mut read = [9.0; 8];
        assert_eq!(variants.get(1, 1, &mut read), None);
        variants.keep(1, 1, &row, 3);
        assert_eq!(variants.get(1, 1, &mut read), Some(3));
        assert_eq!(read, row);
        assert_eq!(variants.get(1, 0, &mut read), None);
        assert_eq!(variants.get(2, 1, &mut read), None);
        assert_eq!([0, 1, 2, 7].map(|epoch| variants.of_epoch(epoch)), [0, 1, 0, 1]);
        assert!(Variants::new(0, 4).is_none());
    }
}
