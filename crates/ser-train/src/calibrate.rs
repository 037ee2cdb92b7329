//! Calibrates a network on its validation side, once its weights are chosen.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use rayon::prelude::*;
use ser_cache::{EntriesByKey, FeatureSet, StoredSplit, Utterance};
use ser_core::Result;
use ser_core::progress::Silent;
use ser_corpus::split::Side;
use ser_encoder::Encoders;
use ser_model::calibration::{Calibrator, ValidationAnswers};
use ser_model::checkpoint::Checkpoint;
use ser_model::{Heard, LearntFrom, SoundDigest};
use tch::Device;

use crate::batches::Batches;
use crate::batches::normalisation::normaliser_of;
use crate::evaluate::{Predictions, evaluate};
use crate::material::Material;
use crate::state::Origin;
use crate::trained::network_of;

/// Fits a calibration to what a network said of the validation side of `split`.
///
/// Where its speakers are not in training, each counts the same in prediction sets: what is to be covered next is then an
/// utterance of another such speaker, and a speaker of many utterances tells no more of that than one of few. This is the
/// pooled distribution of R. Dunn, L. Wasserman and A. Ramdas, "Distribution-free prediction sets for two-layer
/// hierarchical models", JASA 118 (2023). Its coverage holds on average over speakers, as their number grows. The promise
/// for any number of them (Y. Lee, R. F. Barber and R. Willett, "Distribution-free inference with hierarchical data",
/// 2023) was not chosen: with fewer than nine validation speakers every set for 90 % would have every class.
///
/// # Errors
/// [`ErrorKind::Unusable`](ser_core::ErrorKind::Unusable) where an answer is not finite.
pub(crate) fn calibrator_of(said: &Predictions, split: &StoredSplit) -> Result<Calibrator> {
    let speakers = speakers_of_their_own(split);
    Calibrator::fit(&ValidationAnswers {
        logits: &said.logits,
        classes: said.classes,
        truth: &said.truth,
        speakers: speakers.as_deref(),
    })
}

/// A number for the speaker of each validation utterance, if all are known, and there are two or more and none of them in
/// training.
fn speakers_of_their_own(split: &StoredSplit) -> Option<Vec<usize>> {
    let in_training: BTreeSet<&str> =
        split.side(Side::Train).iter().filter_map(|utterance| utterance.speaker.as_deref()).collect();
    let mut numbers = BTreeMap::new();
    let mut number = |utterance: &Utterance| {
        let speaker = utterance.speaker.clone()?;
        let next = numbers.len();
        (!in_training.contains(speaker.as_str())).then(|| *numbers.entry(speaker).or_insert(next))
    };
    let speakers: Vec<usize> = split.side(Side::Val).iter().map(&mut number).collect::<Option<_>>()?;
    (numbers.len() > 1).then_some(speakers)
}

/// The start of the digest of the sound that `utterance` was computed from, if the cache knows it.
pub(crate) fn sound_of(entries: &EntriesByKey<'_>, utterance: &Utterance) -> Option<SoundDigest> {
    entries.get(&utterance.key)?.row.source.sound.0.first_chunk().copied()
}

/// The sounds and speakers on the training and validation side of `split`. Augmented copies are of sounds that are there.
pub(crate) fn learnt_from(set: &FeatureSet, split: &StoredSplit) -> LearntFrom {
    let entries = set.by_key();
    let heard = |part: Side| {
        let originals = || split.side(part).par_iter().filter(|utterance| utterance.parent.is_none());
        let sounds: Vec<_> = originals().filter_map(|utterance| sound_of(&entries, utterance)).collect();
        let speakers: HashSet<&str> =
            originals().filter_map(|utterance| utterance.speaker.as_deref()).collect();
        Heard {
            sounds: sounds.into_iter().collect(),
            speakers: speakers.into_iter().map(String::from).collect(),
        }
    };
    let training = split.side(Side::Train);
    let mut frames: Vec<u32> = training.iter().map(|utterance| utterance.frames).collect();
    frames.sort_unstable();
    // Where time is pooled away, frames do not tell how long an utterance is.
    let pooled = matches!(set.shape, [_, _, 1]);
    let mut milliseconds: Vec<u32> =
        training.iter().filter(|_| pooled).map(|utterance| (utterance.duration_s * 1e3) as u32).collect();
    milliseconds.sort_unstable();
    LearntFrom {
        training: heard(Side::Train),
        validation: heard(Side::Val),
        typical_frames: frames.get(frames.len() / 2).copied(),
        typical_ms: milliseconds.get(milliseconds.len() / 2).copied(),
    }
}

/// Adds a calibration to `checkpoint`, fitted on the validation side of `material`, which must be what its networks were
/// validated on.
///
/// # Errors
/// When its weights do not fit, a shard cannot be read, or an answer is not finite.
pub(crate) fn calibrate(checkpoint: &mut Checkpoint, material: &Material, device: Device) -> Result<()> {
    let origin = Origin::of(checkpoint)?;
    let mut network = network_of(checkpoint, &origin, &Encoders::default(), device)?;
    let (way, utterances) = (origin.fit.feature_normalisation, material.split.side(Side::Val));
    let normaliser = normaliser_of(checkpoint, way, &material.val, utterances, device)?;
    let batches = Batches::new(&material.val, device)?.normalised_by(normaliser);
    let said = evaluate(&mut network, &material.val, &batches, &Silent)?;
    checkpoint.extra.push(calibrator_of(&said, &material.split)?.to_entry()?);
    Ok(())
}
