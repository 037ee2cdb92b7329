//! The names of the architectures.

use ser_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use strum::VariantArray;

/// The architectures, by the names that recipes give them.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
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
        self.into()
    }

    /// The architecture called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> Result<Self> {
        name.parse().map_err(|_| {
            let names: Vec<&str> = Self::VARIANTS.iter().map(|arch| arch.name()).collect();
            Error::new(
                ErrorKind::Unsupported,
                format!("unknown architecture {name:?}; this program knows {}", names.join(", ")),
            )
        })
    }
}
