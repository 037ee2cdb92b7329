//! What a recipe says of its network: the architecture, and sizes of that architecture alone.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{Error, ErrorKind, Result};

/// Largest number of units or channels of a layer.
const MOST_UNITS: u32 = 8192;
/// Most layers or blocks of an encoder.
const MOST_LAYERS: u32 = 64;

/// The architectures, by the names that `--arch` and `arch` take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Arch {
    /// Two convolutions, a bidirectional LSTM, the mean over frames
    #[default]
    CnnBilstm,
    /// Three convolutions and one over time, mean and standard deviation over frames; one or two views of the features
    CnnStatistics,
    /// Two convolutions, a bidirectional LSTM, mean and standard deviation over frames weighted by attention
    CnnBilstmAttention,
    /// Two convolutions, layers of self-attention, the mean over frames
    CnnTransformer,
    /// Two strided convolutions, blocks of self-attention and convolution, the mean over frames
    Conformer,
}

impl Arch {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::CnnBilstm => "cnn-bilstm",
            Self::CnnStatistics => "cnn-statistics",
            Self::CnnBilstmAttention => "cnn-bilstm-attention",
            Self::CnnTransformer => "cnn-transformer",
            Self::Conformer => "conformer",
        }
    }

    /// The architecture called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> Result<Self> {
        let known = <Self as clap::ValueEnum>::value_variants();
        known.iter().find(|arch| arch.name() == name).copied().ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|arch| arch.name()).collect();
            Error::new(
                ErrorKind::Unsupported,
                format!("there is no architecture {name:?}; this program knows {}", names.join(", ")),
            )
        })
    }
}

/// The network of a recipe: an architecture with its sizes. In TOML and JSON it is a table with `arch` and the fields of
/// that architecture; without `arch` it is a `cnn-bilstm`, and what is not named keeps its default.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "arch", rename_all = "kebab-case")]
pub enum NetworkConfig {
    /// The default network.
    CnnBilstm(CnnBilstmConfig),
    /// Convolutions and statistics pooling.
    CnnStatistics(CnnStatisticsConfig),
    /// Convolutions, LSTM and attentive statistics pooling.
    CnnBilstmAttention(CnnBilstmAttentionConfig),
    /// Convolutions and a transformer's encoder.
    CnnTransformer(CnnTransformerConfig),
    /// A small conformer.
    Conformer(ConformerConfig),
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self::of(Arch::default())
    }
}

impl<'de> Deserialize<'de> for NetworkConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Value::Object(mut fields) = Value::deserialize(deserializer)? else {
            return Err(D::Error::custom("a network is described by a table"));
        };
        let arch = match fields.remove("arch") {
            None => Arch::default(),
            Some(Value::String(name)) => {
                Arch::named(&name).map_err(|error| D::Error::custom(error.reason()))?
            }
            Some(other) => return Err(D::Error::custom(format!("arch = {other} is no name"))),
        };
        let fields = Value::Object(fields);
        let config = match arch {
            Arch::CnnBilstm => serde_json::from_value(fields).map(Self::CnnBilstm),
            Arch::CnnStatistics => serde_json::from_value(fields).map(Self::CnnStatistics),
            Arch::CnnBilstmAttention => serde_json::from_value(fields).map(Self::CnnBilstmAttention),
            Arch::CnnTransformer => serde_json::from_value(fields).map(Self::CnnTransformer),
            Arch::Conformer => serde_json::from_value(fields).map(Self::Conformer),
        };
        config.map_err(|error| D::Error::custom(format!("network {}: {error}", arch.name())))
    }
}

impl NetworkConfig {
    /// The default sizes of `arch`.
    pub fn of(arch: Arch) -> Self {
        match arch {
            Arch::CnnBilstm => Self::CnnBilstm(CnnBilstmConfig::default()),
            Arch::CnnStatistics => Self::CnnStatistics(CnnStatisticsConfig::default()),
            Arch::CnnBilstmAttention => Self::CnnBilstmAttention(CnnBilstmAttentionConfig::default()),
            Arch::CnnTransformer => Self::CnnTransformer(CnnTransformerConfig::default()),
            Arch::Conformer => Self::Conformer(ConformerConfig::default()),
        }
    }

    /// Its architecture.
    pub fn arch(&self) -> Arch {
        match self {
            Self::CnnBilstm(_) => Arch::CnnBilstm,
            Self::CnnStatistics(_) => Arch::CnnStatistics,
            Self::CnnBilstmAttention(_) => Arch::CnnBilstmAttention,
            Self::CnnTransformer(_) => Arch::CnnTransformer,
            Self::Conformer(_) => Arch::Conformer,
        }
    }

    /// Drops `share` of the head's units, whatever the architecture.
    pub fn set_dropout(&mut self, share: f64) {
        let dropout = match self {
            Self::CnnBilstm(config) => &mut config.dropout,
            Self::CnnStatistics(config) => &mut config.dropout,
            Self::CnnBilstmAttention(config) => &mut config.dropout,
            Self::CnnTransformer(config) => &mut config.dropout,
            Self::Conformer(config) => &mut config.dropout,
        };
        *dropout = share;
    }

    /// Checks that every value makes sense.
    ///
    /// # Errors
    /// On the first that does not, naming its field and what is allowed.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::CnnBilstm(config) => {
                sizes("channels", &config.channels)?;
                sizes("hidden", &[config.hidden])?;
                sizes("dense", &[config.dense])?;
                share("dropout", config.dropout)
            }
            Self::CnnStatistics(config) => {
                sizes("channels", &config.channels)?;
                sizes("frame_channels", &[config.frame_channels])?;
                sizes("dense", &[config.dense])?;
                share("dropout", config.dropout)
            }
            Self::CnnBilstmAttention(config) => {
                sizes("channels", &config.channels)?;
                sizes("hidden", &[config.hidden])?;
                sizes("attention", &[config.attention])?;
                sizes("dense", &[config.dense])?;
                share("dropout", config.dropout)
            }
            Self::CnnTransformer(config) => {
                sizes("channels", &config.channels)?;
                width_of_heads(config.width, config.heads)?;
                depth("layers", config.layers)?;
                sizes("feed_forward", &[config.feed_forward])?;
                sizes("dense", &[config.dense])?;
                share("dropout", config.dropout)?;
                share("encoder_dropout", config.encoder_dropout)
            }
            Self::Conformer(config) => {
                sizes("channels", &config.channels)?;
                width_of_heads(config.width, config.heads)?;
                depth("blocks", config.blocks)?;
                sizes("feed_forward", &[config.feed_forward])?;
                sizes("dense", &[config.dense])?;
                if config.kernel % 2 == 0 || config.kernel > 255 {
                    let allowed = "an odd number from 1 to 255, so that it has a middle";
                    return Err(senseless("kernel", &config.kernel.to_string(), allowed));
                }
                share("dropout", config.dropout)?;
                share("encoder_dropout", config.encoder_dropout)
            }
        }
    }
}

/// Sizes of `cnn-bilstm`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CnnBilstmConfig {
    /// Channels of the two convolutions.
    pub channels: [u32; 2],
    /// Hidden units of the LSTM in each direction.
    pub hidden: u32,
    /// Units of the dense layer.
    pub dense: u32,
    /// Share of dense units dropped in training.
    pub dropout: f64,
}

impl Default for CnnBilstmConfig {
    fn default() -> Self {
        Self { channels: [32, 64], hidden: 128, dense: 128, dropout: 0.3 }
    }
}

/// Sizes of `cnn-statistics`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CnnStatisticsConfig {
    /// What the network sees of the features: one branch of all its layers for each view.
    pub views: Views,
    /// Channels of the three convolutions over bands and frames.
    pub channels: [u32; 3],
    /// Channels of the convolution over frames, of which mean and standard deviation are taken.
    pub frame_channels: u32,
    /// Units of the dense layer.
    pub dense: u32,
    /// Share dropped in training, of the statistics and of the dense units.
    pub dropout: f64,
}

impl Default for CnnStatisticsConfig {
    fn default() -> Self {
        let views = Views::Features;
        Self { views, channels: [32, 64, 64], frame_channels: 256, dense: 128, dropout: 0.3 }
    }
}

/// What a network sees of its features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Views {
    /// The features as they are.
    #[default]
    Features,
    /// Beside them their cepstrum, the orthonormal DCT-II over the band axis, in a branch with weights of its own. Each
    /// branch learns for itself; the network's answer is the mean of their log-probabilities.
    FeaturesAndCepstrum,
}

/// Sizes of `cnn-bilstm-attention`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CnnBilstmAttentionConfig {
    /// Channels of the two convolutions.
    pub channels: [u32; 2],
    /// Hidden units of the LSTM in each direction.
    pub hidden: u32,
    /// Hidden units of the layer that weighs frames.
    pub attention: u32,
    /// Units of the dense layer.
    pub dense: u32,
    /// Share of dense units dropped in training.
    pub dropout: f64,
}

impl Default for CnnBilstmAttentionConfig {
    fn default() -> Self {
        Self { channels: [32, 64], hidden: 128, attention: 64, dense: 128, dropout: 0.3 }
    }
}

/// Sizes of `cnn-transformer`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CnnTransformerConfig {
    /// Channels of the two convolutions.
    pub channels: [u32; 2],
    /// Units at a position of the encoder; even, and a multiple of `heads`.
    pub width: u32,
    /// Layers of the encoder.
    pub layers: u32,
    /// Heads of its attention.
    pub heads: u32,
    /// Units of its feed-forward parts.
    pub feed_forward: u32,
    /// Units of the dense layer.
    pub dense: u32,
    /// Share of dense units dropped in training.
    pub dropout: f64,
    /// Share dropped in training of what goes into the encoder and of what each part of a layer adds.
    pub encoder_dropout: f64,
}

impl Default for CnnTransformerConfig {
    fn default() -> Self {
        Self {
            channels: [32, 64],
            width: 128,
            layers: 2,
            heads: 4,
            feed_forward: 256,
            dense: 128,
            dropout: 0.3,
            encoder_dropout: 0.1,
        }
    }
}

/// Sizes of `conformer`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConformerConfig {
    /// Channels of the two strided convolutions.
    pub channels: [u32; 2],
    /// Units at a position of the blocks; even, and a multiple of `heads`.
    pub width: u32,
    /// Blocks.
    pub blocks: u32,
    /// Heads of their attention.
    pub heads: u32,
    /// Units of their feed-forward parts.
    pub feed_forward: u32,
    /// Positions that their convolutions see; odd.
    pub kernel: u32,
    /// Units of the dense layer.
    pub dense: u32,
    /// Share of dense units dropped in training.
    pub dropout: f64,
    /// Share dropped in training of what goes into the blocks and of what each part of a block adds.
    pub encoder_dropout: f64,
}

impl Default for ConformerConfig {
    fn default() -> Self {
        Self {
            channels: [32, 32],
            width: 96,
            blocks: 2,
            heads: 4,
            feed_forward: 384,
            kernel: 15,
            dense: 128,
            dropout: 0.3,
            encoder_dropout: 0.1,
        }
    }
}

fn sizes(field: &str, sizes: &[u32]) -> Result<()> {
    match sizes.iter().find(|size| !(1..=MOST_UNITS).contains(*size)) {
        Some(size) => Err(senseless(field, &size.to_string(), &format!("a size from 1 to {MOST_UNITS}"))),
        None => Ok(()),
    }
}

fn width_of_heads(width: u32, heads: u32) -> Result<()> {
    sizes("width", &[width])?;
    sizes("heads", &[heads])?;
    match width.is_multiple_of(2) && width.is_multiple_of(heads) {
        true => Ok(()),
        false => Err(senseless(
            "width",
            &width.to_string(),
            &format!("an even size that is a multiple of network.heads, which is {heads}"),
        )),
    }
}

fn depth(field: &str, layers: u32) -> Result<()> {
    match (1..=MOST_LAYERS).contains(&layers) {
        true => Ok(()),
        false => Err(senseless(field, &layers.to_string(), &format!("a number from 1 to {MOST_LAYERS}"))),
    }
}

fn share(field: &str, share: f64) -> Result<()> {
    match (0.0..1.0).contains(&share) {
        true => Ok(()),
        false => Err(senseless(field, &share.to_string(), "a number from 0 to below 1")),
    }
}

fn senseless(field: &str, value: &str, allowed: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("network.{field} {value} makes no sense"))
        .mend(format!("give {allowed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_toml(text: &str) -> Result<NetworkConfig, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_recipe_without_an_architecture_is_a_cnn_bilstm() {
        let config = CnnBilstmConfig { hidden: 12, ..CnnBilstmConfig::default() };
        assert_eq!(from_toml("hidden = 12").unwrap(), NetworkConfig::CnnBilstm(config));
        assert_eq!(from_toml("").unwrap(), NetworkConfig::default());
    }

    #[test]
    fn every_architecture_reads_back_as_it_was_written() {
        for arch in <Arch as clap::ValueEnum>::value_variants() {
            let config = NetworkConfig::of(*arch);
            config.validate().unwrap();
            let text = toml::to_string(&config).unwrap();
            assert!(text.starts_with(&format!("arch = \"{}\"\n", arch.name())), "{text}");
            assert_eq!(from_toml(&text).unwrap(), config);
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<NetworkConfig>(&json).unwrap(), config);
            let mut dropped = config.clone();
            dropped.set_dropout(0.125);
            assert!(toml::to_string(&dropped).unwrap().contains("\ndropout = 0.125\n"));
            let option = clap::ValueEnum::to_possible_value(arch).unwrap();
            assert_eq!(option.get_name(), arch.name());
        }
    }

    #[test]
    fn a_field_of_another_architecture_is_refused_by_its_name() {
        let refused = |text: &str| from_toml(text).unwrap_err();
        let text = refused("arch = \"cnn-statistics\"\nhidden = 3");
        assert!(text.contains("cnn-statistics: unknown field `hidden`"), "{text}");
        assert!(text.contains("frame_channels"), "{text}");
        let text = refused("arch = \"lstm\"");
        assert!(text.contains("no architecture \"lstm\"") && text.contains("cnn-statistics"), "{text}");
        let text = refused("arch = 3");
        assert!(text.contains("arch = 3 is no name"), "{text}");
        let text = refused("arch = \"cnn-statistics\"\nviews = \"both\"");
        assert!(text.contains("features-and-cepstrum"), "{text}");
    }
}
