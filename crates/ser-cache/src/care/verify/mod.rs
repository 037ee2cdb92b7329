//! Reads everything in a cache and reports all that has changed since it was written.

mod damage;
mod manifests;
mod shards;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;
use ser_core::progress::Progress;
use ser_core::remedy::{Setting, Stage};
use ser_core::{ErrorKind, Result, threads};
use ser_features::FeatureConfig;
use serde::Serialize;

use crate::audit::check_measured;
use crate::care::survey::{CachePiece, Role, no_cache, survey};
use crate::lock::ReadersLock;
use crate::{
    Cache, FeatureSet, Index, Sha, Sources, TensorEntry, augmented_set_id, check_splits_place, copies_of,
    generation_name, generation_place, index_path, shard_path, shards_folder,
};

pub use damage::{Damage, DamageKind, DamagedRow};
pub(crate) use manifests::check_generation;
use shards::{examine, has_its_name};

/// What reading a whole cache found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Verification {
    /// The cache.
    pub cache: PathBuf,
    /// Feature sets in its index.
    pub feature_sets: usize,
    /// Shards that were read.
    pub shards: usize,
    /// Tensors that the index knows.
    pub rows: usize,
    /// Files of split manifests that were read.
    pub manifests: usize,
    /// Bytes of shards and manifests that were read.
    pub bytes: u64,
    /// Time taken, seconds.
    pub seconds: f64,
    /// All that has changed since it was written.
    pub damage: Vec<Damage>,
    /// What is not damage, but worth knowing.
    pub notes: Vec<VerifyNote>,
}

/// A remark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyNote {
    /// What it is about, relative to the cache.
    pub path: String,
    /// The remark.
    pub what: String,
}

/// Reads everything in the cache in `root`, several shards at once (`jobs`, or one on every processor where it is
/// 0), and lists all damage. Changes nothing.
///
/// # Errors
/// When there is no cache, its index is of a version that this program does not know or cannot be read, or `jobs` is absurd.
pub fn verify(root: &Path, jobs: usize, progress: &dyn Progress) -> Result<Verification> {
    let started = Instant::now();
    let pool = threads::pool(jobs, Setting::Jobs)?;
    let readers = Arc::new(ReadersLock::share(root));
    let pieces = survey(root)?;
    let mut found = Verification { cache: root.to_owned(), ..Verification::default() };
    let index = read_index(root, &pieces, &mut found)?;
    let cache = Cache::of(root, index, readers);
    let whole_index = found.damage.is_empty();

    found.feature_sets = cache.feature_sets().len();
    found.rows = cache.feature_sets().iter().map(|set| set.entries.len()).sum();
    check_index(&cache, &mut found);
    pool.install(|| check_shards(&cache, &pieces, whole_index, progress, &mut found));
    check_manifests(&cache, &pieces, whole_index, &mut found);
    check_splits(&cache, &mut found);
    check_audits(&pieces, &mut found);
    note_other_entries(&pieces, &mut found);
    found.seconds = started.elapsed().as_secs_f64();
    Ok(found)
}

/// The index; an empty one if it is damaged or lost, which is then among the damage.
fn read_index(root: &Path, pieces: &[CachePiece], found: &mut Verification) -> Result<Index> {
    let what = match Index::read(&index_path(root)) {
        Ok(Some(index)) => return Ok(index),
        Err(error) if error.kind() == ErrorKind::Damaged => error.reason(),
        Err(error) => return Err(error),
        // The link is made after the index, so where there is one there was an index.
        Ok(None) if pieces.iter().any(|piece| piece.role == Role::Splits) => "is missing".to_owned(),
        Ok(None) => return Err(no_cache(root)),
    };
    found.damage.push(Damage {
        kind: DamageKind::Index,
        path: "index.bin".to_owned(),
        what,
        rows: Vec::new(),
    });
    Ok(Index::default())
}

/// Compares what the index says with itself, beyond what is checked whenever it is read.
fn check_index(cache: &Cache, found: &mut Verification) {
    let mut seen: HashMap<&str, &FeatureSet> = HashMap::new();
    for set in cache.feature_sets() {
        let mut wrong = Vec::new();
        if seen.insert(&set.id, set).is_some() {
            wrong.push("is listed twice".to_owned());
        }
        match serde_json::from_str::<FeatureConfig>(&set.configuration) {
            Err(error) => wrong.push(format!("has a configuration that cannot be read: {error}")),
            Ok(config) if config.shape() != set.shape.map(|size| size as usize) => wrong.push(format!(
                "has tensors of shape {:?}, its configuration gives {:?}",
                set.shape,
                config.shape()
            )),
            Ok(_) => {}
        }
        let copies = copies_of(&cache.root, set);
        if augmented_set_id(&set.configuration, copies.as_ref()) != set.id {
            found.notes.push(VerifyNote {
                path: "index.bin".to_owned(),
                what: format!("feature set {} was made by another version of the extractor", set.id),
            });
        }
        found.damage.extend(wrong.into_iter().map(|what| Damage {
            kind: DamageKind::Index,
            path: "index.bin".to_owned(),
            what: format!("feature set {} {what}", set.id),
            rows: Vec::new(),
        }));
    }
}

/// A shard to be read: one that the index names, or one that it does not.
struct Task<'a> {
    name: Sha,
    path: PathBuf,
    /// Its feature set, and what the index has in it.
    of: Option<(&'a FeatureSet, Vec<&'a TensorEntry>)>,
}

fn check_shards(
    cache: &Cache,
    pieces: &[CachePiece],
    whole_index: bool,
    progress: &dyn Progress,
    found: &mut Verification,
) {
    let tasks = tasks(cache, pieces);
    let sizes: u64 =
        pieces.iter().filter(|piece| matches!(piece.role, Role::Shard(_))).map(|piece| piece.bytes).sum();
    progress.start(sizes >> 20, "MiB");
    // In the order of their names, each to the next free thread: shards are of similar size.
    let read: Vec<Result<(u64, bool)>> =
        tasks.par_iter().with_max_len(1).map(|task| has_its_name(&task.path, &task.name, progress)).collect();
    progress.finish();

    let mut sources: HashMap<&str, Sources> = HashMap::new();
    for (task, read) in tasks.iter().zip(&read) {
        let shown = format!("shards/{}.safetensors", task.name);
        if let Ok((length, _)) = read {
            found.shards += 1;
            found.bytes += length;
        }
        match (&task.of, read) {
            (Some((set, entries)), read) => {
                let Some(mut damage) = examine(&task.path, &shown, set, entries, read) else { continue };
                if !damage.rows.is_empty() {
                    let known =
                        sources.entry(&set.id).or_insert_with(|| Sources::of(&cache.root, &cache.index, set));
                    for row in &mut damage.rows {
                        row.sources = row.key.map(|key| known.of_tensor(&key)).unwrap_or_default();
                    }
                }
                found.damage.push(damage);
            }
            (None, Ok((_, true))) if !whole_index => {}
            (None, Ok((_, true))) => {
                found.note(shown, &format!("is not named by any index; {} removes it", Stage::Collection))
            }
            (None, read) => {
                let why =
                    read.as_ref().err().map(|error| format!(": {}", error.reason())).unwrap_or_default();
                let what = format!("has changed since it was written{why}");
                match whole_index {
                    true => found.note(
                        shown,
                        &format!("{what}, but not named by any index; {} removes it", Stage::Collection),
                    ),
                    false => found.damage.push(Damage {
                        kind: DamageKind::Shard,
                        path: shown,
                        what,
                        rows: Vec::new(),
                    }),
                }
            }
        }
    }
}

fn tasks<'a>(cache: &'a Cache, pieces: &[CachePiece]) -> Vec<Task<'a>> {
    let folder = shards_folder(&cache.root);
    let mut tasks: BTreeMap<Sha, Task<'a>> = BTreeMap::new();
    for piece in pieces {
        if let Role::Shard(name) = piece.role {
            tasks.insert(name, Task { name, path: piece.path.clone(), of: None });
        }
    }
    for set in cache.feature_sets() {
        let mut entries: Vec<Vec<&TensorEntry>> = vec![Vec::new(); set.shards.len()];
        for entry in &set.entries {
            if let Some(of_shard) = entries.get_mut(entry.shard as usize) {
                of_shard.push(entry);
            }
        }
        for (name, entries) in set.shards.iter().zip(entries) {
            match tasks.get_mut(name).and_then(|task| task.of.as_mut()) {
                // A shard of two sets is described as that of which it holds more.
                Some((other, all)) => {
                    if entries.len() > all.len() {
                        *other = set;
                    }
                    all.extend(entries);
                }
                None => {
                    let path = shard_path(&folder, name);
                    tasks.insert(*name, Task { name: *name, path, of: Some((set, entries)) });
                }
            }
        }
    }
    tasks.into_values().collect()
}

fn check_manifests(cache: &Cache, pieces: &[CachePiece], whole_index: bool, found: &mut Verification) {
    let mut needed: BTreeMap<Sha, Option<&FeatureSet>> = BTreeMap::new();
    for piece in pieces {
        if let Role::Generation(name) = piece.role {
            needed.insert(name, None);
        }
    }
    let with_splits = cache.feature_sets().iter().filter(|set| !set.is_portion());
    needed.extend(with_splits.map(|set| (set.manifests, Some(set))));
    for (name, set) in needed {
        let shown = format!("manifests/{name}");
        let findings = check_generation(&cache.root.join(&shown), &shown, &name, set);
        found.manifests += findings.files;
        found.bytes += findings.bytes;
        if set.is_some() || !whole_index {
            found.damage.extend(findings.damage);
            continue;
        }
        found.note(
            shown,
            &format!("is an old generation that no feature set needs; {} removes it", Stage::Collection),
        );
        for Damage { path, what, .. } in findings.damage {
            found.note(path, &what);
        }
    }
}

fn check_splits(cache: &Cache, found: &mut Verification) {
    let Some(newest) = cache.feature_sets().last().filter(|newest| !newest.is_portion()) else { return };
    let link = cache.root.join("splits");
    let wanted = generation_place(&newest.manifests);
    let stale = format!("{} or {} sets it", Stage::Preparation, Stage::Repair);
    let damage =
        |what: String| Damage { kind: DamageKind::Splits, path: "splits".to_owned(), what, rows: Vec::new() };
    match std::fs::read_link(&link) {
        Ok(target) if target == wanted => {}
        Ok(target) if !link.is_dir() => {
            found.damage.push(damage(format!("points at {}, which is not there", target.display())));
        }
        Ok(target) => {
            let what =
                format!("points at {}, not at the newest feature set's manifests; {stale}", target.display());
            found.note("splits".to_owned(), &what);
        }
        // A run that was killed between the index and the link leaves this.
        Err(_) if !link.exists() => found.note("splits".to_owned(), &format!("is missing; {stale}")),
        Err(_) => match check_splits_place(&cache.root) {
            Err(error) => found.damage.push(damage(error.reason())),
            Ok(()) => {
                // A copy of the newest generation, or of one that the link had not left yet.
                let there = |name: &Sha| cache.root.join(generation_place(name)).is_dir();
                let name = generation_name(&link).ok().filter(there).unwrap_or(newest.manifests);
                let of = (name == newest.manifests).then_some(newest);
                let copied = check_generation(&link, "splits", &name, of).damage;
                found.damage.extend(copied.into_iter().map(|d| Damage { kind: DamageKind::Splits, ..d }));
                found.note("splits".to_owned(), &format!("is a folder instead of a link; {stale}"));
            }
        },
    }
}

fn check_audits(pieces: &[CachePiece], found: &mut Verification) {
    for piece in pieces.iter().filter(|piece| matches!(piece.role, Role::Audit(_))) {
        found.bytes += piece.bytes;
        if let Err(error) = check_measured(&piece.path) {
            let (path, what) = (piece.name.clone(), error.reason());
            found.damage.push(Damage { kind: DamageKind::Audit, path, what, rows: Vec::new() });
        }
    }
}

fn note_other_entries(pieces: &[CachePiece], found: &mut Verification) {
    for piece in pieces {
        match piece.role {
            Role::Scratch => found.note(
                piece.name.clone(),
                &format!(
                    "is being written, or was left behind by a killed process; {} removes it",
                    Stage::Collection
                ),
            ),
            Role::SetAside => found.note(
                piece.name.clone(),
                &format!("is damaged and was set aside; {} removes it", Stage::Collection),
            ),
            _ => {}
        }
    }
}

impl Verification {
    fn note(&mut self, path: String, what: &str) {
        self.notes.push(VerifyNote { path, what: what.to_owned() });
    }

    /// Whether everything is as it was written.
    pub fn is_whole(&self) -> bool {
        self.damage.is_empty()
    }
}
