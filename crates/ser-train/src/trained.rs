//! A network that was trained, from its checkpoint.

use std::path::Path;

use ser_core::Result;
use ser_encoder::Encoders;
use ser_model::checkpoint::Checkpoint;
use tch::Device;

use crate::finetune::encoder_of;
use crate::network::Network;
use crate::state::Origin;

/// Reads the checkpoint at `path` and how it was trained.
///
/// # Errors
/// When it cannot be read or is none of ours; every error names it.
pub fn read(path: &Path) -> Result<(Checkpoint, Origin)> {
    let checkpoint = Checkpoint::read(path)?;
    let origin = Origin::of(&checkpoint).map_err(|error| error.at(path))?;
    Ok((checkpoint, origin))
}

/// The network of `checkpoint`, which was trained as `origin` says, with its weights and, if it begins with one, its encoder.
///
/// # Errors
/// When the encoder is not found among `encoders`, the weights do not fit, or the device lacks memory. An error of the
/// checkpoint names no path.
pub(crate) fn network_of(
    checkpoint: &Checkpoint,
    origin: &Origin,
    encoders: &Encoders,
    device: Device,
) -> Result<Network> {
    let mut network = Network::new(&origin.model, origin.fit.seed, device)?;
    if let Some(wanted) = encoder_of(&origin.model) {
        let encoder = encoders.tunable_of(checkpoint, wanted, origin.encoder.as_deref(), device)?;
        network = network.with_encoder(encoder)?;
    }
    network.load_state_dict(&checkpoint.model_state)?;
    Ok(network)
}
