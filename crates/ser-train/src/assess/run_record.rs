//! What is known about the run behind a checkpoint, and what it takes to reproduce its evaluation.

use std::path::Path;

use ser_cache::{Cache, Sha, StoredSplit};
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::Corpora;
use ser_corpus::split::{Fractions, Side};
use ser_eval::{CommandLine, History, RunRecord, corpora_of};
use ser_model::checkpoint::Checkpoint;
use ser_model::{FitConfig, MemberOrigin};

use crate::assess::{AssessOptions, same_cache, same_features, side};
use crate::state::Origin;

/// What has to be known to prepare, train and evaluate once more. Which commands that takes is the front end's to say.
#[derive(Debug, Clone)]
pub struct Reproduction<'a> {
    /// Folder of the cache.
    pub cache: &'a Path,
    /// How the features in it were prepared.
    pub preparation: Preparation,
    /// The recipe of the training.
    pub fit: &'a FitConfig,
    /// Seed and epoch of each network of an ensemble, in their order; empty for one network.
    pub members: &'a [MemberOrigin],
}

/// How the features in a cache were prepared.
#[derive(Debug, Clone)]
pub enum Preparation {
    /// By the last preparation into that cache.
    Last {
        /// What it was called with.
        arguments: Vec<String>,
    },
    /// By an earlier one, whose arguments are not kept.
    Earlier {
        /// Folders of the recordings, if one of them is still there.
        corpora: Option<Corpora>,
        /// Seed of the split.
        seed: u64,
        /// Shares of validation and test.
        fractions: Fractions,
    },
}

impl Preparation {
    fn of(origin: &Origin, cache: &Cache, split: &StoredSplit) -> Self {
        let last = ser_cache::prep_report(cache.root())
            .filter(|last| last["feature_set"] == origin.feature_set.as_str());
        let arguments: Vec<String> = (last.iter().flat_map(|last| last["arguments"].as_array()).flatten())
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect();
        match arguments.is_empty() {
            false => Self::Last { arguments },
            true => Self::Earlier {
                corpora: corpora_of(cache.root()),
                seed: split.info.seed,
                fractions: split.info.fractions,
            },
        }
    }
}

/// What is known about the run behind a checkpoint. `commands` makes the commands that reproduce its evaluation.
///
/// # Errors
/// As [`assess`](super::assess).
pub fn run_record(
    options: &AssessOptions,
    commands: impl FnOnce(&Reproduction<'_>) -> Vec<CommandLine>,
) -> Result<RunRecord> {
    let bytes = std::fs::read(&options.checkpoint)
        .map_err(|error| Error::io("cannot be read", &options.checkpoint, error))?;
    let checkpoint = Checkpoint::from_bytes(&bytes).map_err(|error| error.at(&options.checkpoint))?;
    let origin = Origin::of(&checkpoint).map_err(|error| error.at(&options.checkpoint))?;
    let cache = same_cache::open(options, &origin)?;
    let set = same_features(&cache, &origin)?;
    let split = same_cache::same_split(&cache, set, &origin, &checkpoint.labels)?;
    let history = match &origin.metrics {
        Some(record) => History::find(&options.checkpoint, record.epoch, record.finished),
        None if !origin.members.is_empty() => {
            History::Unknown("each network of an ensemble has curves of its own".to_owned())
        }
        None => History::Unknown("the checkpoint is from before the first epoch".to_owned()),
    };
    let commands = commands(&Reproduction {
        cache: cache.root(),
        preparation: Preparation::of(&origin, &cache, &split),
        fit: &origin.fit,
        members: &origin.members,
    });
    let no_json = |error: serde_json::Error| Error::new(ErrorKind::Damaged, error.to_string());
    Ok(RunRecord {
        version: origin.ser.clone(),
        checkpoint_digest: Sha::of(&[&bytes]).to_string(),
        n_parameters: origin.model.n_parameters()?,
        model: serde_json::to_value(&origin.model).map_err(no_json)?,
        features: origin.features.clone(),
        feature_set: origin.feature_set.clone(),
        input_shape: origin.model.input_shape.to_vec(),
        commands,
        split_seed: origin.split.seed,
        split_digest: origin.split.digest.to_string(),
        sides: Side::ALL.map(|part| (part, side(&split, part))).into(),
        counts_by_label: split.info.counts_by_label,
        audit: split.info.audit,
        history,
        corpora: corpora_of(cache.root()),
        fit: origin.fit,
    })
}
