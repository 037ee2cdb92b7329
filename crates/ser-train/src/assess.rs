//! Evaluates a checkpoint on the test side of its split.

use std::path::{Path, PathBuf};

use ser_cache::audit::{Requirement, require};
use ser_cache::{Cache, FeatureSet, ReadOptions, Sha, StoredSplit, Utterance};
use ser_core::progress::Progress;
use ser_core::remedy::{Action, Setting};
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::split::{Fractions, Side};
use ser_corpus::{Corpora, Protocol};
use ser_encoder::Encoders;
use ser_eval::{
    CommandLine, DomainRates, Doubt, Evaluation, History, OtherCorpus, OutOfDomain, Prediction, Provenance,
    RawAnswers, RunRecord, SplitSide, Uncertainty, corpora_of, protocol_in_words, training_in_words,
};
use ser_features::FeatureConfig;
use ser_model::calibration::{Calibrator, check_coverage};
use ser_model::checkpoint::Checkpoint;
use ser_model::{FitConfig, LearntFrom, MemberOrigin};

use crate::batches::Batches;
use crate::batches::normalisation::normaliser_of;
use crate::calibrate::sound_of;
use crate::device;
use crate::domain::{DomainReference, distances};
use crate::evaluate::{Predictions, evaluate};
use crate::material::cut_frames;
use crate::state::Origin;
use crate::trained::{self, network_of};

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
    check_coverage(options.coverage)?;
    let (checkpoint, origin) = trained::read(&options.checkpoint)?;
    let cache = open_cache(options, &origin)?;
    let set = same_features(&cache, &origin)?;
    let split = same_split(&cache, set, &origin, &checkpoint.labels)?;
    require(&options.require, &split.info.protocol, &split.info.audit)
        .map_err(|error| error.at(&options.checkpoint))?;
    let test = cache.side(set, &split, Side::Test)?;
    if test.shape() != origin.model.input_shape {
        return Err(Error::new(
            ErrorKind::Mismatch,
            format!(
                "its network takes utterances of shape {:?}, its feature set holds {:?}",
                origin.model.input_shape,
                test.shape()
            ),
        )
        .at(&options.checkpoint));
    }
    let (device, _) = device::set_up(&options.device, options.threads)?;
    let mut network = network_of(&checkpoint, &origin, &options.encoders, device)
        .map_err(|error| error.at(&options.checkpoint))?;
    let (way, utterances) = (origin.fit.feature_normalisation, split.side(Side::Test));
    let normaliser = normaliser_of(&checkpoint, way, &test, utterances, device)
        .map_err(|error| error.at(&options.checkpoint))?;
    let batches = Batches::new(&test, device)?.normalised_by(normaliser);
    let said = evaluate(&mut network, &test, &batches, progress)?;

    let calibrator = Calibrator::of(&checkpoint).map_err(|error| error.at(&options.checkpoint))?;
    let domain = DomainReference::of(&checkpoint).map_err(|error| error.at(&options.checkpoint))?;
    let far = domain.as_ref().map(|domain| distances(domain, &test, utterances)).transpose()?;
    let mut predictions = predictions(&said, calibrator.as_ref(), utterances, options.coverage)?;
    let uncertainty = match &calibrator {
        Some(calibrator) => Ok(Uncertainty::of(calibrator, &raw(&said), options.coverage)?),
        None => Err(not_calibrated(&checkpoint)?),
    };
    let out_of_domain = match domain.iter().zip(&far).next() {
        Some((domain, far)) => {
            for (prediction, distance) in predictions.iter_mut().zip(far) {
                prediction.share_as_unusual = Some(domain.share_as_unusual(*distance));
            }
            let mut measured = OutOfDomain::of(domain, far)?;
            let other = options.other_corpus.as_deref();
            measured.other_corpus = (other)
                .map(|cache| other_corpus(cache, options.access, &checkpoint, &origin, domain))
                .transpose()?;
            Ok(measured)
        }
        None if options.other_corpus.is_some() => {
            let what = format!("has nothing to compare another corpus with: {}", no_reference(&checkpoint)?);
            return Err(Error::new(ErrorKind::Missing, what).at(&options.checkpoint).help(remedy![
                "leave ",
                Setting::OtherCorpus,
                " out"
            ]));
        }
        None => Err(no_reference(&checkpoint)?),
    };
    let provenance = provenance(options, &origin, &cache, set, &split);
    let evaluation = Evaluation::new(checkpoint.labels, &predictions, provenance)?;
    let evaluation = (evaluation.with_audit(split.info.audit.clone()))
        .with_uncertainty(uncertainty)
        .with_out_of_domain(out_of_domain);
    Ok(Assessment { evaluation, predictions, origin, split })
}

/// Predictions of a network for `utterances`: with calibrated probabilities and prediction sets of `coverage`, if there is
/// a calibrator.
fn predictions(
    said: &Predictions,
    calibrator: Option<&Calibrator>,
    utterances: &[Utterance],
    coverage: f64,
) -> Result<Vec<Prediction>> {
    let threshold = calibrator.map(|calibrator| calibrator.set_threshold(coverage)).transpose()?;
    let rows = said.probabilities.chunks_exact(said.classes).zip(said.logits.chunks_exact(said.classes));
    let answers = rows.zip(&said.predicted).zip(utterances.iter().zip(&said.truth));
    let predicted = answers.map(|(((probabilities, logits), predicted), (utterance, truth))| {
        let (Some(calibrator), Some(threshold)) = (calibrator, threshold) else {
            return Prediction::most_probable(&utterance.path, *truth, probabilities.to_vec());
        };
        let calibrated = calibrator.probabilities(logits);
        let probabilities = calibrated.iter().map(|probability| *probability as f32).collect();
        let doubt = Doubt { coverage, set: threshold.classes(&calibrated) };
        let prediction = Prediction::most_probable(&utterance.path, *truth, probabilities)?;
        // The same as without a temperature, also where two classes are as good as equally probable.
        Ok(Prediction { predicted: *predicted, doubt: Some(doubt), ..prediction })
    });
    predicted.collect()
}

fn raw(said: &Predictions) -> RawAnswers<'_> {
    RawAnswers { logits: &said.logits, classes: said.classes, truth: &said.truth }
}

/// Why a checkpoint has no calibration.
///
/// # Errors
/// When what it has heard is damaged.
pub(crate) fn not_calibrated(checkpoint: &Checkpoint) -> Result<String> {
    Ok(match LearntFrom::of(checkpoint)? {
        None => "trained before ser kept a calibration in its checkpoints; train it again for one",
        Some(_) => {
            "not the best checkpoint of a run, which alone has a calibration, or joined without its cache"
        }
    }
    .to_owned())
}

/// Why a checkpoint has no reference for what is out of its domain.
///
/// # Errors
/// When what it has heard or its calibration is damaged.
pub(crate) fn no_reference(checkpoint: &Checkpoint) -> Result<String> {
    let is_best = Calibrator::of(checkpoint)?.is_some();
    Ok(match LearntFrom::of(checkpoint)? {
        Some(_) if !is_best => "not the best checkpoint of a run, which alone has a reference for it",
        _ => "trained before ser kept a reference for it in its checkpoints; train it again for one",
    }
    .to_owned())
}

/// How far the test side of another corpus lies from what the network in `checkpoint` has learnt from: that of the random
/// split in the cache at `root`, without what the network has heard.
///
/// # Errors
/// When there is no cache, or none with the features of the training; when nothing is left that it has not heard.
fn other_corpus(
    root: &Path,
    access: ReadOptions,
    checkpoint: &Checkpoint,
    origin: &Origin,
    domain: &DomainReference,
) -> Result<OtherCorpus> {
    let cache = Cache::open(root)?.with_access(access);
    let set = same_features(&cache, origin)?;
    let split = cache.split(set, &Protocol::Random)?;
    let (dataset, utterances) = (cache.side(set, &split, Side::Test)?, split.side(Side::Test));
    let learnt = LearntFrom::of(checkpoint)?.unwrap_or_default();
    let entries = set.by_key();
    let is_new = |utterance: &Utterance| {
        let sound = sound_of(&entries, utterance);
        !sound.is_some_and(|sound| {
            learnt.training.sounds.contains(&sound) || learnt.validation.sounds.contains(&sound)
        })
    };
    let all = distances(domain, &dataset, utterances)?;
    let new: Vec<f64> =
        utterances.iter().zip(&all).filter(|(utterance, _)| is_new(utterance)).map(|(_, far)| *far).collect();
    if new.is_empty() {
        let what = "has nothing in its test side that the network was not trained or validated on";
        return Err(Error::new(ErrorKind::Unusable, what)
            .at(root)
            .help(remedy!["give another ", Setting::OtherCorpus]));
    }
    Ok(OtherCorpus {
        cache: root.display().to_string(),
        n_utterances: new.len() as u64,
        n_heard: (utterances.len() - new.len()) as u64,
        rates: DomainRates::of(domain, &new)?,
    })
}

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
/// As [`assess`].
pub fn run_record(
    options: &AssessOptions,
    commands: impl FnOnce(&Reproduction<'_>) -> Vec<CommandLine>,
) -> Result<RunRecord> {
    let bytes = std::fs::read(&options.checkpoint)
        .map_err(|error| Error::io("cannot be read", &options.checkpoint, error))?;
    let checkpoint = Checkpoint::from_bytes(&bytes).map_err(|error| error.at(&options.checkpoint))?;
    let origin = Origin::of(&checkpoint).map_err(|error| error.at(&options.checkpoint))?;
    let cache = open_cache(options, &origin)?;
    let set = same_features(&cache, &origin)?;
    let split = same_split(&cache, set, &origin, &checkpoint.labels)?;
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

fn side(split: &StoredSplit, part: Side) -> SplitSide {
    SplitSide::of(split.side(part).iter().map(|u| (u.speaker.as_deref(), u.word.as_deref())))
}

fn open_cache(options: &AssessOptions, origin: &Origin) -> Result<Cache> {
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

fn same_split(cache: &Cache, set: &FeatureSet, origin: &Origin, labels: &[String]) -> Result<StoredSplit> {
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

fn provenance(
    options: &AssessOptions,
    origin: &Origin,
    cache: &Cache,
    set: &FeatureSet,
    split: &StoredSplit,
) -> Provenance {
    let protocol = origin.split.protocol.clone();
    let [train, val, test] = Side::ALL.map(|part| side(split, part));
    let words = protocol_in_words(&protocol, &train, &val, &test);
    let cut = cut_frames(set, split, &[Side::Test]).map(|cut| format!("Of the test side, {cut}."));
    let protocol_in_words =
        [vec![words], training_in_words(&origin.fit, &origin.epochs()), cut.into_iter().collect()]
            .concat()
            .join(" ");
    Provenance {
        checkpoint: options.checkpoint.display().to_string(),
        epoch: u64::from(origin.epoch),
        seed: origin.fit.seed,
        members: origin.members.clone(),
        cache: cache.root().display().to_string(),
        protocol,
        protocol_in_words,
    }
}
