//! The network, its training loop and its checkpoints.

pub mod checkpoint;
