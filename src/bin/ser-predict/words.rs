//! Answers in words for people, the same wherever they are printed.

use ser_core::text::printable;
use ser_predict::{is_unsure, labels_of};

/// Said of what is out of domain.
pub(crate) const UNLIKE_TRAINING: &str = "unlike what the model was trained on";

/// `happy      0.87`: the class `predicted`, padded to the longest of `labels`, with its probability.
pub(crate) fn label_with_probability(labels: &[String], predicted: usize, probabilities: &[f32]) -> String {
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    format!("{:width$}  {:.2}", printable(&labels[predicted]), probabilities[predicted])
}

/// `unsure: happy, surprise`, the labels of the prediction set `set` where it does not hold one alone.
pub(crate) fn unsure(set: Option<&[usize]>, labels: &[String]) -> Option<String> {
    let set = set.filter(|set| is_unsure(Some(set)))?;
    Some(format!("unsure: {}", labels_of(set, labels).collect::<Vec<_>>().join(", ")))
}

/// `unlike what the model was trained on (0.012)`, with the share of validation recordings that are at least as unusual.
pub(crate) fn unlike_training(share_as_unusual: f64) -> String {
    format!("{UNLIKE_TRAINING} ({share_as_unusual:.3})")
}
