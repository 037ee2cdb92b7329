//! What is done to one utterance: a step of a recipe with its parameters drawn.

use std::fmt;

use ser_core::Result;
use ser_core::random::Random;
use serde::Serialize;

use crate::augmentation::{Formants, NoiseLevel, Waveform};

/// A step with its parameters as drawn.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the fields are those of the recipe")]
pub enum Step {
    /// Noise with a slope.
    Noise { slope_db_per_octave: f64, level: NoiseLevel },
    /// People talking; nothing was added if there were none.
    Babble { talkers: usize, level: NoiseLevel },
    /// Pitch shift.
    PitchShift { semitones: f64, formants: Formants },
    /// Time stretch.
    TimeStretch { factor: f64 },
    /// Vocal-tract-length perturbation.
    Vtlp { factor: f64 },
    /// Gain.
    Gain { db: f64 },
    /// Equaliser with its gains in dB, from 0 Hz up.
    Equaliser { gains_db: Vec<f64> },
    /// Reverberation.
    Reverberation { rt60_s: f64, direct_to_reverberant_db: f64 },
    /// Clipping.
    Clipping { threshold_db: f64 },
    /// Telephone.
    Telephone { mu_law: bool },
}

impl Step {
    /// Draws the parameters of `waveform` from their ranges.
    ///
    /// # Errors
    /// Those of [`crate::augmentation::AugmentationRecipe::validate`].
    pub(super) fn draw(waveform: &Waveform, random: &mut Random) -> Result<Self> {
        Ok(match waveform {
            Waveform::Noise(noise) => match noise.draw(random)? {
                (Some(slope_db_per_octave), level) => Self::Noise { slope_db_per_octave, level },
                (None, level) => Self::Babble { talkers: noise.talkers(), level },
            },
            Waveform::PitchShift(shift) => {
                Self::PitchShift { semitones: shift.semitones.draw(random), formants: shift.formants }
            }
            Waveform::TimeStretch(stretch) => Self::TimeStretch { factor: stretch.factor.draw_ratio(random) },
            Waveform::Vtlp(warp) => Self::Vtlp { factor: warp.factor.draw_ratio(random) },
            Waveform::Gain(gain) => Self::Gain { db: gain.db.draw(random) },
            Waveform::Equaliser(equaliser) => Self::Equaliser { gains_db: equaliser.draw(random) },
            Waveform::Reverberation(room) => Self::Reverberation {
                rt60_s: room.rt60_s.draw_ratio(random),
                direct_to_reverberant_db: room.direct_to_reverberant_db.draw(random),
            },
            Waveform::Clipping(clipping) => {
                Self::Clipping { threshold_db: clipping.threshold_db.draw(random) }
            }
            Waveform::Telephone(telephone) => Self::Telephone { mu_law: telephone.mu_law },
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Noise { slope_db_per_octave, level } => {
                write!(f, "noise with {slope_db_per_octave:+.1} dB per octave {level}")
            }
            Self::Babble { talkers: 0, .. } => f.write_str("babble of no talkers"),
            Self::Babble { talkers, level } => write!(f, "babble of {talkers} {level}"),
            Self::PitchShift { semitones, formants } => {
                let formants = if *formants == Formants::Move { "moved" } else { "kept" };
                write!(f, "pitch-shift {semitones:+.2} semitones, formants {formants}")
            }
            Self::TimeStretch { factor } => write!(f, "time-stretch × {factor:.3}"),
            Self::Vtlp { factor } => write!(f, "vtlp × {factor:.3}"),
            Self::Gain { db } => write!(f, "gain {db:+.1} dB"),
            Self::Equaliser { gains_db } => {
                let gains: Vec<String> = gains_db.iter().map(|gain| format!("{gain:+.1}")).collect();
                write!(f, "equaliser {} dB", gains.join(" "))
            }
            Self::Reverberation { rt60_s, direct_to_reverberant_db } => {
                write!(f, "reverberation of {rt60_s:.2} s, {direct_to_reverberant_db:+.1} dB direct")
            }
            Self::Clipping { threshold_db } => write!(f, "clipping at {threshold_db:.1} dB"),
            Self::Telephone { mu_law: false } => f.write_str("telephone"),
            Self::Telephone { mu_law: true } => f.write_str("telephone with μ-law"),
        }
    }
}
