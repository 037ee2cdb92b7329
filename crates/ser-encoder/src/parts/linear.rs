//! `y = W·x + b`.

use ser_torch::{PackedLinear, Pointwise, Result, linear};
use tch::{Device, Kind, Tensor};

use crate::parts::Activation;
use crate::weights::{Weight, Weights};

/// A linear map of the last axis.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    map: Map,
    /// What it computes in.
    kind: Kind,
    device: Device,
}

#[derive(Debug, Clone)]
enum Map {
    Packed(PackedLinear),
    Plain {
        /// `[output, input]`
        weight: Weight,
        /// `[output]`
        bias: Weight,
    },
}

impl Linear {
    /// `<at>.weight` `[outputs, inputs]` and `<at>.bias` `[outputs]`.
    pub(crate) fn load(weights: &mut Weights, at: &str, inputs: i64, outputs: i64) -> Result<Self> {
        let weight = weights.take_for_products(&format!("{at}.weight"), &[outputs, inputs])?;
        let bias = weights.take_for_products(&format!("{at}.bias"), &[outputs])?;
        Self::of(weights, weight, bias)
    }

    /// `weight` `[output, input]` and `bias` `[output]`, which are made of `weights`.
    pub(super) fn of(weights: &Weights, weight: Weight, bias: Weight) -> Result<Self> {
        let (kind, device) = (weight.kind(), weight.device());
        let map = match weights.packs_products() {
            true => Map::Packed(PackedLinear::new(&weight, Some(&*bias))?),
            false => Map::Plain { weight, bias },
        };
        Ok(Self { map, kind, device })
    }

    /// `x` `[…, input]` to `[…, output]`, of the kind of the weights.
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.f_to_kind(self.kind)?;
        match &self.map {
            Map::Packed(packed) => packed.apply(&x, Pointwise::Identity),
            Map::Plain { weight, bias } => linear(&x, weight, bias),
        }
    }

    /// The same, and then `activation`.
    pub(super) fn activated(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        match (&self.map, activation.pointwise()) {
            (Map::Packed(packed), Some(pointwise)) => packed.apply(&x.f_to_kind(self.kind)?, pointwise),
            _ => activation.apply(&self.apply(x)?),
        }
    }

    /// Where it computes.
    pub(crate) fn device(&self) -> Device {
        self.device
    }
}
