//! The kernels of an estimator: where they lie, what is drawn from each, and how likely each makes a value.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use libm::{erf, erfc, exp, log, sqrt};
use ser_core::random::Random;

use crate::Distribution;

/// The domain of a numeric option.
#[derive(Debug, Clone, Copy)]
pub(super) struct Domain {
    /// The smallest value.
    pub(super) low: f64,
    /// The largest.
    pub(super) high: f64,
    /// The distance of values from one to the next; none where every number between is one.
    pub(super) step: Option<f64>,
    /// Whether kernels lie on a logarithmic scale.
    pub(super) log: bool,
}

impl Domain {
    /// The domain of a numeric option; `None` for a categorical one.
    pub(super) fn of(distribution: &Distribution) -> Option<Self> {
        match *distribution {
            Distribution::Float { low, high, log, step } => Some(Self { low, high, step, log }),
            Distribution::Int { low, high, log, step } => {
                Some(Self { low: low as f64, high: high as f64, step: Some(step as f64), log })
            }
            Distribution::Categorical { .. } => None,
        }
    }

    /// A value on the scale of the kernels.
    pub(super) fn scale(&self, value: f64) -> f64 {
        if self.log { log(value) } else { value }
    }

    /// The bounds on the scale of the kernels, where each value of a grid has its cell.
    pub(super) fn bounds(&self) -> (f64, f64) {
        let half = self.step.map_or(0.0, |step| step / 2.0);
        (self.scale(self.low - half), self.scale(self.high + half))
    }

    /// The bounds of the cell of a value.
    pub(super) fn cell(&self, value: f64, step: f64) -> (f64, f64) {
        (self.scale(value - step / 2.0), self.scale(value + step / 2.0))
    }

    /// A number on the scale of the kernels as the nearest value.
    pub(super) fn value(&self, scaled: f64) -> f64 {
        let value = if self.log { exp(scaled) } else { scaled };
        let value = self.step.map_or(value, |step| self.low + ((value - self.low) / step).round() * step);
        value.clamp(self.low, self.high)
    }
}

/// The kernels of one option.
#[derive(Debug, Clone)]
pub(super) enum Kernels {
    /// Normal distributions that are cut off at the bounds of the domain.
    Normal {
        /// Mean and standard deviation of each, on the scale of the domain. Means lie inside it.
        shapes: Vec<(f64, f64)>,
        /// Where they are cut off, and which values there are.
        domain: Domain,
    },
    /// For each kernel the probability of each choice.
    Choices(Vec<Vec<f64>>),
}

impl Kernels {
    /// Of an option with `count` choices: for each choice observed a kernel that prefers it, and one that prefers none.
    pub(super) fn over_choices(count: usize, observed: &[f64]) -> Self {
        let prior = 1.0 / (observed.len() as f64 + 1.0);
        let kernel = |seen: Option<usize>| {
            let weight = |choice| if Some(choice) == seen { prior + 1.0 } else { prior };
            normalised((0..count).map(weight).collect())
        };
        let seen = observed.iter().map(|&value| Some(value as usize));
        Self::Choices(seen.chain([None]).map(kernel).collect())
    }

    /// Draws a value from one kernel.
    pub(super) fn draw(&self, kernel: usize, random: &mut Random) -> f64 {
        match self {
            Self::Choices(kernels) => {
                kernels.get(kernel).map_or(0.0, |kernel| random.weighted(kernel) as f64)
            }
            Self::Normal { shapes, domain } => {
                let (mean, deviation) = shapes.get(kernel).copied().unwrap_or((0.0, 0.0));
                let (low, high) = domain.bounds();
                // A kernel has its mean in the domain and is not wider than it, so a third of all draws are inside.
                let mut drawn = mean;
                for _ in 0..1000 {
                    let draw = mean + deviation * random.normal();
                    if (low..=high).contains(&draw) {
                        drawn = draw;
                        break;
                    }
                }
                domain.value(drawn)
            }
        }
    }

    /// For each kernel the probability of `value`, or its density if values are continuous, up to a factor that depends
    /// on `value` alone.
    pub(super) fn densities(&self, value: f64) -> Vec<f64> {
        match self {
            Self::Choices(kernels) => {
                kernels.iter().map(|kernel| kernel.get(value as usize).copied().unwrap_or(0.0)).collect()
            }
            Self::Normal { shapes, domain } => {
                let (low, high) = domain.bounds();
                let density = |&(mean, deviation): &(f64, f64)| {
                    let z = |x: f64| (x - mean) / deviation;
                    let inside = mass(z(low), z(high));
                    match domain.step {
                        Some(step) => {
                            let (left, right) = domain.cell(value, step);
                            mass(z(left), z(right)) / inside
                        }
                        None => {
                            let at = z(domain.scale(value));
                            exp(-at * at / 2.0) / (sqrt(2.0 * PI) * deviation * inside)
                        }
                    }
                };
                shapes.iter().map(density).collect()
            }
        }
    }
}

/// Probability that a standard normal number lies between `a` and `b`, exact also far from 0.
fn mass(a: f64, b: f64) -> f64 {
    let (a, b) = (a * FRAC_1_SQRT_2, b * FRAC_1_SQRT_2);
    if a > 0.0 {
        0.5 * (erfc(a) - erfc(b))
    } else if b < 0.0 {
        0.5 * (erfc(-b) - erfc(-a))
    } else {
        0.5 * (erf(b) - erf(a))
    }
}

/// `weights` with a sum of 1.
pub(super) fn normalised(weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mass_is_right_far_from_the_middle() {
        assert!((mass(-1.0, 1.0) - 0.682_689_492_137_085_9).abs() < 1e-15);
        assert!((mass(8.0, 9.0) / 6.219_831_3e-16 - 1.0).abs() < 1e-3);
        assert_eq!(mass(-9.0, -8.0), mass(8.0, 9.0));
    }
}
