//! Tells a network that treats all positions alike where each of them is (Vaswani et al., 2017).

use tch::Tensor;

use crate::network::layers::{Constant, Forward};
use crate::torch::Result;

/// Adds sinusoids, `[position, width]`, to a sequence: sin(p / 10000^(2i / width)) in the even units, cos in the odd ones.
#[derive(Debug)]
pub(crate) struct PositionalEncoding {
    width: i64,
    /// Of the longest utterance.
    sinusoids: Constant,
}

impl PositionalEncoding {
    pub(crate) fn new(width: i64) -> Self {
        Self { width, sinusoids: Constant::default() }
    }

    /// `x` `[B, position, width]` → the same, with no more than `most` positions.
    pub(crate) fn add(&self, forward: &Forward<'_>, x: &Tensor, most: i64) -> Result<Tensor> {
        let sinusoids = self.sinusoids.get(forward, || sinusoids(most, self.width))?;
        Ok(x.f_add(&sinusoids.f_narrow(0, 0, x.size()[1])?)?)
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
