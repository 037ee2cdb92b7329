//! ser-serve as a program: its answers against those of the library, what it refuses, what it survives, its page.
#![cfg(feature = "serve")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test stops at the first failure"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common_fit/mod.rs"]
mod common_fit;
#[path = "../common_serve/mod.rs"]
mod common_serve;

mod answers;
mod browser;
mod hostile;
mod load;
mod safety;
mod streams;
mod support;
mod tls;
