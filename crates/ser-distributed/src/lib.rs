//! Several processes that train one network together, each a rank of a group.
//!
//! [`Environment`] is who a process is, as its launcher says; [`Ranks`] is what the processes do together.

#[cfg(feature = "c10d")]
mod c10d;
#[cfg(not(feature = "c10d"))]
#[path = "without_c10d.rs"]
mod c10d;
mod environment;
mod ranks;

pub use environment::Environment;
pub use ranks::{Connection, Ranks};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
