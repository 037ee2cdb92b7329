//! Activations, by the names that `transformers` gives them.

use ser_core::ErrorKind;
use ser_torch::{Pointwise, Result};
use tch::Tensor;

use crate::settings::Settings;

/// A function of each value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `x·Φ(x)`
    Gelu,
    /// The same with Φ approximated by a hyperbolic tangent.
    GeluTanh,
    Relu,
    /// `x·σ(x)`
    Silu,
    Selu,
}

impl Activation {
    /// The one that the setting `key` names, GELU where it is missing.
    pub(crate) fn named(config: &Settings, key: &str) -> ser_core::Result<Self> {
        Ok(match config.text(key, "gelu")?.as_str() {
            "gelu" => Self::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" => Self::GeluTanh,
            "relu" => Self::Relu,
            "silu" | "swish" => Self::Silu,
            "selu" => Self::Selu,
            _ => {
                let known = "gelu, gelu_new, gelu_pytorch_tanh, relu, silu, swish or selu";
                return Err(config.refuse(ErrorKind::Unsupported, key, known));
            }
        })
    }

    /// The one that is computed in the same pass as a product before it, if it is one of those.
    pub(super) fn pointwise(self) -> Option<Pointwise> {
        match self {
            Self::Gelu => Some(Pointwise::Gelu),
            Self::GeluTanh => Some(Pointwise::GeluTanh),
            Self::Silu => Some(Pointwise::Silu),
            Self::Relu | Self::Selu => None,
        }
    }

    pub(crate) fn apply(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Gelu => x.f_gelu("none")?,
            Self::GeluTanh => x.f_gelu("tanh")?,
            Self::Relu => x.f_relu()?,
            Self::Silu => x.f_silu()?,
            Self::Selu => x.f_selu()?,
        })
    }
}
