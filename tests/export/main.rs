//! Exported models: what others compute with them is what ser computes.
#![cfg(feature = "torch")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test stops at the first failure"
)]

#[path = "../common_fit/mod.rs"]
mod common_fit;
#[path = "../common_python/mod.rs"]
mod common_python;

mod browser;
mod commands;
mod corpus;
mod parity;
mod runtime;
mod subject;
