//! Clipping: an overdriven microphone.

use ser_core::Result;
use ser_core::elementary::decibels;
use serde::{Deserialize, Serialize};

use crate::augmentation::Range;

/// `kind = "clipping"`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clipping {
    /// Where the waveform is cut off, in dB relative to its peak, −60 to 0, uniform.
    pub threshold_db: Range,
}

impl Clipping {
    pub(super) fn validate(&self) -> Result<()> {
        self.threshold_db.validate("threshold_db", -60.0, 0.0, "dB relative to the peak")
    }
}

pub(super) fn apply(threshold_db: f64, samples: &mut [f32]) {
    let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    let threshold = (f64::from(peak) * decibels(threshold_db)) as f32;
    for sample in samples {
        *sample = sample.clamp(-threshold, threshold);
    }
}
