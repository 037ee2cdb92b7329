//! What our checkpoints carry besides weights.

mod origin;
mod resume;
mod split_origin;
mod sums;

use ser_core::Result;
use ser_model::checkpoint::Checkpoint;

use crate::network::Network;

pub use origin::Origin;
pub use split_origin::SplitOrigin;

pub(crate) use resume::{TrainingState, add_resume_state, restore_resume_state};
pub(crate) use sums::{DeviceSums, Sums};

/// A checkpoint of `network` as it is now.
pub(crate) fn checkpoint_of(network: &Network, labels: &[String], origin: &Origin) -> Result<Checkpoint> {
    Ok(Checkpoint {
        labels: labels.to_vec(),
        config: origin.to_json()?,
        model_state: network.state_dict()?,
        extra: Vec::new(),
    })
}
