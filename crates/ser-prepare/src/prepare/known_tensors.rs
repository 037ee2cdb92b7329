//! Which tensors are there, while more of them come.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use hashbrown::HashTable;
use ser_cache::{RowInfo, Sha, TensorEntry, TensorKey};

/// The tensors that are there or being written. Threads ask it what need not be computed while the store is being filled.
#[derive(Clone, Default)]
pub(super) struct KnownTensors(Arc<RwLock<TensorTable>>);

/// Tensors by their keys, of which there may be millions: each key is in memory once.
#[derive(Default)]
pub(super) struct TensorTable {
    /// Where every tensor lies; shards being written count on from those on disk.
    entries: Vec<TensorEntry>,
    /// Positions in `entries`.
    places: HashTable<u32>,
    /// Tensors of other feature sets with the same configuration, which differ in their copies alone.
    borrowed: HashMap<TensorKey, BorrowedTensor>,
    hasher: RandomState,
}

/// A tensor in a shard of another feature set.
pub(super) struct BorrowedTensor {
    pub(super) shard: Sha,
    pub(super) position: u32,
    pub(super) row: RowInfo,
}

impl KnownTensors {
    pub(super) fn contains(&self, key: &TensorKey) -> bool {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.position(key).is_some() || table.borrowed.contains_key(key)
    }

    /// The table, to be changed.
    pub(super) fn change(&self) -> RwLockWriteGuard<'_, TensorTable> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TensorTable {
    /// Those of `entries`, which have different keys. They are not copied: that would take as much memory once more.
    pub(super) fn of(entries: Vec<TensorEntry>) -> Self {
        let mut table = Self { entries, ..Self::default() };
        let Self { entries, places, hasher, .. } = &mut table;
        let hash = |position: &u32| hasher.hash_one(entries[*position as usize].row.key);
        places.reserve(entries.len(), hash);
        for position in (0..).take(entries.len()) {
            places.insert_unique(hash(&position), position, hash);
        }
        table
    }

    /// Makes room for this many more: growing step by step would leave holes in the memory.
    pub(super) fn reserve(&mut self, more: usize) {
        let Self { entries, places, hasher, .. } = self;
        entries.reserve_exact(more);
        places.reserve(more, |position| hasher.hash_one(entries[*position as usize].row.key));
    }

    fn position(&self, key: &TensorKey) -> Option<usize> {
        let is_of = |position: &u32| self.entries[*position as usize].row.key == *key;
        self.places.find(self.hasher.hash_one(key), is_of).map(|position| *position as usize)
    }

    /// Adds a tensor, unless it is there or borrowed; whether it was not.
    pub(super) fn add(&mut self, entry: TensorEntry) -> bool {
        if self.position(&entry.row.key).is_some() || self.borrowed.contains_key(&entry.row.key) {
            return false;
        }
        let Self { entries, places, hasher, .. } = self;
        let hash = hasher.hash_one(entry.row.key);
        entries.push(entry);
        let hash_at = |position: &u32| hasher.hash_one(entries[*position as usize].row.key);
        // No index holds more than a few million of them.
        places.insert_unique(hash, entries.len() as u32 - 1, hash_at);
        true
    }

    /// Notes a tensor of another feature set, unless one with its key is there or noted.
    pub(super) fn lend(&mut self, tensor: BorrowedTensor) {
        if self.position(&tensor.row.key).is_none() {
            self.borrowed.entry(tensor.row.key).or_insert(tensor);
        }
    }

    /// Whether any tensor is borrowed.
    pub(super) fn borrows(&self) -> bool {
        !self.borrowed.is_empty()
    }

    /// Takes a borrowed tensor out, to be added as one of this set.
    pub(super) fn take_borrowed(&mut self, key: &TensorKey) -> Option<BorrowedTensor> {
        self.borrowed.remove(key)
    }

    /// Where every tensor lies, in the order in which they came.
    pub(super) fn into_entries(self) -> Vec<TensorEntry> {
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use ser_audio::Container;
    use ser_cache::{Checksum, SourceChannels, TensorSource};

    use super::*;

    fn row(number: u32) -> RowInfo {
        let checksum = Checksum::of_row(&[], ser_features::ValueType::F32, number);
        let source = TensorSource {
            sample_rate: 16_000,
            channels: SourceChannels::new(1, None),
            container: Container::Wav,
            samples: 1,
            sound: checksum,
        };
        RowInfo { key: Sha::of(&[&number.to_le_bytes()]), frames: 1, frames_cut: 0, checksum, source }
    }

    fn entry(number: u32) -> TensorEntry {
        TensorEntry { shard: 0, position: number, row: row(number) }
    }

    #[test]
    fn each_tensor_is_there_once_and_is_found_while_more_come() {
        let known = KnownTensors::default();
        *known.change() = TensorTable::of((0..100).map(entry).collect());
        for number in 50..3_000 {
            assert_eq!(known.change().add(entry(number)), number >= 100, "{number}");
        }
        assert!((0..3_000).all(|number| known.contains(&row(number).key)));
        assert!(!known.contains(&row(3_000).key));
        let entries = std::mem::take(&mut *known.change()).into_entries();
        assert!(entries.iter().map(|entry| entry.position).eq(0..3_000));
    }

    #[test]
    fn a_borrowed_tensor_is_there_and_is_added_once_it_is_taken() {
        let known = KnownTensors::default();
        let lent = |number: u32, shard: &[u8]| BorrowedTensor {
            shard: Sha::of(&[shard]),
            position: number,
            row: row(number),
        };
        let mut table = known.change();
        table.add(entry(1));
        // Of two sets that have it the first counts, and what is there need not be borrowed.
        [lent(1, b"a"), lent(2, b"a"), lent(2, b"b")].into_iter().for_each(|tensor| table.lend(tensor));
        assert!(table.borrows() && table.take_borrowed(&row(1).key).is_none());
        drop(table);
        assert!(known.contains(&row(2).key));
        let mut table = known.change();
        assert!(!table.add(entry(2)));
        let taken = table.take_borrowed(&row(2).key).unwrap();
        assert!(taken.shard == Sha::of(&[b"a"]) && !table.borrows());
        assert!(table.add(entry(2)));
    }
}
