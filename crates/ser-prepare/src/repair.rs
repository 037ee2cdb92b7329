//! Repairs a cache: rebuilds damaged shards byte for byte, and clears the way for `ser-prep` where it cannot.
//!
//! A shard is a function of its rows, and a row of its recording. So a damaged shard is put together again from the
//! rows whose checksums are right and from recordings that still have the content they had, and takes its place only
//! if it then has the SHA-256 it is named by.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use ser_cache::survey::{Role, SET_ASIDE, no_cache, survey};
use ser_cache::verify::{Damage, DamageKind, Verification, verify};
use ser_cache::{
    FeatureSet, Index, SalvagedShard, Sha, ShardBuffer, Sources, TensorEntry, WriterLock, check_splits_place,
    copies_of, corpora_of, generation_place, index_path, point_splits_at, shard_path, shards_folder,
};
use ser_core::progress::Progress;
use ser_core::remedy::{Action, Setting};
use ser_core::storage::{SCRATCH_PREFIX, Storage, folder_of};
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::{Corpora, Corpus, CorpusFolder};
use serde::Serialize;

use crate::recompute::Recomputer;

/// What a repair is to work on.
#[derive(Debug, Clone)]
pub struct RepairOptions {
    /// The cache.
    pub root: PathBuf,
    /// The corpora it was made from; if none are given, those that `prep-report.json` names.
    pub data: Vec<CorpusFolder>,
    /// Threads; 0 for one per processor.
    pub jobs: usize,
    /// Whether to wait for another writer.
    pub wait: bool,
}

/// What a repair found and did.
#[derive(Debug, Clone, Serialize)]
pub struct Repair {
    /// What was found before.
    pub verification: Verification,
    /// What was repaired.
    pub repaired: Vec<Repaired>,
    /// What is not.
    pub left: Vec<NotRepaired>,
}

/// Something that was repaired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// What, relative to the cache.
    pub path: String,
    /// Rows that were taken from the damaged file.
    pub kept: usize,
    /// Rows that were computed from their recordings.
    pub recomputed: usize,
}

/// Something that could not be repaired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotRepaired {
    /// What, relative to the cache.
    pub path: String,
    /// Why it could not, and what has been done with it.
    pub why: String,
    /// How to repair it.
    #[serde(rename = "mend")]
    pub help: String,
}

/// Verifies the cache and repairs what can be repaired, as its only writer.
///
/// # Errors
/// Those of [`verify`](verify()); when another process writes the cache; when writing fails.
pub fn repair(options: &RepairOptions, storage: &Storage, progress: &dyn Progress) -> Result<Repair> {
    let root = &options.root;
    // A folder without a cache should not get a lock file.
    let pieces = survey(root)?;
    if !pieces.iter().any(|piece| matches!(piece.role, Role::Index | Role::Splits)) {
        return Err(no_cache(root));
    }
    let _lock = WriterLock::take(root, options.wait)?;
    let verification = verify(root, options.jobs, progress)?;
    let index = match Index::read(&index_path(root)) {
        Ok(index) => index.unwrap_or_default(),
        Err(error) if error.kind() == ErrorKind::Damaged => Index::default(),
        Err(error) => return Err(error),
    };
    let data = match &options.data[..] {
        [] => corpora_of(root),
        folders => Some(Corpora::new(folders)?),
    };
    let mut repairer = Repairer { root, storage, index: &index, data, sources: HashMap::new() };
    let mut repair = Repair { verification, repaired: Vec::new(), left: Vec::new() };
    repairer.repair_all(&mut repair)?;
    Ok(repair)
}

struct Repairer<'a> {
    root: &'a Path,
    storage: &'a Storage,
    index: &'a Index,
    data: Option<Corpora>,
    sources: HashMap<&'a str, Sources>,
}

impl<'a> Repairer<'a> {
    fn repair_all(&mut self, repair: &mut Repair) -> Result<()> {
        let damage = repair.verification.damage.clone();
        let index_damaged = damage.iter().any(|damage| damage.kind == DamageKind::Index);
        let newest = self.index.feature_sets.last();
        if index_damaged {
            let place = index_path(self.root);
            if place.symlink_metadata().is_ok() {
                self.set_aside(&place, &self.root.join(format!("index.bin.{SET_ASIDE}")))?;
            }
        }
        for damage in &damage {
            match damage.kind {
                DamageKind::Index if damage.path == "index.bin" => {
                    repair.left.push(self.left(&damage.path, "cannot be recovered; it was set aside"));
                }
                DamageKind::Index => {
                    repair.left.push(self.left(&damage.path, "is intact; the index was set aside"));
                }
                DamageKind::Shard => self.repair_shard(damage, repair)?,
                DamageKind::Manifest => {
                    repair.left.push(self.left(&damage.path, "is rewritten with the splits"));
                }
                DamageKind::Audit => {
                    // ser-prep rebuilds it, and nothing else needs it.
                    let place = self.root.join(&damage.path);
                    self.storage.remove(&place)?;
                    self.storage.sync_folder(&folder_of(&place))?;
                    repair.repaired.push(Repaired { path: damage.path.clone(), kept: 0, recomputed: 0 });
                }
                DamageKind::Splits => {}
            }
        }
        match newest {
            Some(set) if !index_damaged => self.repair_splits(set, repair),
            _ => Ok(()),
        }
    }

    fn repair_shard(&mut self, damage: &Damage, repair: &mut Repair) -> Result<()> {
        let path = self.root.join(&damage.path);
        let name = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<Sha>().ok());
        let found = name.and_then(|name| Some((name, self.find(&name)?)));
        let outcome = match found {
            Some((name, (set, shard))) => self.rebuild(&path, &name, set, shard)?,
            None => {
                Err(Error::new(ErrorKind::Missing, "no index says which recordings it was computed from"))
            }
        };
        match outcome {
            Ok((kept, recomputed)) => {
                repair.repaired.push(Repaired { path: damage.path.clone(), kept, recomputed });
            }
            Err(error) => {
                let mut why = error.reason();
                // In its place ser-prep would trust the rows that its header lists.
                if path.symlink_metadata().is_ok() {
                    self.set_aside(&path, &path.with_extension(SET_ASIDE))?;
                    why.push_str("; it was set aside");
                }
                repair.left.push(self.left(&damage.path, &why));
            }
        }
        Ok(())
    }

    fn find(&self, name: &Sha) -> Option<(&'a FeatureSet, usize)> {
        let number = |set: &'a FeatureSet| Some((set, set.shards.iter().position(|shard| shard == name)?));
        // Of two sets that share it, the one that knows more of its rows.
        let rows = |(set, shard): &(&FeatureSet, usize)| {
            set.entries.iter().filter(|entry| entry.shard as usize == *shard).count()
        };
        self.index.feature_sets.iter().filter_map(number).max_by_key(rows)
    }

    /// Puts the shard together again. The outer error is about writing, the inner one about what is to be written.
    fn rebuild(
        &mut self,
        path: &Path,
        name: &Sha,
        set: &'a FeatureSet,
        shard: usize,
    ) -> Result<Result<(usize, usize)>> {
        let entries: Vec<&TensorEntry> =
            set.entries.iter().filter(|entry| entry.shard as usize == shard).collect();
        let remains = SalvagedShard::of(path, set, &entries);
        let (root, index) = (self.root, self.index);
        let sources = self.sources.entry(&set.id).or_insert_with(|| Sources::of(root, index, set));
        let data = self.data.as_ref();
        let copies = copies_of(root, set);
        let rows: Vec<Result<(Vec<f32>, bool)>> = (remains.rows().par_iter().enumerate())
            .map_init(
                || data.map(|data| Recomputer::new(data, set, copies.as_ref())),
                |recomputer, (position, row)| {
                    let row = row.as_ref().ok_or_else(|| unknown_row(position))?;
                    if let Some(tensor) = remains.tensor(position) {
                        return Ok((tensor, false));
                    }
                    let tensor = match recomputer {
                        Some(Ok(recomputer)) => recomputer.tensor(row, &sources.of_tensor(&row.key)),
                        Some(Err(error)) => Err(Error::new(error.kind(), error.reason())),
                        None => Err(Error::new(
                            ErrorKind::Missing,
                            format!("the location of the corpus is not known: give {}", Setting::Data),
                        )),
                    };
                    let tensor = tensor.map_err(|error| {
                        Error::new(error.kind(), format!("row {position} is lost: {}", error.reason()))
                    })?;
                    Ok((tensor, true))
                },
            )
            .collect();
        let lost: Vec<String> = rows.iter().filter_map(|row| Some(row.as_ref().err()?.reason())).collect();
        if !lost.is_empty() {
            return Ok(Err(Error::new(ErrorKind::Missing, lost.join("; "))));
        }
        let (mut buffer, dtype) = (ShardBuffer::default(), set.dtype());
        let (mut kept, mut recomputed) = (0, 0);
        for ((tensor, anew), row) in rows.into_iter().flatten().zip(remains.rows().iter().flatten()) {
            buffer.push(&tensor, dtype, row.clone());
            *if anew { &mut recomputed } else { &mut kept } += 1;
        }
        Ok(self.put_in_place(&buffer, set, path, name)?.then_some((kept, recomputed)).ok_or_else(|| {
            Error::new(ErrorKind::Mismatch, "its rows are known, but together they do not give its SHA-256")
        }))
    }

    /// Writes the shard under a scratch name, and renames it if its content matches.
    fn put_in_place(&self, buffer: &ShardBuffer, set: &FeatureSet, path: &Path, name: &Sha) -> Result<bool> {
        let shards = shards_folder(self.root);
        let scratch = shards.join(format!("{SCRATCH_PREFIX}{}-repair", std::process::id()));
        self.storage.make_folder(&scratch)?;
        let written = buffer.write(self.storage, &scratch, &set.layout()).and_then(|(written, _)| {
            if written != *name {
                return Ok(false);
            }
            if path.is_dir() {
                self.storage.remove(path)?;
            }
            self.storage.rename(&shard_path(&scratch, name), path)?;
            self.storage.sync_folder(&shards)?;
            Ok(true)
        });
        let removed = self.storage.remove(&scratch);
        let written = written?;
        removed?;
        Ok(written)
    }

    fn repair_splits(&self, newest: &FeatureSet, repair: &mut Repair) -> Result<()> {
        let wanted = generation_place(&newest.manifests);
        let link = self.root.join("splits");
        if std::fs::read_link(&link).is_ok_and(|target| target == wanted) {
            return Ok(());
        }
        let generation = wanted.to_string_lossy();
        if repair.verification.damage.iter().any(|damage| damage.path.starts_with(&*generation)) {
            repair.left.push(self.left("splits", "what it should point at is damaged"));
            return Ok(());
        }
        match check_splits_place(self.root) {
            Ok(()) => {
                point_splits_at(self.storage, self.root, &newest.manifests)?;
                repair.repaired.push(Repaired { path: "splits".to_owned(), kept: 0, recomputed: 0 });
            }
            Err(error) => repair.left.push(NotRepaired {
                path: "splits".to_owned(),
                why: error.reason(),
                help: "move it away and run this again".to_owned(),
            }),
        }
        Ok(())
    }

    fn set_aside(&self, path: &Path, place: &Path) -> Result<()> {
        self.storage.remove(place)?;
        self.storage.rename(path, place)?;
        self.storage.sync_folder(&ser_core::storage::folder_of(place))
    }

    fn left(&self, path: &str, why: &str) -> NotRepaired {
        let several = self.data.as_ref().is_some_and(Corpora::are_several);
        let folder = |Corpus { name, data }: &Corpus| match several {
            true => Setting::Data.to(format!("{name}={}", data.display())).to_string(),
            false => Setting::Data.to(data.display()).to_string(),
        };
        let data: Option<Vec<String>> = self.data.as_ref().map(|data| data.iter().map(folder).collect());
        let data = data.map_or_else(|| Setting::Data.to("<recordings>").to_string(), |data| data.join(" "));
        let help = format!(
            "{} {data} {}, with the other options that the cache was made with",
            Action::Prepare,
            Setting::Out.to(self.root.display())
        );
        NotRepaired { path: path.to_owned(), why: why.to_owned(), help }
    }
}

fn unknown_row(position: usize) -> Error {
    let what = format!("row {position} is in neither the index nor what is left of its header");
    Error::new(ErrorKind::Missing, what)
}

impl Repair {
    /// Whether everything is as it was written, now.
    pub fn is_whole(&self) -> bool {
        self.left.is_empty()
    }
}
