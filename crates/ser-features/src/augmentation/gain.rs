//! Gain: all samples by one factor.

use std::fmt;

use ser_core::Result;
use ser_core::random::Random;
use ser_core::ratio::decibels;
use serde::{Deserialize, Serialize};

use crate::augmentation::{Augmentation, Range, Sound, Step};

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

impl Augmentation for Gain {
    const KIND: &'static str = "gain";

    fn validate(&self) -> Result<()> {
        self.db.validate("db", -60.0, 60.0, "dB")
    }

    fn draw(&self, random: &mut Random) -> Result<Box<dyn Step>> {
        Ok(Box::new(Drawn { db: self.db.draw(random) }))
    }
}

#[derive(Debug)]
struct Drawn {
    db: f64,
}

impl Step for Drawn {
    fn apply(&mut self, sound: &mut Sound<'_>) -> Result<()> {
        let factor = decibels(self.db);
        for sample in sound.samples()? {
            *sample = (f64::from(*sample) * factor) as f32;
        }
        Ok(())
    }
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gain {:+.1} dB", self.db)
    }
}
