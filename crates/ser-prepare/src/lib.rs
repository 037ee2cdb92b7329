//! Sound to tensors: one pipeline (load, augment, extract), and everything that runs it.

pub mod audit;
pub mod listen;
pub mod on_the_fly;
mod pipeline;
mod prepare;
mod recompute;
pub mod repair;

pub use pipeline::{ComputedTensor, Pipeline, RecordingReader, WaveformAugmenter};
pub use prepare::{
    CorpusReport, DEFAULT_SHARD_BYTES, Duplicate, LabelledRecording, NearDuplicatePair, NearDuplicates,
    PrepareOptions, PrepareReport, Remark, prepare, recordings,
};
