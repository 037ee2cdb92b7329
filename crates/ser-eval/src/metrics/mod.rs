//! Metrics of a classification, defined as in scikit-learn.
//!
//! A [`ConfusionMatrix`] collects truth and prediction, batch by batch; [`Metrics`] are computed from it once.
//! Where a quotient has no denominator it is 0 (scikit-learn's `zero_division=0`), and the classes concerned are
//! named in [`Metrics::without_utterances`] and [`Metrics::never_predicted`].

mod auroc;
mod bootstrap;
mod calibration;
mod confusion_matrix;
mod cross_entropy;
mod mcnemar;
mod most_probable;
mod prediction_sets;
mod scores;
mod sum;
mod wilson;

use ser_core::{Error, ErrorKind, Result};
use serde::Serialize;

pub use auroc::auroc;
pub use bootstrap::{Bootstrap, BootstrapOptions, Estimate, Replicates, bootstrap_mean};
pub use calibration::{Calibration, MAX_RELIABILITY_BINS, RELIABILITY_BINS, ReliabilityBin};
pub use confusion_matrix::{ConfusionMatrix, MAX_CLASSES};
pub use cross_entropy::mean_cross_entropy;
pub use mcnemar::{McNemar, McNemarTest, mcnemar};
pub use most_probable::most_probable;
pub use prediction_sets::SetCoverage;
pub use scores::{Scores, mean, sample_deviation};
pub use wilson::{Interval, wilson_interval};

/// Everything that follows from a confusion matrix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metrics {
    /// Utterances classified.
    pub n_utterances: u64,
    /// Utterances classified correctly.
    pub n_correct: u64,
    /// Accuracy, also called weighted accuracy (WA): correct / all utterances.
    pub accuracy: f64,
    /// 95 % Wilson score interval of the accuracy.
    pub accuracy_interval: Interval,
    /// Unweighted average recall (UAR): the mean recall over the classes that have utterances, as
    /// scikit-learn's `balanced_accuracy_score`. A class without utterances has no recall to average;
    /// `recall_score(average="macro")`, which is [`macro_average`](Self::macro_average)`.recall`, counts it as 0.
    pub uar: f64,
    /// Means over all classes, each counting the same. Its `f1` is the macro-F1.
    pub macro_average: ClassAverage,
    /// Means over all classes, each weighted by its number of utterances.
    pub weighted_average: ClassAverage,
    /// One entry for each class, in index order.
    pub classes: Vec<ClassMetrics>,
    /// Classes without a single true utterance: their recall is 0 by convention and left out of the UAR.
    pub without_utterances: Vec<usize>,
    /// Classes never predicted: their precision is 0 by convention.
    pub never_predicted: Vec<usize>,
}

/// Metrics of one class against all others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ClassMetrics {
    /// Correct / predicted as this class; 0 if it was never predicted.
    pub precision: f64,
    /// Correct / utterances of this class; 0 if there are none.
    pub recall: f64,
    /// Harmonic mean of precision and recall, 2·correct / (utterances + predicted); 0 if both are 0.
    pub f1: f64,
    /// Utterances of this class.
    pub support: u64,
    /// Utterances predicted as this class.
    pub predicted: u64,
}

/// A mean of precision, recall and F1 over the classes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ClassAverage {
    /// Mean precision.
    pub precision: f64,
    /// Mean recall.
    pub recall: f64,
    /// Mean F1.
    pub f1: f64,
}

impl Metrics {
    /// Metrics of `predicted` against `truth`, both class indices below `n_classes` in the same order.
    ///
    /// # Errors
    /// As [`ConfusionMatrix::new`], [`ConfusionMatrix::add_batch`] and [`ConfusionMatrix::metrics`].
    pub fn of(truth: &[usize], predicted: &[usize], n_classes: usize) -> Result<Self> {
        let mut matrix = ConfusionMatrix::new(n_classes)?;
        matrix.add_batch(truth, predicted)?;
        matrix.metrics()
    }

    /// Macro-F1: the mean F1 over all classes.
    pub fn macro_f1(&self) -> f64 {
        self.macro_average.f1
    }
}

impl ConfusionMatrix {
    /// Metrics of everything added so far.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] if nothing was added.
    pub fn metrics(&self) -> Result<Metrics> {
        let (n_utterances, n_correct) = (self.n_utterances(), self.n_correct());
        if n_utterances == 0 {
            return Err(Error::new(ErrorKind::Unusable, "there is no utterance to compute metrics of"));
        }

        let predicted = self.predicted();
        let classes: Vec<ClassMetrics> = self
            .rows()
            .enumerate()
            .zip(predicted)
            .map(|((class, row), predicted)| class_metrics(row[class], row.iter().sum(), predicted))
            .collect();

        let recalls: Vec<f64> = classes.iter().filter(|c| c.support > 0).map(|c| c.recall).collect();
        let indices_where =
            |test: fn(&ClassMetrics) -> bool| (0..classes.len()).filter(|&i| test(&classes[i])).collect();
        Ok(Metrics {
            n_utterances,
            n_correct,
            accuracy: ratio(n_correct, n_utterances),
            accuracy_interval: wilson_interval(n_correct, n_utterances)?,
            uar: sum::pairwise(&recalls) / recalls.len() as f64,
            macro_average: average(&classes, |_| 1),
            weighted_average: average(&classes, |class| class.support),
            without_utterances: indices_where(|class| class.support == 0),
            never_predicted: indices_where(|class| class.predicted == 0),
            classes,
        })
    }
}

fn class_metrics(correct: u64, support: u64, predicted: u64) -> ClassMetrics {
    let (precision, recall) = (ratio(correct, predicted), ratio(correct, support));
    let both = support as f64 + predicted as f64;
    let f1 = if both == 0.0 { 0.0 } else { 2.0 * correct as f64 / both };
    ClassMetrics { precision, recall, f1, support, predicted }
}

/// `part / whole`, or 0 where there is no whole.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn average(classes: &[ClassMetrics], weight: impl Fn(&ClassMetrics) -> u64) -> ClassAverage {
    let total = classes.iter().map(|class| weight(class) as f64).sum::<f64>();
    let mean = |value: fn(&ClassMetrics) -> f64| {
        let weighted: Vec<f64> = classes.iter().map(|class| value(class) * weight(class) as f64).collect();
        sum::pairwise(&weighted) / total
    };
    ClassAverage { precision: mean(|c| c.precision), recall: mean(|c| c.recall), f1: mean(|c| c.f1) }
}
