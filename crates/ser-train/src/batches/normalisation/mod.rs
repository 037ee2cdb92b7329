//! Normalisation of features as they go into the network: each coefficient to mean 0 and standard deviation 1, over an
//! utterance, the training side or a speaker.
//!
//! Cepstral mean and variance normalisation takes away what a microphone and a voice add to every frame: O. Viikki and
//! K. Laurila, "Cepstral domain segmental feature vector normalization for noise robust speech recognition", Speech
//! Communication 25 (1998). Padding is left out of every mean, and stays zero.

mod statistics;

use std::collections::BTreeMap;

use ser_cache::{Dataset, Utterance};
use ser_core::remedy::{Action, Setting};
use ser_core::{Error, ErrorKind, remedy};
use ser_model::FeatureNormalisation;
use ser_model::checkpoint::Checkpoint;
use ser_torch::Result;
use tch::{Device, Tensor};

use crate::batches::frames::{mean_over_real_frames, real_frames};
pub use statistics::Statistics;
pub(crate) use statistics::{STATISTICS, statistics_of_training};

/// Below this a coefficient counts as constant, and is divided by this instead.
const LEAST_DEVIATION: f64 = 1e-5;

/// Normalises the batches of one dataset.
#[derive(Debug)]
pub struct Normaliser {
    way: Way,
}

#[derive(Debug)]
enum Way {
    AsTheyAre,
    EachUtterance,
    /// All alike: `mean` and `inverse` (1 / standard deviation) are `[1, channel, band, 1]`.
    Training {
        mean: Tensor,
        inverse: Tensor,
    },
    /// `mean` and `inverse` (1 / standard deviation) are `[speaker, channel, band, 1]`; utterance `i` of the dataset is of
    /// speaker `speakers[i]`.
    BySpeaker {
        speakers: Vec<i64>,
        mean: Tensor,
        inverse: Tensor,
    },
}

impl Normaliser {
    /// Leaves features as they are.
    pub fn none() -> Self {
        Self { way: Way::AsTheyAre }
    }

    /// Prepares to normalise `dataset`, whose utterances are `utterances`; `training` has the statistics of the training
    /// side where they are what is asked for.
    ///
    /// # Errors
    /// When an utterance does not name its speaker but statistics of speakers are asked for, when `training` is missing,
    /// or a shard cannot be read.
    pub fn new(
        normalisation: FeatureNormalisation,
        dataset: &Dataset,
        utterances: &[Utterance],
        training: Option<&Statistics>,
        device: Device,
    ) -> Result<Self> {
        let way = match normalisation {
            FeatureNormalisation::None => Way::AsTheyAre,
            FeatureNormalisation::Utterance => Way::EachUtterance,
            FeatureNormalisation::Training => by_training(training, dataset.shape(), device)?,
            FeatureNormalisation::Speaker => by_speaker(dataset, utterances, device)?,
        };
        Ok(Self { way })
    }

    /// Prepares to normalise single utterances of `shape` by what `checkpoint` carries, whoever speaks.
    ///
    /// # Errors
    /// Where statistics of speakers are asked for, which take more than one utterance; where the checkpoint's statistics are
    /// missing or of another shape.
    pub fn of_any_utterance(
        checkpoint: &Checkpoint,
        normalisation: FeatureNormalisation,
        shape: [usize; 3],
        device: Device,
    ) -> Result<Self> {
        let way = match normalisation {
            FeatureNormalisation::None => Way::AsTheyAre,
            FeatureNormalisation::Utterance => Way::EachUtterance,
            FeatureNormalisation::Training => {
                by_training(Statistics::carried_by(checkpoint, shape)?.as_ref(), shape, device)?
            }
            FeatureNormalisation::Speaker => {
                let what =
                    "was trained on features normalised by speaker, which takes all recordings of a speaker";
                return Err(Error::new(ErrorKind::Unsupported, what)
                    .help(remedy![Action::Train, " with another ", Setting::FeatureNormalisation])
                    .into());
            }
        };
        Ok(Self { way })
    }

    /// Normalises `features` `[B, channel, band, T]` of the utterances `indices`, of which the first `frames` `[B]` are
    /// real.
    ///
    /// # Errors
    /// When the device lacks memory.
    pub fn apply(&self, features: Tensor, frames: &Tensor, indices: &[usize]) -> Result<Tensor> {
        let (centred, inverse) = match &self.way {
            Way::AsTheyAre => return Ok(features),
            Way::EachUtterance => {
                let real = real_frames(&features, frames)?;
                let centred = features.f_sub(&mean_over_real_frames(&features, &real, frames)?)?;
                let variance = mean_over_real_frames(&centred.f_square()?, &real, frames)?;
                let deviation = variance.f_sqrt()?.f_clamp_min(LEAST_DEVIATION)?;
                (centred, deviation.f_reciprocal()?)
            }
            Way::Training { mean, inverse } => (features.f_sub(mean)?, inverse.shallow_clone()),
            Way::BySpeaker { speakers, mean, inverse } => {
                let speakers: Vec<i64> = indices.iter().map(|&index| speakers[index]).collect();
                let speakers = Tensor::f_from_slice(&speakers)?.f_to(features.device())?;
                let centred = features.f_sub(&mean.f_index_select(0, &speakers)?)?;
                (centred, inverse.f_index_select(0, &speakers)?)
            }
        };
        Ok(centred.f_mul(&inverse)?.f_mul(&real_frames(&features, frames)?)?)
    }
}

/// The normaliser that a checkpoint's network expects for `dataset`.
///
/// # Errors
/// Those of [`Normaliser::new`], and where the checkpoint's statistics are of another shape.
pub fn normaliser_of(
    checkpoint: &Checkpoint,
    normalisation: FeatureNormalisation,
    dataset: &Dataset,
    utterances: &[Utterance],
    device: Device,
) -> Result<Normaliser> {
    let training = Statistics::carried_by(checkpoint, dataset.shape())?;
    Normaliser::new(normalisation, dataset, utterances, training.as_ref(), device)
}

/// Every utterance by the statistics of the training side.
fn by_training(training: Option<&Statistics>, shape: [usize; 3], device: Device) -> Result<Way> {
    let statistics = training.ok_or_else(|| {
        let what = format!("lacks the {STATISTICS} that its features were normalised with");
        Error::new(ErrorKind::Damaged, what)
    })?;
    let [mean, inverse] = tables(std::slice::from_ref(statistics), shape, device)?;
    Ok(Way::Training { mean, inverse })
}

/// Each speaker of `dataset`, whose utterances are `utterances`, by their own statistics.
fn by_speaker(dataset: &Dataset, utterances: &[Utterance], device: Device) -> Result<Way> {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, utterance) in utterances.iter().enumerate() {
        let speaker = utterance.speaker.as_deref().ok_or_else(|| {
            Error::new(
                ErrorKind::Unusable,
                "names no speaker, so there are no statistics to normalise it with",
            )
            .at(&utterance.path)
            .help(remedy![
                "choose another ",
                Setting::FeatureNormalisation,
                ", or name the speakers in a table"
            ])
        })?;
        members.entry(speaker).or_default().push(index);
    }
    let mut speakers = vec![0; dataset.len()];
    let mut statistics = Vec::with_capacity(members.len());
    for (speaker, indices) in members.values().enumerate() {
        indices.iter().for_each(|&index| speakers[index] = speaker as i64);
        statistics.push(Statistics::of(dataset, indices)?);
    }
    let [mean, inverse] = tables(&statistics, dataset.shape(), device)?;
    Ok(Way::BySpeaker { speakers, mean, inverse })
}

/// Mean and 1 / standard deviation for each of the `statistics`, `[statistics, channel, band, 1]`.
fn tables(statistics: &[Statistics], shape: [usize; 3], device: Device) -> Result<[Tensor; 2]> {
    let table = |values: Vec<f32>| -> Result<Tensor> {
        let size = [statistics.len() as i64, shape[0] as i64, shape[1] as i64, 1];
        Ok(Tensor::f_from_slice(&values)?.f_view(size)?.f_to(device)?)
    };
    let inverse = statistics.iter().flat_map(|s| s.standard_deviation.iter().map(|d| d.recip()));
    Ok([table(statistics.iter().flat_map(|s| s.mean.iter().copied()).collect())?, table(inverse.collect())?])
}
