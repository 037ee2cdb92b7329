//! What distinguishes the networks of an ensemble.

use serde::{Deserialize, Serialize};

/// How a network of an ensemble was trained, where members differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberOrigin {
    /// Seed of its training.
    pub seed: u64,
    /// Epoch after which its weights were taken.
    pub epoch: u32,
}
