//! Random draws that depend only on what they are for.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// A portable generator, seeded by what its draws are for.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    /// The generator for `purpose`: the same parts give the same draws, whatever else is drawn elsewhere.
    pub(crate) fn new(purpose: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in purpose {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        Self(ChaCha8Rng::from_seed(hash.finalize().into()))
    }

    /// Uniform in [−1, 1).
    pub(crate) fn symmetric(&mut self) -> f64 {
        f64::from(self.0.next_u32().cast_signed()) / 2_147_483_648.0
    }

    /// Uniform in [`low`, `high`).
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * 0.5 * (self.symmetric() + 1.0)
    }

    /// Near-normal with standard deviation `deviation`, never beyond three of them: the sum of three uniform draws.
    pub(crate) fn spread(&mut self, deviation: f64) -> f64 {
        deviation * (self.symmetric() + self.symmetric() + self.symmetric())
    }

    /// Puts `items` into random order (Fisher–Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            // The bias of the remainder is below 2⁻⁴⁰ for any corpus.
            let other = self.0.next_u64() % (last as u64 + 1);
            items.swap(last, other as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_purpose_do_not_run_together() {
        let draw = |purpose: &[&str]| Random::new(purpose).symmetric();
        assert_eq!(draw(&["ab", "c"]), draw(&["ab", "c"]));
        assert_ne!(draw(&["ab", "c"]), draw(&["a", "bc"]));
    }

    #[test]
    fn spread_has_the_deviation_it_is_given() {
        let mut random = Random::new(&["test"]);
        let draws: Vec<f64> = (0..20_000).map(|_| random.spread(2.0)).collect();
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / draws.len() as f64;
        assert!((variance.sqrt() - 2.0).abs() < 0.05, "{variance}");
        assert!(draws.iter().all(|x| x.abs() <= 6.0));
    }
}
