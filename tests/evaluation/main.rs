//! Evaluation of a network's answers: metrics, statistics, reports on trained runs, tables over runs, the page.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

#[cfg(feature = "png")]
#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "torch")]
#[path = "../common_fit/mod.rs"]
mod common_fit;
#[cfg(feature = "png")]
#[path = "../common_python/mod.rs"]
mod common_python;

#[cfg(feature = "torch")]
mod compare;
mod domain;
mod metrics;
#[cfg(feature = "png")]
mod page;
#[cfg(feature = "torch")]
mod report;
mod runs;
mod statistics;
mod uncertainty;
#[cfg(feature = "torch")]
mod unseen;
