//! The default network, `cnn-bilstm`.
//!
//! ```text
//! [B, channel, band, T] → Conv2d 3×3 → BatchNorm → MaxPool 2 → ReLU
//!                       → Conv2d 3×3 → BatchNorm → MaxPool 2 → ReLU
//!                       → [B, T/4, channel · band/4] → BiLSTM → mean over the first ⌈frames/4⌉ positions
//!                       → Linear → ReLU → Dropout → Linear → [B, class]
//! ```
//!
//! Every utterance has T frames, of which the first are real and the rest zero. The LSTM reads them all, in both
//! directions, so that logits are defined for zero padding alone; the mean leaves the padding out.

use ser_model::network::CnnBilstmConfig;
use tch::{Kind, Tensor};

use crate::network::Model;
use crate::network::layers::{ConvBlock, Forward, Head, Lstm, Plan, channels_last};
use crate::torch::Result;

/// Its layers.
#[derive(Debug)]
pub(super) struct CnnBilstm {
    blocks: [ConvBlock; 2],
    lstm: Lstm,
    head: Head,
}

impl CnnBilstm {
    /// The order is that of the optimiser's moments in checkpoints to resume from.
    pub(super) fn new(config: &CnnBilstmConfig, input: [usize; 3], classes: usize, plan: &mut Plan) -> Self {
        let [depth, bands, _] = input.map(|size| size as i64);
        let [first, second] = config.channels.map(i64::from);
        let (hidden, dense) = (i64::from(config.hidden), i64::from(config.dense));
        let convolutions =
            [ConvBlock::conv(plan, "cnn.0", depth, first), ConvBlock::conv(plan, "cnn.4", first, second)];
        let sizes = [2 * hidden, dense, classes as i64];
        let head = Head::new(plan, ["head.0", "head.3"], sizes, config.dropout);
        let blocks = [
            ConvBlock::new(plan, convolutions[0], "cnn.1", first),
            ConvBlock::new(plan, convolutions[1], "cnn.5", second),
        ];
        let lstm = Lstm::new(plan, "lstm", second * (bands / 4), hidden);
        Self { blocks, lstm, head }
    }
}

impl Model for CnnBilstm {
    fn branches(&self, forward: &mut Forward<'_>, features: &Tensor, frames: &Tensor) -> Result<Vec<Tensor>> {
        let mut x = channels_last(&features.f_to_kind(forward.kind)?)?; // [B, channel, band, T]
        for block in &self.blocks {
            x = block.forward(forward, &x)?; // [B, channel, band/2, T/2], then /4
        }
        let (batch, positions) = (x.size()[0], x.size()[3]);
        // [B, channel, band, position] → [B, position, channel · band]
        let x = x.f_permute([0, 3, 1, 2])?.f_reshape([batch, positions, -1])?;
        let x = self.lstm.forward(forward, &x)?;
        let x = mean_over_real(&x, frames, positions)?; // [B, 2 · hidden]
        Ok(vec![self.head.forward(forward, &x)?])
    }
}

/// Mean of `x` `[B, position, unit]` over the first ⌈`frames`/4⌉ positions, at least one: `[B, unit]`.
fn mean_over_real(x: &Tensor, frames: &Tensor, positions: i64) -> Result<Tensor> {
    let real = frames.f_add_scalar(3)?.f_floor_divide_scalar(4)?.f_clamp(1, positions)?.f_unsqueeze(1)?; // [B, 1]
    let position = Tensor::f_arange(positions, (Kind::Int64, x.device()))?.f_unsqueeze(0)?; // [1, position]
    let weight = position.f_lt_tensor(&real)?.f_to_kind(Kind::Float)?.f_div(&real)?; // [B, position]
    Ok(weight.f_unsqueeze(1)?.f_bmm(x)?.f_squeeze_dim(1)?)
}
