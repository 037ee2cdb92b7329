//! A cache in an object store: copied there by [`push`], and back by [`pull`].
//!
//! What a cache is made of has names that are digests, so that only what is missing is copied, and each piece is compared with
//! its name on its way. The index comes last: whoever sees it finds everything it names. A copy that was stopped goes on with
//! what is missing.

mod pull;
mod push;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use ser_core::progress::Progress;
use ser_core::storage::objects::{Object, ObjectFolder};
use ser_core::{Error, ErrorKind, Result, threads};
use serde::Serialize;

use crate::{FeatureSet, Hex, Index, Sha, StoredSplit};

pub use pull::pull;
pub use push::push;

/// The index, relative to the cache.
const INDEX: &str = "index.bin";

/// Files beside the index that a copy has as well: what the last preparation found, and where encoders were.
const RECORDS: [&str; 3] = ["prep-report.json", "encoders.json", "portion.json"];

/// So many files are copied at once; each is in memory meanwhile.
const AT_ONCE: usize = 4;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Transfer {
    /// The cache's folder.
    pub cache: PathBuf,
    /// The folder in the store.
    pub url: String,
    /// Feature sets in the index.
    pub feature_sets: usize,
    /// Files that were copied.
    pub copied: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were there already.
    pub already_there: u64,
    /// Time taken, seconds.
    pub seconds: f64,
}

/// Counts what is copied, on several threads.
struct Counter<'a> {
    copied: AtomicU64,
    bytes: AtomicU64,
    already_there: AtomicU64,
    progress: &'a dyn Progress,
}

impl<'a> Counter<'a> {
    fn new(progress: &'a dyn Progress, files: usize) -> Self {
        progress.start(files as u64, "files");
        let zero = AtomicU64::default;
        Self { copied: zero(), bytes: zero(), already_there: zero(), progress }
    }

    fn copied(&self, bytes: usize) {
        self.copied.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.progress.advance(1);
    }

    fn already_there(&self) {
        self.already_there.fetch_add(1, Ordering::Relaxed);
        self.progress.advance(1);
    }

    fn finish(self, cache: PathBuf, url: &str, index: &Index, seconds: f64) -> Transfer {
        self.progress.finish();
        Transfer {
            cache,
            url: url.to_owned(),
            feature_sets: index.feature_sets.len(),
            copied: self.copied.into_inner(),
            bytes: self.bytes.into_inner(),
            already_there: self.already_there.into_inner(),
            seconds,
        }
    }
}

/// The shards that an index names, each once.
fn shards_of(index: &Index) -> BTreeSet<Sha> {
    index.feature_sets.iter().flat_map(|set| set.shards.iter().copied()).collect()
}

/// The generations of manifests that an index names, each once.
fn generations_of(index: &Index) -> BTreeSet<Sha> {
    let with_splits = index.feature_sets.iter().filter(|set| !set.is_portion());
    with_splits.map(|set| set.manifests).collect()
}

/// The files of what was measured for audits of the feature sets of an index.
fn audits_of(index: &Index) -> impl Iterator<Item = String> {
    let is_name = |set: &&FeatureSet| set.id.parse::<Hex<6>>().is_ok();
    index.feature_sets.iter().filter(is_name).map(|set| format!("audit/{}.jsonl", set.id))
}

/// The protocol and the file of a manifest at `path` below the folder of its generation.
fn manifest_at(path: &str) -> Option<(&str, &str)> {
    let (protocol, file) = path.split_once('/')?;
    let is_plain = ser_corpus::check_relative(protocol).is_ok() && !protocol.starts_with('.');
    (is_plain && StoredSplit::FILES.contains(&file)).then_some((protocol, file))
}

/// What a store holds, by path.
type Listing = BTreeMap<String, Object>;

fn listing(folder: &dyn ObjectFolder) -> Result<Listing> {
    Ok(folder.list()?.into_iter().map(|object| (object.path.clone(), object)).collect())
}

/// The index in a store and its bytes, if there is one.
///
/// # Errors
/// When it cannot be read, is damaged, or of another version.
fn remote_index(folder: &dyn ObjectFolder, listing: &Listing) -> Result<Option<(Vec<u8>, Index)>> {
    let Some(object) = listing.get(INDEX) else { return Ok(None) };
    if object.size > Index::LARGEST as u64 {
        return Err(Error::new(ErrorKind::Limit, "is too large to be an index of a cache")
            .at(format!("{}/{INDEX}", folder.url())));
    }
    let bytes = folder.read(object, 0..object.size)?;
    let index = Index::decode(&bytes).map_err(|error| error.at(format!("{}/{INDEX}", folder.url())))?;
    Ok(Some((bytes, index)))
}

/// Refuses to replace the index `old` by `new` where that would lose feature sets.
fn check_nothing_lost(old: &Index, new: &Index) -> std::result::Result<(), String> {
    let kept: BTreeSet<&str> = new.feature_sets.iter().map(|set| set.id.as_str()).collect();
    let lost: Vec<&str> =
        old.feature_sets.iter().map(|set| set.id.as_str()).filter(|id| !kept.contains(id)).collect();
    match lost.is_empty() {
        true => Ok(()),
        false => Err(format!("holds feature sets that would be lost: {}", lost.join(", "))),
    }
}

/// Copies `files` with `copy`, several at once; the first error ends it.
fn each<T: Sync>(files: &[T], copy: impl Fn(&T) -> Result<()> + Send + Sync) -> Result<()> {
    threads::fixed_pool(AT_ONCE)?.install(|| files.par_iter().with_max_len(1).try_for_each(copy))
}
