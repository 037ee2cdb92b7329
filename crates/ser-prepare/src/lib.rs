//! Sound to tensors: one pipeline (load, augment, extract), and everything that runs it.

pub mod audit;
mod copying;
pub mod listen;
mod prepare;
mod recompute;
pub mod repair;

pub use prepare::{
    CorpusReport, DEFAULT_SHARD_BYTES, Duplicate, LabelledRecording, NearDuplicatePair, NearDuplicates,
    PrepareOptions, PrepareReport, Remark, prepare, recordings,
};
