//! What the model answered for each utterance, and which of that is wrong.

use ser_core::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::evaluation::Doubt;
use crate::metrics::most_probable;

/// The answer for one utterance.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The recording, relative to its corpus.
    pub path: String,
    /// Index of the true class.
    pub truth: usize,
    /// Index of the predicted class.
    pub predicted: usize,
    /// Probability of each class, in index order.
    pub probabilities: Vec<f32>,
    /// Its prediction set, where the model is calibrated.
    pub doubt: Option<Doubt>,
    /// Share of utterances like those of the validation side that are at least as far from the training side
    /// ([`DomainReference::share_as_unusual`](ser_model::domain::DomainReference::share_as_unusual)), where that is known.
    pub share_as_unusual: Option<f64>,
}

impl Prediction {
    /// Predicts the most probable class, the first of several that are equally so.
    ///
    /// # Errors
    /// [`ErrorKind::Mismatch`] if `truth` has no probability, [`ErrorKind::Unusable`] if a probability is not a
    /// number between 0 and 1.
    pub fn most_probable(path: impl Into<String>, truth: usize, probabilities: Vec<f32>) -> Result<Self> {
        let predicted = most_probable(&probabilities);
        let (path, doubt, share_as_unusual) = (path.into(), None, None);
        let prediction = Self { path, truth, predicted, probabilities, doubt, share_as_unusual };
        prediction.check(prediction.probabilities.len())?;
        Ok(prediction)
    }

    /// Checks that both classes are below `n_classes` and each class has a probability.
    pub(crate) fn check(&self, n_classes: usize) -> Result<()> {
        let mismatch = |what: String| Err(Error::new(ErrorKind::Mismatch, what).at(&self.path));
        if self.probabilities.len() != n_classes {
            return mismatch(format!(
                "has {} probabilities for {n_classes} classes",
                self.probabilities.len()
            ));
        }
        if let Some(class) = [self.truth, self.predicted].into_iter().find(|&class| class >= n_classes) {
            return mismatch(format!("has class {class}, but there are {n_classes} classes"));
        }
        let in_set = self.doubt.iter().flat_map(|doubt| &doubt.set);
        if let Some(class) = in_set.copied().find(|&class| class >= n_classes) {
            return mismatch(format!("has class {class} in its set, but there are {n_classes} classes"));
        }
        if let Some(value) = self.probabilities.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            let error =
                Error::new(ErrorKind::Unusable, format!("got {value} where a probability was expected"));
            return Err(error.at(&self.path).help("train again: the model's weights have diverged"));
        }
        Ok(())
    }
}

/// An utterance that the model got wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WrongPrediction {
    /// The recording, relative to its corpus.
    pub path: String,
    /// Label of the true class.
    #[serde(rename = "true")]
    pub truth: String,
    /// Label of the predicted class.
    pub predicted: String,
    /// Probability that the model gave to the true class.
    pub probability_true: f32,
    /// Probability that it gave to its wrong answer.
    pub probability_predicted: f32,
}

/// The wrong ones among `predictions`, the most confident first, equally confident ones by path.
///
/// # Errors
/// [`ErrorKind::Mismatch`] or [`ErrorKind::Unusable`] for a row that does not fit the labels.
pub fn wrong_predictions(labels: &[String], predictions: &[Prediction]) -> Result<Vec<WrongPrediction>> {
    let mut wrong = Vec::new();
    for row in predictions {
        row.check(labels.len())?;
        if row.predicted != row.truth {
            wrong.push(WrongPrediction {
                path: row.path.clone(),
                truth: labels[row.truth].clone(),
                predicted: labels[row.predicted].clone(),
                probability_true: row.probabilities[row.truth],
                probability_predicted: row.probabilities[row.predicted],
            });
        }
    }
    wrong.sort_by(|a, b| {
        b.probability_predicted.total_cmp(&a.probability_predicted).then_with(|| a.path.cmp(&b.path))
    });
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<String> {
        ["angry", "happy, \"very\"", "sad"].map(String::from).to_vec()
    }

    #[test]
    fn equal_probabilities_give_the_first_class() {
        assert_eq!(Prediction::most_probable("a", 0, vec![0.2, 0.4, 0.4]).unwrap().predicted, 1);
    }

    #[test]
    fn a_row_that_does_not_fit_is_named_by_its_path() {
        let diverged = Prediction::most_probable("a.wav", 0, vec![f32::NAN, 0.0, 0.0]).unwrap_err();
        assert_eq!(
            diverged.to_string(),
            "a.wav: got NaN where a probability was expected; train again: the model's weights have diverged"
        );
        assert_eq!(Prediction::most_probable("a", 0, vec![]).unwrap_err().kind(), ErrorKind::Mismatch);
        let row = Prediction {
            path: "b.wav".into(),
            truth: 0,
            predicted: 3,
            probabilities: vec![0.2; 3],
            doubt: None,
            share_as_unusual: None,
        };
        let error = wrong_predictions(&labels(), &[row]).unwrap_err();
        assert_eq!(error.to_string(), "b.wav: has class 3, but there are 3 classes");
    }

    #[test]
    fn wrong_answers_come_with_the_most_confident_first() {
        let rows = [("b", 0.6), ("right", 0.1), ("c", 0.9), ("a", 0.6)]
            .map(|(path, p)| Prediction::most_probable(path, 0, vec![0.5, p, 0.0]).unwrap());
        let wrong = wrong_predictions(&labels(), &rows).unwrap();
        assert_eq!(wrong.iter().map(|row| row.path.as_str()).collect::<Vec<_>>(), ["c", "a", "b"]);
    }
}
