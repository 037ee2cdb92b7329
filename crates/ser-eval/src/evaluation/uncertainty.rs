//! What a calibrated model says of its own doubts, measured on the test side.

use ser_core::Result;
use ser_core::text::thousands;
use ser_model::calibration::{Calibrator, Temperature};
use serde::Serialize;

use crate::metrics::{Calibration, RELIABILITY_BINS, SetCoverage, mean_cross_entropy, most_probable};

/// Coverages that every report measures.
pub const COVERAGES: [f64; 3] = [0.8, 0.9, 0.95];

/// The coverage of prediction sets unless asked otherwise.
pub const DEFAULT_COVERAGE: f64 = 0.9;

/// The answers of a network for some utterances, before any calibration.
#[derive(Debug, Clone, Copy)]
pub struct RawAnswers<'a> {
    /// Logits, or averaged log-probabilities of an ensemble, `[utterance, class]`, row-major.
    pub logits: &'a [f32],
    /// Number of classes.
    pub classes: usize,
    /// True class of each utterance.
    pub truth: &'a [usize],
}

/// What the calibration in a checkpoint does on its test side. Serialised, it is `uncertainty` of what `--json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Uncertainty {
    /// What logits are divided by.
    pub temperature: f64,
    /// Validation utterances it was fitted to.
    pub n_validation: u64,
    /// Validation speakers that counted the same in the prediction sets; none where every utterance did.
    pub validation_speakers: Option<u64>,
    /// Without the temperature.
    pub uncalibrated: Sharpness,
    /// With it.
    pub calibrated: Sharpness,
    /// What prediction sets of several coverages did.
    pub sets: Vec<SetCoverage>,
}

/// How far probabilities can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sharpness {
    /// See [`mean_cross_entropy`], nats: the mean negative log-likelihood.
    pub cross_entropy: f64,
    /// See [`Calibration::ece`], in 15 bins.
    pub ece: f64,
    /// See [`Calibration::brier`].
    pub brier: f64,
}

/// What a calibrated model says of one utterance besides its probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct Doubt {
    /// The coverage of `set`.
    pub coverage: f64,
    /// Indices of the classes in its prediction set, the most probable first.
    pub set: Vec<usize>,
}

impl Uncertainty {
    /// Measures `calibrator` on `test`, with prediction sets of [`COVERAGES`] and `coverage`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](ser_core::ErrorKind::Usage) for a coverage that is not above 0 and below 1,
    /// [`ErrorKind::Unusable`](ser_core::ErrorKind::Unusable) without utterances.
    pub fn of(calibrator: &Calibrator, test: &RawAnswers<'_>, coverage: f64) -> Result<Self> {
        let mut coverages = COVERAGES.to_vec();
        coverages.push(coverage);
        coverages.sort_by(f64::total_cmp);
        coverages.dedup();
        Ok(Self {
            temperature: calibrator.temperature.value(),
            n_validation: calibrator.scores.n(),
            validation_speakers: Some(calibrator.speakers).filter(|speakers| *speakers > 0),
            uncalibrated: Sharpness::of(Temperature::ONE, test)?,
            calibrated: Sharpness::of(calibrator.temperature, test)?,
            sets: (coverages.into_iter())
                .map(|coverage| set_coverage(calibrator, test, coverage))
                .collect::<Result<_>>()?,
        })
    }

    /// What the model was calibrated on and what that is worth, in words.
    pub fn basis_in_words(&self) -> String {
        let utterances = format!("{} validation utterances", thousands(self.n_validation));
        match self.validation_speakers {
            Some(speakers) => format!(
                "Calibrated on {utterances} of {speakers} speakers who are not in training, each counting the same: a \
                 coverage is meant on average over speakers like these, and may fail for one of them."
            ),
            None => format!(
                "Calibrated on {utterances}, each counting the same: a coverage is meant for utterances like these, by \
                 such speakers."
            ),
        }
    }
}

impl Sharpness {
    fn of(temperature: Temperature, test: &RawAnswers<'_>) -> Result<Self> {
        let probabilities: Vec<f32> = (rows(test))
            .flat_map(|row| temperature.probabilities(row))
            .map(|probability| probability as f32)
            .collect();
        let predicted: Vec<usize> = rows(test).map(most_probable).collect();
        let calibration =
            Calibration::of(test.truth, &predicted, &probabilities, test.classes, RELIABILITY_BINS)?;
        Ok(Self {
            cross_entropy: mean_cross_entropy(test.truth, &probabilities, test.classes)?,
            ece: calibration.ece,
            brier: calibration.brier,
        })
    }
}

fn set_coverage(calibrator: &Calibrator, test: &RawAnswers<'_>, coverage: f64) -> Result<SetCoverage> {
    let threshold = calibrator.set_threshold(coverage)?;
    let sets: Vec<Vec<usize>> =
        rows(test).map(|row| threshold.classes(&calibrator.probabilities(row))).collect();
    SetCoverage::of(coverage, test.truth, &sets)
}

fn rows<'a>(test: &RawAnswers<'a>) -> std::slice::ChunksExact<'a, f32> {
    test.logits.chunks_exact(test.classes.max(1))
}

#[cfg(test)]
mod tests {
    use ser_model::calibration::ValidationAnswers;

    use super::*;

    fn calibrated(speakers: Option<&[usize]>) -> Uncertainty {
        let logits: Vec<f32> = (0..40).flat_map(|i| [4.0 + i as f32 / 10.0, 0.0]).collect();
        let truth: Vec<usize> = (0..40).map(|i| usize::from(i % 4 == 0)).collect();
        let answers = ValidationAnswers { logits: &logits, classes: 2, truth: &truth, speakers };
        let calibrator = Calibrator::fit(&answers).unwrap();
        let test = RawAnswers { logits: &logits, classes: 2, truth: &truth };
        Uncertainty::of(&calibrator, &test, 0.5).unwrap()
    }

    #[test]
    fn what_was_calibrated_on_holds_on_itself() {
        let found = calibrated(None);
        assert!(found.calibrated.cross_entropy < found.uncalibrated.cross_entropy, "{found:?}");
        assert_eq!(found.sets.iter().map(|set| set.coverage).collect::<Vec<_>>(), [0.5, 0.8, 0.9, 0.95]);
        assert!(found.sets.iter().all(|set| set.measured >= set.coverage), "{found:?}");
        assert_eq!((found.sets[0].mean_size, found.sets[0].single_share), (1.0, 1.0));
    }

    #[test]
    fn words_say_whose_coverage_it_is() {
        assert!(calibrated(None).basis_in_words().contains("utterances like these"));
        let speakers: Vec<usize> = (0..40).map(|i| i % 3).collect();
        let words = calibrated(Some(&speakers)).basis_in_words();
        assert!(words.contains("40 validation utterances of 3 speakers"), "{words}");
    }
}
