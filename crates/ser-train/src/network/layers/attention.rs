//! Self-attention and the positions it is told (A. Vaswani et al., "Attention is all you need", 2017), in f32.

use tch::Tensor;

use super::dense::Linear;
use super::{Compute, Constant, Flow, Forward, Places};
use ser_torch::{Result, linear};

/// Attention of every position to the real ones, with several heads and the weights of `nn.MultiheadAttention`. What comes
/// out at padding means nothing.
#[derive(Debug)]
pub(super) struct SelfAttention {
    /// The weight that makes queries, keys and values, and its bias.
    projection: [usize; 2],
    output: Linear,
    heads: i64,
}

impl SelfAttention {
    pub(super) fn new(places: &Places, name: &str, heads: u32) -> Result<Self> {
        let place = |what: &str| places.weight(&format!("{name}.{what}"));
        let projection = [place("in_proj_weight")?, place("in_proj_bias")?];
        let output = Linear::new(places, &format!("{name}.out_proj"))?;
        Ok(Self { projection, output, heads: heads.into() })
    }
}

impl Compute for SelfAttention {
    fn forward(&self, forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        let x = input.units_last()?;
        let (batch, positions, width) = x.size3()?;
        let [weight, bias] = self.projection.map(|place| &forward.leaves[place]);
        let projected = linear(&x, weight, bias)?;
        // [B, position, 3 · width] → [3, B, head, position, width/head]
        let parts = projected.f_view([batch, positions, 3, self.heads, width / self.heads])?;
        let parts = parts.f_permute([2, 0, 3, 1, 4])?;
        let real = input.lengths()?.is_real()?.f_view([batch, 1, 1, positions])?;
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
        let x = self.output.apply(forward, &attended)?;
        Ok(input.with_units_last(x))
    }
}

/// Adds sinusoids `[position, unit]`: sin(p / 10000^(2i / width)) in the even units, cos in the odd ones.
#[derive(Debug, Default)]
pub(super) struct PositionalEncoding {
    /// Of the longest utterance.
    sinusoids: Constant,
}

impl Compute for PositionalEncoding {
    fn forward(&self, forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        let x = input.units_last()?;
        let (_, positions, width) = x.size3()?;
        let most = input.lengths()?.most();
        let sinusoids = self.sinusoids.get(forward, || sinusoids(most, width))?;
        let x = x.f_add(&sinusoids.f_narrow(0, 0, positions)?)?;
        Ok(input.with_units_last(x))
    }
}

fn sinusoids(positions: i64, width: i64) -> Result<Tensor> {
    let value = |position: i64, unit: i64| {
        let angle = position as f64 / 10_000f64.powf((unit / 2 * 2) as f64 / width as f64);
        if unit % 2 == 0 { angle.sin() } else { angle.cos() }
    };
    let values = (0..positions).flat_map(|p| (0..width).map(move |unit| value(p, unit) as f32));
    let values: Vec<f32> = values.collect();
    Ok(Tensor::f_from_slice(&values)?.f_view([positions, width])?)
}
