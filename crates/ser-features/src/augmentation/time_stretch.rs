//! Time stretch: the duration changes, pitch and formants stay.

use ser_core::Result;
use serde::{Deserialize, Serialize};

use crate::augmentation::Range;

/// `kind = "time-stretch"`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeStretch {
    /// The new duration divided by the old, 0.25 to 4, log-uniform: above 1 is slower.
    pub factor: Range,
}

impl TimeStretch {
    pub(super) fn validate(&self) -> Result<()> {
        self.factor.validate("factor", 0.25, 4.0, "times the duration")
    }
}
