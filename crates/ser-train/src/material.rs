//! What a run learns from and is judged by.

use ser_cache::{Cache, Dataset, FeatureSet, ReadOptions, StoredSplit};
use ser_core::Result;
use ser_corpus::Protocol;
use ser_corpus::split::Part;
use ser_model::FitConfig;
use ser_model::network::Architecture;

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
        let set = cache.feature_set(Some(config.feature_set.as_str()).filter(|id| !id.is_empty()))?;
        let split = cache.split(set, &protocol)?;
        let train = cache.part(set, &split, Part::Train)?;
        let val = cache.part(set, &split, Part::Val)?;
        Architecture::new(&config.network, train.shape(), split.info.labels.len())?;
        Ok(Self { set: set.clone(), split, train, val })
    }
}
