//! What a client is told of a model, as JSON.

use ser_predict::About;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Served;

/// A model, and what it has heard.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ModelCard {
    /// By which it is asked for.
    pub(crate) name: String,
    /// SHA-256 of its checkpoint.
    pub(crate) digest: String,
    /// Its labels.
    pub(crate) labels: Vec<String>,
    /// The architecture of its network.
    pub(crate) arch: String,
    /// Networks that answer together.
    pub(crate) members: usize,
    /// Weights.
    pub(crate) n_parameters: u64,
    /// Rate that recordings are brought to, Hz.
    pub(crate) sample_rate: u32,
    /// The longest recording of which nothing is cut, seconds.
    pub(crate) longest_s: f64,
    /// Seconds of sound behind each answer of a stream.
    pub(crate) window_s: f64,
    /// How the corpus was split for its training.
    pub(crate) protocol: String,
    /// Speakers that it was trained on, if they were named.
    pub(crate) training_speakers: Option<u64>,
    /// Recordings that it was trained on.
    pub(crate) training_recordings: Option<u64>,
    /// Mean recall over classes on its validation side.
    pub(crate) validation_uar: Option<f64>,
    /// Speakers of the validation side, if none of them is in training.
    pub(crate) unheard_validation_speakers: Option<u64>,
    /// Whether its probabilities are calibrated, and there are prediction sets.
    pub(crate) calibrated: bool,
    /// Whether it knows what is out of its domain.
    pub(crate) knows_its_domain: bool,
    /// What it was trained on and what was measured, in a sentence or two.
    pub(crate) in_words: String,
}

impl ModelCard {
    pub(crate) fn of(served: &Served) -> Self {
        let about: About = served.inference.about().clone();
        Self {
            name: served.name.clone(),
            digest: about.digest.to_string(),
            labels: about.labels,
            arch: about.arch,
            members: about.members,
            n_parameters: about.n_parameters,
            sample_rate: about.sample_rate,
            longest_s: about.longest_s,
            window_s: served.window_s(),
            protocol: about.protocol,
            training_speakers: about.training_speakers,
            training_recordings: about.training_recordings,
            validation_uar: about.validation_uar,
            unheard_validation_speakers: about.unheard_validation_speakers,
            calibrated: about.calibrated,
            knows_its_domain: about.knows_its_domain,
            in_words: about.in_words,
        }
    }
}
