//! Time stretch: the duration changes, pitch and formants stay.

use std::fmt;

use ser_core::Result;
use ser_core::random::Random;
use serde::{Deserialize, Serialize};

use crate::augmentation::{Augmentation, Range, Reach, Sound, Step, VoiceChange};

/// `kind = "time-stretch"`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeStretch {
    /// The new duration divided by the old, 0.25 to 4, log-uniform: above 1 is slower.
    pub factor: Range,
}

impl Augmentation for TimeStretch {
    const KIND: &'static str = "time-stretch";

    fn validate(&self) -> Result<()> {
        self.factor.validate("factor", 0.25, 4.0, "times the duration")
    }

    fn draw(&self, random: &mut Random) -> Result<Box<dyn Step>> {
        Ok(Box::new(Drawn { factor: self.factor.draw_ratio(random) }))
    }

    fn reach(&self) -> Reach {
        Reach { samples: Some(self.factor.octaves_of_ratios()), ..Reach::default() }
    }
}

#[derive(Debug)]
struct Drawn {
    factor: f64,
}

impl Step for Drawn {
    fn apply(&mut self, sound: &mut Sound<'_>) -> Result<()> {
        sound.change_voice(VoiceChange::Duration { factor: self.factor })
    }
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "time-stretch × {:.3}", self.factor)
    }
}
