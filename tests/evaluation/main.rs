//! Evaluation of a network's answers: metrics, statistics, tables over runs, the page.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

#[cfg(feature = "png")]
#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "png")]
#[path = "../common_python/mod.rs"]
mod common_python;
mod domain;
mod metrics;
#[cfg(feature = "png")]
mod page;
mod runs;
mod statistics;
mod uncertainty;
