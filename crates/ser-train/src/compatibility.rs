//! Whether what a recipe asks for can learn from a feature set at all.

use ser_cache::FeatureSet;
use ser_core::remedy::{Action, Setting};
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_features::FeatureConfig;
use ser_model::network::{EncoderHeadConfig, FinetuneConfig, HeadPooling};
use ser_model::{FeatureNormalisation, FitConfig};

/// Refuses a recipe that cannot learn from the features in `set`.
///
/// # Errors
/// For features that are no waveforms and a network that begins with an encoder, and the other way round; when that encoder
/// takes another sampling rate, or hears less at once than a waveform holds; for a recipe that names an encoder where there
/// is none, or pools frames where there is one; for masks over the bands of a waveform; and for a normalisation after which every utterance looks the same.
pub(crate) fn check_features(config: &FitConfig, set: &FeatureSet) -> Result<()> {
    // Those of a newer version are looked at elsewhere.
    let Ok(features) = serde_json::from_str::<FeatureConfig>(&set.configuration) else { return Ok(()) };
    match config.network.sizes::<FinetuneConfig>() {
        Some(sizes) => {
            check_masks(config)?;
            check_waveforms(sizes, set, &features)
        }
        None => {
            check_encoder(config, set, &features)?;
            check_pooling(config, set)?;
            check_normalisation(config, set)
        }
    }
}

fn mismatch(what: String) -> Error {
    Error::new(ErrorKind::Mismatch, what)
}

/// Features for a network that begins with an encoder.
fn check_waveforms(sizes: &FinetuneConfig, set: &FeatureSet, features: &FeatureConfig) -> Result<()> {
    let id = &set.id;
    if !features.is_waveform() {
        let what = format!("feature set {id} holds no waveforms, which a finetune network reads");
        return Err(mismatch(what).help(remedy![Action::Prepare, " with ", Setting::Preset.to("waveform")]));
    }
    let Some(encoder) = &sizes.encoder else { return Ok(()) };
    if encoder.sample_rate != features.sample_rate {
        let what = format!(
            "feature set {id} holds waveforms at {} Hz, and the {} encoder takes {} Hz",
            features.sample_rate, encoder.family, encoder.sample_rate
        );
        return Err(mismatch(what).help(remedy![Action::Prepare, " at the encoder's rate"]));
    }
    if encoder.most_samples < features.max_frames {
        let what = format!(
            "feature set {id} holds waveforms of {} samples, and the {} encoder hears {} at once",
            features.max_frames, encoder.family, encoder.most_samples
        );
        let help = remedy![Action::Prepare, " with ", Setting::MaxFrames.to(encoder.most_samples)];
        return Err(mismatch(what).help(help));
    }
    Ok(())
}

/// A waveform has one row, which a mask over frequency would hide whole.
fn check_masks(config: &FitConfig) -> Result<()> {
    if config.augment.features.frequency_masks == 0 {
        return Ok(());
    }
    let what = "a finetune network reads waveforms, which have no bands for frequency_masks to hide";
    Err(Error::new(ErrorKind::Usage, what).help("leave frequency_masks and frequency_mask_bands out"))
}

/// Features for a network that begins with none: an encoder may be named where they are its states.
fn check_encoder(config: &FitConfig, set: &FeatureSet, features: &FeatureConfig) -> Result<()> {
    let arch = config.network.arch().name();
    let names_encoder = config.encoder.is_some() || config.embed_encoder;
    if names_encoder && features.encoder.is_none() {
        let what = format!(
            "a {arch} network begins with no pretrained encoder, and feature set {} holds the states of none",
            set.id
        );
        return Err(Error::new(ErrorKind::Usage, what).help(remedy![
            "give ",
            Setting::Arch.to("finetune"),
            ", or leave ",
            Setting::Encoder,
            " and ",
            Setting::EmbedEncoder,
            " out"
        ]));
    }
    if features.is_waveform() {
        let what = format!("feature set {} holds waveforms, which a {arch} network does not read", set.id);
        return Err(mismatch(what).help(remedy![
            "give ",
            Setting::Arch.to("finetune"),
            ", or choose another with ",
            Setting::FeatureSet
        ]));
    }
    Ok(())
}

/// Deviations and attention are over several frames.
fn check_pooling(config: &FitConfig, set: &FeatureSet) -> Result<()> {
    let pools = config.network.sizes::<EncoderHeadConfig>().map(|sizes| sizes.pooling);
    match (pools, set.shape) {
        (Some(HeadPooling::Statistics | HeadPooling::Attention), [.., 1]) => {
            let what = format!(
                "feature set {} has one frame for each utterance, of which an encoder-head network can take the mean alone",
                set.id
            );
            let help = remedy![
                "give network.pooling = \"mean\", or ",
                Action::Prepare,
                " so that all frames of the states are kept"
            ];
            Err(Error::new(ErrorKind::Usage, what).help(help))
        }
        _ => Ok(()),
    }
}

/// The mean of a number over the frames of an utterance is 0 after it was subtracted, and the deviation 1 after it was divided
/// by: a single frame is nothing else, and an `encoder-head` network without attention reads nothing else of a layer.
fn check_normalisation(config: &FitConfig, set: &FeatureSet) -> Result<()> {
    let [.., frames] = set.shape;
    let head = config.network.sizes::<EncoderHeadConfig>();
    let reads_means = head.is_some_and(|head| head.pooling != HeadPooling::Attention);
    if config.feature_normalisation != FeatureNormalisation::Utterance || !(reads_means || frames == 1) {
        return Ok(());
    }
    let given = Setting::FeatureNormalisation.to(FeatureNormalisation::Utterance);
    let why = match frames {
        1 => "they have one frame each, of which nothing is left".to_owned(),
        _ => format!(
            "a {} network reads means and deviations over frames, which are then 0 and 1",
            config.network.arch().name()
        ),
    };
    let what = format!("{given} makes all utterances of feature set {} the same: {why}", set.id);
    Err(Error::new(ErrorKind::Usage, what)
        .help(remedy!["give ", Setting::FeatureNormalisation.to(FeatureNormalisation::Training)]))
}
