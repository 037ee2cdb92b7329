//! Which feature sets a cache holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ser_core::{Error, ErrorKind, Result};
use ser_corpus::split::Side;
use ser_features::FeatureConfig;
use serde::Serialize;

use crate::care::survey::read_index;
use crate::lock::ReadersLock;
use crate::manifest::DESCRIPTION;
use crate::manifest::generation::{read_description, split_folders};
use crate::{CopySettings, FeatureSet, copies_of, generation_place, shard_path, shards_folder};

/// The feature sets of a cache.
#[derive(Debug, Clone, Serialize)]
pub struct Listing {
    /// The cache.
    pub cache: PathBuf,
    /// Its feature sets, the newest last.
    pub feature_sets: Vec<ListedSet>,
    /// What could not be read.
    pub unreadable: Vec<String>,
}

/// A feature set.
#[derive(Debug, Clone, Serialize)]
pub struct ListedSet {
    /// Its name.
    pub id: String,
    /// Whether it is the one that commands use unless told otherwise.
    pub newest: bool,
    /// Shape of a tensor: `[channel, row, frame]`.
    pub shape: [u32; 3],
    /// Its configuration.
    pub configuration: serde_json::Value,
    /// The fields of it that differ from the default, `name: value`.
    pub not_default: Vec<String>,
    /// How the augmented copies in it were made, if there are any.
    pub augmentation: Option<CopySettings>,
    /// How many tensors it has.
    pub entries: usize,
    /// Its splits, with their numbers of utterances.
    pub splits: BTreeMap<String, BTreeMap<Side, usize>>,
    /// How many shards it has.
    pub shards: usize,
    /// Their size, bytes.
    pub bytes: u64,
    /// When the newest of them was written, RFC 3339.
    pub written: Option<String>,
}

/// Lists the feature sets of the cache in `root`.
///
/// # Errors
/// When there is no whole cache. Manifests that cannot be read are listed in [`Listing::unreadable`].
pub fn list(root: &Path) -> Result<Listing> {
    let _readers = ReadersLock::share(root);
    let index = read_index(root)?;
    let mut listing = Listing { cache: root.to_owned(), feature_sets: Vec::new(), unreadable: Vec::new() };
    let newest = index.feature_sets.len().saturating_sub(1);
    for (number, set) in index.feature_sets.iter().enumerate() {
        let mut listed = describe(root, set, &mut listing.unreadable);
        listed.newest = number == newest;
        listing.feature_sets.push(listed);
    }
    Ok(listing)
}

fn describe(root: &Path, set: &FeatureSet, unreadable: &mut Vec<String>) -> ListedSet {
    let (mut bytes, mut written): (u64, Option<SystemTime>) = (0, None);
    for name in &set.shards {
        let path = shard_path(&shards_folder(root), name);
        match path.metadata() {
            Ok(metadata) => {
                bytes = bytes.saturating_add(metadata.len());
                written = written.max(metadata.modified().ok());
            }
            Err(error) => unreadable.push(format!("{}: {error}", path.display())),
        }
    }
    let generation = root.join(generation_place(&set.manifests));
    let (splits, errors) = counts(&generation);
    unreadable.extend(errors.iter().map(ToString::to_string));
    let written = written.and_then(|time| jiff::Timestamp::try_from(time).ok());
    let written = written.and_then(|time| time.round(jiff::Unit::Second).ok()).map(|time| time.to_string());
    ListedSet {
        id: set.id.clone(),
        newest: false,
        shape: set.shape,
        configuration: serde_json::from_str(&set.configuration).unwrap_or_default(),
        not_default: not_default(&set.configuration),
        augmentation: copies_of(root, set),
        entries: set.entries.len(),
        splits,
        shards: set.shards.len(),
        bytes,
        written,
    }
}

/// The fields of a configuration that differ from the default, with their values.
fn not_default(configuration: &str) -> Vec<String> {
    let fields = |text: &str| serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(text);
    let default = fields(&FeatureConfig::default().to_canonical_json()).unwrap_or_default();
    let given = fields(configuration).unwrap_or_default();
    let differs = given.iter().filter(|(name, value)| default.get(*name) != Some(*value));
    differs.map(|(name, value)| format!("{name}: {value}")).collect()
}

/// How many utterances each split in the generation in `folder` has on each side, and what could not be read.
fn counts(folder: &Path) -> (BTreeMap<String, BTreeMap<Side, usize>>, Vec<Error>) {
    let (mut counts, mut unreadable) = (BTreeMap::new(), Vec::new());
    if !folder.is_dir() {
        unreadable.push(Error::new(ErrorKind::Missing, "is missing").at(folder));
    }
    for protocol in split_folders(folder) {
        match read_description(&protocol) {
            Ok((info, _)) => _ = counts.insert(info.protocol, info.counts),
            Err(error) => unreadable.push(error.at(protocol.join(DESCRIPTION))),
        }
    }
    (counts, unreadable)
}
