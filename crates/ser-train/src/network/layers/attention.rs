//! Multi-head self-attention (Vaswani et al., "Attention is all you need", 2017), in f32.

use tch::Tensor;

use crate::network::layers::{Forward, Lengths, Linear, Plan};
use crate::network::parameters::Start;
use crate::torch::Result;

/// Attention of every position to the real ones, with the weights of `nn.MultiheadAttention`.
#[derive(Debug)]
pub(crate) struct SelfAttention {
    /// Offset of the weight that makes queries, keys and values, which its bias follows.
    projection: usize,
    output: Linear,
    heads: i64,
}

impl SelfAttention {
    /// Starts as PyTorch's: Xavier's uniform for the projection, zero for its bias and that of the output.
    pub(crate) fn new(plan: &mut Plan, name: &str, width: i64, heads: i64) -> Self {
        let bound = (6.0 / (4 * width) as f64).sqrt();
        let shape = [3 * width, width];
        let projection = plan.weight(&format!("{name}.in_proj_weight"), &shape, Start::Uniform { bound });
        plan.weight(&format!("{name}.in_proj_bias"), &shape[..1], Start::Constant(0.0));
        let output = Linear::with_zero_bias(plan, &format!("{name}.out_proj"), width, width);
        Self { projection, output, heads }
    }

    /// `[B, position, width]` → the same; what comes out at padding means nothing.
    pub(crate) fn forward(&self, forward: &Forward<'_>, x: &Tensor, lengths: &Lengths) -> Result<Tensor> {
        let (batch, positions, width) = x.size3()?;
        let leaves = forward.leaves;
        let projected = x.f_linear(&leaves[self.projection], Some(&leaves[self.projection + 1]))?;
        // [B, position, 3 · width] → [3, B, head, position, width/head]
        let parts = projected.f_view([batch, positions, 3, self.heads, width / self.heads])?;
        let parts = parts.f_permute([2, 0, 3, 1, 4])?;
        let real = lengths.is_real()?.f_view([batch, 1, 1, positions])?;
        let [query, key, value] = [parts.f_get(0)?, parts.f_get(1)?, parts.f_get(2)?];
        let attended = Tensor::f_scaled_dot_product_attention(
            &query,
            &key,
            &value,
            Some(real),
            0.0,
            false,
            None,
            false,
        )?;
        let attended = attended.f_transpose(1, 2)?.f_reshape([batch, positions, width])?;
        self.output.forward(forward, &attended)
    }
}
