//! The split that the network in a checkpoint was trained on.

use std::collections::BTreeSet;
use std::path::Path;

use ser_cache::{Sha, StoredSplit, TensorKey};
use ser_corpus::split::Side;
use serde::{Deserialize, Serialize};

/// The split a network was trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitOrigin {
    /// `random`, `word`, `speaker-<ID>`, `speakers-<i>-of-<k>`, `corpus-<NAME>`, `official` or `official-<FOLD>`.
    pub protocol: String,
    /// Its seed.
    pub seed: u64,
    /// Digest of its manifests.
    pub digest: Sha,
    /// The cache, as an absolute path.
    pub cache: String,
    /// The lowest keys of its utterances: a sample by which another corpus is told from this one dealt anew. Empty in
    /// checkpoints from before it was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<TensorKey>,
}

impl SplitOrigin {
    /// That of `split` in `cache`, which is an absolute path.
    pub(super) fn of(split: &StoredSplit, cache: &Path) -> Self {
        Self {
            protocol: split.info.protocol.clone(),
            seed: split.info.seed,
            digest: split.digest,
            cache: cache.to_string_lossy().into_owned(),
            sample: sample(split),
        }
    }
}

/// How many keys are a sample.
const SAMPLE: usize = 16;

/// The lowest keys of the utterances of `split`. Keys are digests, so these are a random sample that stays the same however
/// the utterances are dealt.
fn sample(split: &StoredSplit) -> Vec<TensorKey> {
    let utterances = Side::ALL.into_iter().flat_map(|part| split.side(part));
    let mut lowest = BTreeSet::new();
    for utterance in utterances {
        if lowest.len() < SAMPLE || lowest.last().is_some_and(|highest| utterance.key < *highest) {
            lowest.insert(utterance.key);
        }
        if lowest.len() > SAMPLE {
            lowest.pop_last();
        }
    }
    lowest.into_iter().collect()
}
