//! What takes how many bytes in a cache.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ser_core::Result;
use serde::Serialize;

use crate::Sha;
use crate::care::collect::garbage;
use crate::care::survey::{Role, read_index, survey};
use crate::lock::ReadersLock;

/// The sizes of a cache's parts, bytes as files report them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// The cache.
    pub cache: PathBuf,
    /// Its feature sets, the newest last.
    pub feature_sets: Vec<SetUsage>,
    /// The index.
    pub index: u64,
    /// What was measured for audits.
    pub audits: u64,
    /// The report of the last run and the lock file.
    pub records: u64,
    /// A folder `splits` where a link belongs.
    pub splits: u64,
    /// Shards that no feature set names.
    pub unnamed_shards: u64,
    /// Manifests that no feature set needs.
    pub old_manifests: u64,
    /// Being written, or left behind by a killed process.
    pub scratch: u64,
    /// Damaged files that were set aside.
    pub set_aside: u64,
    /// Files that are not ser's.
    pub foreign: u64,
    /// All of these.
    pub total: u64,
    /// What [`collect`](crate::care::collect::collect) would free.
    pub garbage: u64,
}

/// What belongs to one feature set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetUsage {
    /// Its name.
    pub id: String,
    /// How many shards it has.
    pub shards: usize,
    /// Their size, bytes.
    pub shard_bytes: u64,
    /// Size of its manifests, bytes.
    pub manifest_bytes: u64,
}

/// Measures the cache in `root`.
///
/// # Errors
/// When there is no whole cache, or a folder cannot be listed.
pub fn usage(root: &Path) -> Result<Usage> {
    let _readers = ReadersLock::share(root);
    let index = read_index(root)?;
    let pieces = survey(root)?;
    let mut usage = Usage { cache: root.to_owned(), ..Usage::default() };
    let mut shard_of: HashMap<&Sha, usize> = HashMap::new();
    let mut generation_of: HashMap<&Sha, usize> = HashMap::new();
    for (number, set) in index.feature_sets.iter().enumerate() {
        shard_of.extend(set.shards.iter().map(|name| (name, number)));
        generation_of.insert(&set.manifests, number);
        usage.feature_sets.push(SetUsage {
            id: set.id.clone(),
            shards: set.shards.len(),
            shard_bytes: 0,
            manifest_bytes: 0,
        });
    }
    for piece in &pieces {
        let sets = &mut usage.feature_sets;
        let place = match &piece.role {
            Role::Index => &mut usage.index,
            Role::Audit(_) => &mut usage.audits,
            Role::Record => &mut usage.records,
            Role::Splits => &mut usage.splits,
            Role::Scratch => &mut usage.scratch,
            Role::SetAside => &mut usage.set_aside,
            Role::Foreign => &mut usage.foreign,
            Role::Shard(name) => match shard_of.get(name).and_then(|number| sets.get_mut(*number)) {
                Some(set) => &mut set.shard_bytes,
                None => &mut usage.unnamed_shards,
            },
            Role::Generation(name) => {
                match generation_of.get(name).and_then(|number| sets.get_mut(*number)) {
                    Some(set) => &mut set.manifest_bytes,
                    None => &mut usage.old_manifests,
                }
            }
        };
        *place = place.saturating_add(piece.bytes);
        usage.total = usage.total.saturating_add(piece.bytes);
    }
    usage.garbage = garbage(&pieces, &index).iter().map(|(piece, _)| piece.bytes).sum();
    Ok(usage)
}
