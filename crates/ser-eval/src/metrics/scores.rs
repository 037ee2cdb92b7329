//! The three figures that a classifier is judged by, from counts alone.

use std::ops::Sub;

use serde::Serialize;

use crate::metrics::{Metrics, ratio, sum};

/// Accuracy, UAR and macro-F1, defined as in [`Metrics`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scores {
    /// Correct / all utterances.
    pub accuracy: f64,
    /// Mean recall over the classes that have utterances.
    pub uar: f64,
    /// Mean F1 over all classes.
    pub macro_f1: f64,
}

impl Scores {
    /// The mean of each figure; not a number where there are none.
    pub fn mean(scores: &[Self]) -> Self {
        let mean = |metric: fn(&Self) -> f64| mean(&scores.iter().map(metric).collect::<Vec<_>>());
        Self { accuracy: mean(|s| s.accuracy), uar: mean(|s| s.uar), macro_f1: mean(|s| s.macro_f1) }
    }
}

impl From<&Metrics> for Scores {
    fn from(metrics: &Metrics) -> Self {
        Self { accuracy: metrics.accuracy, uar: metrics.uar, macro_f1: metrics.macro_f1() }
    }
}

impl Sub for Scores {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            accuracy: self.accuracy - other.accuracy,
            uar: self.uar - other.uar,
            macro_f1: self.macro_f1 - other.macro_f1,
        }
    }
}

/// The mean of `values`; not a number where there are none.
pub fn mean(values: &[f64]) -> f64 {
    sum::pairwise(values) / values.len() as f64
}

/// The standard deviation of a sample, with n − 1 in the denominator; none for fewer than two values.
pub fn sample_deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let squares: Vec<f64> = values.iter().map(|value| (value - mean) * (value - mean)).collect();
    (values.len() > 1).then(|| (sum::pairwise(&squares) / (values.len() - 1) as f64).sqrt())
}

/// Utterances of each class, those predicted as it, and those of both.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    classes: Vec<ClassTally>,
    /// Reused from one call of [`scores`](Self::scores) to the next.
    recalls: Vec<f64>,
    f1s: Vec<f64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct ClassTally {
    support: u64,
    predicted: u64,
    correct: u64,
}

impl Tally {
    pub(super) fn new(n_classes: usize) -> Self {
        Self { classes: vec![ClassTally::default(); n_classes], recalls: Vec::new(), f1s: Vec::new() }
    }

    pub(super) fn clear(&mut self) {
        self.classes.fill(ClassTally::default());
    }

    /// Adds `n` utterances of the class `truth` that were predicted as `predicted`.
    pub(super) fn add(&mut self, truth: usize, predicted: usize, n: u64) {
        self.classes[truth].support += n;
        self.classes[predicted].predicted += n;
        if truth == predicted {
            self.classes[truth].correct += n;
        }
    }

    /// Summed in the order of [`Metrics`], so that both agree to the last bit.
    pub(super) fn scores(&mut self) -> Scores {
        let (mut n, mut correct) = (0, 0);
        self.recalls.clear();
        self.f1s.clear();
        for class in &self.classes {
            n += class.support;
            correct += class.correct;
            if class.support > 0 {
                self.recalls.push(ratio(class.correct, class.support));
            }
            let both = class.support as f64 + class.predicted as f64;
            self.f1s.push(if both == 0.0 { 0.0 } else { 2.0 * class.correct as f64 / both });
        }
        Scores { accuracy: ratio(correct, n), uar: mean(&self.recalls), macro_f1: mean(&self.f1s) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deviation_needs_two_values() {
        assert_eq!(sample_deviation(&[]), None);
        assert_eq!(sample_deviation(&[0.5]), None);
        assert_eq!(sample_deviation(&[1.0, 2.0, 3.0, 4.0]), Some((5.0f64 / 3.0).sqrt()));
    }
}
