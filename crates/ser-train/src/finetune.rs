//! Networks that begin with a pretrained encoder: what their recipes need besides, and how they get their encoder.

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_encoder::{Encoders, Tunable};
use ser_model::network::{Architecture, FinetuneConfig, NetworkConfig, TunedEncoder};
use ser_model::{FeatureNormalisation, FitConfig, Precision};
use tch::Device;

use crate::carried_encoder::check_fits;
use crate::network::Network;

/// Completes a recipe before anything is trained by it: the network's part about the encoder follows from the folder that
/// `config` names. A recipe of another architecture stays as it is.
///
/// # Errors
/// When it names no encoder, or one that is none, is another one than before, or is too small for what is to be trained;
/// when features are normalised, or learning is to be in bf16.
pub fn complete(config: &mut FitConfig) -> Result<()> {
    let usage = |what: &str| Error::new(ErrorKind::Usage, what);
    let Some(sizes) = config.network.sizes::<FinetuneConfig>() else { return Ok(()) };
    let Some(folder) = &config.encoder else {
        let error = usage("a finetune network begins with a pretrained encoder, and none is given");
        return Err(error.help(remedy!["name its folder with ", Setting::Encoder]));
    };
    if config.feature_normalisation != FeatureNormalisation::None {
        let given = Setting::FeatureNormalisation.to(config.feature_normalisation);
        let what =
            format!("{given} does not go with a finetune network: an encoder hears waveforms as they are");
        return Err(
            usage(&what).help(remedy!["give ", Setting::FeatureNormalisation.to(FeatureNormalisation::None)])
        );
    }
    if [config.precision, config.validation_precision].contains(&Precision::Bf16) {
        let what = "a finetune network learns and is validated in f32, not in bf16";
        return Err(usage(what).help("leave the precision out"));
    }
    let encoder = Tunable::open(folder, Device::Cpu)?;
    let tuned = encoder.tuned(sizes)?;
    if config.embed_encoder {
        check_fits(&encoder)?;
    }
    if let Some(before) = sizes.encoder.as_ref().filter(|before| before.digest != tuned.digest) {
        let what = format!(
            "holds a {} encoder with digest {}, not the {} encoder with digest {} that the recipe is for",
            tuned.family, tuned.digest, before.family, before.digest
        );
        return Err(Error::new(ErrorKind::Mismatch, what)
            .at(folder)
            .help(remedy!["name the folder of that encoder with ", Setting::Encoder]));
    }
    let sizes = FinetuneConfig { encoder: Some(tuned), ..sizes.clone() };
    config.network = NetworkConfig::new(sizes);
    (config.precision, config.validation_precision) = (Precision::F32, Precision::F32);
    Ok(())
}

/// The encoder that a network of this architecture begins with, if it does.
pub(crate) fn encoder_of(architecture: &Architecture) -> Option<&TunedEncoder> {
    architecture.network.sizes::<FinetuneConfig>()?.encoder.as_ref()
}

/// A fresh network of this architecture, with the encoder in the folder that the recipe names if it begins with one.
///
/// # Errors
/// When the folder holds another encoder, or the device lacks memory.
pub(crate) fn fresh_network(
    architecture: &Architecture,
    config: &FitConfig,
    device: Device,
) -> ser_torch::Result<Network> {
    let network = Network::new(architecture, config.seed, device)?;
    match encoder_of(architecture) {
        None => Ok(network),
        Some(wanted) => {
            let encoders = Encoders::new(config.encoder.iter().cloned().collect());
            network.with_encoder(encoders.tunable(wanted, None, device)?)
        }
    }
}
