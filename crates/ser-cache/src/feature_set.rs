//! A feature set: the tensors of one feature configuration, and what it is called.

use ser_features::{EXTRACTOR_VERSION, FeatureConfig, ValueType};
use serde::{Deserialize, Serialize};

use crate::{CopySettings, RowInfo, Sha, ShardLayout, TensorKey};

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

    /// The entry with this key.
    ///
    /// Keys are digests, so the first bytes of one tell about where it is: of a million entries that leaves a few to look at,
    /// side by side in memory, instead of twenty far from each other.
    pub fn entry(&self, key: &TensorKey) -> Option<&TensorEntry> {
        let entries = &self.entries;
        let [a, b, c, d, e, f, g, h, ..] = key.0;
        let share = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let guess = ((u128::from(share) * entries.len() as u128) >> 64) as usize;
        let is_before = |position: usize| entries.get(position).is_some_and(|entry| entry.row.key < *key);
        // Twice as far at each step, so that keys which are not evenly spread cost no more than halving would.
        let (mut low, mut high) = (guess, guess);
        let mut step = 1;
        while low > 0 && !is_before(low - 1) {
            low = low.saturating_sub(step);
            step *= 2;
        }
        step = 1;
        while is_before(high) {
            high = (high + step).min(entries.len());
            step *= 2;
        }
        let around = entries.get(low..entries.len().min(high + 1))?;
        let position = around.binary_search_by(|entry| entry.row.key.cmp(key)).ok()?;
        around.get(position)
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

#[cfg(test)]
mod tests {
    use ser_audio::Container;

    use super::*;
    use crate::digest::Hex;
    use crate::{Checksum, SourceChannels, TensorSource};

    #[test]
    fn an_entry_is_found_by_its_key_however_keys_are_spread() {
        let spread: Vec<Sha> = (0..500_u32).map(|number| Sha::of(&[&number.to_le_bytes()])).collect();
        let crowded = |first: u8| -> Vec<Sha> {
            let alike = |key: &Sha| Hex([[first; 30].as_slice(), &key.0[..2]].concat().try_into().unwrap());
            spread.iter().map(alike).collect()
        };
        for mut keys in [spread.clone(), crowded(0), crowded(0x7f), crowded(0xff), Vec::new()] {
            keys.sort();
            keys.dedup();
            for count in [keys.len(), 1, 2, 3] {
                let known = keys.get(..count).unwrap_or(&keys);
                let set = set_of(known);
                for key in keys.iter().chain(&spread).chain(&[Hex([0; 32]), Hex([0xff; 32])]) {
                    let found = set.entry(key).map(|entry| entry.position as usize);
                    assert_eq!(found, known.iter().position(|known| known == key), "{key} of {count}");
                }
            }
        }
    }

    /// A feature set of these keys.
    fn set_of(keys: &[Sha]) -> FeatureSet {
        let source = TensorSource {
            sample_rate: 16_000,
            channels: SourceChannels::new(1, None),
            container: Container::Wav,
            samples: 1,
            sound: Checksum::of_row(&[], ValueType::F32, 0),
        };
        let entry = |(position, key): (usize, &Sha)| TensorEntry {
            shard: 0,
            position: position as u32,
            row: RowInfo {
                key: *key,
                frames: 0,
                frames_cut: 0,
                checksum: source.sound,
                source: source.clone(),
            },
        };
        FeatureSet {
            id: String::new(),
            configuration: String::new(),
            shape: [1, 1, 1],
            manifests: FeatureSet::no_manifests(),
            shards: Vec::new(),
            entries: keys.iter().enumerate().map(entry).collect(),
        }
    }
}
