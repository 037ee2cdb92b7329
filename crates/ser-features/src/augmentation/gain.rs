//! Gain: all samples by one factor.

use ser_core::Result;
use ser_core::elementary::decibels;
use serde::{Deserialize, Serialize};

use crate::augmentation::Range;

/// `kind = "gain"`
///
/// Features of recordings that are normalised by their peak do not see it by itself; before a step that depends on the
/// level, or with `normalisation = "none"`, they do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gain {
    /// Decibels, −60 to 60, uniform.
    pub db: Range,
}

impl Gain {
    pub(super) fn validate(&self) -> Result<()> {
        self.db.validate("db", -60.0, 60.0, "dB")
    }
}

pub(super) fn apply(db: f64, samples: &mut [f32]) {
    let factor = decibels(db);
    for sample in samples {
        *sample = (f64::from(*sample) * factor) as f32;
    }
}
