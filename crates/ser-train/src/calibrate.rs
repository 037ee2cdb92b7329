//! Calibrates a network on its validation side, once its weights are chosen.

use std::collections::{BTreeMap, BTreeSet};

use ser_cache::{StoredSplit, Utterance};
use ser_core::Result;
use ser_core::progress::Silent;
use ser_corpus::split::Side;
use ser_encoder::Encoders;
use ser_model::calibration::{Calibrator, ValidationAnswers};
use ser_model::checkpoint::Checkpoint;
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
