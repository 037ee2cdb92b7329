//! A cache opened for reading.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rayon::prelude::*;
use ser_core::remedy::{Action, Setting};
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::Protocol;
use ser_corpus::split::Side;
use ser_features::Preset;

use crate::care::survey::{no_cache, not_a_folder};
use crate::dataset::DatasetRow;
use crate::lock::ReadersLock;
use crate::{
    Dataset, FeatureSet, Index, ReadOptions, Sha, Shard, ShardLayout, StoredSplit, TensorEntry, Utterance,
    check_inside, feature_set_id, generation_name, generation_place, index_path, shard_path, shards_folder,
};

/// A cache opened for reading: one consistent version, whatever a writer does in the meantime.
#[derive(Debug)]
pub struct Cache {
    pub(crate) root: PathBuf,
    pub(crate) index: Index,
    pub(crate) access: ReadOptions,
    /// Keeps what the index names from being removed.
    readers: Arc<ReadersLock>,
    /// Shards that datasets of this cache have open, by name, and what they were opened as.
    opened: Mutex<HashMap<Sha, (ShardLayout, Weak<Shard>)>>,
}

impl Cache {
    /// Opens the cache in the folder `root`.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn open(root: &Path) -> Result<Self> {
        check_inside(root, &index_path(root))?;
        // Before the index is read, so that nothing it names can be removed in between.
        let readers = Arc::new(ReadersLock::share(root));
        if root.exists() && !root.is_dir() {
            return Err(not_a_folder(root));
        }
        let index = Index::read(&index_path(root))?.ok_or_else(|| no_cache(root))?;
        Ok(Self::of(root, index, readers))
    }

    /// The cache in `root` with this index, while `readers` keeps what it names.
    pub(crate) fn of(root: &Path, index: Index, readers: Arc<ReadersLock>) -> Self {
        let (root, access, opened) = (root.to_owned(), ReadOptions::default(), Mutex::default());
        Self { root, index, access, readers, opened }
    }

    /// Lets its tensors be read in another way than by default.
    #[must_use]
    pub fn with_access(self, access: ReadOptions) -> Self {
        Self { access, opened: Mutex::default(), ..self }
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its feature sets, the newest last.
    pub fn feature_sets(&self) -> &[FeatureSet] {
        &self.index.feature_sets
    }

    /// The feature set whose name starts with `wanted`, that of the preset called `wanted`, or the newest.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn feature_set(&self, wanted: Option<&str>) -> Result<&FeatureSet> {
        let preset = wanted.and_then(|name| name.parse::<Preset>().ok());
        let id = preset.map(|preset| feature_set_id(&preset.config().to_canonical_json()));
        let begins = id.as_deref().or(wanted);
        let mut found = (self.index.feature_sets.iter().rev())
            .filter(|set| begins.is_none_or(|beginning| set.id.starts_with(beginning)));
        match (found.next(), found.next(), wanted) {
            (Some(set), None, _) | (Some(set), _, None) => Ok(set),
            (found, _, _) => {
                let wanted_or_none = wanted.unwrap_or_default();
                let what = match found {
                    None => format!("holds no feature set {wanted_or_none:?}"),
                    Some(_) => {
                        format!("holds several feature sets whose names start with {wanted_or_none:?}")
                    }
                };
                let known: Vec<&str> = self.index.feature_sets.iter().map(|set| set.id.as_str()).collect();
                let help = match (preset, wanted) {
                    (Some(_), Some(name)) => remedy![Action::Prepare, " with ", Setting::Preset.to(name)],
                    _ => remedy![format!("choose one of {}", known.join(", "))],
                };
                Err(Error::new(ErrorKind::Missing, what).at(&self.root).help(help))
            }
        }
    }

    /// The protocols that the utterances of `set` are split by, sorted by name.
    ///
    /// # Errors
    /// When the manifests are missing.
    pub fn protocols(&self, set: &FeatureSet) -> Result<Vec<Protocol>> {
        let generation = self.generation(set)?;
        let protocols: Vec<Protocol> =
            names_in(&generation).iter().filter_map(|name| name.parse().ok()).collect();
        if protocols.is_empty() {
            return Err(Error::new(ErrorKind::Missing, "holds no splits")
                .at(generation)
                .help(remedy![Action::Prepare, " again"]));
        }
        Ok(protocols)
    }

    /// The utterances of `set` that are on a side of one of `protocols`, each with its side in every one of them.
    pub(crate) fn utterance_sides(&self, set: &FeatureSet, protocols: &[Protocol]) -> Result<UtteranceSides> {
        let mut utterances = UtteranceSides::new();
        for protocol in protocols {
            for (side, of_side) in self.split(set, protocol)?.sides {
                for utterance in of_side {
                    let known = utterances.entry(utterance.path.clone());
                    let (_, sides) = known.or_insert_with(|| (utterance, BTreeMap::new()));
                    sides.insert(protocol.clone(), side);
                }
            }
        }
        Ok(utterances)
    }

    /// The folder of the manifests of `set`.
    fn generation(&self, set: &FeatureSet) -> Result<PathBuf> {
        if set.is_portion() {
            return Err(Error::new(ErrorKind::Mismatch, "is a portion of a preparation, and has no splits")
                .at(&self.root)
                .help(remedy!["put all portions together with ", Setting::Merge]));
        }
        let generation = self.root.join(generation_place(&set.manifests));
        if generation.is_dir() {
            return Ok(generation);
        }
        Err(Error::new(ErrorKind::Missing, "lacks the split manifests that its index names")
            .at(&self.root)
            .help(remedy![Action::Prepare, " again: it rebuilds what is missing"]))
    }

    /// The split of `protocol` over the utterances of `set`.
    ///
    /// # Errors
    /// When the corpus has no such split, or its manifests are damaged or name rows that are not there.
    pub fn split(&self, set: &FeatureSet, protocol: &Protocol) -> Result<StoredSplit> {
        let generation = self.generation(set)?;
        let folder = generation.join(protocol.to_string());
        if !folder.is_dir() {
            return Err(Error::new(ErrorKind::Missing, format!("holds no split {:?}", protocol.to_string()))
                .at(&self.root)
                .help(format!("choose one of {}", names_in(&generation).join(", "))));
        }
        if generation_name(&generation)? != set.manifests {
            return Err(Error::new(ErrorKind::Damaged, "holds manifests other than those that were written")
                .at(generation)
                .help(remedy![Action::Prepare, " again: it rebuilds what is damaged"]));
        }
        for name in StoredSplit::FILES {
            check_inside(&self.root, &folder.join(name))?;
        }
        let split = StoredSplit::read(&folder)?;
        if split.info.protocol != protocol.to_string() {
            let what = format!("is the split {:?} under another split's name", split.info.protocol);
            return Err(Error::new(ErrorKind::Mismatch, what)
                .at(folder)
                .help(remedy![Action::Prepare, " again"]));
        }
        if split.info.feature_set != set.id {
            return Err(Error::new(ErrorKind::Mismatch, "is a split of a different feature set")
                .at(folder)
                .help(remedy![Action::Prepare, " again"]));
        }
        Ok(split)
    }

    /// Opens the tensors of `utterances`, in that order.
    ///
    /// # Errors
    /// When one is not in `set`, or a shard cannot be opened.
    pub fn dataset(&self, set: &FeatureSet, labels: &[String], utterances: &[Utterance]) -> Result<Dataset> {
        let layout = set.layout();
        let entries = set.by_key();
        let entries: Vec<Result<&TensorEntry>> =
            utterances.par_iter().map(|utterance| entries.of(utterance)).collect();
        // Of several errors that of the first utterance.
        let entries = entries.into_iter().collect::<Result<Vec<_>>>()?;
        let numbers: BTreeSet<u32> = entries.iter().map(|entry| entry.shard).collect();
        let shards: Vec<Result<Arc<Shard>>> = numbers
            .par_iter()
            .map(|number| {
                let name = set.shards.get(*number as usize);
                let unlisted =
                    || Error::new(ErrorKind::Damaged, "names a shard that is not listed").at(&self.root);
                self.shard(name.ok_or_else(unlisted)?, &layout)
            })
            .collect();
        let shards: Vec<Arc<Shard>> = shards.into_iter().collect::<Result<_>>()?;
        let numbers: Vec<u32> = numbers.into_iter().collect();
        let row = |(utterance, entry): (&Utterance, &TensorEntry)| {
            let label = labels.iter().position(|label| *label == utterance.label).ok_or_else(|| {
                let what = format!("is labelled {:?}, not one of {labels:?}", utterance.label);
                Error::new(ErrorKind::Mismatch, what).at(&utterance.path)
            })?;
            Ok(DatasetRow {
                shard: numbers.partition_point(|number| *number < entry.shard),
                position: entry.position as usize,
                frames: entry.row.frames,
                label,
                checksum: entry.row.checksum,
                checked: false.into(),
            })
        };
        let rows = utterances.iter().zip(entries).map(row).collect::<Result<_>>()?;
        let readers = Arc::clone(&self.readers);
        Ok(Dataset { shape: layout.shape, shards, rows, access: self.access, _readers: readers })
    }

    /// The shard called `name`, opened once for all datasets that need it at the same time.
    fn shard(&self, name: &Sha, layout: &ShardLayout) -> Result<Arc<Shard>> {
        let opened = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            opened().get(name).filter(|(known, _)| known == layout).and_then(|(_, shard)| shard.upgrade());
        if let Some(shard) = known {
            return Ok(shard);
        }
        let path = shard_path(&shards_folder(&self.root), name);
        check_inside(&self.root, &path)?;
        let shard = Arc::new(Shard::open_by(&path, layout, self.access.map)?);
        opened().insert(*name, (layout.clone(), Arc::downgrade(&shard)));
        Ok(shard)
    }

    /// The dataset of one side of a split.
    ///
    /// # Errors
    /// When an utterance is not in `set`, or a shard cannot be opened.
    pub fn side(&self, set: &FeatureSet, split: &StoredSplit, side: Side) -> Result<Dataset> {
        self.dataset(set, &split.info.labels, split.side(side))
    }
}

/// The utterances of a feature set by path, each with its side in some protocols.
pub(crate) type UtteranceSides = BTreeMap<String, (Utterance, BTreeMap<Protocol, Side>)>;

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
