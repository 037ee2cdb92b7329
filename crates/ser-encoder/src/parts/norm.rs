//! Layer normalisation.

use ser_torch::Result;
use tch::{Kind, Tensor};

use crate::weights::{Weight, Weights};

/// PyTorch's own ε, where a family takes none from its settings.
const USUAL_EPSILON: f64 = 1e-5;

/// Layer normalisation over the last axis.
#[derive(Debug, Clone)]
pub(crate) struct LayerNorm {
    size: i64,
    /// Weight and bias, `[size]` each, unless there are none.
    affine: Option<(Weight, Weight)>,
    epsilon: f64,
}

impl LayerNorm {
    /// `<at>.weight` and `<at>.bias`, `[size]` each.
    pub(crate) fn load(weights: &mut Weights, at: &str, size: i64, epsilon: f64) -> Result<Self> {
        let weight = weights.take(&format!("{at}.weight"), &[size])?;
        let bias = weights.take(&format!("{at}.bias"), &[size])?;
        Ok(Self { size, affine: Some((weight, bias)), epsilon })
    }

    /// The same with PyTorch's own ε.
    pub(crate) fn load_usual(weights: &mut Weights, at: &str, size: i64) -> Result<Self> {
        Self::load(weights, at, size, USUAL_EPSILON)
    }

    /// One that learns nothing.
    pub(crate) fn plain(size: i64) -> Self {
        Self { size, affine: None, epsilon: USUAL_EPSILON }
    }

    /// `x` `[…, size]`, normalised, in f32.
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = self.affine.as_ref().map(|(weight, bias)| (&**weight, &**bias)).unzip();
        let x = x.f_to_kind(Kind::Float)?;
        Ok(x.f_layer_norm([self.size].as_slice(), weight, bias, self.epsilon, false)?)
    }
}
