//! What a search optimises.

use serde::{Deserialize, Serialize};

/// A metric of the validation side. There is none of the test side: a search that looks at it makes its result a
/// part of the training.
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
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Mean recall over classes on the validation side, as large as possible
    #[default]
    ValUar,
    /// Correct / all on the validation side, as large as possible
    ValAccuracy,
    /// Mean cross-entropy over the validation side in nats, as small as possible
    ValLoss,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Small values.
    Minimize = 1,
    /// Large values.
    Maximize = 2,
}

impl Objective {
    /// Its name in `metrics.jsonl`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ValUar => "val_uar",
            Self::ValAccuracy => "val_accuracy",
            Self::ValLoss => "val_loss",
        }
    }

    /// Which way is better.
    pub fn direction(self) -> Direction {
        match self {
            Self::ValUar | Self::ValAccuracy => Direction::Maximize,
            Self::ValLoss => Direction::Minimize,
        }
    }
}

impl Direction {
    /// `value` as a loss: the smaller, the better.
    pub fn loss(self, value: f64) -> f64 {
        match self {
            Self::Minimize => value,
            Self::Maximize => -value,
        }
    }
}
