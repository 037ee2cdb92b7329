//! What is evaluated: the answers of a network for its test side, the run and the split behind them.
//!
//! [`Evaluation`] is everything that a report on one checkpoint shows; serialised, it is the report as JSON.

pub(crate) mod answers;
mod definitions;
mod history;
mod out_of_domain;
mod predictions;
mod protocol;
mod provenance;
mod run_record;
mod settings;
mod uncertainty;
pub(crate) mod unit;
pub(crate) mod voices;

use ser_cache::audit::Audit;
use ser_core::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::metrics::{
    Calibration, ClassAverage, ClassMetrics, ConfusionMatrix, Interval, Metrics, RELIABILITY_BINS,
    mean_cross_entropy,
};

pub use answers::{Answers, RunFigures, TestSide, TestUtterance};
pub use definitions::{DEFINITIONS, Definitions};
pub use history::History;
pub use out_of_domain::{DomainRates, OtherCorpus, OutOfDomain};
pub use predictions::{Prediction, WrongPrediction, wrong_predictions};
pub use protocol::{SplitSide, protocol_in_words};
pub use provenance::Provenance;
pub use run_record::{CommandLine, RunRecord, corpora_of};
pub use settings::{TrainingSettings, training_in_words};
pub use uncertainty::{COVERAGES, DEFAULT_COVERAGE, Doubt, RawAnswers, Sharpness, Uncertainty};
pub use unit::{Resampled, Unit};
pub use voices::Voices;

/// A model's test set result. Serialised, it is the object that `--json` prints; numbers are not rounded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// What was evaluated, and on what.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Labels in index order.
    pub labels: Vec<String>,
    /// Utterances in the test set.
    pub n_utterances: u64,
    /// Utterances classified correctly.
    pub n_correct: u64,
    /// See [`Metrics::accuracy`].
    pub accuracy: f64,
    /// See [`Metrics::accuracy_interval`].
    pub accuracy_interval: Interval,
    /// See [`Metrics::uar`].
    pub uar: f64,
    /// The best average UAR of guesses that ignore the recording: 1 / classes that have test utterances
    /// (what scikit-learn's `balanced_accuracy_score(adjusted=True)` subtracts).
    pub chance_uar: f64,
    /// See [`Metrics::macro_f1`].
    pub macro_f1: f64,
    /// See [`mean_cross_entropy`], nats.
    pub cross_entropy: f64,
    /// How far stated confidence and observed accuracy lie apart, in [`RELIABILITY_BINS`] bins.
    pub calibration: Calibration,
    /// See [`Metrics::macro_average`].
    pub macro_average: ClassAverage,
    /// See [`Metrics::weighted_average`].
    pub weighted_average: ClassAverage,
    /// Metrics of each class, in index order.
    pub classes: Vec<LabelledClass>,
    /// Counts; rows are true, columns predicted, both in the order of `labels`.
    pub confusion_matrix: ConfusionMatrix,
    /// Classes whose metrics are 0 by convention or left out of a mean, in words.
    pub notes: Vec<String>,
    /// What each metric means.
    pub definitions: Definitions,
    /// What the calibration in the checkpoint does on the test side; the probabilities evaluated are calibrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<Uncertainty>,
    /// Why the probabilities are not calibrated, if they are not and it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_calibrated: Option<String>,
    /// How far the test side lies from what the model has learnt from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_domain: Option<OutOfDomain>,
    /// Why that is not known, if it is not and the reason is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_domain_reference: Option<String>,
    /// What the test side has in common with what the model has seen, and what is reached without listening.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// The utterances that the model got wrong, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<WrongPrediction>>,
}

/// A class and its metrics.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelledClass {
    /// Label of the class.
    pub label: String,
    /// Its metrics.
    #[serde(flatten)]
    pub metrics: ClassMetrics,
}

impl Evaluation {
    /// Evaluates the predictions for a test set; `labels` are in index order.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] without predictions or with probabilities that are none, [`ErrorKind::Mismatch`]
    /// where predictions and labels do not agree or a label occurs twice, [`ErrorKind::Limit`] with too many
    /// classes.
    pub fn new(labels: Vec<String>, predictions: &[Prediction], provenance: Provenance) -> Result<Self> {
        let n_classes = labels.len();
        let mut confusion_matrix = ConfusionMatrix::new(n_classes)?;
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = labels.iter().find(|label| !seen.insert(*label)) {
            return Err(Error::new(
                ErrorKind::Mismatch,
                format!("the label \"{twice}\" stands for two classes"),
            ));
        }
        predictions.iter().try_for_each(|prediction| prediction.check(n_classes))?;

        let truth: Vec<usize> = predictions.iter().map(|prediction| prediction.truth).collect();
        let predicted: Vec<usize> = predictions.iter().map(|prediction| prediction.predicted).collect();
        confusion_matrix.add_batch(&truth, &predicted)?;
        let metrics = confusion_matrix.metrics()?;
        let probabilities = predictions.iter().map(|prediction| prediction.probabilities.as_slice());
        let probabilities = probabilities.collect::<Vec<_>>().concat();
        let cross_entropy = mean_cross_entropy(&truth, &probabilities, n_classes)?;
        let calibration = Calibration::of(&truth, &predicted, &probabilities, n_classes, RELIABILITY_BINS)?;

        let n_tested = n_classes - metrics.without_utterances.len();
        Ok(Self {
            provenance,
            n_utterances: metrics.n_utterances,
            n_correct: metrics.n_correct,
            accuracy: metrics.accuracy,
            accuracy_interval: metrics.accuracy_interval,
            uar: metrics.uar,
            chance_uar: 1.0 / n_tested as f64,
            macro_f1: metrics.macro_f1(),
            cross_entropy,
            calibration,
            macro_average: metrics.macro_average,
            weighted_average: metrics.weighted_average,
            notes: notes(&metrics, &labels),
            classes: labels
                .iter()
                .cloned()
                .zip(metrics.classes)
                .map(|(label, metrics)| LabelledClass { label, metrics })
                .collect(),
            labels,
            confusion_matrix,
            definitions: DEFINITIONS,
            uncertainty: None,
            not_calibrated: None,
            out_of_domain: None,
            no_domain_reference: None,
            audit: None,
            errors: None,
        })
    }

    /// Adds the audit of the split, which every report shows.
    #[must_use]
    pub fn with_audit(self, audit: Audit) -> Self {
        Self { audit: Some(audit), ..self }
    }

    /// Adds what the calibration in the checkpoint does, or why it has none.
    #[must_use]
    pub fn with_uncertainty(mut self, uncertainty: Result<Uncertainty, String>) -> Self {
        (self.uncertainty, self.not_calibrated) = match uncertainty {
            Ok(measured) => (Some(measured), None),
            Err(why) => (None, Some(why)),
        };
        self
    }

    /// Adds how far the test side lies from what the model has learnt from, or why that is not known.
    #[must_use]
    pub fn with_out_of_domain(mut self, out_of_domain: Result<OutOfDomain, String>) -> Self {
        (self.out_of_domain, self.no_domain_reference) = match out_of_domain {
            Ok(measured) => (Some(measured), None),
            Err(why) => (None, Some(why)),
        };
        self
    }

    /// Adds the utterances that the model got wrong, the most confident first.
    ///
    /// # Errors
    /// As [`wrong_predictions`].
    pub fn with_errors(mut self, predictions: &[Prediction]) -> Result<Self> {
        self.errors = Some(wrong_predictions(&self.labels, predictions)?);
        Ok(self)
    }
}

fn notes(metrics: &Metrics, labels: &[String]) -> Vec<String> {
    let named = |indices: &[usize]| {
        indices.iter().filter_map(|&i| labels.get(i)).map(String::as_str).collect::<Vec<_>>().join(", ")
    };
    let mut notes = Vec::new();
    if !metrics.without_utterances.is_empty() {
        notes.push(format!(
            "no test utterance of: {}; left out of the UAR, 0 in the macro averages",
            named(&metrics.without_utterances)
        ));
    }
    if !metrics.never_predicted.is_empty() {
        notes.push(format!(
            "never predicted: {}; precision is 0 by convention",
            named(&metrics.never_predicted)
        ));
    }
    notes
}
