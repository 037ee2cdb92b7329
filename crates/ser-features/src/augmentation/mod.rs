//! Augmentation: copies of an utterance that sound different and say the same.
//!
//! ```text
//! recipe.toml ─▶ AugmentationRecipe ─▶ Augmenter ─▶ drawn steps ─▶ samples
//! seed ─▶ Random ────────────────────────┘
//! ```
//!
//! An [`AugmentationRecipe`] lists what happens to a waveform, with what probability and within what ranges; an
//! [`Augmenter`] draws from them and does it. Each kind is an [`Augmentation`] in a file of its own. Neighbouring pitch shifts, time stretches, formant warps and equalisers are done in one pass.
//! What is drawn depends on the recipe and the generator alone, so copies are the same at any number of threads.
//!
//! The recipe's `[features]` table is for training, which applies it to its batches.

mod augmenter;
mod clipping;
mod equaliser;
mod features;
mod gain;
mod kind;
mod noise;
mod noise_maker;
mod pitch_shift;
mod range;
mod recipe;
mod reverberation;
mod sound;
mod telephone;
mod time_stretch;
mod together;
mod transform;
mod vocal_tract;
mod voice;

pub use crate::parameter::require;
pub use augmenter::{Applied, Augmenter};
pub use clipping::Clipping;
pub use equaliser::{Equaliser, EqualiserGains};
pub use features::FeatureAugmentation;
pub use gain::Gain;
pub use kind::{Augmentation, Reach, Step, Waveform};
pub use noise::{Colour, Noise, NoiseLevel};
pub use pitch_shift::{Formants, PitchShift};
pub use range::Range;
pub use recipe::{AugmentationRecipe, RecipeStep};
pub use reverberation::Reverberation;
pub use sound::{Babble, Parts, Sound, Workspaces};
pub use telephone::Telephone;
pub use time_stretch::TimeStretch;
pub use vocal_tract::VocalTractLength;
pub use voice::VoiceChange;

/// Version of the computation. It goes into the keys of cached copies, so it must grow with any change that alters the
/// samples that the same recipe gives for the same draws.
pub const AUGMENTATION_VERSION: u32 = 2;
