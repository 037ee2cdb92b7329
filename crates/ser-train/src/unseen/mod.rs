//! Evaluates a checkpoint on a labelled corpus that it was not made for.

mod listed;
mod place;
mod predictions;
mod words;

use ser_cache::{Cache, FeatureSet, Utterance};
use ser_core::progress::Progress;
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::Protocol;
use ser_corpus::split::Side;
use ser_eval::{Evaluation, Prediction};
use ser_model::LearntFrom;

use crate::assess::{AssessOptions, AssessedCheckpoint, same_features};
use crate::heard::has_heard;
use crate::unseen::predictions::CorpusPredictions;

pub use place::check_place;

/// The protocol of a report on a corpus of which the checkpoint has heard neither sounds nor speakers, and that of one on a
/// corpus which cannot be called unseen.
const UNSEEN: &str = "unseen corpus";
const OTHER: &str = "other corpus";

/// Predicts every recording of the cache `options.cache` whose label the checkpoint knows and whose sound it was neither
/// trained nor validated on. The answer is the most probable of the labels that both have.
///
/// # Errors
/// When the checkpoint is damaged or does not say what it has heard; when the cache is missing, damaged, or has other
/// features; when fewer than two labels, or no recording, are left: that error names no path.
pub fn assess_unseen(
    options: &AssessOptions,
    progress: &dyn Progress,
) -> Result<(Evaluation, Vec<Prediction>)> {
    let assessed = AssessedCheckpoint::read(options)?;
    let learnt = LearntFrom::of(&assessed.checkpoint).map_err(|error| error.at(&options.checkpoint))?;
    let learnt = learnt.ok_or_else(|| {
        let what = "does not say which sounds it was trained on, so nothing can be called unseen by it";
        Error::new(ErrorKind::Missing, what).at(&options.checkpoint).help("train it again with this version")
    })?;
    let root = options.cache.as_deref().ok_or_else(|| {
        Error::new(ErrorKind::Usage, "no other corpus is given").help(remedy![
            "name it with ",
            Setting::Data,
            " or ",
            Setting::Cache
        ])
    })?;
    let cache = Cache::open(root)?.with_access(options.access);
    let set = same_features(&cache, &assessed.origin)?;
    let predicted = predictions_for(&assessed, &learnt, &cache, set, progress)?;
    predicted.check()?;
    let protocol = if predicted.is_unseen(&learnt) { UNSEEN } else { OTHER };
    let provenance = assessed.provenance(root, protocol, [Some(predicted.in_words(&learnt)), None]);
    let paths: Vec<&str> = predicted.recordings.iter().map(|recording| recording.path.as_str()).collect();
    assessed.evaluation(predicted.labels.clone(), &paths, &predicted.answered(), provenance)
}

/// What a checkpoint predicts for every recording of `cache`; its random split has each on one of its sides.
fn predictions_for(
    assessed: &AssessedCheckpoint<'_>,
    learnt: &LearntFrom,
    cache: &Cache,
    set: &FeatureSet,
    progress: &dyn Progress,
) -> Result<CorpusPredictions> {
    let split = cache.split(set, &Protocol::Random)?;
    let known = &assessed.checkpoint.labels;
    let there: Vec<String> = split.info.labels.iter().map(|label| as_known(known, label)).collect();
    // Recordings of a speaker are normalised together, on whatever side they are. Augmented copies are none.
    let of_all = Side::ALL.into_iter().flat_map(|part| split.side(part));
    let utterances: Vec<Utterance> = of_all
        .filter(|utterance| utterance.parent.is_none())
        .map(|utterance| Utterance { label: as_known(known, &utterance.label), ..utterance.clone() })
        .collect();
    let dataset = cache.dataset(set, &there, &utterances)?;
    let answered = assessed.answers(&dataset, &utterances, progress)?;

    let mut predicted = CorpusPredictions::new(known, &there);
    let common: Vec<usize> = (0..known.len()).filter(|index| there.contains(&known[*index])).collect();
    let entries = set.by_key();
    let rows = answered.said.logits.chunks_exact(answered.said.classes);
    for (index, (utterance, logits)) in utterances.iter().zip(rows).enumerate() {
        let logits = common.iter().map(|class| logits[*class]).collect();
        let distance = answered.distances.as_ref().and_then(|far| far.get(index).copied());
        predicted.add(utterance, logits, distance, has_heard(learnt, &entries, utterance));
    }
    Ok(predicted)
}

/// A label as the checkpoint writes it, if it knows it; classes are the same whatever case they are written in.
fn as_known(known: &[String], label: &str) -> String {
    let folded = label.to_lowercase();
    let same = known.iter().find(|known| *known == label);
    let alike = || known.iter().find(|known| known.to_lowercase() == folded);
    same.or_else(alike).map_or_else(|| label.to_owned(), String::clone)
}
