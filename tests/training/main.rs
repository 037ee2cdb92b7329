//! Training: what runs leave behind, what recipes can ask for, that networks are those of PyTorch, and several processes.
#![cfg(feature = "torch")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common_disk/mod.rs"]
mod common_disk;
#[path = "../common_encoder/mod.rs"]
mod common_encoder;
#[path = "../common_fit/mod.rs"]
mod common_fit;
#[path = "../common_python/mod.rs"]
mod common_python;
#[cfg(feature = "serve")]
#[path = "../common_serve/mod.rs"]
mod common_serve;

mod architectures;
mod encoders;
mod finetune;
mod fit;
mod generalisation;
mod network;
#[cfg(feature = "distributed")]
mod ranks;
mod recipe;
