//! Errors of computations with libtorch.

pub use ser_torch::{Result, TorchError};
