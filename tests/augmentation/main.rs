//! Augmentation: what each kind does physically, recipes, cached copies and examples to listen to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

#[path = "../common/mod.rs"]
mod common;
mod copies;
mod listen;
mod measure;
mod physics;
mod recipes;
