//! Evaluates a checkpoint on the test side of its split.

mod checkpoint;
mod other_corpus;
mod run_record;
mod same_cache;

use std::path::PathBuf;

use ser_cache::audit::{Requirement, require};
use ser_cache::{FeatureSet, ReadOptions, StoredSplit};
use ser_core::Result;
use ser_core::progress::Progress;
use ser_corpus::split::Side;
use ser_encoder::Encoders;
use ser_eval::{Evaluation, Prediction, SplitSide, protocol_in_words};

use crate::material::cut_frames;
use crate::state::Origin;

pub use run_record::{Preparation, Reproduction, run_record};

pub(crate) use checkpoint::{Answered, AssessedCheckpoint};
pub(crate) use same_cache::{is_another_corpus, same_features};

/// What to assess, and how.
#[derive(Debug, Clone)]
pub struct AssessOptions {
    /// The checkpoint.
    pub checkpoint: PathBuf,
    /// The cache, if it is not where the checkpoint was trained.
    pub cache: Option<PathBuf>,
    /// `auto`, `cpu`, `cuda` or `cuda:<N>`.
    pub device: String,
    /// Threads; 0 for one per processor.
    pub threads: u32,
    /// How tensors are read.
    pub access: ReadOptions,
    /// What the split must satisfy to be evaluated.
    pub require: Vec<Requirement>,
    /// Coverage of the prediction sets, above 0 and below 1: [`ser_eval::DEFAULT_COVERAGE`] unless asked otherwise.
    pub coverage: f64,
    /// Cache of another corpus, with the same features, of whose test side it is measured how far it lies from the training side.
    pub other_corpus: Option<PathBuf>,
    /// The pretrained encoder that the network begins with, if it does.
    pub encoders: Encoders,
}

/// Predicts the test side with a checkpoint.
///
/// # Errors
/// When the checkpoint is damaged, or the cache is missing, damaged, or not the one it was trained on: other features
/// are named, and a split that has changed is refused, since test utterances may have been trained on.
pub fn assess(options: &AssessOptions, progress: &dyn Progress) -> Result<(Evaluation, Vec<Prediction>)> {
    let Assessment { evaluation, predictions, .. } = assess_whole(options, progress)?;
    Ok((evaluation, predictions))
}

/// Everything that assessing a checkpoint gives.
#[derive(Debug, Clone)]
pub struct Assessment {
    /// Its evaluation.
    pub evaluation: Evaluation,
    /// What it answered, in the order of the test side.
    pub predictions: Vec<Prediction>,
    /// How it was trained.
    pub origin: Origin,
    /// The split it was trained and assessed on.
    pub split: StoredSplit,
}

/// As [`assess`], with what the numbers are based on.
///
/// # Errors
/// As [`assess`].
pub fn assess_whole(options: &AssessOptions, progress: &dyn Progress) -> Result<Assessment> {
    let assessed = AssessedCheckpoint::read(options)?;
    let (checkpoint, origin) = (&assessed.checkpoint, &assessed.origin);
    let cache = same_cache::open(options, origin)?;
    let set = same_features(&cache, origin)?;
    let split = same_cache::same_split(&cache, set, origin, &checkpoint.labels)?;
    require(&options.require, &split.info.protocol, &split.info.audit)
        .map_err(|error| error.at(&options.checkpoint))?;
    other_corpus::check(options, &assessed)?;

    let (test, utterances) = (cache.side(set, &split, Side::Test)?, split.side(Side::Test));
    let answered = assessed.answers(&test, utterances, progress)?;
    let paths: Vec<&str> = utterances.iter().map(|utterance| utterance.path.as_str()).collect();
    let provenance = assessed.provenance(cache.root(), &origin.split.protocol, in_words(set, &split));
    let (evaluation, predictions) =
        assessed.evaluation(checkpoint.labels.clone(), &paths, &answered, provenance)?;
    let mut evaluation = evaluation.with_audit(split.info.audit.clone());
    if let Some(measured) = &mut evaluation.out_of_domain {
        measured.other_corpus = other_corpus::measure(options, &assessed)?;
    }
    Ok(Assessment { evaluation, predictions, origin: assessed.origin, split })
}

/// What `split` means, and how much of its test side was cut.
fn in_words(set: &FeatureSet, split: &StoredSplit) -> [Option<String>; 2] {
    let [train, val, test] = Side::ALL.map(|part| side(split, part));
    let cut = cut_frames(set, split, &[Side::Test]).map(|cut| format!("Of the test side, {cut}."));
    [Some(protocol_in_words(&split.info.protocol, &train, &val, &test)), cut]
}

/// Who says what on a side of `split`.
fn side(split: &StoredSplit, part: Side) -> SplitSide {
    SplitSide::of(split.side(part).iter().map(|u| (u.speaker.as_deref(), u.word.as_deref())))
}
