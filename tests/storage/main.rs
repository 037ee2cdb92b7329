//! What a cache is after crashes, failing disks and races.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common_disk/mod.rs"]
mod common_disk;
mod crash;
mod faults;
mod race;
