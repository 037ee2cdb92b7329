//! An answer with labels in place of the indices of classes, as programs read it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Answer;

/// The part of an answer that recordings and streams have in common.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Opinion {
    /// The most probable label.
    pub label: String,
    /// Probability of each label.
    pub probabilities: BTreeMap<String, f32>,
    /// Labels that hold the right one as often as the coverage says, the most probable first; null where the model has no
    /// calibration.
    pub set: Option<Vec<String>>,
    /// Whether the set does not hold one label alone; null where the model has no calibration.
    pub unsure: Option<bool>,
    /// Whether this sounds unlike what the model was trained on; null where it does not know.
    pub out_of_domain: Option<bool>,
    /// The share of validation recordings that are at least as unusual to the model; null where it does not know.
    pub share_as_unusual: Option<f64>,
}

impl Opinion {
    /// What `answer` says of classes that have these labels.
    pub fn of(answer: &Answer, labels: &[String]) -> Self {
        Self {
            label: labels.get(answer.predicted).cloned().unwrap_or_default(),
            probabilities: labels.iter().cloned().zip(answer.probabilities.iter().copied()).collect(),
            set: answer.set.as_ref().map(|set| labels_of(set, labels).map(str::to_owned).collect()),
            unsure: answer.set.as_ref().map(|_| answer.is_unsure()),
            out_of_domain: answer.out_of_domain,
            share_as_unusual: answer.share_as_unusual,
        }
    }
}

/// The labels of `classes`, in their order.
pub fn labels_of<'a>(classes: &[usize], labels: &'a [String]) -> impl Iterator<Item = &'a str> {
    classes.iter().filter_map(|&class| labels.get(class).map(String::as_str))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn opinion(set: Option<Vec<usize>>) -> Value {
        let answer = Answer {
            predicted: 1,
            probabilities: vec![0.25, 0.75],
            set,
            share_as_unusual: Some(0.5),
            out_of_domain: Some(false),
            heard_in: None,
            frames_cut: 0,
            seconds: 1.0,
        };
        serde_json::to_value(Opinion::of(&answer, &["happy", "sad"].map(str::to_owned))).unwrap()
    }

    #[test]
    fn classes_are_called_by_their_labels_the_most_probable_first() {
        let expected = json!({
            "label": "sad", "probabilities": {"happy": 0.25, "sad": 0.75}, "set": ["sad", "happy"], "unsure": true,
            "out_of_domain": false, "share_as_unusual": 0.5,
        });
        assert_eq!(opinion(Some(vec![1, 0])), expected);
    }

    #[test]
    fn a_model_without_calibration_does_not_say_whether_it_is_sure() {
        for (set, unsure) in [(None, Value::Null), (Some(vec![0]), json!(false)), (Some(vec![]), json!(true))]
        {
            assert_eq!(opinion(set)["unsure"], unsure);
        }
    }
}
