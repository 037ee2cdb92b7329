//! The kernels of an estimator: what is drawn from each, and how likely each makes a value.

use std::f64::consts::PI;

use libm::{exp, sqrt};
use ser_core::random::Random;

use crate::parzen::domain::Domain;
use crate::parzen::statistics::{mass, normalised};

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
                // A kernel has its mean in the domain and is no wider than it, so a third of all draws are inside.
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
