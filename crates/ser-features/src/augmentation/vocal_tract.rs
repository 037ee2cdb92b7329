//! Vocal-tract-length perturbation: the formants move, pitch and duration stay.

use ser_core::Result;
use serde::{Deserialize, Serialize};

use crate::augmentation::Range;

/// `kind = "vtlp"`
///
/// The idea is that of Jaitly and Hinton (2013), "Vocal Tract Length Perturbation (VTLP) improves speech recognition".
/// They warp the filter bank, and with it the harmonics; here the spectral envelope alone is warped, in the waveform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VocalTractLength {
    /// What the frequencies of the formants are multiplied by, 0.5 to 2, log-uniform: above 1 is a shorter tract.
    pub factor: Range,
}

impl VocalTractLength {
    pub(super) fn validate(&self) -> Result<()> {
        self.factor.validate("factor", 0.5, 2.0, "times the formants' frequencies")
    }
}
