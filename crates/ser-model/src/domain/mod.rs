//! How far a recording lies from those that a network has learnt from.
//!
//! How sure a network is does not tell, as it may be sure of what it has never met; its features do. An utterance is
//! described by the mean and the deviation of each of its coefficients ([`describe`]). A [`DomainReference`] knows how
//! these spread over the training side, and so how unusual those of a new utterance are: the Mahalanobis distance of
//! K. Lee, K. Lee, H. Lee and J. Shin, "A simple unified framework for detecting out-of-distribution samples and
//! adversarial attacks", NeurIPS 2018, here with one Gaussian for all classes, and on what goes into the network instead
//! of what its layers make of it.
//!
//! ```
//! use ser_model::domain::{DomainReference, describe};
//!
//! // Utterances of one channel, two bands and four frames; `loudness` is added to each value.
//! let utterance = |loudness: f32, turn: f32| {
//!     let features: Vec<f32> = (0..8).map(|i| (i as f32 * turn).sin() + loudness).collect();
//!     describe(&features, [1, 2, 4], 4)
//! };
//! let side = |from: u8| (from..from + 20).map(|i| utterance(0.0, 1.0 + f32::from(i))).collect::<Result<Vec<_>, _>>();
//! let reference = DomainReference::fit(&side(0)?, &side(20)?)?;
//! let alike = reference.distance(&utterance(0.0, 50.0)?)?;
//! let far = reference.distance(&utterance(9.0, 50.0)?)?;
//! assert!(far > 10.0 * alike);
//! // No utterance of the validation side is as far away: 1 of 21, counting this one.
//! assert_eq!(reference.share_as_unusual(far), 1.0 / 21.0);
//! # Ok::<(), ser_core::Error>(())
//! ```

mod covariance;
mod descriptor;
mod entry;

use ser_core::{Error, ErrorKind, Result};

pub use covariance::{LowerTriangle, Shrunk, ledoit_wolf};
pub use descriptor::describe;

use crate::calibration::Distribution;

/// Of a longer descriptor no covariance is estimated, which would take memory with the square and time with the cube of
/// its length: its distance is the mean squared number of deviations.
pub const MOST_CORRELATED: usize = 1024;

/// Descriptions of utterances that a side is represented by, at most. More would hardly change the estimate.
pub const MOST_DESCRIBED: usize = 4096;

/// Below this a coefficient counts as constant, and is divided by this instead.
const LEAST_DEVIATION: f64 = 1e-5;

/// Added to every variance after standardising, so that what depends on other coefficients to the last digit can be
/// whitened too.
const LEAST_VARIANCE: f64 = 1e-6;

/// An utterance is called out of domain where at most this share of the validation side is at least as far away.
pub const OUT_OF_DOMAIN_LEVEL: f64 = 0.05;

/// Whether anything can be called out of domain by a validation side of `n` utterances: of fewer than 19 no share is as small as
/// [`OUT_OF_DOMAIN_LEVEL`], however far away a recording is.
pub fn can_tell(n: u64) -> bool {
    1.0 / (n as f64 + 1.0) <= OUT_OF_DOMAIN_LEVEL
}

/// How the descriptors of a training side spread, and how far those of its validation side lie from them.
#[derive(Debug, Clone, PartialEq)]
pub struct DomainReference {
    /// Mean of each number of a descriptor over the training side.
    mean: Vec<f64>,
    /// Their standard deviation, at least 1e-5.
    deviation: Vec<f64>,
    /// The inverse of the Cholesky factor of the covariance of standardised descriptors; none for those longer than
    /// [`MOST_CORRELATED`], which count as uncorrelated.
    whitening: Option<LowerTriangle>,
    /// [`DomainReference::distance`] over the validation side.
    distances: Distribution,
}

impl DomainReference {
    /// Estimates mean, deviation and covariance of the descriptors `training`, and takes the distances of those of
    /// `validation` for what is usual. The covariance is shrunk ([`ledoit_wolf`]), so that it can be inverted however few
    /// utterances there are.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] where a side is empty or holds what is no finite number, [`ErrorKind::Mismatch`] where
    /// descriptors differ in length.
    pub fn fit(training: &[Vec<f64>], validation: &[Vec<f64>]) -> Result<Self> {
        let (Some(first), false) = (training.first(), validation.is_empty()) else {
            let what = "there is no utterance on the training or the validation side to know a domain by";
            return Err(Error::new(ErrorKind::Unusable, what));
        };
        training.iter().chain(validation).try_for_each(|descriptor| check(descriptor, first.len()))?;
        let (mean, deviation) = moments(training, first.len());
        let mut reference = Self { mean, deviation, whitening: None, distances: Distribution::of(&[0.0])? };
        if first.len() <= MOST_CORRELATED {
            let standardised: Vec<Vec<f64>> =
                training.iter().map(|descriptor| reference.standardised(descriptor)).collect();
            let mut covariance = ledoit_wolf(&standardised)?.covariance;
            covariance.add_to_diagonal(LEAST_VARIANCE);
            // As precise as the checkpoint keeps it, so that a reference that was read says the same.
            reference.whitening = Some(covariance.cholesky()?.inverse().rounded_to_f32());
        }
        let distances: Vec<f64> =
            validation.iter().map(|descriptor| reference.distance(descriptor)).collect::<Result<_>>()?;
        Ok(Self { distances: Distribution::of(&distances)?, ..reference })
    }

    /// Whether it can call anything out of domain ([`can_tell`]).
    pub fn can_tell(&self) -> bool {
        can_tell(self.distances.n())
    }

    /// Numbers of a descriptor.
    pub fn dimension(&self) -> usize {
        self.mean.len()
    }

    /// Distances of the validation side, every utterance counting the same.
    pub fn distances(&self) -> &Distribution {
        &self.distances
    }

    /// The squared Mahalanobis distance of an utterance from the training side, divided by the number of coefficients:
    /// about 1 for an utterance of it.
    ///
    /// # Errors
    /// [`ErrorKind::Mismatch`] for a descriptor of another length, [`ErrorKind::Unusable`] where it holds what is no finite
    /// number.
    pub fn distance(&self, descriptor: &[f64]) -> Result<f64> {
        check(descriptor, self.dimension())?;
        let standardised = self.standardised(descriptor);
        let squared = |numbers: &[f64]| numbers.iter().map(|number| number * number).sum::<f64>();
        let sum = match &self.whitening {
            Some(whitening) => squared(&whitening.times(&standardised)),
            None => squared(&standardised),
        };
        Ok(sum / self.dimension() as f64)
    }

    /// The share of utterances, of those of the validation side and this one, that are at least as unusual as one at this
    /// distance: above 0, and at most 1. Of recordings like those of the validation side a share of at most p has p or less
    /// (a conformal p-value: S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia, "Testing for outliers with conformal
    /// p-values", Annals of Statistics 51, 2023).
    pub fn share_as_unusual(&self, distance: f64) -> f64 {
        let n = self.distances.n() as f64;
        ((1.0 - self.distances.below(distance)) * n + 1.0) / (n + 1.0)
    }

    /// The mean of each number of the descriptors of the training side.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Their standard deviations, none of them 0.
    pub fn standard_deviation(&self) -> &[f64] {
        &self.deviation
    }

    /// What makes standardised descriptors uncorrelated; `None` where they are too long for that
    /// ([`MOST_CORRELATED`]).
    pub fn whitening(&self) -> Option<&LowerTriangle> {
        self.whitening.as_ref()
    }

    fn standardised(&self, descriptor: &[f64]) -> Vec<f64> {
        let moments = self.mean.iter().zip(&self.deviation);
        descriptor.iter().zip(moments).map(|(value, (mean, deviation))| (value - mean) / deviation).collect()
    }
}

fn check(descriptor: &[f64], length: usize) -> Result<()> {
    if descriptor.len() != length || length == 0 {
        let what = format!("a descriptor has {} numbers where {length} are expected", descriptor.len());
        return Err(Error::new(ErrorKind::Mismatch, what));
    }
    match descriptor.iter().find(|value| !value.is_finite()) {
        Some(value) => {
            Err(Error::new(ErrorKind::Unusable, format!("an utterance cannot be described: it has {value}")))
        }
        None => Ok(()),
    }
}

/// Mean and standard deviation (of the population, at least [`LEAST_DEVIATION`]) of each of `length` numbers.
fn moments(descriptors: &[Vec<f64>], length: usize) -> (Vec<f64>, Vec<f64>) {
    let n = descriptors.len() as f64;
    let mean_of = |of: &dyn Fn(usize, f64) -> f64| {
        let mut sums = vec![0.0; length];
        for descriptor in descriptors {
            sums.iter_mut().zip(descriptor).enumerate().for_each(|(i, (sum, value))| *sum += of(i, *value));
        }
        sums.into_iter().map(|sum| sum / n).collect::<Vec<f64>>()
    };
    let mean = mean_of(&|_, value| value);
    let variance = mean_of(&|i, value| (value - mean[i]).powi(2));
    let deviation = variance.into_iter().map(|variance| variance.sqrt().max(LEAST_DEVIATION)).collect();
    (mean, deviation)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` descriptors of `length` numbers that repeat nowhere, from `start` on.
    pub(super) fn descriptors(start: usize, n: usize, length: usize) -> Vec<Vec<f64>> {
        let number = |i: usize, j: usize| ((i * (37 + 13 * j) + 11 * j) as f64 * 0.7).sin();
        (start..start + n).map(|i| (0..length).map(|j| number(i, j)).collect()).collect()
    }

    #[test]
    fn utterances_of_the_training_side_are_about_1_away_and_others_far() {
        let training = descriptors(0, 400, 6);
        let reference = DomainReference::fit(&training, &descriptors(400, 100, 6)).unwrap();
        let own: f64 = training.iter().map(|d| reference.distance(d).unwrap()).sum::<f64>() / 400.0;
        assert!((own - 1.0).abs() < 0.05, "{own}");
        let shifted: Vec<f64> = training[0].iter().map(|value| value + 5.0).collect();
        let distance = reference.distance(&shifted).unwrap();
        assert!(distance > 5.0, "{distance}");
        assert_eq!(reference.share_as_unusual(distance), 1.0 / 101.0);
        assert_eq!(reference.share_as_unusual(f64::INFINITY), 1.0 / 101.0);
        assert_eq!(reference.share_as_unusual(0.0), 1.0);
    }

    #[test]
    fn fewer_utterances_than_coefficients_and_constant_coefficients_are_fine() {
        let mut training = descriptors(0, 10, 40);
        training.iter_mut().for_each(|descriptor| descriptor[3] = 7.0);
        let mut validation = descriptors(10, 10, 40);
        validation.iter_mut().for_each(|descriptor| descriptor[3] = 7.0);
        let reference = DomainReference::fit(&training, &validation).unwrap();
        let usual = reference.distance(&validation[0]).unwrap();
        assert!(usual.is_finite() && usual > 0.0);
        // What never changes is known exactly.
        validation[0][3] = 7.1;
        assert!(reference.distance(&validation[0]).unwrap() > 100.0 * usual);

        let single = DomainReference::fit(&training[..1], &validation[1..]).unwrap();
        assert!(single.distance(&validation[0]).unwrap() > single.distance(&training[0]).unwrap());
    }

    #[test]
    fn a_long_descriptor_counts_as_uncorrelated() {
        let length = MOST_CORRELATED + 1;
        let training = descriptors(0, 30, length);
        let reference = DomainReference::fit(&training, &descriptors(30, 5, length)).unwrap();
        assert_eq!(reference.whitening, None);
        let own: f64 = training.iter().map(|d| reference.distance(d).unwrap()).sum::<f64>() / 30.0;
        assert!((own - 1.0).abs() < 1e-9, "{own}");
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let side = descriptors(0, 5, 3);
        let kind = |training: &[Vec<f64>], validation: &[Vec<f64>]| {
            DomainReference::fit(training, validation).unwrap_err().kind()
        };
        assert_eq!(kind(&[], &side), ErrorKind::Unusable);
        assert_eq!(kind(&side, &[]), ErrorKind::Unusable);
        assert_eq!(kind(&side, &descriptors(0, 5, 4)), ErrorKind::Mismatch);
        assert_eq!(kind(&[vec![]], &[vec![]]), ErrorKind::Mismatch);
        assert_eq!(kind(&[vec![f64::NAN; 3]], &side), ErrorKind::Unusable);
        let reference = DomainReference::fit(&side, &side).unwrap();
        assert_eq!(reference.distance(&[1.0]).unwrap_err().kind(), ErrorKind::Mismatch);
        assert_eq!(reference.distance(&[f64::INFINITY; 3]).unwrap_err().kind(), ErrorKind::Unusable);
    }
}
