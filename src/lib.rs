//! Speech emotion recognition, from a folder of recordings to a trained classifier and honest numbers.
//!
//! ```text
//! corpus ──▶ audio ──▶ features ──▶ cache ──▶ fit ──▶ report
//! ```
//!
//! Each stage is a module and knows only the stages to its left. Everything left of [`fit`] is pure Rust; the
//! network and its training need libtorch and sit behind the default feature `torch`.

#[cfg(target_endian = "big")]
compile_error!(
    "shards are little-endian and mapped as they are; a big-endian machine would need to convert them"
);

mod elementary;
mod error;
mod fourier;
mod markup;
mod printable;
pub mod random;
pub mod storage;
mod vectorised;
mod wav;

pub mod audio;
pub mod augmentation;
pub mod cache;
pub mod command;
pub mod corpus;
pub mod doctor;
pub mod features;
pub mod fit;
pub mod listen;
pub mod metrics;
pub mod progress;
pub mod report;
pub mod synth;
pub mod tune;

pub use error::{Error, ErrorKind, Result};
