//! Normalisation of features as they go into the network: each coefficient to mean 0 and standard deviation 1, over an
//! utterance, the training side or a speaker.
//!
//! Cepstral mean and variance normalisation takes away what a microphone and a voice add to every frame: O. Viikki and
//! K. Laurila, "Cepstral domain segmental feature vector normalization for noise robust speech recognition", Speech
//! Communication 25 (1998). Padding is left out of every mean, and stays zero.

use std::collections::BTreeMap;

use rayon::prelude::*;
use ser_cache::{Dataset, Utterance};
use ser_core::remedy::{Action, Setting};
use ser_core::{Error, ErrorKind, remedy};
use ser_model::checkpoint::{Checkpoint, Value};
use ser_model::{FeatureNormalisation, checkpoint};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::network::parameters::import_f32;
use ser_torch::Result;

/// Below this a coefficient counts as constant, and is divided by this instead.
const LEAST_DEVIATION: f64 = 1e-5;

/// The name of the statistics in a checkpoint.
pub(crate) const STATISTICS: &str = "feature_statistics";

/// Mean and standard deviation of each band, `[channel, band]`, row-major.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Mean over all real frames.
    pub mean: Vec<f32>,
    /// Standard deviation (of the population) over all real frames, at least 1e-5.
    pub standard_deviation: Vec<f32>,
}

impl Statistics {
    /// The statistics of the utterances `indices` of `dataset`, the same on any number of threads.
    ///
    /// # Errors
    /// When a shard cannot be read.
    fn of(dataset: &Dataset, indices: &[usize]) -> Result<Self> {
        let [channels, bands, frames] = dataset.shape();
        let rows = channels * bands;
        // Sums of few utterances each, added up in order.
        let parts: Vec<Sums> = indices
            .par_chunks(32)
            .map(|indices| {
                let mut sums = Sums::new(rows);
                for &index in indices {
                    let real = (dataset.frames(index) as usize).min(frames);
                    for tensor in dataset.stretches(&[index])? {
                        sums.add(&tensor, frames, real);
                    }
                }
                Ok(sums)
            })
            .collect::<Result<_>>()?;
        let total = parts.into_iter().fold(Sums::new(rows), Sums::plus);
        Ok(total.statistics())
    }

    /// The statistics that `checkpoint` carries for utterances of `shape`, if it carries any.
    ///
    /// # Errors
    /// When they are of another shape.
    fn carried_by(checkpoint: &Checkpoint, shape: [usize; 3]) -> Result<Option<Self>> {
        let Some(value) = checkpoint.extra(STATISTICS) else { return Ok(None) };
        let read = |name: &str| -> Result<Vec<f32>> {
            let stored = value
                .get(name)
                .and_then(Value::as_tensor)
                .ok_or_else(|| Error::new(ErrorKind::Damaged, format!("has {STATISTICS} without {name}")))?;
            let size = [shape[0] as i64, shape[1] as i64];
            crate::network::parameters::to_vec_f32(&import_f32(stored, &size, name)?)
        };
        Ok(Some(Self { mean: read("mean")?, standard_deviation: read("standard_deviation")? }))
    }

    /// As a checkpoint carries them.
    ///
    /// # Errors
    /// When they do not have that shape.
    pub(crate) fn to_entry(&self, shape: [usize; 3]) -> Result<(String, Value)> {
        let tensor = |values: &[f32]| checkpoint::Tensor::from_f32(&shape[..2], values).map(Value::Tensor);
        let entry = Value::dict([
            ("mean", tensor(&self.mean)?),
            ("standard_deviation", tensor(&self.standard_deviation)?),
        ]);
        Ok((STATISTICS.to_owned(), entry))
    }
}

/// Sums over frames for each coefficient.
struct Sums {
    frames: f64,
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Sums {
    fn new(rows: usize) -> Self {
        Self { frames: 0.0, first: vec![0.0; rows], second: vec![0.0; rows] }
    }

    /// Adds the `real` first of `frames` frames of each row of `tensor`.
    fn add(&mut self, tensor: &[f32], frames: usize, real: usize) {
        self.frames += real as f64;
        let rows = tensor.chunks_exact(frames).zip(self.first.iter_mut().zip(&mut self.second));
        for (row, (first, second)) in rows {
            for value in row[..real].iter().map(|&value| f64::from(value)) {
                *first += value;
                *second += value * value;
            }
        }
    }

    fn plus(mut self, other: Self) -> Self {
        self.frames += other.frames;
        for (sum, value) in self.first.iter_mut().zip(other.first) {
            *sum += value;
        }
        for (sum, value) in self.second.iter_mut().zip(other.second) {
            *sum += value;
        }
        self
    }

    fn statistics(&self) -> Statistics {
        let count = self.frames.max(1.0);
        let deviation = |(first, second): (&f64, &f64)| {
            let mean = first / count;
            (second / count - mean * mean).max(0.0).sqrt().max(LEAST_DEVIATION) as f32
        };
        Statistics {
            mean: self.first.iter().map(|sum| (sum / count) as f32).collect(),
            standard_deviation: self.first.iter().zip(&self.second).map(deviation).collect(),
        }
    }
}

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
    /// `mean` and `inverse` (1 / standard deviation) are `[group, channel, band, 1]`; utterance `i` of the dataset is of
    /// group `groups[i]`.
    ByGroup {
        groups: Vec<i64>,
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
            FeatureNormalisation::Speaker => {
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
                let mut groups = vec![0; dataset.len()];
                let mut statistics = Vec::with_capacity(members.len());
                for (group, indices) in members.values().enumerate() {
                    indices.iter().for_each(|&index| groups[index] = group as i64);
                    statistics.push(Statistics::of(dataset, indices)?);
                }
                by_group(groups, &statistics, dataset.shape(), device)?
            }
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
                let count = frames.f_to_kind(Kind::Float)?.f_clamp_min(1.0)?.f_view([-1, 1, 1, 1])?;
                let mean_of = |x: &Tensor| -> Result<Tensor> {
                    Ok(x.f_mul(&real)?
                        .f_sum_dim_intlist([-1_i64].as_slice(), true, Kind::Float)?
                        .f_div(&count)?)
                };
                let centred = features.f_sub(&mean_of(&features)?)?;
                let deviation = mean_of(&centred.f_square()?)?.f_sqrt()?.f_clamp_min(LEAST_DEVIATION)?;
                (centred, deviation.f_reciprocal()?)
            }
            Way::Training { mean, inverse } => (features.f_sub(mean)?, inverse.shallow_clone()),
            Way::ByGroup { groups, mean, inverse } => {
                let groups: Vec<i64> = indices.iter().map(|&index| groups[index]).collect();
                let groups = Tensor::f_from_slice(&groups)?.f_to(features.device())?;
                let centred = features.f_sub(&mean.f_index_select(0, &groups)?)?;
                (centred, inverse.f_index_select(0, &groups)?)
            }
        };
        Ok(centred.f_mul(&inverse)?.f_mul(&real_frames(&features, frames)?)?)
    }
}

/// The statistics of the training side, where `normalisation` asks for them.
///
/// # Errors
/// When a shard cannot be read.
pub(crate) fn statistics_of_training(
    normalisation: FeatureNormalisation,
    train: &Dataset,
) -> Result<Option<Statistics>> {
    match normalisation {
        FeatureNormalisation::Training => {
            Statistics::of(train, &(0..train.len()).collect::<Vec<_>>()).map(Some)
        }
        FeatureNormalisation::None | FeatureNormalisation::Utterance | FeatureNormalisation::Speaker => {
            Ok(None)
        }
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

fn by_training(training: Option<&Statistics>, shape: [usize; 3], device: Device) -> Result<Way> {
    let statistics = training.ok_or_else(|| {
        let what = format!("lacks the {STATISTICS} that its features were normalised with");
        Error::new(ErrorKind::Damaged, what)
    })?;
    let [mean, inverse] = tables(std::slice::from_ref(statistics), shape, device)?;
    Ok(Way::Training { mean, inverse })
}

fn by_group(groups: Vec<i64>, statistics: &[Statistics], shape: [usize; 3], device: Device) -> Result<Way> {
    let [mean, inverse] = tables(statistics, shape, device)?;
    Ok(Way::ByGroup { groups, mean, inverse })
}

/// Mean and 1 / standard deviation of each group, `[group, channel, band, 1]`.
fn tables(statistics: &[Statistics], shape: [usize; 3], device: Device) -> Result<[Tensor; 2]> {
    let table = |values: Vec<f32>| -> Result<Tensor> {
        let size = [statistics.len() as i64, shape[0] as i64, shape[1] as i64, 1];
        Ok(Tensor::f_from_slice(&values)?.f_view(size)?.f_to(device)?)
    };
    let inverse = statistics.iter().flat_map(|s| s.standard_deviation.iter().map(|d| d.recip()));
    Ok([table(statistics.iter().flat_map(|s| s.mean.iter().copied()).collect())?, table(inverse.collect())?])
}

/// 1 for real frames and 0 for padding, `[B, 1, 1, T]`.
fn real_frames(features: &Tensor, frames: &Tensor) -> Result<Tensor> {
    let position =
        Tensor::f_arange(features.size()[3], (Kind::Int64, features.device()))?.f_view([1, 1, 1, -1])?;
    Ok(position.f_lt_tensor(&frames.f_view([-1, 1, 1, 1])?)?.f_to_kind(Kind::Float)?)
}
