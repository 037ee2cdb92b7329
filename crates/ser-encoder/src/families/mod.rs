//! The families of encoders, each a file: which settings it has, and what its weights are called.

mod data2vec_audio;
mod ge2e;
mod hubert;
mod speech;
mod transformer;
mod wav2vec2;
mod wavlm;
mod whisper;

use std::fmt::Debug;
use std::ops::Range;

use ser_core::ErrorKind;
use ser_features::EncoderPrecision;
use ser_torch::Result;
use tch::{Device, Kind, Tensor};

use crate::folder::Folder;
use crate::parts::{Frames, TimeMasks};
use crate::settings::Settings;
use crate::weights::{Taken, Tensors, Weights};

pub(crate) use transformer::{Inputs, Transformer};

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

    /// What the model says last, of the last layer's states `[B, frame, D]`: `last_hidden_state` in `transformers`.
    fn last(&self, states: &Tensor) -> Result<Tensor> {
        Ok(states.shallow_clone())
    }

    /// Its layers one by one, if it is a transformer.
    fn transformer(&self) -> Option<&dyn Transformer> {
        None
    }

    /// Which frames are hidden while the model learns, if any are.
    fn time_masks(&self) -> Option<TimeMasks> {
        None
    }

    /// Hides these frames of each recording from the transformer from now on.
    fn hide(&mut self, _frames: Vec<Vec<Range<i64>>>) {}

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
    /// Weights to take instead of those in the folder.
    pub(crate) held: Option<&'a Tensors>,
    /// Where weights are kept that are taken.
    pub(crate) taken: Option<Taken>,
    pub(crate) precision: EncoderPrecision,
    /// Whether nothing learns: no gradients flow through it.
    pub(crate) frozen: bool,
}

impl Source<'_> {
    /// The weights, whose names begin with one of `prefixes`; see [`Weights::open`].
    pub(crate) fn weights(&self, prefixes: &[&str], anchor: &str) -> Result<Weights> {
        let (folder, device) = (self.folder, self.device);
        let weights = match self.held {
            Some(held) => Weights::held(&folder.path, held, device),
            None => Weights::open(&folder.path, &folder.weights, prefixes, anchor, device)?
                .kept_in(self.taken.clone()),
        };
        let products = match self.precision {
            EncoderPrecision::F32 => Kind::Float,
            EncoderPrecision::Bf16 => Kind::BFloat16,
        };
        Ok(weights.with_products_in(products).frozen(self.frozen))
    }
}

/// A family: the name that `model_type` gives it, and how an encoder of it is built.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) build: fn(Source<'_>) -> Result<Box<dyn Model>>,
}

impl Debug for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The family that a folder's `config` names.
///
/// # Errors
/// When it is none of these.
pub(crate) fn named(config: &Settings) -> ser_core::Result<&'static Family> {
    let wanted = config.text("model_type", "")?;
    FAMILIES.iter().find(|family| family.name == wanted).ok_or_else(|| {
        let known: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
        config.refuse(ErrorKind::Unsupported, "model_type", &known.join(", "))
    })
}

/// All families.
const FAMILIES: &[Family] = &[
    Family { name: "wav2vec2", build: wav2vec2::build },
    Family { name: "hubert", build: hubert::build },
    Family { name: "wavlm", build: wavlm::build },
    Family { name: "data2vec-audio", build: data2vec_audio::build },
    Family { name: "whisper", build: whisper::build },
    Family { name: "ge2e", build: ge2e::build },
];
