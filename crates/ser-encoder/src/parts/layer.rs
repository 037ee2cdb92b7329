//! One layer of a transformer: self-attention and a feed-forward network, each with a residual.

use ser_torch::Result;
use tch::Tensor;

use crate::parts::{Activation, Frames, LayerNorm, Linear, SelfAttention};
use crate::weights::Weights;

/// A layer of an encoder.
#[derive(Debug)]
pub(crate) struct Layer {
    attention: Box<dyn SelfAttention>,
    attention_norm: LayerNorm,
    inner: Linear,
    outer: Linear,
    final_norm: LayerNorm,
    activation: Activation,
    /// Whether what goes into a part is normalised, and not what comes out of it together with the residual.
    pre_norm: bool,
}

/// How the weights of a layer are named in a family.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerNames {
    pub(crate) attention_norm: &'static str,
    pub(crate) inner: &'static str,
    pub(crate) outer: &'static str,
    pub(crate) final_norm: &'static str,
}

/// The sizes and kinds of all layers of an encoder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerSizes {
    pub(crate) size: i64,
    pub(crate) inner: i64,
    pub(crate) epsilon: f64,
    pub(crate) activation: Activation,
    pub(crate) pre_norm: bool,
}

impl Layer {
    /// A layer around `attention` with the weights below `at`.
    pub(crate) fn load(
        weights: &mut Weights,
        at: &str,
        names: LayerNames,
        sizes: LayerSizes,
        attention: Box<dyn SelfAttention>,
    ) -> Result<Self> {
        let LayerSizes { size, inner, epsilon, activation, pre_norm } = sizes;
        let name = |part: &str| format!("{at}.{part}");
        Ok(Self {
            attention,
            attention_norm: LayerNorm::load(weights, &name(names.attention_norm), size, epsilon)?,
            inner: Linear::load(weights, &name(names.inner), size, inner)?,
            outer: Linear::load(weights, &name(names.outer), inner, size)?,
            final_norm: LayerNorm::load(weights, &name(names.final_norm), size, epsilon)?,
            activation,
            pre_norm,
        })
    }

    /// The same, sharing its weights.
    pub(crate) fn share(&self) -> Self {
        Self {
            attention: self.attention.share(),
            attention_norm: self.attention_norm.clone(),
            inner: self.inner.clone(),
            outer: self.outer.clone(),
            final_norm: self.final_norm.clone(),
            ..*self
        }
    }

    /// `[B, frame, D]` of the same.
    pub(crate) fn apply(&self, x: &Tensor, frames: &Frames, positions: Option<&Tensor>) -> Result<Tensor> {
        if self.pre_norm {
            let attended = self.attention.attend(&self.attention_norm.apply(x)?, frames, positions)?;
            let x = attended.f_add(x)?;
            return Ok(self.feed_forward(&self.final_norm.apply(&x)?)?.f_add(&x)?);
        }
        let attended = self.attention.attend(x, frames, positions)?;
        let x = self.attention_norm.apply(&attended.f_add(x)?)?;
        self.final_norm.apply(&self.feed_forward(&x)?.f_add(&x)?)
    }

    fn feed_forward(&self, x: &Tensor) -> Result<Tensor> {
        self.outer.apply(&self.inner.activated(x, self.activation)?)
    }
}
