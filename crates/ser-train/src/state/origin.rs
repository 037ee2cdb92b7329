//! How the network in a checkpoint was made.

use ser_cache::{FeatureSet, StoredSplit};
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::Protocol;
use ser_features::FeatureConfig;
use ser_model::checkpoint::Checkpoint;
use ser_model::network::Architecture;
use ser_model::{EpochRecord, FitConfig, MemberOrigin};
use serde::{Deserialize, Serialize};

use crate::state::SplitOrigin;

/// The `config` of a checkpoint: how it was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Origin {
    /// Version of this program.
    pub ser: String,
    /// Shape of the network.
    pub model: Architecture,
    /// The feature configuration, canonical.
    pub features: serde_json::Value,
    /// Name of the feature set.
    pub feature_set: String,
    /// Where the pretrained encoder was whose states the features are or that the network begins with, as an absolute path, if
    /// there is one and that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// The split.
    pub split: SplitOrigin,
    /// The recipe.
    pub fit: FitConfig,
    /// Epoch after which the weights were taken; 0 before the first.
    pub epoch: u32,
    /// What that epoch gave.
    pub metrics: Option<EpochRecord>,
    /// How each network of an ensemble was trained, in their order; empty for one network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberOrigin>,
}

impl Origin {
    /// Describes a network about to be trained.
    pub(crate) fn new(
        model: &Architecture,
        set: &FeatureSet,
        split: &StoredSplit,
        config: &FitConfig,
    ) -> Result<Self> {
        let cache = std::path::absolute(&config.cache)
            .map_err(|error| Error::io("cannot be made an absolute path", &config.cache, error))?;
        let features: serde_json::Value = serde_json::from_str(&set.configuration).map_err(not_understood)?;
        let digest = features.get("encoder").and_then(|states| states.get("digest")?.as_str());
        let encoder = match &config.encoder {
            None => digest.and_then(|digest| ser_cache::encoder_folder(&cache, digest)),
            Some(folder) => Some(
                std::path::absolute(folder)
                    .map_err(|error| Error::io("cannot be made an absolute path", folder, error))?,
            ),
        };
        Ok(Self {
            encoder: encoder.map(|folder| folder.to_string_lossy().into_owned()),
            ser: env!("CARGO_PKG_VERSION").to_owned(),
            model: model.clone(),
            features,
            feature_set: set.id.clone(),
            split: SplitOrigin::of(split, &cache),
            fit: config.clone(),
            epoch: 0,
            metrics: None,
            members: Vec::new(),
        })
    }

    /// The epoch after which the weights of each of its networks were taken.
    pub(crate) fn epochs(&self) -> Vec<u32> {
        match self.members.as_slice() {
            [] => vec![self.epoch],
            members => members.iter().map(|member| member.epoch).collect(),
        }
    }

    /// As a checkpoint carries it.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(crate) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(not_understood)
    }

    /// Reads the `config` of a checkpoint, and checks that it describes the network whose weights lie beside it. So
    /// building that network takes memory in proportion to the file.
    ///
    /// # Errors
    /// When it is not what this program writes, or describes an invalid or a different network.
    pub fn of(checkpoint: &Checkpoint) -> Result<Self> {
        Architecture::of(checkpoint)?;
        let origin: Self = checkpoint.parse_config()?;
        let protocol: Result<Protocol> = origin.split.protocol.parse();
        protocol.map_err(|error| {
            Error::new(
                ErrorKind::Damaged,
                format!("its configuration cannot be understood: {}", error.reason()),
            )
        })?;
        Ok(origin)
    }

    /// The configuration of the features that its network reads.
    ///
    /// # Errors
    /// When this version does not know it, or it is not of the network's shape.
    pub fn feature_config(&self) -> Result<FeatureConfig> {
        let features: FeatureConfig = serde_json::from_value(self.features.clone()).map_err(|error| {
            Error::new(ErrorKind::Damaged, format!("its feature configuration cannot be understood: {error}"))
        })?;
        features.validate()?;
        if features.shape() != self.model.input_shape {
            let what = format!(
                "its network takes utterances of shape {:?}, its features have {:?}",
                self.model.input_shape,
                features.shape()
            );
            return Err(Error::new(ErrorKind::Damaged, what));
        }
        Ok(features)
    }
}

fn not_understood(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Damaged, format!("its configuration cannot be understood: {error}"))
        .caused_by(error)
}
