//! What a recipe says about its network: the architecture and its sizes, in a file for each architecture.

mod arch;
mod cnn_bilstm;
mod cnn_bilstm_attention;
mod cnn_statistics;
mod cnn_transformer;
mod conformer;
mod sizes;

use ser_core::Result;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use arch::Arch;
pub use cnn_bilstm::CnnBilstmConfig;
pub use cnn_bilstm_attention::CnnBilstmAttentionConfig;
pub use cnn_statistics::{CnnStatisticsConfig, Views};
pub use cnn_transformer::CnnTransformerConfig;
pub use conformer::ConformerConfig;
pub use sizes::Sizes;

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
            Some(other) => return Err(D::Error::custom(format!("arch = {other} is not a name"))),
        };
        Self::read(arch, Value::Object(fields))
            .map_err(|error| D::Error::custom(format!("network {}: {error}", arch.name())))
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

    /// The sizes of `arch` that `fields`, a JSON object, names, and the defaults of the others.
    fn read(arch: Arch, fields: Value) -> serde_json::Result<Self> {
        Ok(match arch {
            Arch::CnnBilstm => Self::CnnBilstm(serde_json::from_value(fields)?),
            Arch::CnnStatistics => Self::CnnStatistics(serde_json::from_value(fields)?),
            Arch::CnnBilstmAttention => Self::CnnBilstmAttention(serde_json::from_value(fields)?),
            Arch::CnnTransformer => Self::CnnTransformer(serde_json::from_value(fields)?),
            Arch::Conformer => Self::Conformer(serde_json::from_value(fields)?),
        })
    }

    /// Its sizes.
    pub fn sizes(&self) -> &dyn Sizes {
        match self {
            Self::CnnBilstm(sizes) => sizes,
            Self::CnnStatistics(sizes) => sizes,
            Self::CnnBilstmAttention(sizes) => sizes,
            Self::CnnTransformer(sizes) => sizes,
            Self::Conformer(sizes) => sizes,
        }
    }

    fn sizes_mut(&mut self) -> &mut dyn Sizes {
        match self {
            Self::CnnBilstm(sizes) => sizes,
            Self::CnnStatistics(sizes) => sizes,
            Self::CnnBilstmAttention(sizes) => sizes,
            Self::CnnTransformer(sizes) => sizes,
            Self::Conformer(sizes) => sizes,
        }
    }

    /// Its architecture.
    pub fn arch(&self) -> Arch {
        self.sizes().arch()
    }

    /// Drops `share` of the head's units, whatever the architecture.
    pub fn set_dropout(&mut self, share: f64) {
        *self.sizes_mut().dropout() = share;
    }

    /// Checks that every value is valid.
    ///
    /// # Errors
    /// On the first that does not, naming its field and what is allowed.
    pub fn validate(&self) -> Result<()> {
        self.sizes().validate()
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

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
        for arch in Arch::VARIANTS {
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
        }
    }

    #[test]
    fn a_field_of_another_architecture_is_refused_by_its_name() {
        let refused = |text: &str| from_toml(text).unwrap_err();
        let text = refused("arch = \"cnn-statistics\"\nhidden = 3");
        assert!(text.contains("cnn-statistics: unknown field `hidden`"), "{text}");
        assert!(text.contains("frame_channels"), "{text}");
        let text = refused("arch = \"lstm\"");
        assert!(text.contains("unknown architecture \"lstm\"") && text.contains("cnn-statistics"), "{text}");
        let text = refused("arch = 3");
        assert!(text.contains("arch = 3 is not a name"), "{text}");
        let text = refused("arch = \"cnn-statistics\"\nviews = \"both\"");
        assert!(text.contains("features-and-cepstrum"), "{text}");
    }
}
