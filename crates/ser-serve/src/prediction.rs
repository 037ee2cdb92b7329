//! What a client is told of a recording, as JSON.

use ser_predict::{Answer, HeardIn, Opinion};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Served;

/// What a model says of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Prediction {
    /// The model that was asked.
    pub(crate) model: String,
    #[serde(flatten)]
    pub(crate) opinion: Opinion,
    /// Whether the model was trained or validated on this very sound: then this says nothing about how good it is.
    pub(crate) heard_before: bool,
    /// On which of the two sides it was: `training`, also where it was on both, or `validation`; null where it was on neither.
    #[schema(value_type = Option<String>)]
    pub(crate) heard_in: Option<HeardIn>,
    /// Length of the recording.
    pub(crate) seconds: f64,
    /// How much of it was left out, because the model hears no more at once; silence that it trims away does not count.
    pub(crate) seconds_cut: f64,
}

impl Prediction {
    pub(crate) fn of(answer: &Answer, served: &Served) -> Self {
        let features = served.inference.front_ends().features();
        let hop = features.hop_length as f64 / f64::from(features.sample_rate);
        Self {
            model: served.name.clone(),
            opinion: Opinion::of(answer, &served.inference.about().labels),
            heard_before: answer.is_heard_before(),
            heard_in: answer.heard_in,
            seconds: answer.seconds,
            seconds_cut: f64::from(answer.frames_cut) * hop,
        }
    }
}
