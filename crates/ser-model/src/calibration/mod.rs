//! What turns the logits of a trained network into probabilities that can be believed, and into sets of classes that hold
//! the right one as often as they promise.
//!
//! A [`Calibrator`] is fitted once, to what the network answers for its validation side, and kept in the checkpoint.
//! Everything here is plain numbers: whoever has logits can use it, without libtorch.
//!
//! ```
//! use ser_model::calibration::{Calibrator, ValidationAnswers};
//!
//! // Four utterances and two classes: one answer in four is wrong, and the network is far too sure of it.
//! let logits = [4.0, 0.0, 5.0, 0.0, 0.0, 4.0, 6.0, 0.0];
//! let calibrator = Calibrator::fit(&ValidationAnswers {
//!     logits: &logits,
//!     classes: 2,
//!     truth: &[0, 0, 1, 1],
//!     speakers: None,
//! })?;
//! let sure = calibrator.probabilities(&[4.0, 0.0]);
//! assert!(sure[0] < 0.8, "98 % without it");
//! assert_eq!(calibrator.set_threshold(0.6)?.classes(&sure), [0]);
//! // Four utterances cannot promise 90 %: only all classes together are sure to hold the right one that often.
//! assert_eq!(calibrator.set_threshold(0.9)?.classes(&sure), [0, 1]);
//! # Ok::<(), ser_core::Error>(())
//! ```

mod conformal;
mod distribution;
mod entry;
mod temperature;

use std::collections::BTreeMap;

use ser_core::{Error, ErrorKind, Result};

pub use conformal::{SetThreshold, check_coverage, mass_above};
pub use distribution::Distribution;
pub use temperature::{HIGHEST_TEMPERATURE, LOWEST_TEMPERATURE, Temperature};

/// What a network answered for its validation side.
#[derive(Debug, Clone, Copy)]
pub struct ValidationAnswers<'a> {
    /// Logits, or averaged log-probabilities of an ensemble, `[utterance, class]`, row-major.
    pub logits: &'a [f32],
    /// Number of classes.
    pub classes: usize,
    /// True class of each utterance.
    pub truth: &'a [usize],
    /// A number for the speaker of each utterance, where the validation side has speakers of its own; then every speaker
    /// counts the same in prediction sets.
    pub speakers: Option<&'a [usize]>,
}

/// What a checkpoint knows of how far its answers can be believed.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrator {
    /// What logits are divided by.
    pub temperature: Temperature,
    /// [`mass_above`] the true class over the validation side, of which [`Calibrator::set_threshold`] takes a quantile.
    pub scores: Distribution,
    /// How many speakers counted the same in `scores`; 0 where every utterance did.
    pub speakers: u64,
}

impl Calibrator {
    /// Fits temperature and set scores to the answers for a validation side.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] without utterances or with a logit that is not a finite number;
    /// [`ErrorKind::Mismatch`] where sizes or class indices do not agree.
    pub fn fit(answers: &ValidationAnswers<'_>) -> Result<Self> {
        answers.check()?;
        let temperature = Temperature::fit(answers.logits, answers.classes, answers.truth)?;
        let scores: Vec<f64> = (answers.logits.chunks_exact(answers.classes).zip(answers.truth))
            .map(|(row, &truth)| mass_above(&temperature.probabilities(row), truth))
            .collect();
        let (weights, speakers) = match answers.speakers {
            Some(speakers) => equal_weight_of_each(speakers),
            None => (vec![1.0; scores.len()], 0),
        };
        Ok(Self { temperature, scores: Distribution::weighted(&scores, &weights)?, speakers })
    }

    /// The probability of each class, for the logits of one utterance.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f64> {
        self.temperature.probabilities(logits)
    }

    /// What the sets are made with that hold the right class with probability `coverage`, above 0 and below 1.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for another coverage.
    pub fn set_threshold(&self, coverage: f64) -> Result<SetThreshold> {
        SetThreshold::of(&self.scores, coverage)
    }
}

impl ValidationAnswers<'_> {
    fn check(&self) -> Result<()> {
        let n = self.truth.len();
        if n == 0 || self.classes == 0 {
            return Err(Error::new(
                ErrorKind::Unusable,
                "there is no validation utterance to calibrate with",
            ));
        }
        let speakers = self.speakers.map_or(n, <[usize]>::len);
        if n.checked_mul(self.classes) != Some(self.logits.len()) || speakers != n {
            let what = format!(
                "{} logits and {speakers} speakers for {n} utterances and {} classes",
                self.logits.len(),
                self.classes
            );
            return Err(Error::new(ErrorKind::Mismatch, what));
        }
        if let Some(class) = self.truth.iter().find(|&&class| class >= self.classes) {
            let what = format!("class {class} is not below the number of classes, {}", self.classes);
            return Err(Error::new(ErrorKind::Mismatch, what));
        }
        match self.logits.iter().find(|logit| !logit.is_finite()) {
            Some(logit) => Err(Error::new(ErrorKind::Unusable, format!("the network answered {logit}"))),
            None => Ok(()),
        }
    }
}

/// A weight for each utterance, such that those of each speaker have the same sum, and how many speakers there are.
fn equal_weight_of_each(speakers: &[usize]) -> (Vec<f64>, u64) {
    let mut counts: BTreeMap<usize, f64> = BTreeMap::new();
    speakers.iter().for_each(|speaker| *counts.entry(*speaker).or_default() += 1.0);
    (speakers.iter().map(|speaker| 1.0 / counts[speaker]).collect(), counts.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(logits: &[f32], truth: &[usize], speakers: Option<&[usize]>) -> Result<Calibrator> {
        Calibrator::fit(&ValidationAnswers { logits, classes: 2, truth, speakers })
    }

    #[test]
    fn a_speaker_of_many_utterances_counts_as_much_as_one_of_few() {
        // Speaker 0 is always right, in eight utterances; speaker 1 always wrong, in two.
        let logits = [[3.0, 0.0]; 10].concat();
        let truth = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
        let speakers = [0, 0, 0, 0, 0, 0, 0, 0, 7, 7];
        let [by_utterance, by_speaker] =
            [None, Some(&speakers[..])].map(|speakers| fitted(&logits, &truth, speakers).unwrap());
        let answer = by_utterance.probabilities(&[3.0, 0.0]);
        assert_eq!((by_utterance.speakers, by_speaker.speakers), (0, 2));
        assert_eq!(by_utterance.set_threshold(0.7).unwrap().classes(&answer), [0]);
        assert_eq!(by_speaker.set_threshold(0.7).unwrap().classes(&answer), [0, 1]);
    }

    #[test]
    fn answers_that_cannot_be_calibrated_with_are_refused() {
        let kind = |logits: &[f32], truth: &[usize], speakers: Option<&[usize]>| {
            fitted(logits, truth, speakers).unwrap_err().kind()
        };
        assert_eq!(kind(&[], &[], None), ErrorKind::Unusable);
        assert_eq!(kind(&[f32::NAN, 0.0], &[0], None), ErrorKind::Unusable);
        assert_eq!(kind(&[1.0, 0.0], &[2], None), ErrorKind::Mismatch);
        assert_eq!(kind(&[1.0, 0.0], &[0, 1], None), ErrorKind::Mismatch);
        assert_eq!(kind(&[1.0, 0.0], &[0], Some(&[0, 1])), ErrorKind::Mismatch);
    }
}
