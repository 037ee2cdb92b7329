//! What a pass over the voice is to change.

use ser_core::elementary::semitones;

use crate::augmentation::Formants;

/// What is to change, from one step or several; the default changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct VoiceChange {
    /// What F0 is multiplied by.
    pub(super) pitch: f64,
    /// What the formants' frequencies are multiplied by.
    pub(super) formants: f64,
    /// What the duration is multiplied by.
    pub(super) duration: f64,
    /// Gains in dB of one or more equalisers.
    pub(super) equalisers: Vec<Vec<f64>>,
}

impl Default for VoiceChange {
    fn default() -> Self {
        Self { pitch: 1.0, formants: 1.0, duration: 1.0, equalisers: Vec::new() }
    }
}

impl VoiceChange {
    /// Moves F0 by `interval` semitones, and the formants with it where they are to move.
    pub(super) fn shift_pitch(&mut self, interval: f64, formants: Formants) {
        let ratio = semitones(interval);
        self.pitch *= ratio;
        if formants == Formants::Move {
            self.formants *= ratio;
        }
    }
}
