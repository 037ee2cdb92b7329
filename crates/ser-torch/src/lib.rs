//! Where libtorch is (the build script finds it, and other packages' build scripts read `DEP_SER_LIBTORCH_FOLDER`), and its
//! errors.

mod error;

pub use error::{Result, TorchError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
