//! Prediction sets: as many classes as it takes for the right one to be among them as often as promised.
//!
//! Adaptive prediction sets of Y. Romano, M. Sesia and E. J. Candès, "Classification with valid and adaptive coverage",
//! NeurIPS 2020, in the variant that draws no lots: a class belongs to the set as long as the classes more probable than
//! it have no more than a threshold of probability together. So one recording always gets the same set, and no set is
//! empty. The price is that a classifier which is right more often than is asked for covers more than is asked for.

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result};

use crate::calibration::Distribution;

/// The probability that all classes more probable than `class` have together: 0 for the most probable one.
///
/// It is the score by which sets are calibrated: the lowest threshold at which `class` is in the set. Equally probable
/// classes have the same score. 0 for a class that `probabilities` does not have.
pub fn mass_above(probabilities: &[f64], class: usize) -> f64 {
    let Some(own) = probabilities.get(class) else { return 0.0 };
    let mut above: Vec<f64> = probabilities.iter().copied().filter(|probability| probability > own).collect();
    // Always in the same order, so that equal masses are equal numbers.
    above.sort_by(|a, b| b.total_cmp(a));
    // An empty `sum` would be −0.
    above.iter().fold(0.0, |sum, probability| sum + probability)
}

/// Checks a coverage that somebody asks for.
///
/// # Errors
/// [`ErrorKind::Usage`] unless `coverage` is above 0 and below 1.
pub fn check_coverage(coverage: f64) -> Result<()> {
    if coverage > 0.0 && coverage < 1.0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, format!("{} is not valid", Setting::Coverage.to(coverage)))
        .help("give a number above 0 and below 1, such as 0.9"))
}

/// Which classes are in the sets of one coverage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SetThreshold {
    coverage: f64,
    most: f64,
}

impl SetThreshold {
    /// The threshold for `coverage`: the ⌈(n + 1)·coverage⌉ / n quantile of the `scores` of n utterances, and no threshold
    /// at all, so that every class is in every set, where that is beyond 1.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] unless `coverage` is above 0 and below 1.
    pub(super) fn of(scores: &Distribution, coverage: f64) -> Result<Self> {
        check_coverage(coverage)?;
        let n = scores.n() as f64;
        // (n + 1) · 0.9 may be a little above a whole number that it should be.
        let rank = ((n + 1.0) * coverage - 1e-9).ceil();
        let most = if rank > n { f64::INFINITY } else { scores.quantile(rank / n) };
        Ok(Self { coverage, most })
    }

    /// The coverage asked for.
    pub fn coverage(&self) -> f64 {
        self.coverage
    }

    /// The most probability that the classes above one in the set may have; infinite where too few validation utterances
    /// leave nothing but sets of all classes.
    pub fn value(&self) -> f64 {
        self.most
    }

    /// The classes in the set of an utterance, the most probable first and equally probable ones by index; never none.
    pub fn classes(&self, probabilities: &[f64]) -> Vec<usize> {
        let mut classes: Vec<usize> =
            (0..probabilities.len()).filter(|class| mass_above(probabilities, *class) <= self.most).collect();
        classes.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]));
        classes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_in_the_set_by_what_is_above_it() {
        let p = [0.2, 0.5, 0.3];
        assert_eq!([0, 1, 2].map(|class| mass_above(&p, class)), [0.8, 0.0, 0.5]);
        let set = |most| SetThreshold { coverage: 0.9, most }.classes(&p);
        assert_eq!(set(0.0), [1]);
        assert_eq!(set(0.49), [1]);
        assert_eq!(set(0.5), [1, 2]);
        assert_eq!(set(f64::INFINITY), [1, 2, 0]);
        // Two that are equally probable are in together.
        assert_eq!(SetThreshold { coverage: 0.9, most: 0.0 }.classes(&[0.4, 0.2, 0.4]), [0, 2]);
    }

    #[test]
    fn the_quantile_is_corrected_for_few_utterances() {
        let scores = Distribution::of(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]).unwrap();
        let threshold = |coverage| SetThreshold::of(&scores, coverage).unwrap().value();
        assert_eq!(threshold(0.5), 0.5); // the 5th of 9
        assert_eq!(threshold(0.51), 0.6);
        assert_eq!(threshold(0.9), 0.9); // the 9th of 9
        assert_eq!(threshold(0.91), f64::INFINITY);
        for wrong in [0.0, 1.0, -0.1, f64::NAN] {
            assert_eq!(SetThreshold::of(&scores, wrong).unwrap_err().kind(), ErrorKind::Usage);
        }
    }
}
