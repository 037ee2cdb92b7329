//! `cnn-bilstm-attention`: as the default network, but masked, and pooled by attention.
//!
//! ```text
//! [B, channel, band, T] → Conv2d 3×3 → BatchNorm → MaxPool 2 → ReLU
//!                       → Conv2d 3×3 → BatchNorm → MaxPool 2 → ReLU
//!                       → [B, T/4, channel · band/4] → BiLSTM over the first ⌈frames/4⌉ positions
//!                       → attentive mean and standard deviation over them
//!                       → Linear → ReLU → Dropout → Linear → [B, class]
//! ```

use ser_model::network::CnnBilstmAttentionConfig;
use tch::Tensor;

use crate::network::Model;
use crate::network::layers::{AttentivePooling, ConvFront, Forward, Head, Lstm, Plan};
use crate::torch::Result;

/// Its layers.
#[derive(Debug)]
pub(super) struct CnnBilstmAttention {
    front: ConvFront,
    lstm: Lstm,
    pooling: AttentivePooling,
    head: Head,
}

impl CnnBilstmAttention {
    pub(super) fn new(
        config: &CnnBilstmAttentionConfig,
        input: [usize; 3],
        classes: usize,
        plan: &mut Plan,
    ) -> Self {
        let hidden = i64::from(config.hidden);
        let (front, inputs) = ConvFront::new(plan, input, config.channels);
        let lstm = Lstm::new(plan, "lstm", inputs, hidden);
        let sizes = [2 * hidden, i64::from(config.attention)];
        let pooling = AttentivePooling::new(plan, ["attention.0", "attention.2"], sizes);
        let sizes = [4 * hidden, i64::from(config.dense), classes as i64];
        let head = Head::new(plan, ["head.0", "head.3"], sizes, config.dropout);
        Self { front, lstm, pooling, head }
    }
}

impl Model for CnnBilstmAttention {
    fn branches(&self, forward: &mut Forward<'_>, features: &Tensor, frames: &Tensor) -> Result<Vec<Tensor>> {
        let (x, lengths) = self.front.forward(forward, features, frames)?;
        let x = self.lstm.forward_real(forward, &x, &lengths)?; // [B, position, 2 · hidden]
        let x = self.pooling.forward(forward, &x, &lengths)?; // [B, 4 · hidden]
        Ok(vec![self.head.forward(forward, &x)?])
    }
}
