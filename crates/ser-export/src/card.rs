//! What a program or a page has to know of a model beside its numbers.

use ser_model::LearntFrom;
use ser_model::domain::OUT_OF_DOMAIN_LEVEL;
use serde::Serialize;

use crate::Model;
use crate::answer::LICENCE;

/// A model in a few words: `config.json` beside safetensors, and `model.json` of a page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelCard {
    /// `"ser"`
    pub format: &'static str,
    /// Version of this program.
    pub ser: String,
    /// SHA-256 of the checkpoint.
    pub checkpoint_sha256: String,
    /// Name of the architecture.
    pub arch: String,
    /// Classes, in the order of the probabilities.
    pub labels: Vec<String>,
    /// Rate of the samples it takes, Hz.
    pub sample_rate: u32,
    /// How much of a recording it hears, seconds; what is longer is cut, after silence is trimmed.
    pub longest_s: f64,
    /// The samples of the longest recording that has an answer; none where every length has one.
    pub most_samples: Option<usize>,
    /// What logits are divided by before softmax.
    pub temperature: f64,
    /// What answers are measured by; none in checkpoints that are not calibrated.
    pub calibration: Option<Calibration>,
    /// The `share_as_unusual` at which, or below, a recording counts as out of domain; none where the model does not know, or
    /// too few validation recordings tell.
    pub out_of_domain_level: Option<f64>,
    /// Name of the feature set.
    pub feature_set: String,
    /// The split it was trained on.
    pub protocol: String,
    /// How many speakers it learnt from, where they are known.
    pub training_speakers: Option<usize>,
    /// Share of its validation side that it classifies correctly.
    pub validation_accuracy: Option<f64>,
    /// Mean recall over classes on that side.
    pub validation_uar: Option<f64>,
    /// What its licence depends on.
    pub licence: &'static str,
}

/// What prediction sets are made by: docs/checkpoint.md says how.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Scores of the true classes of the validation side, ascending.
    pub scores: Vec<f64>,
    /// The share of that side with each score or less.
    pub score_shares: Vec<f64>,
    /// How many utterances it had.
    pub utterances: u64,
}

impl Model {
    /// What there is to know of it.
    pub fn card(&self) -> ModelCard {
        let (config, features) = (&self.config, &self.features);
        let calibration = self.calibrator.as_ref().map(|calibrator| Calibration {
            scores: calibrator.scores.values().to_vec(),
            score_shares: calibrator.scores.shares().to_vec(),
            utterances: calibrator.scores.n(),
        });
        // A checkpoint without them, or one whose list is damaged, has speakers that nobody knows.
        let learnt = LearntFrom::of(&self.checkpoint).ok().flatten();
        let speakers = learnt.map(|learnt| learnt.training.speakers.len()).filter(|&speakers| speakers > 0);
        ModelCard {
            format: "ser",
            ser: env!("CARGO_PKG_VERSION").to_owned(),
            checkpoint_sha256: self.digest.clone(),
            arch: config.model.arch().name().to_owned(),
            labels: self.labels().to_vec(),
            sample_rate: features.sample_rate,
            longest_s: self.longest_s(),
            most_samples: self.most_samples(),
            temperature: self.temperature(),
            calibration,
            out_of_domain_level: (self.domain.as_ref().filter(|domain| domain.can_tell()))
                .map(|_| OUT_OF_DOMAIN_LEVEL),
            feature_set: config.feature_set.clone(),
            protocol: config.split.protocol.clone(),
            training_speakers: speakers,
            validation_accuracy: config.metrics.as_ref().map(|metrics| metrics.val_accuracy),
            validation_uar: config.metrics.as_ref().map(|metrics| metrics.val_uar),
            licence: LICENCE,
        }
    }
}
