//! What this project needs of libtorch beyond tch: where it is (the build script finds it, and other packages' build scripts
//! read `DEP_SER_LIBTORCH_FOLDER`), its errors, what operations of our own take (a place in its graph, the memory of
//! its tensors, its threads), and linear maps by oneDNN.

mod error;
mod full_f32;
mod linear;
mod memory;
mod message;
mod onednn;
mod operation;
mod threads;

pub use error::{Result, TorchError};
pub use full_f32::compute_f32_in_full;
pub use linear::{PackedLinear, linear};
pub use memory::{Word, filled, words};
pub use onednn::{Pointwise, has_onednn};
pub use operation::operation;
pub use threads::{for_each_chunk_in_parallel, has_threads, in_parallel, map_in_parallel};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
