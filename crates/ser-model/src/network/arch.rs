//! The names of the architectures.

use ser_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

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
                format!("unknown architecture {name:?}; this program knows {}", names.join(", ")),
            )
        })
    }
}
