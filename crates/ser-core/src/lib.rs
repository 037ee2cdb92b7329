//! What every stage of ser uses and none of them owns: the error type and its [`mod@remedy`], crash-safe [`storage`], reproducible
//! [`random`]ness, [`threads`], the [`allocator`], [`progress`] reports and printable [`text`].
//!
//! Nothing here knows of audio, of a corpus or of a command line.

pub mod allocator;
pub mod elementary;
mod error;
mod panics;
pub mod progress;
pub mod random;
pub mod ratio;
pub mod remedy;
pub mod storage;
pub mod text;
pub mod threads;
pub mod vectorised;

pub use error::{Error, ErrorKind, Result};
pub use panics::caught;
