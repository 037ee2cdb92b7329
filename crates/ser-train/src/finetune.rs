//! Networks that begin with a pretrained encoder: what their recipes need besides, and how they get their encoder.

use ser_cache::FeatureSet;
use ser_core::remedy::{Action, Setting};
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_encoder::{Encoders, Tunable};
use ser_features::FeatureConfig;
use ser_model::checkpoint::{Checkpoint, MAX_FILE_BYTES};
use ser_model::network::{Architecture, FinetuneConfig, NetworkConfig, TunedEncoder};
use ser_model::{FeatureNormalisation, FitConfig, Precision};
use tch::Device;

use crate::network::Network;
use crate::state::Origin;
use crate::torch;

/// Completes a recipe before anything is trained by it: the network's part about the encoder follows from the folder that
/// `config` names. A recipe of another architecture stays as it is.
///
/// # Errors
/// When it names no encoder, or one that is none, is another one than before, or is too small for what is to be trained;
/// when features are normalised, or learning is to be in bf16.
pub fn complete(config: &mut FitConfig) -> Result<()> {
    let usage = |what: &str| Error::new(ErrorKind::Usage, what);
    let no_encoder = config.encoder.as_os_str().is_empty();
    let Some(sizes) = config.network.sizes::<FinetuneConfig>() else {
        if no_encoder && !config.embed_encoder {
            return Ok(());
        }
        let what = format!("a {} network begins with no pretrained encoder", config.network.arch().name());
        return Err(usage(&what).help(remedy![
            "give ",
            Setting::Arch.to("finetune"),
            ", or leave ",
            Setting::Encoder,
            " out"
        ]));
    };
    if no_encoder {
        let error = usage("a finetune network begins with a pretrained encoder, and none is given");
        return Err(error.help(remedy!["name its folder with ", Setting::Encoder]));
    }
    if config.feature_normalisation != FeatureNormalisation::None {
        let given = Setting::FeatureNormalisation.to(config.feature_normalisation);
        let what =
            format!("{given} does not go with a finetune network: an encoder hears waveforms as they are");
        return Err(
            usage(&what).help(remedy!["give ", Setting::FeatureNormalisation.to(FeatureNormalisation::None)])
        );
    }
    if config.precision == Precision::Bf16 {
        let what = "a finetune network learns in f32, not in bf16";
        return Err(usage(what).help("leave the precision out"));
    }
    let encoder = Tunable::open(&config.encoder, Device::Cpu)?;
    let tuned = encoder.tuned(sizes)?;
    // A tenth is room for what is trained of it.
    if config.embed_encoder && encoder.embedded_bytes() > MAX_FILE_BYTES / 10 * 9 {
        let what = format!(
            "holds {} MB of weights in f32, and a checkpoint takes {} MB in all",
            encoder.embedded_bytes() >> 20,
            MAX_FILE_BYTES >> 20
        );
        let error = Error::new(ErrorKind::Limit, what).at(&config.encoder);
        return Err(error.help(remedy!["leave ", Setting::EmbedEncoder, " out, and keep its folder"]));
    }
    if let Some(before) = sizes.encoder.as_ref().filter(|before| before.digest != tuned.digest) {
        let what = format!(
            "holds a {} encoder with digest {}, not the {} encoder with digest {} that the recipe is for",
            tuned.family, tuned.digest, before.family, before.digest
        );
        return Err(Error::new(ErrorKind::Mismatch, what)
            .at(&config.encoder)
            .help(remedy!["name the folder of that encoder with ", Setting::Encoder]));
    }
    let sizes = FinetuneConfig { encoder: Some(tuned), ..sizes.clone() };
    config.network = NetworkConfig::new(sizes);
    config.precision = Precision::F32;
    Ok(())
}

/// Refuses features that are no waveforms for a network that begins with an encoder, and waveforms for any other.
///
/// # Errors
/// As said; when the encoder takes another sampling rate, or hears less at once than a waveform holds.
pub(crate) fn check_features(network: &NetworkConfig, set: &FeatureSet) -> Result<()> {
    let sizes = network.sizes::<FinetuneConfig>();
    // Those of a newer version are looked at elsewhere.
    let Ok(features) = serde_json::from_str::<FeatureConfig>(&set.configuration) else { return Ok(()) };
    let mismatch = |what: String| Error::new(ErrorKind::Mismatch, what);
    match (sizes, features.is_waveform()) {
        (None, false) => Ok(()),
        (None, true) => {
            let what = format!("holds waveforms, which a {} network does not read", network.arch().name());
            Err(mismatch(format!("feature set {} {what}", set.id)).help(remedy![
                "give ",
                Setting::Arch.to("finetune"),
                ", or choose another with ",
                Setting::FeatureSet
            ]))
        }
        (Some(_), false) => {
            let what = format!("feature set {} holds no waveforms, which a finetune network reads", set.id);
            Err(mismatch(what).help(remedy![Action::Prepare, " with ", Setting::Preset.to("waveform")]))
        }
        (Some(sizes), true) => {
            match &sizes.encoder {
                Some(encoder) if encoder.sample_rate != features.sample_rate => Err(mismatch(format!(
                    "feature set {} holds waveforms at {} Hz, and the {} encoder takes {} Hz",
                    set.id, features.sample_rate, encoder.family, encoder.sample_rate
                ))
                .help(remedy![Action::Prepare, " at the encoder's rate"])),
                Some(encoder) if encoder.most_samples < features.max_frames => Err(mismatch(format!(
                    "feature set {} holds waveforms of {} samples, and the {} encoder hears {} at once",
                    set.id, features.max_frames, encoder.family, encoder.most_samples
                ))
                .help(remedy![Action::Prepare, " with ", Setting::MaxFrames.to(encoder.most_samples)])),
                _ => Ok(()),
            }
        }
    }
}

/// The encoder that a network of this architecture begins with, if it does.
pub(crate) fn encoder_of(architecture: &Architecture) -> Option<&TunedEncoder> {
    architecture.network.sizes::<FinetuneConfig>()?.encoder.as_ref()
}

/// A network of the shape that `origin` of `checkpoint` describes, with its encoder if it begins with one. Its weights are still to be loaded.
///
/// # Errors
/// When the encoder is not found among `encoders`, or the device lacks memory.
pub(crate) fn network_of(
    checkpoint: &Checkpoint,
    origin: &Origin,
    encoders: &Encoders,
    device: Device,
) -> torch::Result<Network> {
    let network = Network::new(&origin.model, origin.fit.seed, device)?;
    match encoder_of(&origin.model) {
        None => Ok(network),
        Some(wanted) => {
            let noted = origin.encoder.as_deref();
            network.with_encoder(encoders.tunable_of(checkpoint, wanted, noted, device)?)
        }
    }
}

/// A fresh network of this architecture, with the encoder in the folder that the recipe names if it begins with one.
///
/// # Errors
/// When the folder holds another encoder, or the device lacks memory.
pub(crate) fn fresh_network(
    architecture: &Architecture,
    config: &FitConfig,
    device: Device,
) -> torch::Result<Network> {
    let network = Network::new(architecture, config.seed, device)?;
    match encoder_of(architecture) {
        None => Ok(network),
        Some(wanted) => {
            let encoders = Encoders::new(vec![config.encoder.clone()]);
            network.with_encoder(encoders.tunable(wanted, None, device)?)
        }
    }
}
