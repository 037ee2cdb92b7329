//! From a checkpoint and recordings that no cache holds to answers.
//!
//! ```text
//! files, folders, lists, stdin ──▶ Input ──▶ FrontEnd ──▶ Clip ──▶ Model ──▶ Answer
//!                                  (inputs)  bytes to     features  network,  label, probabilities,
//!                                            features               calibration  set, out of domain
//! ```
//!
//! A clip takes the pipeline of preparation, to the bit. [`predict_all`] answers for any number of recordings in bounded
//! memory and in their order; [`timeline`] for the stretches of speech in a long one.

mod about;
mod answer;
mod clip;
mod inputs;
mod live;
mod model;
mod opinion;
mod stream;
pub mod timeline;

pub use about::About;
pub use answer::{Answer, HeardIn, is_unsure};
pub use clip::{Clip, FrontEnd, FrontEnds};
pub use inputs::{Input, Inputs, name_of};
pub use live::{Live, Moment};
pub use model::{CheckpointFile, Model, ModelOptions};
pub use opinion::{Opinion, labels_of};
pub use stream::{Outcome, predict_all, recordings_at_once, stdin};

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
