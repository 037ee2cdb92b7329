//! What the model answered for each utterance: the file of all predictions and the table of wrong ones.

use std::io::Write;

use ser_core::text::{columns, left, printable};
use ser_core::{Error, ErrorKind, Result};
use serde::Serialize;

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
}

impl Prediction {
    /// Predicts the most probable class, the first of several that are equally so.
    ///
    /// # Errors
    /// [`ErrorKind::Mismatch`] if `truth` has no probability, [`ErrorKind::Unusable`] if a probability is not a
    /// number between 0 and 1.
    pub fn most_probable(path: impl Into<String>, truth: usize, probabilities: Vec<f32>) -> Result<Self> {
        let mut predicted = 0;
        for (class, probability) in probabilities.iter().enumerate() {
            if *probability > probabilities[predicted] {
                predicted = class;
            }
        }
        let prediction = Self { path: path.into(), truth, predicted, probabilities };
        prediction.check(prediction.probabilities.len())?;
        Ok(prediction)
    }

    /// Checks that both classes are below `n_classes` and each class has a probability.
    pub(super) fn check(&self, n_classes: usize) -> Result<()> {
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
        if let Some(value) = self.probabilities.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            let error =
                Error::new(ErrorKind::Unusable, format!("got {value} where a probability was expected"));
            return Err(error.at(&self.path).help("train again: the model's weights have diverged"));
        }
        Ok(())
    }
}

/// Writes one line an utterance: `path`, `true`, `predicted` (labels), then `probability_<label>` for each class.
///
/// Fields are quoted as RFC 4180 asks where they need it; lines end in `\n`. A probability is the shortest
/// decimal that reads back as the same `f32`.
///
/// # Errors
/// [`ErrorKind::Mismatch`] or [`ErrorKind::Unusable`] for a row that does not fit the labels, named by its path;
/// [`ErrorKind::Io`] if the writer fails.
pub fn predictions_csv(writer: impl Write, labels: &[String], predictions: &[Prediction]) -> Result<()> {
    let mut csv = csv::Writer::from_writer(writer);
    let head = ["path", "true", "predicted"].map(String::from).into_iter();
    let probabilities = labels.iter().map(|label| format!("probability_{label}"));
    csv.write_record(head.chain(probabilities)).map_err(cannot_write)?;
    for row in predictions {
        row.check(labels.len())?;
        let fields = [row.path.clone(), labels[row.truth].clone(), labels[row.predicted].clone()].into_iter();
        // `Debug` writes small numbers with an exponent, `Display` with up to 45 zeros.
        let probabilities = row.probabilities.iter().map(|probability| format!("{probability:?}"));
        csv.write_record(fields.chain(probabilities)).map_err(cannot_write)?;
    }
    csv.flush().map_err(|error| cannot_write(error.into()))
}

fn cannot_write(error: csv::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot write the predictions: {error}")).caused_by(error)
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

/// A table of wrong predictions for the terminal, in the order given, with the probability of both classes. Paths
/// come last and whole, so that they can be copied.
pub fn wrong_predictions_table(wrong: &[WrongPrediction]) -> String {
    let width = |heading: &str, label: fn(&WrongPrediction) -> &str| {
        wrong.iter().map(|row| columns(&printable(label(row)))).max().unwrap_or(0).max(heading.len())
    };
    let truth_width = width("true", |row| &row.truth);
    let predicted_width = width("predicted", |row| &row.predicted);
    let mut table = format!(
        "{}  {:>8}  {}  {:>8}  path\n",
        left("predicted", predicted_width),
        "prob.",
        left("true", truth_width),
        "prob."
    );
    for row in wrong {
        table += &format!(
            "{}  {:>8.4}  {}  {:>8.4}  {}\n",
            left(&printable(&row.predicted), predicted_width),
            row.probability_predicted,
            left(&printable(&row.truth), truth_width),
            row.probability_true,
            printable(&row.path)
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<String> {
        ["angry", "happy, \"very\"", "sad"].map(String::from).to_vec()
    }

    #[test]
    fn the_csv_reads_back_as_it_was_whatever_the_names_hold() {
        let rows = [
            Prediction::most_probable("a,b/\"c\"\n.wav", 1, vec![1e-30, 0.3, 0.7]).unwrap(),
            Prediction::most_probable("嬉しい.wav", 0, vec![1.0, 0.0, 1.0 / 3.0]).unwrap(),
        ];
        let mut bytes = Vec::new();
        predictions_csv(&mut bytes, &labels(), &rows).unwrap();
        let mut csv = csv::Reader::from_reader(&bytes[..]);
        let head: Vec<_> = csv.headers().unwrap().iter().map(String::from).collect();
        let expected = [
            "path",
            "true",
            "predicted",
            "probability_angry",
            "probability_happy, \"very\"",
            "probability_sad",
        ];
        assert_eq!(head, expected);
        for (record, row) in csv.records().zip(&rows) {
            let record = record.unwrap();
            assert_eq!(record[0], row.path);
            assert_eq!([&record[1], &record[2]], [&labels()[row.truth], &labels()[row.predicted]]);
            let back: Vec<f32> = record.iter().skip(3).map(|field| field.parse().unwrap()).collect();
            assert_eq!(back, row.probabilities);
        }
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.ends_with("嬉しい.wav,angry,angry,1.0,0.0,0.33333334\n"), "{text}");
        assert!(text.contains(",1e-30,"), "{text}");
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
        let row = Prediction { path: "b.wav".into(), truth: 0, predicted: 3, probabilities: vec![0.2; 3] };
        let error = predictions_csv(Vec::new(), &labels(), &[row]).unwrap_err();
        assert_eq!(error.to_string(), "b.wav: has class 3, but there are 3 classes");
    }

    #[test]
    fn a_full_disk_is_an_error() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        assert_eq!(predictions_csv(Full, &labels(), &[]).unwrap_err().kind(), ErrorKind::Io);
    }

    #[test]
    fn wrong_answers_come_with_the_most_confident_first() {
        let rows = [("b", 0.6), ("right", 0.1), ("c", 0.9), ("a", 0.6)]
            .map(|(path, p)| Prediction::most_probable(path, 0, vec![0.5, p, 0.0]).unwrap());
        let wrong = wrong_predictions(&labels(), &rows).unwrap();
        assert_eq!(wrong.iter().map(|row| row.path.as_str()).collect::<Vec<_>>(), ["c", "a", "b"]);
        let table = wrong_predictions_table(&wrong[..1]);
        let expected = "predicted         prob.  true      prob.  path\n\
                        happy, \"very\"    0.9000  angry    0.5000  c\n";
        assert_eq!(table, expected);
    }
}
