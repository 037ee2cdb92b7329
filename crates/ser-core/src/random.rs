//! The one source of randomness: ChaCha8, seeded by what its draws are for, the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use crate::elementary::{cos, exp, ln};

/// A generator for one purpose. Two purposes never share a stream, so that drawing more numbers for one of them leaves
/// the other as it was.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The generator for `purpose`, which names what is drawn and the user's seed in decimal. Its parts are kept apart.
    pub fn new(purpose: &[&str]) -> Self {
        let mut hasher = Sha256::new();
        for part in purpose {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Self(ChaCha8Rng::from_seed(hasher.finalize().into()))
    }

    /// A number below `bound`, each equally likely; 0 when `bound` is 0.
    ///
    /// Multiply–shift with rejection (Lemire, "Fast random integer generation in an interval", 2019).
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// The index of another one among `count` than that at `index`, each equally likely; `None` if there is no other.
    pub fn another(&mut self, index: usize, count: usize) -> Option<usize> {
        let others = count.checked_sub(1).filter(|others| *others > 0)?;
        let other = self.below(others as u64) as usize;
        Some(other + usize::from(other >= index))
    }

    /// A number in `[0, 1)` with 24 random bits.
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    /// A number in `[0, 1)` with 53 random bits, as many as a double holds.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// An index of `weights`, each as likely as its weight; they add up to 1. 0 when there are none.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.uniform();
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        weights.len().saturating_sub(1)
    }

    /// Uniform in `[-1, 1)`.
    pub fn symmetric(&mut self) -> f64 {
        f64::from(self.0.next_u32().cast_signed()) / 2_147_483_648.0
    }

    /// Uniform in [`low`, `high`).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * 0.5 * (self.symmetric() + 1.0)
    }

    /// Near-normal with standard deviation `deviation`, never beyond three of them: the sum of three uniform draws.
    pub fn spread(&mut self, deviation: f64) -> f64 {
        deviation * (self.symmetric() + self.symmetric() + self.symmetric())
    }

    /// Normal with mean 0 and standard deviation 1, from exactly two uniform draws (Box and Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        // In (0, 1], so that the logarithm is finite; the largest value is below 6.7.
        let radius = (f64::from(self.0.next_u32()) + 1.0) / 4_294_967_296.0;
        let turn = f64::from(self.0.next_u32()) / 4_294_967_296.0;
        (-2.0 * ln(radius)).sqrt() * cos(std::f64::consts::TAU * turn)
    }

    /// From the Beta distribution whose parameters are both `alpha`, above 0: between 0 and 1, symmetric about a half.
    pub fn beta(&mut self, alpha: f64) -> f64 {
        let (a, b) = (self.ln_gamma_distributed(alpha), self.ln_gamma_distributed(alpha));
        // a / (a + b) of numbers that may be too small to be told from 0.
        1.0 / (1.0 + exp(b - a))
    }

    /// The logarithm of a draw from the Gamma distribution of shape `shape` and scale 1 (Marsaglia and Tsang, "A simple
    /// method for generating gamma variables", 2000).
    fn ln_gamma_distributed(&mut self, shape: f64) -> f64 {
        // A shape below 1 is raised by 1, and the draw lowered by a power of a uniform one.
        let (raised, lowered) = match shape < 1.0 {
            true => (shape + 1.0, ln(1.0 - f64::from(self.unit())) / shape),
            false => (shape, 0.0),
        };
        let d = raised - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            let u = 1.0 - f64::from(self.unit());
            if v > 0.0 && ln(u) < 0.5 * x * x + d - d * v + d * ln(v) {
                return ln(d * v) + lowered;
            }
        }
    }

    /// A generator of its own, which takes 32 bytes of this stream however much is drawn from it.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        Self(ChaCha8Rng::from_seed(seed))
    }

    /// Puts `items` into a random order, each equally likely (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_purpose_never_changes() {
        let mut random = Random::new(&["test", "7"]);
        let drawn: Vec<u64> = (0..4).map(|_| random.below(1000)).collect();
        assert_eq!(drawn, PINNED);
        let mut items: Vec<u32> = (0..8).collect();
        random.shuffle(&mut items);
        assert_eq!(items, PINNED_ORDER);
    }
    const PINNED: [u64; 4] = [24, 622, 3, 49];
    const PINNED_ORDER: [u32; 8] = [4, 2, 6, 0, 5, 3, 7, 1];

    #[test]
    fn parts_of_a_purpose_are_kept_apart() {
        let mut joined = Random::new(&["ab", "c"]);
        let mut other = Random::new(&["a", "bc"]);
        assert_ne!(joined.below(u64::MAX), other.below(u64::MAX));
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_values() {
        let mut random = Random::new(&["test"]);
        let mut seen = [0u32; 5];
        for _ in 0..5000 {
            seen[random.below(5) as usize] += 1;
            assert!((0.0..1.0).contains(&random.unit()));
        }
        assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn uniform_draws_use_all_the_bits_of_a_double() {
        let mut random = Random::new(&["test"]);
        let draws: Vec<f64> = (0..10_000).map(|_| random.uniform()).collect();
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((mean - 0.5).abs() < 0.015, "{mean}");
        let scaled = |draw: &f64| draw * (1u64 << 52) as f64;
        let finest = draws.iter().filter(|draw| scaled(draw).fract() != 0.0).count();
        assert!((4_500..5_500).contains(&finest), "the last of 53 bits is set in {finest} of 10000");
    }

    #[test]
    fn indices_are_drawn_as_often_as_their_weights_say() {
        let mut random = Random::new(&["test"]);
        let mut seen = [0u32; 3];
        for _ in 0..10_000 {
            seen[random.weighted(&[0.2, 0.0, 0.8])] += 1;
        }
        assert!((1_850..2_150).contains(&seen[0]) && seen[1] == 0, "{seen:?}");
        assert_eq!(random.weighted(&[]), 0);
        assert_eq!(random.weighted(&[0.0, 0.0]), 1, "what rounding leaves over goes to the last");
    }

    #[test]
    fn spread_has_the_deviation_it_is_given() {
        let mut random = Random::new(&["test"]);
        let draws: Vec<f64> = (0..20_000).map(|_| random.spread(2.0)).collect();
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / draws.len() as f64;
        assert!((variance.sqrt() - 2.0).abs() < 0.05, "{variance}");
        assert!(draws.iter().all(|x| x.abs() <= 6.0));
    }

    #[test]
    fn normal_draws_have_the_moments_of_the_normal_distribution() {
        let mut random = Random::new(&["test"]);
        let draws: Vec<f64> = (0..40_000).map(|_| random.normal()).collect();
        let moment = |power: i32| draws.iter().map(|x| x.powi(power)).sum::<f64>() / draws.len() as f64;
        assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.03, "{} {}", moment(1), moment(2));
        assert!(moment(3).abs() < 0.06 && (moment(4) - 3.0).abs() < 0.15, "{} {}", moment(3), moment(4));
    }

    #[test]
    fn another_one_is_any_but_oneself() {
        let mut random = Random::new(&["test"]);
        assert_eq!((random.another(0, 0), random.another(0, 1)), (None, None));
        for index in 0..5 {
            let mut drawn: Vec<usize> = (0..200).filter_map(|_| random.another(index, 5)).collect();
            assert_eq!(drawn.len(), 200);
            drawn.sort_unstable();
            drawn.dedup();
            assert_eq!(drawn, (0..5).filter(|other| *other != index).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_fork_leaves_the_stream_where_it_was_whatever_is_drawn_from_it() {
        let (mut one, mut other) = (Random::new(&["test"]), Random::new(&["test"]));
        let mut forked = one.fork();
        let _ = other.fork();
        let drawn: Vec<u64> = (0..100).map(|_| forked.below(1000)).collect();
        assert_eq!(one.below(u64::MAX), other.below(u64::MAX));
        assert_ne!(drawn, (0..100).map(|_| one.below(1000)).collect::<Vec<_>>());
    }

    #[test]
    fn shares_of_a_mixture_have_the_variance_of_their_distribution() {
        for alpha in [0.2, 1.0, 4.0] {
            let mut random = Random::new(&["test", "beta"]);
            let draws: Vec<f64> = (0..20_000).map(|_| random.beta(alpha)).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
            let expected = 0.25 / (2.0 * alpha + 1.0);
            assert!((mean - 0.5).abs() < 0.01, "{alpha}: mean {mean}");
            assert!((variance / expected - 1.0).abs() < 0.05, "{alpha}: {variance}, not {expected}");
            assert!(draws.iter().all(|x| (0.0..=1.0).contains(x)));
        }
    }
}
