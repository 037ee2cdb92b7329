//! Vocal-tract-length perturbation: the formants move, pitch and duration stay.

use std::fmt;

use ser_core::Result;
use ser_core::random::Random;
use serde::{Deserialize, Serialize};

use crate::augmentation::{Augmentation, Range, Reach, Sound, Step, VoiceChange};

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

impl Augmentation for VocalTractLength {
    const KIND: &'static str = "vtlp";

    fn validate(&self) -> Result<()> {
        self.factor.validate("factor", 0.5, 2.0, "times the formants' frequencies")
    }

    fn draw(&self, random: &mut Random) -> Result<Box<dyn Step>> {
        Ok(Box::new(Drawn { factor: self.factor.draw_ratio(random) }))
    }

    fn reach(&self) -> Reach {
        Reach { formants: Some(self.factor.octaves_of_ratios()), ..Reach::default() }
    }
}

#[derive(Debug)]
struct Drawn {
    factor: f64,
}

impl Step for Drawn {
    fn apply(&mut self, sound: &mut Sound<'_>) -> Result<()> {
        sound.change_voice(VoiceChange::Formants { factor: self.factor })
    }
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vtlp × {:.3}", self.factor)
    }
}
