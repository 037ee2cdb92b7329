//! The tensors of one feature set while a run adds to them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use ser_cache::{
    FeatureSet, RowInfo, Sha, Shard, ShardBuffer, ShardLayout, TensorEntry, TensorKey, augmented_set_id,
    check_inside, shard_path, shards_folder,
};
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result};

use crate::prepare::PrepareOptions;
use crate::prepare::known_tensors::{BorrowedTensor, KnownTensors, TensorTable};
use crate::prepare::portions::Portions;

/// How many full shards are hashed and written at once: one is hashed while another waits for the disk.
const WRITERS: usize = 2;

/// Tensors that are there, and those being added. Threads of their own hash and write full shards while the next
/// one fills; with one job it is one thread, and everything is written in one order.
pub(super) struct Store {
    layout: ShardLayout,
    rows_per_shard: usize,
    /// Names of the shards that are on disk.
    shards: Vec<Sha>,
    tensors: KnownTensors,
    id: String,
    filling: ShardBuffer,
    sent: u32,
    writer: Option<Writer>,
}

struct Writer {
    queue: SyncSender<(u32, ShardBuffer)>,
    /// Buffers whose content is on disk, to be filled again.
    empty: Receiver<ShardBuffer>,
    has_failed: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<Vec<Named>>>>,
}

/// A shard that was written: its number in the order of sending, its name, its size in bytes.
type Named = (u32, Sha, u64);

/// What a run has stored.
pub(super) struct StoredSet {
    pub(super) set: FeatureSet,
    pub(super) shards: usize,
    pub(super) bytes: u64,
}

impl Store {
    /// Takes over what the feature sets of an index know: the entries of the one that is prepared move here. With a storage to
    /// write to, it also takes over whole shards that no set names: the work of a run that was killed.
    ///
    /// # Errors
    /// When the folder of shards cannot be made or listed.
    pub(super) fn open(
        options: &PrepareOptions,
        sets: &mut [FeatureSet],
        storage: Option<&Storage>,
    ) -> Result<Self> {
        let configuration = options.features.to_canonical_json();
        let id = augmented_set_id(&configuration, options.augment.as_ref());
        let layout = ShardLayout {
            shape: options.features.shape(),
            dtype: options.features.value_type(),
            configuration,
        };
        let mut store = Self {
            rows_per_shard: layout.rows_per_shard(options.shard_bytes),
            layout,
            shards: Vec::new(),
            tensors: KnownTensors::default(),
            id: id.clone(),
            filling: ShardBuffer::default(),
            sent: 0,
            writer: None,
        };
        let folder = shards_folder(&options.out);
        if let Some(set) = sets.iter_mut().find(|set| set.id == id) {
            store.take_over(set, &options.out, &folder);
        }
        for set in sets.iter().filter(|set| set.id != id) {
            store.borrow(set, &options.out, &folder);
        }
        if let Some(storage) = storage {
            storage.make_folder(&folder)?;
            store.adopt_unnamed(&options.out, &folder, sets)?;
            // The process that wrote these shards may have been killed before their names were durable.
            storage.sync_folder(&folder)?;
            store.writer = Some(Writer::start(options.jobs, storage, &folder, &store.layout));
        }
        Ok(store)
    }

    /// Takes over the entries whose shards are still there, in their full length; the others are computed again.
    fn take_over(&mut self, set: &mut FeatureSet, root: &Path, folder: &Path) {
        let mut kept: HashMap<u32, (u32, usize)> = HashMap::new();
        for (old, name) in (0..).zip(&set.shards) {
            let path = shard_path(folder, name);
            let opened = check_inside(root, &path).and_then(|()| Shard::open(&path, &self.layout));
            if let Ok(shard) = opened {
                kept.insert(old, (self.shards.len() as u32, shard.rows()));
                self.shards.push(*name);
            }
        }
        let mut entries = std::mem::take(&mut set.entries);
        entries.retain_mut(|entry| {
            let place = kept.get(&entry.shard).filter(|(_, rows)| (entry.position as usize) < *rows);
            place.inspect(|(shard, _)| entry.shard = *shard).is_some()
        });
        *self.tensors.change() = TensorTable::of(entries);
    }

    /// Remembers what `set` has, if it is of the same configuration: what this run uses of it need not be computed.
    fn borrow(&mut self, set: &FeatureSet, root: &Path, folder: &Path) {
        if set.configuration != self.layout.configuration {
            return;
        }
        let rows_of = |name: &Sha| {
            let path = shard_path(folder, name);
            let opened = check_inside(root, &path).and_then(|()| Shard::open(&path, &self.layout));
            opened.map_or(0, |shard| shard.rows())
        };
        let rows: Vec<usize> = set.shards.iter().map(rows_of).collect();
        let mut table = self.tensors.change();
        for TensorEntry { shard, position, row } in &set.entries {
            let place = *shard as usize;
            let is_there = rows.get(place).is_some_and(|rows| (*position as usize) < *rows);
            if let (true, Some(name)) = (is_there, set.shards.get(place)) {
                table.lend(BorrowedTensor { shard: *name, position: *position, row: row.clone() });
            }
        }
    }

    /// Makes what is `used` of other feature sets part of this one.
    ///
    /// # Errors
    /// Those of `used`.
    fn keep_borrowed(&mut self, used: impl Iterator<Item = Result<TensorKey>>) -> Result<()> {
        let mut table = self.tensors.change();
        if !table.borrows() {
            return Ok(());
        }
        let mut places: HashMap<Sha, u32> = self.shards.iter().copied().zip(0..).collect();
        for key in used {
            let Some(BorrowedTensor { shard, position, row }) = table.take_borrowed(&key?) else {
                continue;
            };
            let place = *places.entry(shard).or_insert_with(|| {
                self.shards.push(shard);
                self.shards.len() as u32 - 1
            });
            table.add(TensorEntry { shard: place, position, row });
        }
        Ok(())
    }

    fn adopt_unnamed(&mut self, root: &Path, folder: &Path, sets: &[FeatureSet]) -> Result<()> {
        let listing =
            std::fs::read_dir(folder).map_err(|error| Error::io("cannot be listed", folder, error))?;
        let mut unnamed: Vec<(Sha, PathBuf)> = Vec::new();
        for entry in listing.flatten() {
            let path = entry.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let Some(name) = stem.and_then(|stem| stem.parse::<Sha>().ok()) else { continue };
            let named = sets.iter().any(|set| set.shards.contains(&name));
            if !named && path.extension().is_some_and(|extension| extension == "safetensors") {
                unnamed.push((name, path));
            }
        }
        // In an order that depends on what is there, not on when it arrived.
        unnamed.sort();
        for (name, path) in unnamed {
            // A shard of another feature set, or a damaged one: either way unusable.
            let opened = check_inside(root, &path).and_then(|()| Shard::open(&path, &self.layout));
            let Ok(rows) = opened.and_then(|shard| shard.verified_rows()) else {
                continue;
            };
            let shard = self.shards.len() as u32;
            self.shards.push(name);
            let mut table = self.tensors.change();
            for (position, row) in (0..).zip(rows) {
                table.add(TensorEntry { shard, position, row });
            }
        }
        Ok(())
    }

    /// Whether the tensor with this key is there or being written.
    pub(super) fn holds(&self, key: &TensorKey) -> bool {
        self.tensors.contains(key)
    }

    /// The tensors that are there or being written, as it goes on.
    pub(super) fn known(&self) -> KnownTensors {
        self.tensors.clone()
    }

    /// Makes room for what is known of this many more tensors.
    pub(super) fn reserve(&self, more: usize) {
        self.tensors.change().reserve(more);
    }

    /// Adds a tensor, unless it is there; whether it was not.
    pub(super) fn push(&mut self, features: &[f32], row: RowInfo) -> Result<bool> {
        let shard = self.shards.len() as u32 + self.sent;
        let position = self.filling.len() as u32;
        if !self.tensors.change().add(TensorEntry { shard, position, row: row.clone() }) {
            return Ok(false);
        }
        self.filling.push(features, self.layout.dtype, row);
        if self.filling.len() >= self.rows_per_shard {
            self.send()?;
        }
        Ok(true)
    }

    /// Copies the tensor with this key from the portion that has it, unless it is here or none has it.
    pub(super) fn take_from(&mut self, portions: &Portions, key: &TensorKey) -> Result<()> {
        if !self.holds(key)
            && let Some((features, row)) = portions.tensor(key, &self.layout)?
        {
            self.push(&features, row)?;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        let full = std::mem::take(&mut self.filling);
        let number = self.sent;
        self.sent += 1;
        match &self.writer {
            Some(writer) if writer.all_writers_running() && writer.queue.send((number, full)).is_ok() => {
                // The writer that took it has just returned the previous one: there are at most one more than writers.
                self.filling = writer.empty.try_recv().unwrap_or_default();
                Ok(())
            }
            // A writer has stopped: only its own error can say why.
            _ => Err(self.join().err().unwrap_or_else(stopped)),
        }
    }

    fn join(&mut self) -> Result<Vec<Named>> {
        let Some(Writer { queue, threads, .. }) = self.writer.take() else { return Ok(Vec::new()) };
        drop(queue);
        // All are waited for, so that nothing is written once the lock is gone.
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        let mut written = Vec::new();
        for result in ended {
            written.extend(result.unwrap_or_else(|_| Err(stopped()))?);
        }
        written.sort_unstable();
        Ok(written)
    }

    /// Writes what is left and waits until everything is on disk. `used` are the keys of all utterances.
    ///
    /// # Errors
    /// When something cannot be written, and those of `used`.
    pub(super) fn finish(mut self, used: impl Iterator<Item = Result<TensorKey>>) -> Result<StoredSet> {
        if !self.filling.is_empty() {
            self.send()?;
        }
        let written = self.join()?;
        let bytes = written.iter().map(|(_, _, bytes)| bytes).sum();
        let written_shards = written.len();
        self.shards.extend(written.into_iter().map(|(_, name, _)| name));
        self.keep_borrowed(used)?;
        let entries = std::mem::take(&mut *self.tensors.change()).into_entries();
        let (shards, entries) = sorted(std::mem::take(&mut self.shards), entries);
        let set = FeatureSet {
            id: std::mem::take(&mut self.id),
            configuration: std::mem::take(&mut self.layout.configuration),
            shape: self.layout.shape.map(|size| size as u32),
            manifests: FeatureSet::no_manifests(),
            shards,
            entries,
        };
        Ok(StoredSet { set, shards: written_shards, bytes })
    }
}

/// Shards and entries in an order that follows from what they are, not from when they were written, so that an
/// interrupted run and an undisturbed one end with the same index.
fn sorted(shards: Vec<Sha>, mut entries: Vec<TensorEntry>) -> (Vec<Sha>, Vec<TensorEntry>) {
    let mut order: Vec<(Sha, u32)> = shards.into_iter().zip(0..).collect();
    order.sort_unstable();
    let moved: HashMap<u32, u32> = order.iter().map(|(_, old)| *old).zip(0..).collect();
    for entry in &mut entries {
        entry.shard = moved.get(&entry.shard).copied().unwrap_or(entry.shard);
    }
    entries.sort_unstable_by_key(|entry| entry.row.key);
    (order.into_iter().map(|(name, _)| name).collect(), entries)
}

impl Drop for Store {
    /// A run that failed waits for its writers, so that nothing is written once the lock is gone.
    fn drop(&mut self) {
        let _ = self.join();
    }
}

impl Writer {
    fn start(jobs: usize, storage: &Storage, folder: &Path, layout: &ShardLayout) -> Self {
        // Nothing waits in the queue: what is filling and what is being written bound the memory.
        let (queue, shards) = sync_channel(0);
        let (emptied, empty) = channel();
        let shards = Arc::new(Mutex::new(shards));
        let has_failed = Arc::new(AtomicBool::new(false));
        let threads = (0..if jobs == 1 { 1 } else { WRITERS }).map(|_| {
            let (storage, folder, layout) = (storage.clone(), folder.to_owned(), layout.clone());
            let (shards, emptied, has_failed) = (shards.clone(), emptied.clone(), has_failed.clone());
            std::thread::spawn(move || {
                let next = || shards.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
                std::iter::from_fn(next)
                    .map(|(number, mut shard): (u32, ShardBuffer)| {
                        let written = shard.write(&storage, &folder, &layout);
                        let (name, bytes) =
                            written.inspect_err(|_| has_failed.store(true, Ordering::Relaxed))?;
                        shard.clear();
                        // It is no longer needed once the last shard has been sent.
                        let _ = emptied.send(shard);
                        Ok((number, name, bytes))
                    })
                    .collect()
            })
        });
        Self { queue, empty, has_failed: has_failed.clone(), threads: threads.collect() }
    }

    fn all_writers_running(&self) -> bool {
        !self.has_failed.load(Ordering::Relaxed)
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::Io, "the thread that writes shards has stopped")
}
