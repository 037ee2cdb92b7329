//! Where the values of a numeric option lie, and the kernels over them.

use libm::{exp, log};

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
