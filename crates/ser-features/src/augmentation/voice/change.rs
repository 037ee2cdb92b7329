//! What a pass over the voice is to change.

use crate::{MelScale, hz_to_mel};
use ser_core::ratio::semitones;

/// One change of the voice.
#[derive(Debug, Clone, PartialEq)]
pub enum VoiceChange {
    /// F0 moves, and the duration stays.
    Pitch {
        /// By how many semitones.
        semitones: f64,
        /// Whether the formants move with it.
        move_formants: bool,
    },
    /// The formants move; F0 and the duration stay.
    Formants {
        /// What their frequencies are multiplied by.
        factor: f64,
    },
    /// The duration changes; F0 and the formants stay.
    Duration {
        /// What it is multiplied by.
        factor: f64,
    },
    /// The frequency response changes.
    Equaliser {
        /// Gains in dB, evenly spaced on the mel scale from 0 Hz to half the sample rate.
        gains_db: Vec<f64>,
    },
}

/// Several changes made at once; by default none.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::augmentation) struct VoicePass {
    /// What F0 is multiplied by.
    pub(super) pitch: f64,
    /// What the formants' frequencies are multiplied by.
    pub(super) formants: f64,
    /// What the duration is multiplied by.
    pub(super) duration: f64,
    /// Gains in dB of one or more equalisers.
    pub(super) equalisers: Vec<Vec<f64>>,
}

impl Default for VoicePass {
    fn default() -> Self {
        Self { pitch: 1.0, formants: 1.0, duration: 1.0, equalisers: Vec::new() }
    }
}

impl VoicePass {
    pub(in crate::augmentation) fn add(&mut self, change: VoiceChange) {
        match change {
            VoiceChange::Pitch { semitones: interval, move_formants } => {
                let ratio = semitones(interval);
                self.pitch *= ratio;
                if move_formants {
                    self.formants *= ratio;
                }
            }
            VoiceChange::Formants { factor } => self.formants *= factor,
            VoiceChange::Duration { factor } => self.duration *= factor,
            VoiceChange::Equaliser { gains_db } => self.equalisers.push(gains_db),
        }
    }

    pub(in crate::augmentation) fn has_equalisers(&self) -> bool {
        !self.equalisers.is_empty()
    }
}

/// Gain in dB at `frequency` Hz of the equaliser with these gains at its nodes: along half a cosine between two.
pub(super) fn response_db(gains_db: &[f64], frequency: f64, sample_rate: f64) -> f64 {
    let mel = |hz: f64| hz_to_mel(MelScale::Htk, hz);
    let place = mel(frequency) / mel(0.5 * sample_rate) * gains_db.len().saturating_sub(1) as f64;
    let before = place.floor().max(0.0);
    let gain = |index: f64| gains_db.get(index as usize).or(gains_db.last()).copied().unwrap_or(0.0);
    let (low, high) = (gain(before), gain(before + 1.0));
    let part = (place - before).clamp(0.0, 1.0);
    low + (high - low) * 0.5 * (1.0 - libm::cos(std::f64::consts::PI * part))
}
