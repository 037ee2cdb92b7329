//! What a model says of one recording.

use serde::Serialize;

/// On which side of its training a model met a sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum HeardIn {
    /// Its weights were learnt from it.
    Training,
    /// Its epoch and calibration were chosen by it.
    Validation,
}

/// `training` or `validation`.
impl std::fmt::Display for HeardIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.into())
    }
}

/// The answer for one recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Index of the most probable class; the first of equals.
    pub predicted: usize,
    /// Probability of each class, in the order of the labels: calibrated, if the model is.
    pub probabilities: Vec<f32>,
    /// Indices of the classes in the prediction set, the most probable first; `None` of a model without calibration.
    pub set: Option<Vec<usize>>,
    /// How many of the validation recordings are at least as unlike the training, of all: small where this one is unlike
    /// what the model has learnt from. `None` of a model that does not know.
    pub share_as_unusual: Option<f64>,
    /// Whether the recording is unlike those that the model was validated on. `None` of a model that does not know, or that too
    /// few validation recordings tell.
    pub out_of_domain: Option<bool>,
    /// Where the model was trained or validated on this very sound; `None` where it was on neither.
    pub heard_in: Option<HeardIn>,
    /// Frames left out at the end because a tensor holds no more.
    pub frames_cut: u32,
    /// Length of the recording, seconds.
    pub seconds: f64,
}

impl Answer {
    /// Whether the model cannot decide between classes at the coverage asked for, or holds none for likely enough.
    pub fn is_unsure(&self) -> bool {
        is_unsure(self.set.as_deref())
    }

    /// Whether the model was trained or validated on this very sound.
    pub fn is_heard_before(&self) -> bool {
        self.heard_in.is_some()
    }
}

/// Whether the prediction set `set` leaves a model undecided between classes, or holds none for likely enough; not without
/// calibration, when there is no set.
pub fn is_unsure(set: Option<&[usize]>) -> bool {
    set.is_some_and(|set| set.len() != 1)
}
