//! The options of a preparation.

use std::path::PathBuf;

use ser_audio::Limits;
use ser_cache::CopySettings;
use ser_cache::audit::Requirement;
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy, threads};
use ser_corpus::split::Fractions;
use ser_corpus::{ColumnNames, CorpusFolder, LabelSource, MapSource, Protocol};
use ser_features::FeatureConfig;

use crate::prepare::{NearDuplicates, Portion};

/// Default size of a shard, bytes of tensors: a few hundred utterances.
pub const DEFAULT_SHARD_BYTES: usize = 24 << 20;

/// How large a shard may be, bytes of tensors. Three of them are in memory at a time.
const SHARD_BYTES: std::ops::RangeInclusive<usize> = 4096..=1 << 30;

/// All options of a preparation.
#[derive(Debug, Clone)]
pub struct PrepareOptions {
    /// Folders of recordings: one corpus each.
    pub data: Vec<CorpusFolder>,
    /// Folder of the cache.
    pub out: PathBuf,
    /// How features are computed.
    pub features: FeatureConfig,
    /// Whether the length of tensors, `features.max_frames`, is chosen: the smallest multiple of 8 that keeps 99.5 % of the
    /// frames of all recordings.
    pub choose_max_frames: bool,
    /// Augmented copies to keep of every recording.
    pub augment: Option<CopySettings>,
    /// Where labels come from: nothing for [`LabelSource::Auto`], one for all corpora, or one for each.
    pub labels: Vec<LabelSource>,
    /// What the columns of tables of labels mean whose names do not say.
    pub columns: ColumnNames,
    /// Other names for labels.
    pub map: Option<MapSource>,
    /// Classes to leave out.
    pub exclude: Vec<String>,
    /// Shares of validation and test.
    pub fractions: Fractions,
    /// Number of folds of speakers; 0 for none, `None` for five where there are enough speakers.
    pub folds: Option<u32>,
    /// Seed of the splits.
    pub seed: u64,
    /// Which files are too large, too long or too short.
    pub limits: Limits,
    /// What to do with near-duplicates.
    pub near_duplicates: NearDuplicates,
    /// What at least one split must satisfy.
    pub require: Vec<Requirement>,
    /// Bytes of tensors after which a shard is full.
    pub shard_bytes: usize,
    /// Which portion of the files to prepare, into a folder of its own; all of them where none is given.
    pub portion: Option<Portion>,
    /// Folders of all portions of these corpora, prepared with these options: their tensors are taken over.
    pub merge: Vec<PathBuf>,
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
    /// The words of the command that asked, for the report; none where no command did.
    pub arguments: Vec<String>,
}

impl PrepareOptions {
    /// The options for a corpus in the folder `data` and a cache in `out`, all others at their defaults.
    pub fn new(data: impl Into<PathBuf>, out: impl Into<PathBuf>) -> Self {
        Self {
            data: vec![CorpusFolder::from(data.into())],
            out: out.into(),
            features: FeatureConfig::default(),
            choose_max_frames: false,
            augment: None,
            labels: Vec::new(),
            columns: ColumnNames::default(),
            map: None,
            exclude: Vec::new(),
            fractions: Fractions::default(),
            folds: None,
            seed: 0,
            limits: Limits::default(),
            near_duplicates: NearDuplicates::default(),
            require: Vec::new(),
            shard_bytes: DEFAULT_SHARD_BYTES,
            portion: None,
            merge: Vec::new(),
            jobs: 0,
            rehash: false,
            strict: false,
            wait: false,
            dry_run: false,
            arguments: Vec::new(),
        }
    }

    /// Where the labels of the corpus come from that is at this place in `data`.
    pub(super) fn labels_of(&self, corpus: usize) -> &LabelSource {
        self.labels.get(corpus).or(self.labels.first()).unwrap_or(&LabelSource::Auto)
    }

    /// Checks what types cannot: numbers within their ranges. The feature configuration has its own check.
    pub(super) fn validate(&self) -> Result<()> {
        self.features.validate()?;
        self.fractions.validate()?;
        self.limits.validate()?;
        let (labels, data) = (self.labels.len(), self.data.len());
        if labels > 1 && labels != data {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("{labels} {} do not match {data} {}", Setting::Labels, Setting::Data),
            )
            .help(remedy![
                "give ",
                Setting::Labels,
                " once for all, or once for each ",
                Setting::Data,
                ", in their order"
            ]));
        }
        if data > 1 && labels == 1 && matches!(self.labels[..], [LabelSource::Table(_)]) {
            return Err(Error::new(ErrorKind::Usage, "a table of labels describes one corpus").help(
                remedy![
                    "give ",
                    Setting::Labels,
                    " once for each ",
                    Setting::Data,
                    ", in their order; auto is for those that need none",
                ],
            ));
        }
        if self.folds.is_some_and(|folds| folds != 0 && !Protocol::FOLDS.contains(&folds)) {
            let (least, most) = (Protocol::FOLDS.start(), Protocol::FOLDS.end());
            return Err(Error::new(ErrorKind::Usage, "that number of folds cannot be made").help(remedy![
                "give ",
                Setting::Folds,
                format!(" from {least} to {most}, or 0 for none")
            ]));
        }
        if !SHARD_BYTES.contains(&self.shard_bytes) {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("a shard cannot be full at {} bytes", self.shard_bytes),
            )
            .help(format!("give from {} to {}", SHARD_BYTES.start(), SHARD_BYTES.end())));
        }
        if self.portion.is_some() && !self.merge.is_empty() {
            let what = format!("{} and {} contradict each other", Setting::Shard, Setting::Merge);
            return Err(Error::new(ErrorKind::Usage, what)
                .help("prepare every portion first, then put them together"));
        }
        if self.portion.is_some() && !self.require.is_empty() {
            let what = format!("a portion has no splits that could meet what {} asks for", Setting::Require);
            return Err(Error::new(ErrorKind::Usage, what).help("ask for it where portions are put together"));
        }
        threads::count(self.jobs, Setting::Jobs).map(drop)
    }
}
