//! What a preparation is asked to do.

use std::path::PathBuf;

use super::near_duplicates::NearDuplicates;
use crate::audio::Limits;
use crate::cache::audit::Requirement;
use crate::corpus::{Fractions, LabelSource};
use crate::features::FeatureConfig;
use crate::{Error, ErrorKind, Result};

/// How large a shard is unless asked otherwise, bytes of tensors: a few hundred utterances.
pub const DEFAULT_SHARD_BYTES: usize = 24 << 20;

/// How large a shard may be, bytes of tensors. Three of them are in memory at a time.
const SHARD_BYTES: std::ops::RangeInclusive<usize> = 4096..=1 << 30;

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
    /// What becomes of near-duplicates.
    pub near_duplicates: NearDuplicates,
    /// What at least one split must be.
    pub require: Vec<Requirement>,
    /// Bytes of tensors after which a shard is full.
    pub shard_bytes: usize,
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

impl PrepareOptions {
    /// What `ser-prep --data <data> --out <out>` is asked to do.
    pub fn new(data: impl Into<PathBuf>, out: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            out: out.into(),
            features: FeatureConfig::default(),
            labels: LabelSource::default(),
            exclude: Vec::new(),
            fractions: Fractions::default(),
            seed: 0,
            limits: Limits::default(),
            near_duplicates: NearDuplicates::default(),
            require: Vec::new(),
            shard_bytes: DEFAULT_SHARD_BYTES,
            jobs: 0,
            rehash: false,
            strict: false,
            wait: false,
            dry_run: false,
        }
    }

    /// Checks what no type can: numbers within their ranges. The feature configuration has its own check.
    pub(super) fn validate(&self) -> Result<()> {
        self.features.validate()?;
        self.fractions.validate()?;
        let Limits { min_duration_s: least, max_duration_s: most, .. } = self.limits;
        if !(least >= 0.0 && most > least && most.is_finite()) {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("no recording can last from {least} to {most} seconds"),
            )
            .mend("give a --max-duration above --min-duration, and that 0 or above"));
        }
        let decoding = self.limits.max_decoding_s;
        if !(decoding > 0.0 && decoding.is_finite()) {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("no file can be decoded in {decoding} seconds"),
            )
            .mend("give a --file-timeout above 0"));
        }
        if !SHARD_BYTES.contains(&self.shard_bytes) {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("a shard cannot be full at {} bytes", self.shard_bytes),
            )
            .mend(format!("give from {} to {}", SHARD_BYTES.start(), SHARD_BYTES.end())));
        }
        if self.jobs > super::MOST_JOBS {
            return Err(Error::new(ErrorKind::Usage, format!("{} jobs are too many", self.jobs))
                .mend(format!("give at most {}, or 0 for one on every processor", super::MOST_JOBS)));
        }
        Ok(())
    }
}
