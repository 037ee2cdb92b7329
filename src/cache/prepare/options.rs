//! What a preparation is asked to do.

use std::path::PathBuf;

use crate::audio::Limits;
use crate::corpus::{Fractions, LabelSource};
use crate::features::FeatureConfig;

/// Everything that decides what a preparation does.
#[derive(Debug, Clone)]
pub struct PrepareOptions {
    /// Folder of recordings.
    pub data: PathBuf,
    /// Folder of the cache.
    pub out: PathBuf,
    /// How features are computed.
    pub features: FeatureConfig,
    /// Where labels come from.
    pub labels: LabelSource,
    /// Classes to leave out.
    pub exclude: Vec<String>,
    /// Shares of validation and test.
    pub fractions: Fractions,
    /// Seed of the splits.
    pub seed: u64,
    /// Which files are too large, too long or too short.
    pub limits: Limits,
    /// How many files are handled at once; 0 for one on every processor.
    pub jobs: usize,
    /// Whether to read files whose stat has not changed.
    pub rehash: bool,
    /// Whether a file that cannot be used is an error.
    pub strict: bool,
    /// Whether to wait for another writer.
    pub wait: bool,
    /// Whether to say what would be done and do nothing.
    pub dry_run: bool,
}
