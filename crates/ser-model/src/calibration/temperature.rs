//! One number by which all logits are divided, so that stated probabilities come true.

use ser_core::{Error, ErrorKind, Result};

/// No lower temperature is fitted: probabilities are sharpened at most this far.
pub const LOWEST_TEMPERATURE: f64 = 0.25;
/// No higher temperature is fitted.
pub const HIGHEST_TEMPERATURE: f64 = 20.0;

/// Enough for bisection alone to get from one end to the other to the last digit.
const MOST_STEPS: usize = 200;

/// A temperature: above 1 probabilities become more even, below 1 more certain. Which class is the most probable, and so
/// the accuracy, does not change.
///
/// C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017, section 4.2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temperature(f64);

impl Temperature {
    /// The temperature that changes nothing.
    pub const ONE: Self = Self(1.0);

    /// `value`, if it is from [`LOWEST_TEMPERATURE`] to [`HIGHEST_TEMPERATURE`].
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] if it is not.
    pub fn new(value: f64) -> Result<Self> {
        match (LOWEST_TEMPERATURE..=HIGHEST_TEMPERATURE).contains(&value) {
            true => Ok(Self(value)),
            false => {
                let allowed = format!("from {LOWEST_TEMPERATURE} to {HIGHEST_TEMPERATURE}");
                Err(Error::new(
                    ErrorKind::Damaged,
                    format!("has a temperature of {value}, which is not {allowed}"),
                ))
            }
        }
    }

    /// The temperature at which the mean negative log-likelihood of `truth` is least, within the bounds. `logits` are
    /// `[utterance, class]`, row-major, finite, with `classes` columns; class indices are below `classes`.
    ///
    /// The likelihood is concave in 1/T, so its slope has one root, which Newton's steps find, with bisection where one
    /// would leave the bracket. Where every utterance is classified right the likelihood grows without end as T falls, and
    /// says nothing of how sure the network may be: the temperature is then 1.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] if the slope is not a number.
    pub(super) fn fit(logits: &[f32], classes: usize, truth: &[usize]) -> Result<Self> {
        let rows = || logits.chunks_exact(classes).zip(truth);
        let is_right = |(row, truth): (&[f32], &usize)| row.iter().all(|logit| *logit <= row[*truth]);
        if rows().all(is_right) {
            return Ok(Self::ONE);
        }
        let (mut low, mut high) = (1.0 / HIGHEST_TEMPERATURE, 1.0 / LOWEST_TEMPERATURE);
        let slope_at = |inverse: f64| {
            let (mut slope, mut curvature) = (0.0, 0.0);
            for (row, &truth) in rows() {
                let (mean, variance) = moments(row, inverse);
                slope += mean - f64::from(row[truth]);
                curvature += variance;
            }
            (slope, curvature)
        };
        let ([at_low, at_high], mut inverse) = ([low, high].map(|end| slope_at(end).0), 1.0);
        if !(at_low.is_finite() && at_high.is_finite()) {
            return Err(Error::new(ErrorKind::Unusable, "no temperature fits the validation side's logits"));
        }
        if at_low >= 0.0 {
            return Ok(Self(HIGHEST_TEMPERATURE));
        }
        if at_high <= 0.0 {
            return Ok(Self(LOWEST_TEMPERATURE));
        }
        for _ in 0..MOST_STEPS {
            let (slope, curvature) = slope_at(inverse);
            match slope < 0.0 {
                true => low = inverse,
                false => high = inverse,
            }
            let newton = inverse - slope / curvature;
            let next = if low < newton && newton < high { newton } else { (low + high) / 2.0 };
            let is_there = (next - inverse).abs() <= 1e-13 * inverse;
            inverse = next;
            if is_there {
                break;
            }
        }
        Ok(Self((1.0 / inverse).clamp(LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE)))
    }

    /// The number.
    pub fn value(self) -> f64 {
        self.0
    }

    /// The softmax of `logits / T`: the probability of each class.
    pub fn probabilities(self, logits: &[f32]) -> Vec<f64> {
        softmax(logits, 1.0 / self.0)
    }
}

fn softmax(logits: &[f32], inverse: f64) -> Vec<f64> {
    let highest = logits.iter().fold(f64::NEG_INFINITY, |highest, &logit| highest.max(f64::from(logit)));
    let mut powers: Vec<f64> =
        logits.iter().map(|&logit| ((f64::from(logit) - highest) * inverse).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter_mut().for_each(|power| *power /= sum);
    powers
}

/// Mean and variance of the logits of a row under their own softmax.
fn moments(row: &[f32], inverse: f64) -> (f64, f64) {
    let probabilities = softmax(row, inverse);
    let weighted = |of: &dyn Fn(f64) -> f64| -> f64 {
        row.iter().zip(&probabilities).map(|(&logit, p)| p * of(f64::from(logit))).sum()
    };
    let mean = weighted(&|logit| logit);
    (mean, weighted(&|logit| (logit - mean).powi(2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worked_example_comes_out_as_by_hand() {
        // Three of four right at a margin of 4: the best margin is ln 3, so T = 4 / ln 3.
        let logits = [[4.0, 0.0]; 4].concat();
        let found = Temperature::fit(&logits, 2, &[0, 0, 0, 1]).unwrap();
        assert!((found.value() - 4.0 / 3f64.ln()).abs() < 1e-12, "{found:?}");
        assert!((found.probabilities(&logits[..2])[0] - 0.75).abs() < 1e-12);
    }

    #[test]
    fn it_is_bounded_and_a_side_without_mistakes_tells_nothing() {
        let fit = |logits: &[f32], truth: &[usize]| Temperature::fit(logits, 2, truth).unwrap().value();
        assert_eq!(fit(&[9.0, 0.0, 0.0, 9.0], &[0, 1]), 1.0);
        assert_eq!(fit(&[9.0, 0.0, 9.0, 0.0], &[1, 1]), HIGHEST_TEMPERATURE);
        let mut nearly = [[0.1, 0.0]; 400].concat();
        nearly.extend([0.001, 0.0]);
        let truth: Vec<usize> = (0..401).map(|utterance| usize::from(utterance == 400)).collect();
        assert_eq!(fit(&nearly, &truth), LOWEST_TEMPERATURE);
        for wrong in [0.0, 0.2, 21.0, f64::NAN] {
            assert_eq!(Temperature::new(wrong).unwrap_err().kind(), ErrorKind::Damaged);
        }
    }
}
