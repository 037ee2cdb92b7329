//! A figure of the table.

use serde::Serialize;

use crate::metrics::{Estimate, Interval, Scores, mean, sample_deviation};

/// A metric over several seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MetricSummary {
    /// Mean over seeds.
    pub mean: f64,
    /// Standard deviation over seeds, n − 1 in the denominator; none for a single seed.
    pub deviation: Option<f64>,
    /// 95 % interval of the mean, where there is something to resample.
    pub interval: Option<Interval>,
    /// Where speakers are too few to resample: the lowest and the highest of them.
    pub range: Option<[f64; 2]>,
}

/// The recall of one class over several seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recall {
    /// The class.
    pub label: String,
    /// Mean over seeds; none where the class has no test utterance.
    pub mean: Option<f64>,
    /// Standard deviation over seeds; none for a single seed.
    pub deviation: Option<f64>,
}

/// Accuracy, UAR and macro-F1 in the order of the table.
pub(super) const METRICS: [fn(&Scores) -> f64; 3] = [|s| s.accuracy, |s| s.uar, |s| s.macro_f1];

/// The three figures of `per_seed` with the intervals of `estimate`.
pub(super) fn with_intervals(per_seed: &[Scores], estimate: &Estimate) -> [MetricSummary; 3] {
    let intervals = [estimate.accuracy, estimate.uar, estimate.macro_f1];
    std::array::from_fn(|i| {
        let values: Vec<f64> = per_seed.iter().map(METRICS[i]).collect();
        MetricSummary {
            mean: METRICS[i](&estimate.observed),
            deviation: sample_deviation(&values),
            interval: Some(intervals[i]),
            range: None,
        }
    })
}

/// The recall of one class, from that of each seed.
pub(super) fn recall(label: &str, per_seed: &[f64]) -> Recall {
    Recall {
        label: label.to_owned(),
        mean: (!per_seed.is_empty()).then(|| mean(per_seed)),
        deviation: sample_deviation(per_seed),
    }
}
