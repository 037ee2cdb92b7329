//! The pretrained encoder that the checkpoints of a run carry, so that they need no folder: the one that the network begins
//! with, or the one whose states it reads.

use ser_cache::FeatureSet;
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_encoder::{Encoders, Tunable};
use ser_features::FeatureConfig;
use ser_model::FitConfig;
use ser_model::checkpoint::MAX_FILE_BYTES;
use tch::Device;

use crate::network::Network;

/// The encoder that checkpoints of `network`, which learns from `set`, are to carry; `None` if they are to carry none.
///
/// # Errors
/// When it is not found, is another one, or is too large for a checkpoint. Where the states of an encoder are learnt from, a
/// folder that `config` names is looked at even if checkpoints only name it.
pub(crate) fn to_carry(config: &FitConfig, set: &FeatureSet, network: &Network) -> Result<Option<Tunable>> {
    if let Some(encoder) = network.encoder() {
        return Ok(config.embed_encoder.then(|| encoder.share()));
    }
    if config.encoder.is_none() && !config.embed_encoder {
        return Ok(None);
    }
    // Features of a kind that is not known are nobody's states.
    let features = serde_json::from_str::<FeatureConfig>(&set.configuration).unwrap_or_default();
    let Some(states) = &features.encoder else { return Ok(None) };
    let encoders = Encoders::new(config.encoder.iter().cloned().collect());
    let noted = ser_cache::encoder_folder(&config.cache, &states.digest);
    let noted = noted.as_deref().map(|folder| folder.to_string_lossy());
    let folder = encoders.folder_of(states, noted.as_deref()).map_err(|error| error.at(&config.cache))?;
    if !config.embed_encoder {
        return Ok(None);
    }
    let encoder = Tunable::open(&folder, Device::Cpu)?;
    check_fits(&encoder)?;
    Ok(Some(encoder))
}

/// Refuses an encoder that is too large for a checkpoint to carry.
///
/// # Errors
/// [`ErrorKind::Limit`], with both sizes.
pub(crate) fn check_fits(encoder: &Tunable) -> Result<()> {
    // A tenth is room for the network, and for what is trained of the encoder.
    if encoder.embedded_bytes() <= MAX_FILE_BYTES / 10 * 9 {
        return Ok(());
    }
    let what = format!(
        "holds {} MB of weights in f32, and a checkpoint takes {} MB in all",
        encoder.embedded_bytes() >> 20,
        MAX_FILE_BYTES >> 20
    );
    let error = Error::new(ErrorKind::Limit, what).at(encoder.folder());
    Err(error.help(remedy!["leave ", Setting::EmbedEncoder, " out, and keep its folder"]))
}
