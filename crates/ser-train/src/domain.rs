//! How far utterances of a cache lie from those that a network has learnt from.
//!
//! [`DomainReference::of`] reads the reference in a checkpoint. For a recording that is no part of a cache, [`describe`]
//! takes what the extractor gave for it, as it is before any normalisation.

use rayon::prelude::*;
use ser_cache::{Dataset, Utterance};
use ser_core::Result;
use ser_corpus::split::Side;
use ser_model::domain::MOST_DESCRIBED;
pub use ser_model::domain::{DomainReference, describe};

use crate::material::Material;

/// Fits a reference to the recordings on the training side of `material`, and to those on its validation side for what is
/// usual. Augmented copies are none of them. Of more than [`MOST_DESCRIBED`] recordings, so many at even distances are
/// taken.
///
/// # Errors
/// When a shard cannot be read, or features are not finite numbers.
pub(crate) fn reference_of(material: &Material) -> Result<DomainReference> {
    let side = |dataset: &Dataset, part: Side| {
        let utterances = material.split.side(part);
        let recordings: Vec<usize> =
            (0..utterances.len()).filter(|index| utterances[*index].parent.is_none()).collect();
        let step = recordings.len().div_ceil(MOST_DESCRIBED).max(1);
        let sample: Vec<usize> = recordings.into_iter().step_by(step).collect();
        sample.par_iter().map(|index| descriptor(dataset, utterances, *index)).collect::<Result<Vec<_>>>()
    };
    DomainReference::fit(&side(&material.train, Side::Train)?, &side(&material.val, Side::Val)?)
}

/// The distance of each utterance of `dataset`, which are `utterances`, from the training side.
///
/// # Errors
/// When a shard cannot be read, features are not finite numbers, or are of another shape than those of the training.
pub(crate) fn distances(
    reference: &DomainReference,
    dataset: &Dataset,
    utterances: &[Utterance],
) -> Result<Vec<f64>> {
    (0..utterances.len())
        .into_par_iter()
        .map(|index| reference.distance(&descriptor(dataset, utterances, index)?))
        .collect()
}

fn descriptor(dataset: &Dataset, utterances: &[Utterance], index: usize) -> Result<Vec<f64>> {
    let features = dataset.stretches(&[index])?.concat();
    describe(&features, dataset.shape(), dataset.frames(index) as usize)
        .map_err(|error| error.at(&utterances[index].path))
}
