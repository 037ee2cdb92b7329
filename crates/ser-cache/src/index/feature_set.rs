//! A feature set: the tensors of one feature configuration, and what it is called.

use ser_features::{EXTRACTOR_VERSION, FeatureConfig, ValueType};
use serde::{Deserialize, Serialize};

use crate::index::entries_by_key::EntriesByKey;
use crate::{CopySettings, RowInfo, Sha, ShardLayout};

/// The tensors of one feature configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureSet {
    /// Its name: the first 12 digits of the SHA-256 of its configuration and the extractor's version.
    pub id: String,
    /// Canonical JSON of the feature configuration.
    pub configuration: String,
    /// Shape of an utterance's tensor: `[channel, row, frame]`.
    pub shape: [u32; 3],
    /// The folder of its split manifests in `manifests/`; [`FeatureSet::no_manifests`] in a portion of a preparation.
    pub manifests: Sha,
    /// Its shards, in the order of their names.
    pub shards: Vec<Sha>,
    /// Where each tensor lies, sorted by key.
    pub entries: Vec<TensorEntry>,
}

/// Where a tensor lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TensorEntry {
    /// Position of its shard in [`FeatureSet::shards`].
    pub shard: u32,
    /// Row in the shard.
    pub position: u32,
    /// What is known about it.
    pub row: RowInfo,
}

impl FeatureSet {
    /// The name that stands for no manifests.
    pub fn no_manifests() -> Sha {
        Sha::of(&[])
    }

    /// Whether it is that of a portion of a preparation, which has tensors and no splits.
    pub fn is_portion(&self) -> bool {
        self.manifests == Self::no_manifests()
    }

    /// Its entries by their keys.
    pub fn by_key(&self) -> EntriesByKey<'_> {
        EntriesByKey::new(self)
    }

    /// How its shards are laid out.
    pub fn layout(&self) -> ShardLayout {
        ShardLayout {
            shape: self.shape.map(|size| size as usize),
            dtype: self.dtype(),
            configuration: self.configuration.clone(),
        }
    }

    /// What its numbers are stored as: by its configuration, or f32 where that is of another version of this program.
    pub fn dtype(&self) -> ValueType {
        let config = serde_json::from_str::<FeatureConfig>(&self.configuration);
        config.map_or(ValueType::F32, |config| config.value_type())
    }
}

/// The name of the feature set of a configuration without augmented copies.
pub fn feature_set_id(configuration: &str) -> String {
    augmented_set_id(configuration, None)
}

/// The name of the feature set of a configuration with augmented copies, which are part of what it is.
pub fn augmented_set_id(configuration: &str, copies: Option<&CopySettings>) -> String {
    let version = EXTRACTOR_VERSION.to_le_bytes();
    let mut parts = vec![b"ser feature set\0".as_slice(), &version, configuration.as_bytes()];
    let identity = copies.map(CopySettings::identity);
    if let Some(identity) = &identity {
        parts.extend([b"\0".as_slice(), identity]);
    }
    Sha::of(&parts).to_string().chars().take(12).collect()
}
