//! What is evaluated: the answers of a network for its test side, the run and the split behind them.
//!
//! [`Evaluation`] is everything that a report on one checkpoint shows; serialised, it is the report as JSON.

pub(crate) mod answers;
mod history;
mod out_of_domain;
mod predictions;
mod protocol;
mod run_record;
mod settings;
mod uncertainty;
pub(crate) mod unit;

use std::fmt::Write;

use ser_cache::audit::{Audit, SHORTCUT_DEFINITION};
use ser_core::{Error, ErrorKind, Result};
use ser_model::MemberOrigin;
use serde::Serialize;

use crate::metrics::{
    Calibration, ClassAverage, ClassMetrics, ConfusionMatrix, Interval, Metrics, RELIABILITY_BINS,
    mean_cross_entropy,
};

pub use answers::{Answers, RunFigures, TestSide, TestUtterance};
pub use history::{EpochHistory, History};
pub use out_of_domain::{DomainRates, OtherCorpus, OutOfDomain};
pub use predictions::{Prediction, WrongPrediction, wrong_predictions};
pub use protocol::{SplitSide, protocol_in_words};
pub use run_record::{CommandLine, RunRecord, corpora_of};
pub use settings::{TrainingSettings, training_in_words};
pub use uncertainty::{COVERAGES, DEFAULT_COVERAGE, Doubt, RawAnswers, Sharpness, Uncertainty};
pub use unit::{Resampled, Unit, Voices};

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

/// What was evaluated, and on what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// The checkpoint evaluated.
    pub checkpoint: String,
    /// Its epoch, counted from 1.
    pub epoch: u64,
    /// The seed of its training.
    pub seed: u64,
    /// Seed and epoch of each network, if it is an ensemble; empty for one network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberOrigin>,
    /// The cache that the test set came from.
    pub cache: String,
    /// Name of the protocol: `random`, `word` or `speaker-<ID>`.
    pub protocol: String,
    /// What the protocol means here: [`protocol_in_words`](crate::protocol_in_words).
    pub protocol_in_words: String,
}

impl Provenance {
    /// What was trained: the seed and epoch of the network, or of each network of the ensemble.
    pub fn trained_in_words(&self) -> String {
        let Some((first, others)) = self.members.split_first() else {
            return format!("epoch {}, seed {}", self.epoch, self.seed);
        };
        let alike = others.iter().all(|member| member.epoch == first.epoch);
        let mut words = format!("ensemble of {} networks", self.members.len());
        let _ = match alike {
            true => write!(words, ", epoch {}, seeds", first.epoch),
            false => write!(words, ", seeds (and epochs)"),
        };
        for (number, member) in self.members.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            let _ = match alike {
                true => write!(words, "{comma} {}", member.seed),
                false => write!(words, "{comma} {} ({})", member.seed, member.epoch),
            };
        }
        words
    }
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

/// One line on each metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Definitions {
    /// Accuracy, or weighted accuracy.
    pub accuracy: &'static str,
    /// Its interval.
    pub accuracy_interval: &'static str,
    /// Unweighted average recall.
    pub uar: &'static str,
    /// Precision of a class.
    pub precision: &'static str,
    /// Recall of a class.
    pub recall: &'static str,
    /// F1 of a class.
    pub f1: &'static str,
    /// Mean F1.
    pub macro_f1: &'static str,
    /// Mean cross-entropy.
    pub cross_entropy: &'static str,
    /// What can be reached without listening.
    pub shortcuts: &'static str,
    /// Expected calibration error.
    pub ece: &'static str,
    /// Maximum calibration error.
    pub mce: &'static str,
    /// Brier score.
    pub brier: &'static str,
    /// Temperature.
    pub temperature: &'static str,
    /// Coverage of prediction sets.
    pub coverage: &'static str,
    /// What is called out of domain.
    pub out_of_domain: &'static str,
}

/// The one definition of each metric, printed with it.
pub const DEFINITIONS: Definitions = Definitions {
    accuracy: "correct / all utterances, also called weighted accuracy (WA)",
    accuracy_interval: "95 % Wilson score interval; takes utterances as independent and says nothing about \
                        other speakers",
    uar: "unweighted average recall: mean recall over the classes that have test utterances",
    precision: "correct / utterances predicted as the class",
    recall: "correct / utterances of the class",
    f1: "harmonic mean of precision and recall",
    macro_f1: "mean F1 over all classes",
    cross_entropy: "mean of -ln(probability of the true class), in nats",
    shortcuts: SHORTCUT_DEFINITION,
    ece: "expected calibration error: mean over utterances of |accuracy - mean confidence| of their bin; confidence is \
          the probability of the predicted class, in 15 bins of equal width (Guo et al. 2017)",
    mce: "maximum calibration error: the largest |accuracy - mean confidence| of a bin",
    brier: "mean over utterances of the summed squared error of all class probabilities, 0 to 2 (Brier 1950)",
    temperature: "what logits are divided by, fitted to the validation side; it changes probabilities, but no answer \
                  (Guo et al. 2017)",
    coverage: "share of prediction sets that hold the right class; a set has the most probable classes, as many as the \
               validation side says it takes (adaptive prediction sets, Romano et al. 2020, without randomisation)",
    out_of_domain: "farther from the training side than 95 % of the validation side, by the Mahalanobis distance of the \
                    means and deviations of an utterance's features (Lee et al. 2018); AUROC 0.5: as far as the \
                    validation side, 1: always farther",
};

impl Definitions {
    /// Each metric with its definition, in the order in which reports list them; the shortcuts are not among them.
    pub(crate) fn in_order(&self) -> [(&'static str, &'static str); 14] {
        [
            ("accuracy", self.accuracy),
            ("interval", self.accuracy_interval),
            ("UAR", self.uar),
            ("precision", self.precision),
            ("recall", self.recall),
            ("F1", self.f1),
            ("macro-F1", self.macro_f1),
            ("cross-entropy", self.cross_entropy),
            ("ECE", self.ece),
            ("MCE", self.mce),
            ("Brier score", self.brier),
            ("temperature", self.temperature),
            ("coverage", self.coverage),
            ("out of domain", self.out_of_domain),
        ]
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ensemble_names_the_seeds_of_its_networks() {
        let mut provenance = Provenance {
            checkpoint: String::new(),
            epoch: 4,
            seed: 7,
            members: Vec::new(),
            cache: String::new(),
            protocol: String::new(),
            protocol_in_words: String::new(),
        };
        assert_eq!(provenance.trained_in_words(), "epoch 4, seed 7");
        provenance.members = [(7, 4), (9, 4)].map(|(seed, epoch)| MemberOrigin { seed, epoch }).to_vec();
        assert_eq!(provenance.trained_in_words(), "ensemble of 2 networks, epoch 4, seeds 7, 9");
        provenance.members[1].epoch = 5;
        assert_eq!(provenance.trained_in_words(), "ensemble of 2 networks, seeds (and epochs) 7 (4), 9 (5)");
    }
}
