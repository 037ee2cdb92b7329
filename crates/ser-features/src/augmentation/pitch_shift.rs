//! Pitch shift: the fundamental frequency moves, the duration stays.

use std::fmt;

use ser_core::Result;
use ser_core::random::Random;
use serde::{Deserialize, Serialize};

use crate::augmentation::{Augmentation, Range, Reach, Sound, Step, VoiceChange};

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

impl Augmentation for PitchShift {
    const KIND: &'static str = "pitch-shift";

    fn validate(&self) -> Result<()> {
        self.semitones.validate("semitones", -24.0, 24.0, "semitones")
    }

    fn draw(&self, random: &mut Random) -> Result<Box<dyn Step>> {
        Ok(Box::new(Drawn { semitones: self.semitones.draw(random), formants: self.formants }))
    }

    fn reach(&self) -> Reach {
        let octaves = self.semitones.octaves_of_semitones();
        Reach {
            // Reading a waveform more slowly, for a lower pitch, makes it longer first.
            samples: Some(octaves.map(|octaves| -octaves)),
            formants: (self.formants == Formants::Move).then_some(octaves),
        }
    }
}

#[derive(Debug)]
struct Drawn {
    semitones: f64,
    formants: Formants,
}

impl Step for Drawn {
    fn apply(&mut self, sound: &mut Sound<'_>) -> Result<()> {
        let move_formants = self.formants == Formants::Move;
        sound.change_voice(VoiceChange::Pitch { semitones: self.semitones, move_formants })
    }
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let formants = if self.formants == Formants::Move { "moved" } else { "kept" };
        write!(f, "pitch-shift {:+.2} semitones, formants {formants}", self.semitones)
    }
}
