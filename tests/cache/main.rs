//! The cache and the commands that make and maintain it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

mod checked;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common_disk/mod.rs"]
mod common_disk;
#[path = "../common_python/mod.rs"]
mod common_python;
#[cfg(feature = "stores")]
#[path = "../common_store/mod.rs"]
mod common_store;
mod damage;
mod golden;
mod portions;
mod prep;
mod ser_cache;
#[cfg(not(feature = "stores"))]
mod storeless;
#[cfg(feature = "stores")]
mod stores;
mod tensors;
