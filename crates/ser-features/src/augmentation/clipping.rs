//! Clipping: an overdriven microphone.

use std::fmt;

use ser_core::Result;
use ser_core::random::Random;
use ser_core::ratio::decibels;
use serde::{Deserialize, Serialize};

use crate::augmentation::{Augmentation, Range, Sound, Step};

/// `kind = "clipping"`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clipping {
    /// Where the waveform is cut off, in dB relative to its peak, −60 to 0, uniform.
    pub threshold_db: Range,
}

impl Augmentation for Clipping {
    const KIND: &'static str = "clipping";

    fn validate(&self) -> Result<()> {
        self.threshold_db.validate("threshold_db", -60.0, 0.0, "dB relative to the peak")
    }

    fn draw(&self, random: &mut Random) -> Result<Box<dyn Step>> {
        Ok(Box::new(Drawn { threshold_db: self.threshold_db.draw(random) }))
    }
}

#[derive(Debug)]
struct Drawn {
    threshold_db: f64,
}

impl Step for Drawn {
    fn apply(&mut self, sound: &mut Sound<'_>) -> Result<()> {
        let samples = sound.samples()?;
        let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        let threshold = (f64::from(peak) * decibels(self.threshold_db)) as f32;
        for sample in samples {
            *sample = sample.clamp(-threshold, threshold);
        }
        Ok(())
    }
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "clipping at {:.1} dB", self.threshold_db)
    }
}
