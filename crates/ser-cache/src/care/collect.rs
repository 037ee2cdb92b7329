//! Removes what no index refers to: old shards, old generations of manifests, what killed writers left.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ser_core::storage::{Storage, folder_of};
use ser_core::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::care::survey::{CachePiece, Role, read_index, survey};
use crate::lock::ReadersLock;
use crate::{Cache, Hex, Index, WriterLock, check_splits_place, index_path, point_splits_at};

/// What is to be removed.
#[derive(Debug, Clone)]
pub struct GarbageOptions {
    /// The cache.
    pub root: PathBuf,
    /// Feature sets to take out of the index first, each by the start of its name.
    pub drop: Vec<String>,
    /// Whether to say what would be removed, and change nothing.
    pub dry_run: bool,
    /// Whether to wait for another writer and for readers.
    pub wait: bool,
}

/// What was removed, or would be.
#[derive(Debug, Clone, Serialize)]
pub struct Collected {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Feature sets taken out of the index.
    pub dropped: Vec<String>,
    /// What was removed.
    pub removed: Vec<Garbage>,
    /// How many bytes that was.
    pub bytes: u64,
}

/// Something that no index names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Garbage {
    /// Which, relative to the cache.
    pub path: String,
    /// What it is.
    pub what: &'static str,
    /// Its size, bytes.
    pub bytes: u64,
}

/// Removes from the cache what its index does not name, as its only user. Files that ser never wrote stay.
///
/// A caller that itself holds a [`Cache`] or a [`crate::Dataset`] of it is a reader too: with `wait` it would
/// wait for itself.
///
/// # Errors
/// When there is no whole cache, when it is being written or read and `wait` is not set, when a feature set to drop
/// is not there, or when the operating system cannot remove something.
pub fn collect(options: &GarbageOptions, storage: &Storage) -> Result<Collected> {
    let root = options.root.as_path();
    // A folder without a cache should not get a lock file.
    read_index(root)?;
    let (writer, readers) = match options.dry_run {
        true => (None, ReadersLock::share(root)),
        false => {
            let writer = WriterLock::take(root, options.wait)?;
            (Some(writer), ReadersLock::exclude(root, options.wait)?)
        }
    };
    let index = read_index(root)?;
    let cache = Cache::of(root, index, Arc::new(readers));
    let dropped = named(&cache, &options.drop)?;
    let mut index = cache.index.clone();
    index.feature_sets.retain(|set| !dropped.contains(&set.id));

    let pieces = survey(root)?;
    let garbage = garbage(&pieces, &index);
    if !options.dry_run {
        if !dropped.is_empty() {
            // First, so that at no moment the index names what is gone.
            commit(storage, root, &index)?;
        }
        let mut folders = BTreeSet::new();
        for (piece, _) in &garbage {
            storage.remove(&piece.path)?;
            folders.insert(folder_of(&piece.path));
        }
        folders.iter().try_for_each(|folder| storage.sync_folder(folder))?;
    }
    drop((writer, cache));
    let describe = |(piece, what): &(&CachePiece, &'static str)| Garbage {
        path: piece.name.clone(),
        what,
        bytes: piece.bytes,
    };
    let removed: Vec<Garbage> = garbage.iter().map(describe).collect();
    let bytes = removed.iter().map(|garbage| garbage.bytes).sum();
    Ok(Collected { dry_run: options.dry_run, dropped: dropped.into_iter().collect(), removed, bytes })
}

/// The pieces that `index` does not need, each with what it is.
pub(crate) fn garbage<'a>(pieces: &'a [CachePiece], index: &Index) -> Vec<(&'a CachePiece, &'static str)> {
    let sets = &index.feature_sets;
    let shards: BTreeSet<_> = sets.iter().flat_map(|set| &set.shards).collect();
    let generations: BTreeSet<_> = sets.iter().map(|set| &set.manifests).collect();
    let ids: BTreeSet<Hex<6>> = sets.iter().filter_map(|set| set.id.parse().ok()).collect();
    let why = |piece: &CachePiece| match piece.role {
        Role::Shard(name) if !shards.contains(&name) => Some("shard that no feature set names"),
        Role::Generation(name) if !generations.contains(&name) => Some("old generation of manifests"),
        Role::Audit(id) if !ids.contains(&id) => Some("audit that no feature set needs"),
        Role::Scratch => Some("left behind by a killed process"),
        Role::SetAside => Some("damaged, set aside"),
        _ => None,
    };
    pieces.iter().filter_map(|piece| Some((piece, why(piece)?))).collect()
}

/// The names of the feature sets that start with each of `prefixes`.
fn named(cache: &Cache, prefixes: &[String]) -> Result<BTreeSet<String>> {
    let name = |prefix: &String| match prefix.is_empty() {
        true => Err(Error::new(ErrorKind::Usage, "an empty name drops nothing").help("name a feature set")),
        false => cache.feature_set(Some(prefix)).map(|set| set.id.clone()),
    };
    prefixes.iter().map(name).collect()
}

/// Writes the index without the dropped feature sets, and points `splits` at the newest of the others.
fn commit(storage: &Storage, root: &Path, index: &Index) -> Result<()> {
    check_splits_place(root)?;
    index.write(storage, &index_path(root))?;
    match index.feature_sets.last() {
        Some(newest) if !newest.is_portion() => point_splits_at(storage, root, &newest.manifests),
        _ => {
            storage.remove(&root.join("splits"))?;
            storage.sync_folder(root)
        }
    }
}
