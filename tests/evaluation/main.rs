//! What is said of a network's answers: metrics, statistics, tables over runs, the page.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common_python/mod.rs"]
mod common_python;
mod metrics;
mod page;
mod runs;
mod statistics;
