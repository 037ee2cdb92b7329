//! What of a checkpoint is exported.

use std::io::Read;
use std::path::Path;

use ser_core::storage::open_regular;
use ser_core::{Error, ErrorKind, Result};
use ser_features::FeatureConfig;
use ser_model::calibration::Calibrator;
use ser_model::checkpoint::{Checkpoint, MAX_FILE_BYTES};
use ser_model::domain::DomainReference;
use ser_model::network::{Arch, Architecture, FinetuneConfig, TunedEncoder};
use ser_model::{CarriedEncoder, FeatureNormalisation};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::encoder;
use crate::features::Normalisation;

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
    pub(crate) metrics: Option<Metrics>,
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

/// What its epoch gave.
#[derive(Debug, Deserialize)]
pub(crate) struct Metrics {
    pub(crate) val_accuracy: f64,
    pub(crate) val_uar: f64,
}

/// The name of an architecture, known or not.
#[derive(Deserialize)]
struct Named {
    model: NamedModel,
}

#[derive(Deserialize)]
struct NamedModel {
    arch: String,
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
        let config = Config::of(&checkpoint)?;
        let features: FeatureConfig = serde_json::from_value(config.features.clone()).map_err(|error| {
            Error::new(ErrorKind::Unsupported, format!("was trained on features of another kind: {error}"))
                .caused_by(error)
        })?;
        features.validate()?;
        if let Some(states) = &features.encoder {
            let what =
                format!("reads the states of a {} encoder, of which there is no ONNX graph", states.family);
            let help =
                "export a model of mfcc or log-mel features, or a finetune network that carries its encoder";
            return Err(Error::new(ErrorKind::Unsupported, what).help(help));
        }
        if let Some(wanted) = encoder_of(&config) {
            encoder::carried(&checkpoint, wanted)?;
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
        encoder_of(&self.config).map(|wanted| encoder::carried(&self.checkpoint, wanted)).transpose()
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

impl Config {
    fn of(checkpoint: &Checkpoint) -> Result<Self> {
        let not_understood = |error: serde_json::Error| {
            Error::new(ErrorKind::Damaged, format!("its configuration cannot be understood: {error}"))
                .caused_by(error)
        };
        if let Ok(Named { model }) = serde_json::from_str(&checkpoint.config) {
            // That of a newer version is not damaged.
            Arch::named(&model.arch)?;
        }
        let config: Self = serde_json::from_str(&checkpoint.config).map_err(not_understood)?;
        config.model.validate()?;
        let (labels, classes) = (checkpoint.labels.len(), config.model.classes);
        if labels != classes {
            let what = format!("names {labels} labels for {classes} classes");
            return Err(Error::new(ErrorKind::Damaged, what));
        }
        config.model.check_shapes(&checkpoint.model_state)?;
        Ok(config)
    }
}
