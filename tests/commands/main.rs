//! The commands as programs, and the workspace as docs/architecture.md describes it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

#[cfg(feature = "torch")]
#[path = "../common_fit/mod.rs"]
mod common_fit;
#[path = "../common_python/mod.rs"]
mod common_python;

mod examples;
mod front_door;
mod linking;
#[cfg(feature = "torch")]
mod pipeline;
mod structure;
