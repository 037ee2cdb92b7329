//! What a model says of one recording.

use ser_model::domain::OUT_OF_DOMAIN_LEVEL;
use serde::Serialize;

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
    /// Whether the model was trained or validated on this very sound.
    pub heard_before: bool,
    /// Frames left out at the end because a tensor holds no more.
    pub frames_cut: u32,
    /// Length of the recording, seconds.
    pub seconds: f64,
}

impl Answer {
    /// Whether the model cannot decide between classes at the coverage asked for, or holds none for likely enough.
    pub fn is_unsure(&self) -> bool {
        self.set.as_ref().is_some_and(|set| set.len() != 1)
    }

    /// Whether the recording is unlike those that the model was validated on.
    pub fn is_out_of_domain(&self) -> bool {
        self.share_as_unusual.is_some_and(|share| share <= OUT_OF_DOMAIN_LEVEL)
    }
}
