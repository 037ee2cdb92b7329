//! Corpora: what a folder holds, how it is split and audited, what is wrong with it, and one made by ser itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

mod archives;
mod audit;
#[path = "../common/mod.rs"]
mod common;
mod corpora;
mod doctor;
mod labelling;
mod layouts;
mod processed;
mod splits;
mod synth;
mod tables;
