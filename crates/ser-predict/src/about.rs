//! What a model is, and what it has heard: for whoever reads its answers.

use ser_cache::Sha;
use ser_core::Result;
use ser_features::{FeatureConfig, Pooling};
use ser_model::LearntFrom;
use ser_model::checkpoint::Checkpoint;
use ser_train::state::Origin;
use serde::Serialize;

/// The length of a typical utterance where nothing tells, seconds.
const TYPICAL_S: f64 = 3.0;

/// A model in words and numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct About {
    /// Its name: that of the checkpoint's file, without the ending.
    pub name: String,
    /// SHA-256 of the checkpoint.
    pub digest: Sha,
    /// Labels, in index order.
    pub labels: Vec<String>,
    /// The architecture of its network, and how many of them answer together.
    pub arch: String,
    /// Networks that answer together; 1 but for an ensemble.
    pub members: usize,
    /// Weights.
    pub n_parameters: u64,
    /// Rate that recordings are brought to, Hz.
    pub sample_rate: u32,
    /// The longest recording of which nothing is cut, seconds; with an encoder whose states are pooled, that it hears in one window.
    pub longest_s: f64,
    /// The length of a typical training utterance, seconds, no more than [`longest_s`](Self::longest_s); that of the longest one
    /// where the checkpoint does not say.
    pub typical_s: f64,
    /// How the corpus was split for its training.
    pub protocol: String,
    /// Speakers that it was trained on, if they were named.
    pub training_speakers: Option<u64>,
    /// Recordings that it was trained on, if the checkpoint says.
    pub training_recordings: Option<u64>,
    /// Mean recall over classes on its validation side; none of an ensemble.
    pub validation_uar: Option<f64>,
    /// Speakers of the validation side, if none of them is in training.
    pub unheard_validation_speakers: Option<u64>,
    /// Whether its probabilities are calibrated, and prediction sets can be made.
    pub calibrated: bool,
    /// Whether it knows what is out of its domain.
    pub knows_its_domain: bool,
    /// [`About::in_words`].
    pub in_words: String,
}

impl About {
    pub(crate) fn new(
        name: String,
        digest: Sha,
        checkpoint: &Checkpoint,
        origin: &Origin,
        features: &FeatureConfig,
        learnt: Option<&LearntFrom>,
    ) -> Result<Self> {
        let hop = features.hop_length as f64 / f64::from(features.sample_rate);
        let longest_s = features.max_frames as f64 * hop;
        let typical_s = typical_s(features, hop, longest_s, learnt);
        let trained = learnt.map(|learnt| &learnt.training).filter(|heard| !heard.speakers.is_empty());
        let unheard = learnt.filter(|learnt| {
            !learnt.training.speakers.is_empty()
                && !learnt.validation.speakers.is_empty()
                && learnt.training.speakers.is_disjoint(&learnt.validation.speakers)
        });
        let mut about = Self {
            name,
            digest,
            labels: checkpoint.labels.clone(),
            arch: origin.model.arch().name().to_owned(),
            members: origin.members.len().max(1),
            n_parameters: origin.model.n_parameters()?,
            sample_rate: features.sample_rate,
            longest_s,
            typical_s,
            protocol: origin.split.protocol.clone(),
            training_speakers: trained.map(|heard| heard.speakers.len() as u64),
            training_recordings: learnt.map(|learnt| learnt.training.sounds.len() as u64),
            validation_uar: origin.metrics.as_ref().map(|metrics| metrics.val_uar),
            unheard_validation_speakers: unheard.map(|learnt| learnt.validation.speakers.len() as u64),
            calibrated: false,
            knows_its_domain: false,
            in_words: String::new(),
        };

        about.in_words = about.sentence();
        Ok(about)
    }

    /// What it was trained on and what was measured, in one or two sentences.
    fn sentence(&self) -> String {
        let trained = match self.training_speakers {
            Some(1) => "Trained on 1 speaker".to_owned(),
            Some(n) => format!("Trained on {n} speakers"),
            None => "Trained on speakers whom its corpus does not name".to_owned(),
        };
        match (self.validation_uar, self.unheard_validation_speakers) {
            (Some(uar), Some(1)) => {
                format!("{trained}; validation UAR {uar:.2} on a speaker who is not in training.")
            }
            (Some(uar), Some(n)) => {
                format!("{trained}; validation UAR {uar:.2} on {n} speakers that are not in training.")
            }
            (Some(uar), None) => format!(
                "{trained}; validation UAR {uar:.2}, but on voices it was trained on. Nothing was measured on another voice: \
                 expect much less there."
            ),
            (None, Some(n)) => format!("{trained}, validated on {n} that are not in training."),
            (None, None) => {
                format!("{trained}. Nothing was measured on another voice: expect mistakes there.")
            }
        }
    }
}

/// The length of a typical utterance, seconds, where frames are `hop` seconds apart and no more than `longest_s` are heard.
fn typical_s(features: &FeatureConfig, hop: f64, longest_s: f64, learnt: Option<&LearntFrom>) -> f64 {
    let pooled = features.encoder.as_ref().is_some_and(|states| states.pooling != Pooling::None);
    match pooled {
        // Its one frame does not tell; neither does the longest recording, which an encoder hears in several windows.
        true => learnt
            .and_then(|learnt| learnt.typical_ms)
            .map_or(TYPICAL_S, |milliseconds| f64::from(milliseconds) / 1e3),
        false => learnt
            .and_then(|learnt| learnt.typical_frames)
            .map_or(longest_s, |frames| (f64::from(frames) * hop).min(longest_s)),
    }
}

#[cfg(test)]
mod tests {
    use ser_features::{EncoderPrecision, EncoderStates, ValueType};

    use super::*;

    #[test]
    fn what_was_measured_is_named_with_the_voices_it_was_measured_on() {
        let said = |validation_uar, unheard_validation_speakers| {
            let about = About {
                name: "best".to_owned(),
                digest: Sha::of(&[b"best".as_slice()]),
                labels: Vec::new(),
                arch: "cnn-bilstm".to_owned(),
                members: 1,
                n_parameters: 1,
                sample_rate: 16_000,
                longest_s: 3.0,
                typical_s: 2.0,
                protocol: "random".to_owned(),
                training_speakers: Some(10),
                training_recordings: None,
                validation_uar,
                unheard_validation_speakers,
                calibrated: false,
                knows_its_domain: false,
                in_words: String::new(),
            };
            about.sentence()
        };
        let on_others = "Trained on 10 speakers; validation UAR 0.65 on 2 speakers that are not in training.";
        assert_eq!(said(Some(0.65), Some(2)), on_others);
        assert!(said(Some(0.65), Some(1)).ends_with("on a speaker who is not in training."));
        assert!(said(Some(1.0), None).contains("validation UAR 1.00, but on voices it was trained on."));
    }

    /// Features of an encoder with a frame every 20 ms.
    fn of_encoder(pooling: Pooling, max_frames: usize) -> FeatureConfig {
        let states = EncoderStates {
            family: "wav2vec2".to_owned(),
            digest: "0".repeat(64),
            version: EncoderStates::VERSION,
            dimension: 8,
            layers: vec![1],
            pooling,
            dtype: ValueType::default(),
            precision: EncoderPrecision::default(),
        };
        FeatureConfig { hop_length: 320, max_frames, ..FeatureConfig::of_encoder(states, 16_000) }
    }

    #[test]
    fn a_typical_utterance_is_as_long_as_its_frames_where_all_are_kept_and_never_longer_than_what_is_heard() {
        let learnt =
            |typical_frames, typical_ms| LearntFrom { typical_frames, typical_ms, ..LearntFrom::default() };
        let typical = |features: &FeatureConfig, learnt: &LearntFrom| {
            let longest_s = features.max_frames as f64 * 0.02;
            typical_s(features, 0.02, longest_s, Some(learnt))
        };
        let frame_wise = of_encoder(Pooling::None, 200);
        assert_eq!(typical(&frame_wise, &learnt(Some(85), None)), 1.7);
        assert_eq!(typical(&frame_wise, &learnt(Some(300), None)), 4.0);
        assert_eq!(typical(&frame_wise, &learnt(None, None)), 4.0);
        let pooled = of_encoder(Pooling::Mean, 1);
        assert_eq!(typical(&pooled, &learnt(Some(1), Some(1_850))), 1.85);
        assert_eq!(typical(&pooled, &learnt(Some(1), None)), TYPICAL_S);
    }
}
