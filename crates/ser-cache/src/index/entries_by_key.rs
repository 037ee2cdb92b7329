//! Tensors found by their keys, many of them one after the other.

use ser_core::remedy::Action;
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::{FeatureSet, TensorEntry, TensorKey, Utterance, manifest_shard};

/// The entries of a feature set, to be found by key.
///
/// Keys are digests and so evenly spread: in groups by their first bits, as many as the next power of two of the number of
/// entries, there is one entry or half of one on average. A group takes 4 bytes. Finding an entry reads memory in two places,
/// where halving a million entries would read it in twenty; keys that are not evenly spread are found by halving their group.
#[derive(Debug, Clone)]
pub struct EntriesByKey<'a> {
    entries: &'a [TensorEntry],
    /// The paths of the shards, as manifests name them.
    shards: Vec<String>,
    /// Bits of a key that its group does not tell.
    shift: u32,
    /// Where each group begins, and where the last one ends.
    starts: Vec<u32>,
}

impl<'a> EntriesByKey<'a> {
    /// Those of `set`, which are sorted by key.
    pub(crate) fn new(set: &'a FeatureSet) -> Self {
        let entries = set.entries.as_slice();
        let groups = entries.len().next_power_of_two();
        let shift = u64::BITS - groups.trailing_zeros();
        let mut starts = Vec::with_capacity(groups + 1);
        for (position, entry) in (0..).zip(entries) {
            let group = group_of(&entry.row.key, shift);
            while starts.len() <= group {
                starts.push(position);
            }
        }
        starts.resize(groups + 1, entries.len() as u32);
        Self { entries, shards: set.shards.iter().map(manifest_shard).collect(), shift, starts }
    }

    /// The entry with this key.
    pub fn get(&self, key: &TensorKey) -> Option<&'a TensorEntry> {
        self.entries.get(self.position(key)?)
    }

    /// The position of the entry with this key.
    pub fn position(&self, key: &TensorKey) -> Option<usize> {
        let group = group_of(key, self.shift);
        let [start, end] =
            [self.starts.get(group)?, self.starts.get(group + 1)?].map(|place| *place as usize);
        let group = self.entries.get(start..end)?;
        let position = group.binary_search_by(|entry| entry.row.key.cmp(key)).ok()?;
        Some(start + position)
    }

    /// The entry of an utterance, which must lie where its manifest says. So a manifest can name nothing outside the cache.
    ///
    /// # Errors
    /// When there is none, or it lies elsewhere.
    pub(crate) fn of(&self, utterance: &Utterance) -> Result<&'a TensorEntry> {
        let lies_there = |entry: &&TensorEntry| {
            let shard = self.shards.get(entry.shard as usize);
            shard == Some(&utterance.shard)
                && entry.position == utterance.row
                && entry.row.frames == utterance.frames
        };
        self.get(&utterance.key).filter(lies_there).ok_or_else(|| unknown(utterance))
    }
}

pub(crate) fn unknown(utterance: &Utterance) -> Error {
    Error::new(ErrorKind::Mismatch, "differs between a manifest and the index")
        .at(&utterance.path)
        .help(remedy![Action::Prepare, " again"])
}

/// The first bits of a key, without the last `shift` of the first 64.
fn group_of(key: &TensorKey, shift: u32) -> usize {
    let [a, b, c, d, e, f, g, h, ..] = key.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h]).checked_shr(shift).unwrap_or_default() as usize
}

#[cfg(test)]
mod tests {
    use ser_audio::Container;

    use ser_features::ValueType;

    use super::*;
    use crate::digest::Hex;
    use crate::{Checksum, RowInfo, Sha, SourceChannels, TensorSource};

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
                let by_key = set.by_key();
                for key in keys.iter().chain(&spread).chain(&[Hex([0; 32]), Hex([0xff; 32])]) {
                    let found = by_key.get(key).map(|entry| entry.position as usize);
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
