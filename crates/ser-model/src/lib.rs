//! What a trained model is, without libtorch: the recipe it is trained by, the description of its network, the
//! checkpoint file that holds its weights, what each epoch of its training gave, and what makes its answers believable: a
//! calibration, a reference for what is out of its domain, and what it has heard.

pub mod calibration;
mod carried_encoder;
pub mod checkpoint;
mod choices;
mod config;
pub mod domain;
pub mod epochs;
mod learnt_from;
mod length;
pub mod network;
mod shipped;

pub use carried_encoder::CarriedEncoder;
pub use choices::{
    Averaging, BatchNorm, ClassWeights, FeatureNormalisation, Optimizer, Precision, Sampling, Schedule,
    Selection,
};
pub use config::{FIELDS_OF_PLACE, FitConfig, MOST_MEMBERS, MemberOrigin};
pub use epochs::EpochRecord;
pub use learnt_from::{Heard, LearntFrom, SoundDigest};
pub use length::RunLength;
pub use shipped::ShippedRecipe;

/// The examples of the crate's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
