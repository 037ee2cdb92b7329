//! Features that a pretrained encoder computes: which of its layers, and what is kept of their frames.

use std::str::FromStr;

use ser_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::ValueType;
use crate::config::is_default;
use crate::parameter::require;

/// What is kept of the states of a layer, frame after frame.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Their mean over time.
    Mean,
    /// Their mean, then their standard deviation over time.
    Statistics,
    /// All of them, frame after frame.
    None,
}

impl Pooling {
    /// Numbers that a frame of the features has of a layer whose states have `dimension` numbers.
    pub fn size(self, dimension: usize) -> usize {
        match self {
            Self::Mean | Self::None => dimension,
            Self::Statistics => dimension.saturating_mul(2),
        }
    }
}

/// The arithmetic in which an encoder computes matrix products and convolutions.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum EncoderPrecision {
    /// IEEE 754 single precision.
    #[default]
    F32,
    /// bfloat16, 8 bits of precision, with sums in f32: quick on processors that have it, slow on others.
    Bf16,
}

/// The features of an utterance that are states of a pretrained encoder: `[layer, number, 1]`, or without pooling `[layer,
/// number, frame]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderStates {
    /// The encoder's family, such as `wav2vec2`.
    pub family: String,
    /// SHA-256 over its files, hexadecimal.
    pub digest: String,
    /// Version of the computation, which grows with any change that alters the numbers.
    pub version: u32,
    /// Numbers of a state.
    pub dimension: usize,
    /// The layers kept, ascending.
    pub layers: Vec<u32>,
    /// What is kept of a layer's states over time.
    pub pooling: Pooling,
    /// What the numbers are stored as, and rounded to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub dtype: ValueType,
    /// What the encoder computed in.
    #[serde(default, skip_serializing_if = "is_default")]
    pub precision: EncoderPrecision,
}

impl EncoderStates {
    /// Version of the computation. It goes into every cache key, so it must grow with any change that alters the numbers
    /// that the same encoder gives for the same samples on the CPU; a GPU's differ by rounding.
    pub const VERSION: u32 = 2;

    /// Checks every value.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`], naming the value.
    pub fn validate(&self) -> Result<()> {
        let is_digest = self.digest.len() == 64 && self.digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        require(is_digest, "encoder.digest", &self.digest, "64 hexadecimal digits")?;
        require((1..=65_536).contains(&self.dimension), "encoder.dimension", self.dimension, "1 to 65,536")?;
        let ascending = self.layers.iter().zip(self.layers.iter().skip(1)).all(|(a, b)| a < b);
        let allowed = "1 to 1,024 numbers, ascending";
        require(
            ascending && (1..=1_024).contains(&self.layers.len()),
            "encoder.layers",
            &self.layers,
            allowed,
        )
    }
}

/// Layers of an encoder: 0 is what goes into the first, n what comes out of the n-th.
///
/// ```
/// use ser_features::LayerChoice;
/// assert_eq!("all".parse::<LayerChoice>()?.layers_of(3)?, [0, 1, 2, 3]);
/// assert_eq!("last".parse::<LayerChoice>()?.layers_of(3)?, [3]);
/// assert_eq!("2,0".parse::<LayerChoice>()?.layers_of(3)?, [0, 2]);
/// assert!("4".parse::<LayerChoice>()?.layers_of(3).is_err());
/// # Ok::<(), ser_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerChoice {
    /// All of them.
    All,
    /// The last.
    Last,
    /// These, ascending and each once.
    These(Vec<u32>),
}

impl LayerChoice {
    /// The layers meant of an encoder with `layers` layers, ascending.
    ///
    /// # Errors
    /// When it has fewer.
    pub fn layers_of(&self, layers: usize) -> Result<Vec<u32>> {
        let layers = u32::try_from(layers).unwrap_or(u32::MAX);
        match self {
            Self::All => Ok((0..=layers).collect()),
            Self::Last => Ok(vec![layers]),
            Self::These(chosen) => match chosen.iter().find(|layer| **layer > layers) {
                None => Ok(chosen.clone()),
                Some(layer) => {
                    let what = format!("there is no layer {layer} in an encoder of {layers} layers");
                    Err(Error::new(ErrorKind::Usage, what).help(format!("give layers from 0 to {layers}")))
                }
            },
        }
    }
}

impl FromStr for LayerChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let what = format!("{text:?} are no layers of an encoder");
            Error::new(ErrorKind::Usage, what).help("give all, last, or numbers such as 6,9,12")
        };
        match text {
            "all" => Ok(Self::All),
            "last" => Ok(Self::Last),
            _ => {
                let numbers = text.split(',').map(|number| number.trim().parse::<u32>());
                let mut numbers: Vec<u32> = numbers.collect::<Result<_, _>>().map_err(|_| wrong())?;
                numbers.sort_unstable();
                let count = numbers.len();
                numbers.dedup();
                if numbers.len() != count { Err(wrong()) } else { Ok(Self::These(numbers)) }
            }
        }
    }
}

impl std::fmt::Display for LayerChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Last => f.write_str("last"),
            Self::These(layers) => {
                let numbers: Vec<String> = layers.iter().map(u32::to_string).collect();
                f.write_str(&numbers.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_of_layers_is_refused() {
        for wrong in ["", "all,1", "1,,2", "-1", "1.5", "3,3", "first"] {
            assert!(wrong.parse::<LayerChoice>().is_err(), "{wrong}");
        }
        for text in ["all", "last", "6,9,12"] {
            assert_eq!(text.parse::<LayerChoice>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn statistics_are_twice_as_many_numbers() {
        assert_eq!(
            [Pooling::Mean, Pooling::Statistics, Pooling::None].map(|kept| kept.size(768)),
            [768, 1536, 768]
        );
    }
}
