//! What a checkpoint was trained on, as the cache has it now.

use std::path::Path;

use ser_cache::{Cache, FeatureSet, StoredSplit};
use ser_core::remedy::{Action, Setting};
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::Protocol;
use ser_corpus::split::Side;
use ser_features::FeatureConfig;

use crate::assess::AssessOptions;
use crate::state::Origin;

/// The cache that `options` name, or else the one that the checkpoint was trained from.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn open(options: &AssessOptions, origin: &Origin) -> Result<Cache> {
    let trained = Path::new(&origin.split.cache);
    let cache = Cache::open(options.cache.as_deref().unwrap_or(trained));
    cache.map(|cache| cache.with_access(options.access)).map_err(|error| match options.cache {
        None => Error::new(
            ErrorKind::Missing,
            format!("was trained from a cache that cannot be opened now ({error})"),
        )
        .at(&options.checkpoint)
        .help(remedy!["say where it is with ", Setting::Cache]),
        Some(_) => error,
    })
}

/// The features in `cache` that the checkpoint was trained on.
///
/// # Errors
/// [`ErrorKind::Mismatch`] where it has none of them.
pub(crate) fn same_features<'a>(cache: &'a Cache, origin: &Origin) -> Result<&'a FeatureSet> {
    if let Some(set) = cache.feature_sets().iter().find(|set| set.id == origin.feature_set) {
        return Ok(set);
    }
    let trained: Option<FeatureConfig> = serde_json::from_value(origin.features.clone()).ok();
    let newest = cache.feature_sets().last();
    let newest: Option<FeatureConfig> = newest.and_then(|set| serde_json::from_str(&set.configuration).ok());
    let differences = match (trained, newest) {
        (Some(trained), Some(newest)) => trained.differences(&newest),
        _ => Vec::new(),
    };
    let differences = match differences.is_empty() {
        true => "they come from another version of ser".to_owned(),
        false => format!("those of the training and of the cache are {}", differences.join(", ")),
    };
    Err(Error::new(
        ErrorKind::Mismatch,
        format!("holds features other than those the checkpoint was trained on: {differences}"),
    )
    .at(cache.root())
    .help(remedy![Action::Prepare, " with that feature set, or give another ", Setting::Cache]))
}

/// The split in `cache` that the checkpoint, whose classes are `labels`, was trained on.
///
/// # Errors
/// [`ErrorKind::Mismatch`] where it has another, since test utterances may have been trained on.
pub(super) fn same_split(
    cache: &Cache,
    set: &FeatureSet,
    origin: &Origin,
    labels: &[String],
) -> Result<StoredSplit> {
    let protocol: Protocol = origin.split.protocol.parse()?;
    let split = cache.split(set, &protocol);
    if let Ok(split) = split
        && split.info.labels == labels
        && split.digest == origin.split.digest
    {
        return Ok(split);
    }
    if is_another_corpus(cache, set, origin) {
        let what = "holds another corpus: not one of the recordings that this checkpoint's split was made of";
        return Err(Error::new(ErrorKind::Mismatch, what).at(cache.root()).help(remedy![
            "give the ",
            Setting::Cache,
            format!(" it was trained on, {}", origin.split.cache)
        ]));
    }
    let split = cache.split(set, &protocol)?;
    if split.info.labels != labels {
        return Err(Error::new(
            ErrorKind::Mismatch,
            format!("holds the classes {:?}, the checkpoint knows {labels:?}", split.info.labels),
        )
        .at(cache.root())
        .help(remedy!["give the ", Setting::Cache, " it was trained on"]));
    }
    let what = match origin.split.sample.is_empty() {
        false => format!("has redrawn its {protocol} split since this checkpoint was trained"),
        true => {
            format!("holds another {protocol} split, or another corpus, than this checkpoint was trained on")
        }
    };
    Err(Error::new(ErrorKind::Mismatch, what)
        .at(cache.root())
        .help(remedy![Action::Train, " again: utterances it was trained on may be in the test side now"]))
}

/// Whether the cache holds nothing of what the checkpoint knows of its split; the random split has every recording.
pub(crate) fn is_another_corpus(cache: &Cache, set: &FeatureSet, origin: &Origin) -> bool {
    let known = &origin.split.sample;
    let Ok(all) = cache.split(set, &Protocol::Random) else { return false };
    let mut utterances = Side::ALL.into_iter().flat_map(|part| all.side(part));
    !known.is_empty() && !utterances.any(|utterance| known.binary_search(&utterance.key).is_ok())
}
