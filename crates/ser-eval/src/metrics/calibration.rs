//! Whether a classifier that says 80 % is right eight times in ten.

use ser_core::{Error, ErrorKind, Result};
use serde::Serialize;

/// Bins of a reliability diagram unless asked otherwise, as in Guo et al. 2017.
pub const RELIABILITY_BINS: usize = 15;

/// Most bins of a reliability diagram.
pub const MAX_RELIABILITY_BINS: usize = 1000;

/// How far stated confidence and observed accuracy lie apart.
///
/// The confidence of an answer is the probability of the class that was predicted. Answers are sorted into M bins of
/// equal width, bin m holding the confidences in ((m − 1)/M, m/M]; 0 falls into the first. C. Guo, G. Pleiss, Y. Sun
/// and K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017, equations 2, 3 and 5.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Expected calibration error: the mean over utterances of |accuracy − mean confidence| of their bin, 0 to 1.
    pub ece: f64,
    /// Maximum calibration error: the largest such difference of a bin that is not empty, 0 to 1.
    pub mce: f64,
    /// Brier score: the mean over utterances of the sum over classes of (probability − 1 for the true class, 0 for
    /// others)², 0 to 2. G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather
    /// Review 78 (1950). scikit-learn's `brier_score_loss` with `scale_by_half=False`.
    pub brier: f64,
    /// Mean confidence; above the accuracy, the model is overconfident.
    pub mean_confidence: f64,
    /// The bins of the reliability diagram, from the least confident on.
    pub bins: Vec<ReliabilityBin>,
}

/// The answers within an interval of confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Lower end of the interval, which does not belong to it.
    pub lower: f64,
    /// Upper end, which does.
    pub upper: f64,
    /// Answers in it.
    pub n_utterances: u64,
    /// Their mean confidence, if there are any.
    pub mean_confidence: Option<f64>,
    /// Correct / all of them, if there are any.
    pub accuracy: Option<f64>,
}

impl ReliabilityBin {
    /// |accuracy − mean confidence|, 0 where there are no answers.
    pub fn gap(&self) -> f64 {
        match (self.accuracy, self.mean_confidence) {
            (Some(accuracy), Some(confidence)) => (accuracy - confidence).abs(),
            _ => 0.0,
        }
    }
}

impl Calibration {
    /// Calibration of the answers `predicted` to utterances of the classes `truth`, in `n_bins` bins. `probabilities`
    /// are row-major, `[utterance, class]` with `n_classes` columns.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for no bins or more than [`MAX_RELIABILITY_BINS`], [`ErrorKind::Unusable`] without utterances
    /// or where a probability is not a number between 0 and 1, [`ErrorKind::Mismatch`] where sizes or class indices do
    /// not agree.
    pub fn of(
        truth: &[usize],
        predicted: &[usize],
        probabilities: &[f32],
        n_classes: usize,
        n_bins: usize,
    ) -> Result<Self> {
        check(truth, predicted, probabilities, n_classes, n_bins)?;
        let rows = || probabilities.chunks_exact(n_classes);
        let upper = |bin: usize| (bin + 1) as f64 / n_bins as f64;

        let mut confidences = vec![Vec::new(); n_bins];
        let mut correct = vec![0u64; n_bins];
        let mut all = Vec::with_capacity(truth.len());
        for ((&truth, &predicted), row) in truth.iter().zip(predicted).zip(rows()) {
            let confidence = f64::from(row[predicted]);
            let bin = (0..n_bins - 1).find(|&bin| confidence <= upper(bin)).unwrap_or(n_bins - 1);
            confidences[bin].push(confidence);
            correct[bin] += u64::from(truth == predicted);
            all.push(confidence);
        }
        let bins: Vec<ReliabilityBin> = (confidences.iter().zip(&correct).enumerate())
            .map(|(bin, (confidences, &correct))| ReliabilityBin {
                lower: bin as f64 / n_bins as f64,
                upper: upper(bin),
                n_utterances: confidences.len() as u64,
                mean_confidence: mean(confidences),
                accuracy: (!confidences.is_empty()).then(|| correct as f64 / confidences.len() as f64),
            })
            .collect();
        let weighted: Vec<f64> = bins.iter().map(|bin| bin.gap() * bin.n_utterances as f64).collect();
        let squares: Vec<f64> = (truth.iter().zip(rows()))
            .flat_map(|(&truth, row)| {
                row.iter().enumerate().map(move |(class, &p)| {
                    let hit = if class == truth { 1.0 } else { 0.0 };
                    (f64::from(p) - hit).powi(2)
                })
            })
            .collect();
        let n = truth.len() as f64;
        Ok(Self {
            ece: crate::metrics::sum::pairwise(&weighted) / n,
            mce: bins.iter().map(ReliabilityBin::gap).fold(0.0, f64::max),
            brier: crate::metrics::sum::pairwise(&squares) / n,
            mean_confidence: mean(&all).unwrap_or(0.0),
            bins,
        })
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| crate::metrics::sum::pairwise(values) / values.len() as f64)
}

fn check(
    truth: &[usize],
    predicted: &[usize],
    probabilities: &[f32],
    n_classes: usize,
    n_bins: usize,
) -> Result<()> {
    if !(1..=MAX_RELIABILITY_BINS).contains(&n_bins) {
        let what = format!("a reliability diagram cannot have {n_bins} bins");
        return Err(Error::new(ErrorKind::Usage, what).help(format!("give 1 to {MAX_RELIABILITY_BINS}")));
    }
    if truth.is_empty() {
        return Err(Error::new(ErrorKind::Unusable, "there is no utterance to compute a calibration of"));
    }
    let n = truth.len();
    if predicted.len() != n || n.checked_mul(n_classes) != Some(probabilities.len()) {
        let what = format!(
            "{} predicted classes and {} probabilities for {n} utterances and {n_classes} classes",
            predicted.len(),
            probabilities.len()
        );
        return Err(Error::new(ErrorKind::Mismatch, what));
    }
    if let Some(class) = truth.iter().chain(predicted).find(|&&class| class >= n_classes) {
        let what = format!("class {class} is not below the number of classes, {n_classes}");
        return Err(Error::new(ErrorKind::Mismatch, what));
    }
    if let Some(value) = probabilities.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        return Err(Error::new(ErrorKind::Unusable, format!("{value} is not a probability")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worked_example_comes_out_as_by_hand() {
        // Confidences 0.9 (right), 0.7 (wrong), 0.6 (right): two bins, all in the upper one.
        let p = [0.9, 0.1, 0.7, 0.3, 0.4, 0.6];
        let found = Calibration::of(&[0, 1, 1], &[0, 0, 1], &p, 2, 2).unwrap();
        let gap = (0.9f32 as f64 + 0.7f32 as f64 + 0.6f32 as f64) / 3.0 - 2.0 / 3.0;
        assert!((found.ece - gap).abs() < 1e-15 && (found.mce - gap).abs() < 1e-15, "{found:?}");
        assert!((found.brier - (0.02 + 0.98 + 0.32) / 3.0).abs() < 1e-6, "{found:?}");
        assert_eq!((found.bins[0].n_utterances, found.bins[0].accuracy), (0, None));
        assert_eq!(found.bins[1].n_utterances, 3);
    }

    #[test]
    fn a_confidence_on_the_edge_belongs_to_the_bin_below() {
        let found = Calibration::of(&[0, 0], &[0, 0], &[0.5, 0.5, 0.75, 0.25], 2, 4).unwrap();
        assert_eq!(found.bins.iter().map(|bin| bin.n_utterances).collect::<Vec<_>>(), [0, 1, 1, 0]);
        // Certainty falls into the last bin, and a predicted class of no probability into the first.
        let found = Calibration::of(&[0, 1], &[0, 0], &[1.0, 0.0, 0.0, 1.0], 2, 3).unwrap();
        assert_eq!(found.bins.iter().map(|bin| bin.n_utterances).collect::<Vec<_>>(), [1, 0, 1]);
    }

    #[test]
    fn invalid_values_are_refused() {
        let kind = |truth: &[usize], predicted: &[usize], p: &[f32], bins| {
            Calibration::of(truth, predicted, p, 2, bins).unwrap_err().kind()
        };
        assert_eq!(kind(&[0], &[0], &[0.5, 0.5], 0), ErrorKind::Usage);
        assert_eq!(kind(&[0], &[0], &[0.5, 0.5], 1001), ErrorKind::Usage);
        assert_eq!(kind(&[], &[], &[], 15), ErrorKind::Unusable);
        assert_eq!(kind(&[0], &[2], &[0.5, 0.5], 15), ErrorKind::Mismatch);
        assert_eq!(kind(&[0], &[0], &[0.5], 15), ErrorKind::Mismatch);
        assert_eq!(kind(&[0], &[0], &[f32::NAN, 0.5], 15), ErrorKind::Unusable);
    }
}
