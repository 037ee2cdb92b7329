//! Pretrained speech encoders from Hugging Face folders, with libtorch.
//!
//! ```text
//! config.json ──▶ a family's settings ─╮
//! *.safetensors ──▶ tensors by name ───┴▶ Encoder
//! samples ──▶ normalised, or a log mel spectrum ──▶ convolutions ──▶ transformer ──▶ states [layer, frame, dimension]
//! ```
//!
//! [`Encoder`] is what is used. Each family is a file in `families/`, made of the `parts/`; `weights/` reads tensors by name
//! and refuses what does not fit. [`Tunable`] is an encoder with tensors that are trained. Every number is compared with that of `transformers` (tests/encoders).

mod embedded;
mod encoder;
mod encoders;
mod extractors;
mod families;
mod folder;
mod log_mel;
#[cfg(test)]
mod parity;
mod parts;
mod preprocessor;
mod replay;
mod settings;
mod tuning;
mod weights;
mod windows;

pub use encoder::{Encoder, LayerStates};
pub use encoders::Encoders;
pub use extractors::EncoderExtractors;
pub use replay::Replay;
pub use tuning::{Change, Tunable};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
