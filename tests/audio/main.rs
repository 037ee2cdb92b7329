//! Recordings and features: decoding, resampling, every stage of feature extraction.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

mod decoding;
mod features;
mod librosa;
mod resampler;
