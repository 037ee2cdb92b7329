//! What of a checkpoint is exported.

use std::io::Read;
use std::path::Path;

use ser_core::remedy::Action;
use ser_core::storage::open_regular;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_features::{EncoderPrecision, EncoderStates, FeatureConfig, Pooling};
use ser_model::calibration::Calibrator;
use ser_model::checkpoint::{Checkpoint, MAX_FILE_BYTES};
use ser_model::domain::DomainReference;
use ser_model::network::{Architecture, FinetuneConfig, TunedEncoder};
use ser_model::{CarriedEncoder, EpochRecord, FeatureNormalisation};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::encoder;
use crate::features::{Normalisation, StatesEncoder};

/// A checkpoint that was checked to be one that can be exported.
#[derive(Debug)]
pub struct Model {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) config: Config,
    pub(crate) features: FeatureConfig,
    pub(crate) normalisation: Normalisation,
    pub(crate) calibrator: Option<Calibrator>,
    pub(crate) domain: Option<DomainReference>,
    /// SHA-256 of the file, hexadecimal.
    pub(crate) digest: String,
}

/// The part of a checkpoint's configuration that an export needs.
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    pub(crate) model: Architecture,
    features: serde_json::Value,
    pub(crate) feature_set: String,
    pub(crate) split: Split,
    fit: Fit,
    /// What its epoch gave.
    pub(crate) metrics: Option<EpochRecord>,
}

/// The split it was trained on.
#[derive(Debug, Deserialize)]
pub(crate) struct Split {
    pub(crate) protocol: String,
}

#[derive(Debug, Deserialize)]
struct Fit {
    #[serde(default)]
    feature_normalisation: FeatureNormalisation,
}

impl Model {
    /// Reads the checkpoint at `path`.
    ///
    /// # Errors
    /// Those of [`Checkpoint::read`]; [`ErrorKind::Damaged`] where its parts do not belong together;
    /// [`ErrorKind::Unsupported`] for a model that cannot be exported, which is named. All name the file.
    pub fn read(path: &Path) -> Result<Self> {
        let cannot = "cannot be read";
        let mut bytes = Vec::new();
        // One byte more than is allowed tells a larger file from one just so large.
        let limit = MAX_FILE_BYTES as u64 + 1;
        let read = open_regular(path, cannot)?.take(limit).read_to_end(&mut bytes);
        read.map_err(|error| Error::io(cannot, path, error))?;
        Self::from_bytes(&bytes).map_err(|error| error.at(path))
    }

    /// As [`Model::read`], from bytes in memory.
    ///
    /// # Errors
    /// As [`Model::read`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let checkpoint = Checkpoint::from_bytes(bytes)?;
        Architecture::of(&checkpoint)?;
        let config: Config = checkpoint.parse_config()?;
        let features: FeatureConfig = serde_json::from_value(config.features.clone()).map_err(|error| {
            Error::new(ErrorKind::Unsupported, format!("was trained on features of another kind: {error}"))
                .caused_by(error)
        })?;
        features.validate()?;
        states_encoder(&checkpoint, &features)?;
        if let Some(wanted) = encoder_of(&config) {
            encoder::carried(&checkpoint, &wanted.family, &wanted.digest)?;
        }
        if features.shape() != config.model.input_shape {
            let (given, taken) = (features.shape(), config.model.input_shape);
            let what = format!("describes features of shape {given:?} and a network for {taken:?}");
            return Err(Error::new(ErrorKind::Damaged, what));
        }
        let normalisation =
            Normalisation::of(&checkpoint, config.fit.feature_normalisation, config.model.input_shape)?;
        let calibrator = Calibrator::of(&checkpoint)?;
        let domain = DomainReference::of(&checkpoint)?;
        let [channels, rows, _] = config.model.input_shape;
        if let Some(reference) = domain.as_ref().filter(|known| known.dimension() != 2 * channels * rows) {
            let what = format!(
                "knows its domain by {} numbers, where its features give {}",
                reference.dimension(),
                2 * channels * rows
            );
            return Err(Error::new(ErrorKind::Damaged, what));
        }
        let digest = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { checkpoint, config, features, normalisation, calibrator, domain, digest })
    }

    /// The pretrained encoder that its network begins with, if it does.
    ///
    /// # Errors
    /// When the checkpoint does not carry it.
    pub(crate) fn encoder(&self) -> Result<Option<CarriedEncoder<'_>>> {
        match encoder_of(&self.config) {
            Some(wanted) => encoder::carried(&self.checkpoint, &wanted.family, &wanted.digest).map(Some),
            None => Ok(None),
        }
    }

    /// The pretrained encoder whose states its features are, if they are.
    ///
    /// # Errors
    /// When the checkpoint does not carry it.
    pub(crate) fn states_encoder(&self) -> Result<Option<StatesEncoder<'_>>> {
        states_encoder(&self.checkpoint, &self.features)
    }

    /// How much of a recording it hears, seconds.
    pub(crate) fn longest_s(&self) -> f64 {
        let features = &self.features;
        let kept = features.hop_length.saturating_mul(features.max_frames);
        let samples = match (&features.encoder, self.most_samples()) {
            (Some(states), Some(most)) if states.pooling == Pooling::None => kept.min(most),
            (Some(_), Some(most)) => most,
            _ => kept,
        };
        samples as f64 / f64::from(features.sample_rate)
    }

    /// The samples of the longest recording that has an answer, where there is a longest one.
    pub(crate) fn most_samples(&self) -> Option<usize> {
        self.states_encoder().ok().flatten().map(|encoder| encoder.most)
    }

    /// Its classes, in the order of the probabilities.
    pub fn labels(&self) -> &[String] {
        &self.checkpoint.labels
    }
}

/// The encoder that a network begins with, if it does.
fn encoder_of(config: &Config) -> Option<&TunedEncoder> {
    config.model.network.sizes::<FinetuneConfig>()?.encoder.as_ref()
}

/// The encoder that `checkpoint` carries because `features` are its states; `None` where they are not.
///
/// # Errors
/// When it carries none, or one that is damaged or that there is no graph of.
fn states_encoder<'a>(
    checkpoint: &'a Checkpoint,
    features: &'a FeatureConfig,
) -> Result<Option<StatesEncoder<'a>>> {
    let Some(states) = &features.encoder else { return Ok(None) };
    if states.version != EncoderStates::VERSION {
        let what = format!(
            "reads states of version {}, and this program computes version {}",
            states.version,
            EncoderStates::VERSION
        );
        let help = remedy![Action::Prepare, " again and train again"];
        return Err(Error::new(ErrorKind::Unsupported, what).help(help));
    }
    if states.precision != EncoderPrecision::F32 {
        let what = format!("reads states computed in {}, and a graph computes in f32", states.precision);
        let help = remedy![Action::Prepare, " with the states in f32, and train again"];
        return Err(Error::new(ErrorKind::Unsupported, what).help(help));
    }
    let carried = encoder::carried(checkpoint, &states.family, &states.digest)?;
    let sizes = encoder::sizes(&carried, features.sample_rate)?;
    let most = carried.most_samples.filter(|most| (sizes.fewest..=sizes.most).contains(most));
    match most.filter(|_| states.dimension == sizes.dimension) {
        Some(most) => Ok(Some(StatesEncoder { carried, fewest: sizes.fewest, most })),
        None => {
            Err(Error::new(ErrorKind::Damaged, "carries an encoder that its features are not the states of")
                .help("copy the checkpoint again, or train it again"))
        }
    }
}
