//! `encoder-head`: a small head for the states of a pretrained encoder, whose layers are the channels of its features, after
//! the benchmark of S. Yang et al., "SUPERB: speech processing universal performance benchmark", Interspeech 2021.
//!
//! ```text
//! [B, layer, number, T] → Σ softmax(w)·layer → pooling over real frames → Linear → ReLU → Dropout → Linear → [B, class]
//! ```
//!
//! States that were pooled over time are one frame, whose mean it is. Of frames, mean and standard deviation may be taken too
//! (D. Snyder et al., "X-vectors: robust DNN embeddings for speaker recognition", ICASSP 2018), or both weighted by attention
//! (K. Okabe et al., "Attentive statistics pooling for deep speaker embedding", Interspeech 2018).

use ser_core::Result;
use serde::{Deserialize, Serialize};

use super::checks::{share, units};
use super::{Description, Layer, Sizes};

/// Sizes of `encoder-head`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncoderHeadConfig {
    /// What is kept of the frames of an utterance.
    pub pooling: HeadPooling,
    /// Hidden units of the layer that weighs frames, with attention.
    pub attention: u32,
    /// Units of the dense layer.
    pub dense: u32,
    /// Share of dense units dropped in training.
    pub dropout: f64,
}

impl Default for EncoderHeadConfig {
    fn default() -> Self {
        Self { pooling: HeadPooling::Mean, attention: 64, dense: 256, dropout: 0.3 }
    }
}

/// What an `encoder-head` network keeps of the frames of an utterance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadPooling {
    /// Their mean.
    #[default]
    Mean,
    /// Mean and standard deviation.
    Statistics,
    /// The same, with weights that are learnt.
    Attention,
}

impl Sizes for EncoderHeadConfig {
    const NAME: &'static str = "encoder-head";
    const SUMMARY: &'static str =
        "A weighted sum of the layers of a pretrained encoder, pooling over frames, two linear layers";

    fn validate(&self) -> Result<()> {
        units("attention", &[self.attention])?;
        units("dense", &[self.dense])?;
        share("dropout", self.dropout)
    }

    fn describe(&self, classes: u32) -> Description {
        let pooling = match self.pooling {
            HeadPooling::Mean => Layer::Mean,
            HeadPooling::Statistics => Layer::MeanAndDeviation,
            HeadPooling::Attention => Layer::AttentivePooling {
                hidden: "attention.0".to_owned(),
                score: "attention.2".to_owned(),
                units: self.attention,
            },
        };
        let mut layers = vec![Layer::ChannelMix { name: "layer_weights".to_owned() }, pooling];
        layers.extend(Layer::head(self.dense, self.dropout, classes));
        Description::new(layers)
    }

    fn dropout(&mut self) -> &mut f64 {
        &mut self.dropout
    }
}
