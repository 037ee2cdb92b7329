//! Augmentation: copies of an utterance that sound different and say the same.
//!
//! ```text
//! recipe.toml ─▶ Recipe ─▶ Augmenter ─▶ drawn steps ─▶ samples
//! seed ─▶ Random ────────────┘
//! ```
//!
//! A [`AugmentationRecipe`] lists what happens to a waveform, with what probability and within what ranges; an [`Augmenter`] draws
//! from them and does it. Neighbouring pitch shifts, time stretches, formant warps and equalisers are done in one pass.
//! What is drawn depends on the recipe and the generator alone, so copies are the same at any number of threads.
//!
//! The recipe's `[features]` table is for training, which applies it to its batches.

mod alignment;
mod augmenter;
mod clipping;
mod equaliser;
mod features;
mod gain;
mod logarithm;
mod noise;
mod noise_maker;
mod peak_density;
mod pitch_shift;
mod range;
mod recipe;
mod resample;
mod reverberation;
mod step;
mod telephone;
mod time_stretch;
mod together;
mod transform;
mod vocal_tract;
mod voice;
mod voice_change;

pub use augmenter::{Applied, Augmenter, Babble};
pub use clipping::Clipping;
pub use equaliser::Equaliser;
pub use features::FeatureAugmentation;
pub use gain::Gain;
pub use noise::{Colour, Noise, NoiseLevel};
pub use pitch_shift::{Formants, PitchShift};
pub use range::Range;
pub use recipe::{AugmentationRecipe, RecipeStep, Waveform};
pub use reverberation::Reverberation;
pub use step::Step;
pub use telephone::Telephone;
pub use time_stretch::TimeStretch;
pub use vocal_tract::VocalTractLength;

/// Version of the computation. It goes into the keys of cached copies, so it must grow with any change that alters the
/// samples that the same recipe gives for the same draws.
pub const AUGMENTATION_VERSION: u32 = 1;
