//! Pitch shift: the fundamental frequency moves, the duration stays.

use ser_core::Result;
use serde::{Deserialize, Serialize};

use crate::augmentation::Range;

/// `kind = "pitch-shift"`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PitchShift {
    /// By how many semitones F0 moves, −24 to 24, uniform.
    pub semitones: Range,
    /// Whether the formants move with it.
    #[serde(default)]
    pub formants: Formants,
}

/// The effect of a pitch shift on the resonances of the vocal tract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Formants {
    /// They stay: the same speaker with another pitch.
    #[default]
    Keep,
    /// They move by the same ratio, as on a tape that runs faster: another speaker.
    Move,
}

impl PitchShift {
    pub(super) fn validate(&self) -> Result<()> {
        self.semitones.validate("semitones", -24.0, 24.0, "semitones")
    }
}
