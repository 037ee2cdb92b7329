//! Sound to tensors: one pipeline (load → augment → extract), and everything that runs it.
//!
//! | | |
//! |---|---|
//! | [`Pipeline`] | the one way from a recording to a tensor |
//! | [`prepare()`] | brings a cache up to date with corpora: scan, compute, split, commit; [`prepare_by`] does so with an extractor of another crate |
//! | [`repair`] | rebuilds damaged shards of a cache byte for byte |
//! | [`on_the_fly`] | augmented batches while a network learns |
//! | [`examples`] | examples of an augmentation, to hear and see |
//! | [`audit`] | what the sides of a split have in common |

pub mod audit;
pub mod examples;
pub mod on_the_fly;
mod pipeline;
mod prepare;
mod recompute;
pub mod repair;

pub use pipeline::{
    ComputedTensor, Extractors, Pipeline, RecordingReader, TensorExtractor, WaveformAugmenter,
};
pub use prepare::{
    CorpusReport, DEFAULT_SHARD_BYTES, Duplicate, LabelledRecording, NearDuplicatePair, NearDuplicates,
    Portion, PrepareOptions, PrepareReport, Remark, prepare, prepare_by, recordings,
};

/// The example of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
