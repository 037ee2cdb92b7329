//! The families of encoders, each a file: which settings it has, and what its weights are called.

mod data2vec_audio;
mod ge2e;
mod hubert;
mod speech;
mod wav2vec2;
mod wavlm;
mod whisper;

use std::fmt::Debug;

use ser_torch::Result;
use tch::{Device, Tensor};

use crate::folder::Folder;
use crate::parts::Frames;
use crate::settings::Settings;

/// An encoder of some family.
pub(crate) trait Model: Debug + Send {
    /// Frames of a recording of `samples`, 0 if it is too short for one.
    fn frames_of(&self, samples: usize) -> usize;

    /// The most samples of a recording.
    fn most_samples(&self) -> usize;

    /// Samples from one frame to the next.
    fn hop(&self) -> usize;

    /// Layers of the transformer.
    fn layers(&self) -> usize;

    /// Numbers of a state.
    fn dimension(&self) -> usize;

    /// Sampling rate of recordings, in Hz.
    fn sample_rate(&self) -> u32;

    /// Computes the states of recordings, each with at least one frame and not too long, as far as the layer `last`: `each`
    /// is given the number of a layer, 0 being what goes into the first, its states `[B, frame, D]`, and which are real.
    fn run(&self, batch: &[&[f32]], last: usize, each: &mut Receiver<'_>) -> Result<()>;

    /// The same, sharing its weights, for another thread.
    fn share(&self) -> Box<dyn Model>;
}

/// What is given the states of one layer after the other.
pub(crate) type Receiver<'a> = dyn FnMut(usize, &Tensor, &Frames) -> Result<()> + 'a;

/// What a folder holds besides weights.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) folder: &'a Folder,
    pub(crate) config: &'a Settings,
    pub(crate) preprocessor: Settings,
    pub(crate) device: Device,
}

/// A family: the name that `model_type` gives it, and how an encoder of it is built.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) build: fn(Source<'_>) -> Result<Box<dyn Model>>,
}

/// All families.
pub(crate) const FAMILIES: &[Family] = &[
    Family { name: "wav2vec2", build: wav2vec2::build },
    Family { name: "hubert", build: hubert::build },
    Family { name: "wavlm", build: wavlm::build },
    Family { name: "data2vec-audio", build: data2vec_audio::build },
    Family { name: "whisper", build: whisper::build },
    Family { name: "ge2e", build: ge2e::build },
];
