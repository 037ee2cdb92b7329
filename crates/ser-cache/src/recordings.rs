//! From a cache back to its recordings: where they are, and which of them a tensor was computed from.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use ser_corpus::split::Side;
use ser_corpus::{Corpora, Corpus};
use serde::Deserialize;

use crate::{
    FeatureSet, Index, StoredSplit, TensorKey, Utterance, copies_of, copy_path, generation_place, key_of,
};

/// No report of a preparation is read that is larger than this, bytes.
const LARGEST_REPORT: u64 = 1 << 26;

/// Where the last preparation found the corpora of the cache in `root`, by its `prep-report.json`, which is not part of the
/// cache and may be missing or wrong. A relative folder is the one that the preparation saw, if that is there still; else it
/// counts from here or, if it is not there either, from where the cache lies.
pub fn corpora_of(root: &Path) -> Option<Corpora> {
    let report = prep_report(root)?;
    let corpora = report.get("corpora").map(Vec::<Prepared>::deserialize);
    match (report.get("data")?.as_str(), corpora) {
        // Older ones name one folder alone.
        (Some(only), None) => Corpora::new(&[found(root, Path::new(only), None).into()]).ok(),
        (Some(only), Some(corpora)) => {
            let location = corpora.ok().and_then(|mut corpora| corpora.pop()?.location);
            Corpora::new(&[found(root, Path::new(only), location).into()]).ok()
        }
        (None, corpora) => {
            let located = corpora?
                .ok()?
                .into_iter()
                .map(|Prepared { name, data, location }| Corpus { name, data: found(root, &data, location) });
            Corpora::named(located.collect()).ok()
        }
    }
}

/// A corpus as a report has it.
#[derive(Deserialize)]
struct Prepared {
    name: String,
    data: PathBuf,
    /// None in older reports.
    location: Option<PathBuf>,
}

/// Where the corpus in `folder` is now, which the preparation saw at `location`.
fn found(root: &Path, folder: &Path, location: Option<PathBuf>) -> PathBuf {
    // Another folder of this name may be here.
    let is_here = |location: &Path| std::path::absolute(folder).is_ok_and(|here| here == location);
    match location.filter(|location| location.is_dir()) {
        Some(location) if !is_here(&location) => return location,
        Some(_) => return folder.to_owned(),
        None if folder.is_dir() => return folder.to_owned(),
        None => {}
    }
    let beside = root.parent().map(|parent| parent.join(folder)).filter(|folder| folder.is_dir());
    beside.unwrap_or_else(|| folder.to_owned())
}

/// What the last preparation left in the cache in `root`.
pub fn prep_report(root: &Path) -> Option<serde_json::Value> {
    let path: PathBuf = root.join("prep-report.json");
    let size = std::fs::metadata(&path).ok()?.len();
    (size <= LARGEST_REPORT)
        .then(|| std::fs::read(&path).ok())?
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
}

/// The recordings of a feature set's tensors, relative to the corpus.
#[derive(Debug, Default)]
pub struct Sources {
    of_key: HashMap<TensorKey, BTreeSet<String>>,
}

impl Sources {
    /// From the files that the index of the cache in `root` has seen, and from the manifests of `set` that can
    /// still be read: the index knows the corpus as it was for the newest feature set only.
    pub fn of(root: &Path, index: &Index, set: &FeatureSet) -> Self {
        let mut sources = Self::default();
        for file in &index.files {
            sources.add(key_of(&file.content, &set.configuration), &file.path);
        }
        if let Some(copies) = copies_of(root, set) {
            for file in &index.files {
                for number in 1..=copies.copies {
                    let key = copies.key(&file.content, &set.configuration, number);
                    sources.add(key, &copy_path(&file.path, number));
                }
            }
        }
        let generation = root.join(generation_place(&set.manifests));
        for entry in std::fs::read_dir(generation).into_iter().flatten().flatten() {
            let Ok(split) = StoredSplit::read(&entry.path()) else { continue };
            let utterances = Side::ALL.iter().flat_map(|part| split.side(*part));
            utterances.for_each(|Utterance { key, path, .. }| sources.add(*key, path));
        }
        sources
    }

    fn add(&mut self, key: TensorKey, path: &str) {
        self.of_key.entry(key).or_default().insert(path.to_owned());
    }

    /// The recordings of the tensor with this key, if any is known.
    pub fn of_tensor(&self, key: &TensorKey) -> Vec<String> {
        self.of_key.get(key).into_iter().flatten().cloned().collect()
    }
}
