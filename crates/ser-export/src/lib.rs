//! What others need to run a trained model without ser: an ONNX graph from samples to probabilities, the weights as
//! safetensors, or a page that listens and answers in a browser.
//!
//! ```text
//! checkpoint ─▶ Model ─┬─▶ features ─▶ network ─▶ answer   one ONNX graph: samples in, probabilities out
//!                      ├─▶ safetensors                     weights, and a description in JSON
//!                      └─▶ page                            the graph, a page, and a runtime for browsers
//! ```
//!
//! Everything follows from data: the feature configuration (`ser_features`), the description of the network and its weights
//! (`ser_model`). Each stage is a file that says which computation of ser it expresses. Nothing here needs libtorch.
//!
//! What cannot be expressed is refused with an error that says what it is: features that are normalised by speaker, kinds of
//! features that the graph does not know, and pretrained encoders that the checkpoint does not carry. docs/export.md says what
//! is in the graph, and how far it agrees with ser.

mod answer;
mod basis;
mod card;
mod domain;
mod encoder;
mod features;
mod folder;
mod json;
mod mark;
mod model;
mod network;
mod nodes;
mod onnx;
mod page;
mod safetensors;
mod targets;
mod weights;

pub use card::{Calibration, ModelCard};
pub use model::Model;
pub use page::{RUNTIME_FILES, RUNTIME_VERSION};
pub use targets::Targets;

/// The examples of the crate's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
