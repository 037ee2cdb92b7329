//! What a client is told, as JSON.

use std::collections::BTreeMap;

use ser_predict::{About, Answer, HeardIn};
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

/// The part of an answer that recordings and streams have in common.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Opinion {
    /// The most probable label.
    pub(crate) label: String,
    /// Probability of each label.
    pub(crate) probabilities: BTreeMap<String, f32>,
    /// Labels that hold the right one as often as the coverage says, the most probable first; null where the model has no
    /// calibration.
    pub(crate) set: Option<Vec<String>>,
    /// Whether the set does not hold one label alone; null where the model has no calibration.
    pub(crate) unsure: Option<bool>,
    /// Whether this sounds unlike what the model was trained on; null where it does not know.
    pub(crate) out_of_domain: Option<bool>,
    /// The share of validation recordings that are at least as unusual to the model; null where it does not know.
    pub(crate) share_as_unusual: Option<f64>,
}

impl Opinion {
    pub(crate) fn of(answer: &Answer, labels: &[String]) -> Self {
        let label = |&index: &usize| labels.get(index).cloned().unwrap_or_default();
        Self {
            label: label(&answer.predicted),
            probabilities: labels.iter().cloned().zip(answer.probabilities.iter().copied()).collect(),
            set: answer.set.as_ref().map(|set| set.iter().map(label).collect()),
            unsure: answer.set.as_ref().map(|_| answer.is_unsure()),
            out_of_domain: answer.out_of_domain,
            share_as_unusual: answer.share_as_unusual,
        }
    }
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

/// A model, and what it has heard.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ModelCard {
    /// By which it is asked for.
    pub(crate) name: String,
    /// SHA-256 of its checkpoint.
    pub(crate) digest: String,
    /// Its labels.
    pub(crate) labels: Vec<String>,
    /// The architecture of its network.
    pub(crate) arch: String,
    /// Networks that answer together.
    pub(crate) members: usize,
    /// Weights.
    pub(crate) n_parameters: u64,
    /// Rate that recordings are brought to, Hz.
    pub(crate) sample_rate: u32,
    /// The longest recording of which nothing is cut, seconds.
    pub(crate) longest_s: f64,
    /// Seconds of sound behind each answer of a stream.
    pub(crate) window_s: f64,
    /// How the corpus was split for its training.
    pub(crate) protocol: String,
    /// Speakers that it was trained on, if they were named.
    pub(crate) training_speakers: Option<u64>,
    /// Recordings that it was trained on.
    pub(crate) training_recordings: Option<u64>,
    /// Mean recall over classes on its validation side.
    pub(crate) validation_uar: Option<f64>,
    /// Speakers of the validation side, if none of them is in training.
    pub(crate) unheard_validation_speakers: Option<u64>,
    /// Whether its probabilities are calibrated, and there are prediction sets.
    pub(crate) calibrated: bool,
    /// Whether it knows what is out of its domain.
    pub(crate) knows_its_domain: bool,
    /// What it was trained on and what was measured, in a sentence or two.
    pub(crate) in_words: String,
}

impl ModelCard {
    pub(crate) fn of(served: &Served) -> Self {
        let about: About = served.inference.about().clone();
        Self {
            name: served.name.clone(),
            digest: about.digest.to_string(),
            labels: about.labels,
            arch: about.arch,
            members: about.members,
            n_parameters: about.n_parameters,
            sample_rate: about.sample_rate,
            longest_s: about.longest_s,
            window_s: served.window_s(),
            protocol: about.protocol,
            training_speakers: about.training_speakers,
            training_recordings: about.training_recordings,
            validation_uar: about.validation_uar,
            unheard_validation_speakers: about.unheard_validation_speakers,
            calibrated: about.calibrated,
            knows_its_domain: about.knows_its_domain,
            in_words: about.in_words,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_model_without_calibration_does_not_say_whether_it_is_sure() {
        let labels = ["happy", "sad"].map(str::to_owned);
        let unsure = |set: Option<Vec<usize>>| {
            let answer = Answer {
                predicted: 0,
                probabilities: vec![0.5, 0.5],
                set,
                share_as_unusual: None,
                out_of_domain: None,
                heard_in: None,
                frames_cut: 0,
                seconds: 1.0,
            };
            serde_json::to_value(Opinion::of(&answer, &labels)).unwrap()["unsure"].clone()
        };
        assert_eq!(unsure(None), Value::Null);
        assert_eq!(unsure(Some(vec![0])), json!(false));
        assert_eq!(unsure(Some(vec![0, 1])), json!(true));
    }
}
