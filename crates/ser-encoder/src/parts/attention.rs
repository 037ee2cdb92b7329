//! Multi-head self-attention.

use std::fmt::Debug;

use ser_core::{ErrorKind, Result as OurResult};
use ser_torch::Result;
use tch::Tensor;

use crate::parts::{Frames, Linear};
use crate::settings::Settings;
use crate::weights::{Weight, Weights};

/// Self-attention of one layer.
pub(crate) trait SelfAttention: Debug + Send {
    /// `[B, frame, D]` of the same; `positions` is what the layers share of their positions, `[1, head, query, key]`.
    fn attend(&self, x: &Tensor, frames: &Frames, positions: Option<&Tensor>) -> Result<Tensor>;

    /// The same, sharing its weights.
    fn share(&self) -> Box<dyn SelfAttention>;
}

/// Scaled dot-product attention (A. Vaswani et al., "Attention is all you need", NeurIPS 2017).
#[derive(Debug, Clone)]
pub(crate) struct Attention {
    /// Queries, keys and values at once, `D` to `3·D`.
    inputs: Linear,
    output: Linear,
    heads: i64,
}

/// The number of heads that the setting `key` asks for, which must divide `size`.
///
/// # Errors
/// When it does not.
pub(crate) fn heads_of(config: &Settings, key: &str, usual: i64, size: i64) -> OurResult<i64> {
    let heads = config.whole(key, usual, 1..=256)?;
    match size % heads {
        0 => Ok(heads),
        _ => Err(config.refuse(ErrorKind::Unsupported, key, &format!("a divisor of the dimension, {size}"))),
    }
}

impl Attention {
    /// `<at>.{q_proj,k_proj,v_proj,out_proj}`; `key_bias` says whether keys have a bias.
    pub(crate) fn load(
        weights: &mut Weights,
        at: &str,
        size: i64,
        heads: i64,
        key_bias: bool,
    ) -> Result<Self> {
        let (mut matrices, mut biases) = (Vec::with_capacity(3), Vec::with_capacity(3));
        for name in ["q_proj", "k_proj", "v_proj"] {
            let matrix = weights.take_for_products(&format!("{at}.{name}.weight"), &[size, size])?;
            biases.push(match key_bias || name != "k_proj" {
                true => weights.take_for_products(&format!("{at}.{name}.bias"), &[size])?,
                false => Tensor::f_zeros([size], (matrix.kind(), matrix.device()))?.into(),
            });
            matrices.push(matrix);
        }
        let stacked = |parts: Vec<Weight>| {
            let parts: Vec<&Tensor> = parts.iter().map(|part| &**part).collect();
            Tensor::f_cat(&parts, 0)
        };
        let inputs = Linear::of(weights, stacked(matrices)?.into(), stacked(biases)?.into())?;
        Ok(Self { inputs, output: Linear::load(weights, &format!("{at}.out_proj"), size, size)?, heads })
    }

    /// Attention over `x` `[B, frame, D]` with `bias` added to the scores, `[B, 1 or head, 1 or query, key]`.
    pub(crate) fn attend_with(&self, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let &[batch, frames, size] = x.size().as_slice() else {
            return Err(ser_core::Error::new(ErrorKind::Mismatch, "attention takes [B, frame, D]").into());
        };
        let shape = [batch, frames, 3, self.heads, size / self.heads];
        let inputs = self.inputs.apply(x)?.f_view(shape)?.f_permute([2, 0, 3, 1, 4])?;
        let [query, key, value] = [0, 1, 2].map(|part| inputs.f_select(0, part));
        let bias = bias.map(|bias| bias.f_to_kind(inputs.kind())).transpose()?;
        let attended =
            Tensor::f_scaled_dot_product_attention(&query?, &key?, &value?, bias, 0.0, false, None, false)?; // [B, head, frame, D / heads]
        self.output.apply(&attended.f_transpose(1, 2)?.f_reshape([batch, frames, size])?)
    }
}

impl SelfAttention for Attention {
    fn attend(&self, x: &Tensor, frames: &Frames, _positions: Option<&Tensor>) -> Result<Tensor> {
        self.attend_with(x, frames.attention())
    }

    fn share(&self) -> Box<dyn SelfAttention> {
        Box::new(self.clone())
    }
}
