//! Utterances from the mapped shards as tensors on the device that computes.
//!
//! Features are `[channel, band, frame]`, where a band is a row of them: an MFCC, or a mel band.

pub mod feature_augmentation;
mod frames;
pub mod imbalance;
pub mod normalisation;
pub mod sharing;
pub mod source;

use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::Range;

use ser_cache::Dataset;
use tch::{Device, Kind, Tensor};

use crate::batches::normalisation::Normaliser;
use crate::foreign::View;
use ser_torch::Result;

/// Some utterances on the device. May be a view of mapped shards, so nothing may write to it.
#[derive(Debug)]
pub struct Batch<'a> {
    /// `[B, channel, band, frame]`, f32.
    pub features: Tensor,
    /// How many frames of each are real, `[B]`, i64.
    pub frames: Tensor,
    /// Class of each, `[B]`, i64.
    pub targets: Tensor,
    /// What each has been mixed with, if anything.
    pub mixed: Option<Mixed>,
    /// Keeps the dataset, and with it the mapping, borrowed.
    pub(crate) memory: PhantomData<&'a Dataset>,
}

impl Batch<'_> {
    /// A batch with memory of its own: `features` `[B, channel, band, frame]`, `frames` and `targets` `[B]`.
    pub(crate) fn owned(features: Tensor, frames: Tensor, targets: Tensor) -> Self {
        Self { features, frames, targets, mixed: None, memory: PhantomData }
    }

    /// The utterances at the places `rows`.
    pub(crate) fn rows(&self, rows: Range<usize>) -> Result<Self> {
        let (first, count) = (rows.start as i64, rows.len() as i64);
        let mixed = self.mixed.as_ref().map(|Mixed { targets, share }| -> Result<Mixed> {
            Ok(Mixed { targets: targets.f_narrow(0, first, count)?, share: *share })
        });
        Ok(Self {
            features: self.features.f_narrow(0, first, count)?,
            frames: self.frames.f_narrow(0, first, count)?,
            targets: self.targets.f_narrow(0, first, count)?,
            mixed: mixed.transpose()?,
            memory: PhantomData,
        })
    }
}

/// The other half of each mixture in a batch.
#[derive(Debug)]
pub struct Mixed {
    /// Its class, `[B]`, i64.
    pub targets: Tensor,
    /// Its share of the mixture, 0 to 1.
    pub share: f64,
}

/// Memory of a device that is left free for the network when a dataset is uploaded, bytes.
const LEFT_FOR_THE_NETWORK: i64 = 3 << 30;

/// Makes batches of a dataset.
#[derive(Debug)]
pub struct Batches<'a> {
    dataset: &'a Dataset,
    place: Place,
    normaliser: Normaliser,
}

#[derive(Debug)]
enum Place {
    /// The mapped shards are where the network computes.
    Mapped,
    /// Everything has been uploaded; batches are gathered on the device.
    Uploaded { device: Device, features: Tensor, frames: Tensor, targets: Tensor },
    /// Too large to upload: each batch is copied from page-locked memory while the step before it still computes.
    /// libtorch hands that memory out again only when the copy is over, so that two blocks serve in turn.
    Copied { device: Device },
}

impl<'a> Batches<'a> {
    /// Prepares batches of `dataset` for `device`: uploads it if there is room.
    ///
    /// # Errors
    /// When a shard cannot be read or the device lacks memory.
    pub fn new(dataset: &'a Dataset, device: Device) -> Result<Self> {
        let place = match device {
            Device::Cuda(_) if has_room_for(dataset, device) => upload(dataset, device)?,
            Device::Cuda(_) => Place::Copied { device },
            _ => Place::Mapped,
        };
        Ok(Self { dataset, place, normaliser: Normaliser::none() })
    }

    /// Normalises what they hold.
    #[must_use]
    pub fn normalised_by(self, normaliser: Normaliser) -> Self {
        Self { normaliser, ..self }
    }

    /// Prefetches the utterances `indices` from the disk, if they are not in memory.
    pub fn prefetch(&self, indices: &[usize]) {
        if !matches!(self.place, Place::Uploaded { .. }) {
            self.dataset.prefetch(indices);
        }
    }

    /// How many frames of each of the utterances `indices` are real.
    pub(crate) fn frames(&self, indices: &[usize]) -> Vec<i64> {
        indices.iter().map(|&index| i64::from(self.dataset.frames(index))).collect()
    }

    /// The utterances `indices`, in that order.
    ///
    /// # Errors
    /// When a shard cannot be read or the device lacks memory.
    pub fn get(&self, indices: &[usize]) -> Result<Batch<'a>> {
        let batch = self.as_they_are(indices)?;
        let features = self.normaliser.apply(batch.features, &batch.frames, indices)?;
        Ok(Batch { features, ..batch })
    }

    fn as_they_are(&self, indices: &[usize]) -> Result<Batch<'a>> {
        let dataset = self.dataset;
        let (features, device) = match &self.place {
            Place::Mapped => (gather(dataset, indices)?, Device::Cpu),
            Place::Uploaded { device, features, frames, targets } => {
                let wanted: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
                let wanted = Tensor::f_from_slice(&wanted)?.f_to(*device)?;
                return Ok(Batch {
                    features: features.f_index_select(0, &wanted)?,
                    frames: frames.f_index_select(0, &wanted)?,
                    targets: targets.f_index_select(0, &wanted)?,
                    mixed: None,
                    memory: PhantomData,
                });
            }
            Place::Copied { device } => {
                let pinned = gather(dataset, indices)?.f_pin_memory(*device)?;
                (pinned.f_to_device_(*device, Kind::Float, true, false)?, *device)
            }
        };
        let frames = indices.iter().map(|&index| i64::from(dataset.frames(index)));
        let targets = indices.iter().map(|&index| dataset.label(index) as i64);
        Ok(Batch {
            features,
            frames: integers(frames, device)?,
            targets: integers(targets, device)?,
            mixed: None,
            memory: PhantomData,
        })
    }
}

/// Whole numbers on `device`, `[B]`, i64.
pub(crate) fn integers(values: impl Iterator<Item = i64>, device: Device) -> Result<Tensor> {
    Ok(Tensor::f_from_slice(&values.collect::<Vec<_>>())?.f_to(device)?)
}

/// Utterances as one tensor: a view of the mapping if they lie side by side, or else one gather.
fn gather(dataset: &Dataset, indices: &[usize]) -> Result<Tensor> {
    let shape = dataset.shape();
    let row_len: usize = shape.iter().product();
    let stretches = dataset.stretches(indices)?;
    let mut views: Vec<View<'_>> = (stretches.iter())
        .map(|stretch| {
            let [channels, bands, frames] = shape.map(|size| size as i64);
            View::new(stretch, &[(stretch.len() / row_len) as i64, channels, bands, frames])
        })
        .collect::<Result<_>>()?;
    match (stretches.as_slice(), views.pop()) {
        ([Cow::Borrowed(_)], Some(mapped)) => Ok(mapped.into_tensor()),
        (_, last) => {
            views.extend(last);
            Ok(Tensor::f_cat(&views, 0)?)
        }
    }
}

/// Whether the device can hold the dataset and still have room for the network. Found by trying, since libtorch's
/// bindings cannot say how much memory is free.
fn has_room_for(dataset: &Dataset, device: Device) -> bool {
    let row_bytes = dataset.shape().iter().product::<usize>() * size_of::<f32>();
    let bytes = dataset.len() as i64 * row_bytes as i64 + LEFT_FOR_THE_NETWORK;
    Tensor::f_empty([bytes], (Kind::Uint8, device)).is_ok()
}

fn upload(dataset: &Dataset, device: Device) -> Result<Place> {
    let [channels, bands, frames] = dataset.shape().map(|size| size as i64);
    let features = Tensor::f_empty([dataset.len() as i64, channels, bands, frames], (Kind::Float, device))?;
    let all: Vec<usize> = (0..dataset.len()).collect();
    // In portions, so that what is gathered on the way does not double the dataset in main memory.
    for portion in all.chunks(256) {
        let target = features.f_narrow(0, portion[0] as i64, portion.len() as i64)?;
        target.shallow_clone().f_copy_(&gather(dataset, portion)?)?;
    }
    let frames = integers(all.iter().map(|&index| i64::from(dataset.frames(index))), device)?;
    let targets = integers(dataset.labels().map(|label| label as i64), device)?;
    Ok(Place::Uploaded { device, features, frames, targets })
}
