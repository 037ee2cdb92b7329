//! What a run learns from and is judged by.

use ser_cache::{Cache, CutFrames, Dataset, FeatureSet, ReadOptions, StoredSplit};
use ser_core::Result;
use ser_corpus::Protocol;
use ser_corpus::split::Side;
use ser_model::FitConfig;
use ser_model::network::Architecture;

use crate::compatibility::check_features;

/// The data of a run.
#[derive(Debug)]
pub struct Material {
    /// The feature set.
    pub set: FeatureSet,
    /// The split.
    pub split: StoredSplit,
    /// Utterances to learn from.
    pub train: Dataset,
    /// Utterances to choose the best epoch by.
    pub val: Dataset,
}

impl Material {
    /// Opens what `config` asks for.
    ///
    /// # Errors
    /// When the cache does not have it, or it is damaged, or no network fits it.
    pub fn open(config: &FitConfig) -> Result<Self> {
        let protocol: Protocol = config.split.parse()?;
        let access = ReadOptions { map: config.mmap, verify: config.verify };
        let cache = Cache::open(&config.cache)?.with_access(access);
        let set = cache.feature_set(config.feature_set.as_deref())?;
        let split = cache.split(set, &protocol)?;
        let train = cache.side(set, &split, Side::Train)?;
        let val = cache.side(set, &split, Side::Val)?;
        check_features(config, set)?;
        Architecture::new(&config.network, train.shape(), split.info.labels.len())?;
        Ok(Self { set: set.clone(), split, train, val })
    }

    /// What its tensors leave out of the recordings of the split, if anything.
    pub fn cut_frames(&self) -> Option<CutFrames> {
        cut_frames(&self.set, &self.split, &Side::ALL)
    }
}

/// What the tensors of `set` leave out of the recordings on these sides of `split`, if anything.
pub(crate) fn cut_frames(set: &FeatureSet, split: &StoredSplit, parts: &[Side]) -> Option<CutFrames> {
    let entries = set.by_key();
    let utterances = parts.iter().flat_map(|part| split.side(*part));
    let originals = utterances.filter(|utterance| utterance.parent.is_none());
    CutFrames::of(originals.filter_map(|utterance| Some(&entries.get(&utterance.key)?.row)))
}
