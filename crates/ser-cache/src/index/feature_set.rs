//! A feature set: the tensors of one feature configuration, and what it is called.

use rayon::prelude::*;
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

    /// Says what cannot be: of an index that was forged, since its checksum was right.
    ///
    /// # Errors
    /// When something cannot be.
    pub(crate) fn validate(&self) -> Result<(), &'static str> {
        let values = self.shape.iter().try_fold(1u32, |product, &size| product.checked_mul(size));
        if values.is_none_or(|values| values == 0) {
            return Err("a tensor has an impossible shape");
        }
        if !self.entries.is_sorted_by(|a, b| a.row.key < b.row.key) {
            return Err("its entries are not sorted");
        }
        for entry in &self.entries {
            if entry.shard as usize >= self.shards.len() {
                return Err("an entry names a shard that is not listed");
            }
            if entry.row.frames > self.shape[2] {
                return Err("an entry has more frames than its tensor");
            }
        }
        let mut rows: Vec<(u32, u32)> =
            self.entries.iter().map(|entry| (entry.shard, entry.position)).collect();
        rows.par_sort_unstable();
        match rows.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            true => Err("two entries share a row"),
            false => Ok(()),
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
