//! Mean and standard deviation of features over some utterances, and how a checkpoint carries them.

use rayon::prelude::*;
use ser_cache::Dataset;
use ser_core::{Error, ErrorKind};
use ser_model::checkpoint::{Checkpoint, Value};
use ser_model::{FeatureNormalisation, checkpoint};
use ser_torch::Result;
use serde::{Deserialize, Serialize};

use super::LEAST_DEVIATION;
use crate::network::parameters::{import_f32, to_vec_f32};

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
    pub(super) fn of(dataset: &Dataset, indices: &[usize]) -> Result<Self> {
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
    pub(super) fn carried_by(checkpoint: &Checkpoint, shape: [usize; 3]) -> Result<Option<Self>> {
        let Some(value) = checkpoint.extra(STATISTICS) else { return Ok(None) };
        let read = |name: &str| -> Result<Vec<f32>> {
            let stored = value
                .get(name)
                .and_then(Value::as_tensor)
                .ok_or_else(|| Error::new(ErrorKind::Damaged, format!("has {STATISTICS} without {name}")))?;
            let size = [shape[0] as i64, shape[1] as i64];
            to_vec_f32(&import_f32(stored, &size, name)?)
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

/// Sums over frames for each coefficient, `[channel, band]`, row-major.
struct Sums {
    frames: f64,
    /// Σ x.
    first: Vec<f64>,
    /// Σ x².
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
