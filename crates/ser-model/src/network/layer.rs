//! The layers that networks are described with.

use std::collections::BTreeMap;

/// A layer, as data. Its input is what the layer before it gives:
///
/// - an *image* `[channel, band, position]`: at first the features, whose positions are frames;
/// - a *sequence* `[position, unit]`; an image can be read as one, whose units at a position are all bands of the first
///   channel, then of the second, and so on;
/// - a *vector* `[unit]`, for the whole utterance.
///
/// Names are those of weights in a checkpoint, as PyTorch would call them: the layer called `embed` has `embed.weight`
/// and `embed.bias`.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// Conv2d 3×3, batch normalisation, max-pooling and ReLU over an image.
    ConvBlock {
        /// Name of the convolution.
        conv: String,
        /// Name of the batch normalisation.
        norm: String,
        /// Channels that come out.
        channels: u32,
        /// Bands and positions of a pooling window. Of a rest smaller than the window, bands are dropped.
        pool: [u32; 2],
        /// Whether the convolution has a bias, which batch normalisation makes superfluous.
        bias: bool,
    },
    /// Conv1d over the positions of a sequence, as many out as in.
    Conv1d {
        /// Its name.
        name: String,
        /// Units that come out.
        channels: u32,
        /// Positions that it sees; odd.
        kernel: u32,
    },
    /// A bidirectional LSTM over a sequence; twice its hidden units come out.
    Lstm {
        /// Its name.
        name: String,
        /// Hidden units in each direction.
        hidden: u32,
    },
    /// Multi-head self-attention over a sequence (A. Vaswani et al., "Attention is all you need", NeurIPS 2017).
    SelfAttention {
        /// Its name.
        name: String,
        /// Heads, of which the width of the sequence is a multiple.
        heads: u32,
    },
    /// Adds sin(p / 10000^(2i / width)) to the even units at position p of a sequence and the cosine to the odd ones
    /// (Vaswani et al., 2017), so that layers which treat all positions alike can tell them apart.
    PositionalEncoding,
    /// A linear layer with bias, at each position of a sequence for itself or on a vector.
    Linear {
        /// Its name.
        name: String,
        /// Units that come out.
        units: u32,
    },
    /// Layer normalisation (J. L. Ba et al., 2016) of the units at each position of a sequence, or of a vector.
    LayerNorm {
        /// Its name.
        name: String,
    },
    /// A function of each value.
    Activation(Activation),
    /// Drops this share of all values in training, and scales up the others.
    Dropout(f64),
    /// x + `layers`(x), on a sequence or a vector. They give as many units as they read.
    Residual(Vec<Layer>),
    /// From an image to one with a single channel: the sum of its channels, each times its softmax weight (M. E. Peters et
    /// al., "Deep contextualized word representations", NAACL 2018). All weigh the same at first.
    ChannelMix {
        /// Name of its weight, one number a channel.
        name: String,
    },
    /// From a waveform, an image of one channel and one band, to a vector: the mean over real frames of the last states of a
    /// pretrained encoder.
    Encoder {
        /// What the names of its weights begin with: `<name>.<tensor>`, or with `low_rank` the matrices
        /// `<name>.<tensor>.lora_a` and `lora_b` in the place of `<tensor>.weight`.
        name: String,
        /// Numbers of a state.
        units: u32,
        /// Names and shapes of the encoder's own tensors that are trained, or that something is added to.
        tensors: BTreeMap<String, Vec<usize>>,
        /// Whether frames are hidden in training, as the encoder's settings say.
        time_masks: bool,
        /// Whether values inside of the encoder's layers are computed again in the backward pass instead of being kept.
        checkpointing: bool,
        /// Unless the tensors are trained themselves: what is added to them.
        low_rank: Option<LowRank>,
    },
    /// From a sequence to a vector: the mean over real positions.
    Mean,
    /// From a sequence to a vector of twice as many units: the mean over real positions, then the standard deviation
    /// √(variance + 1e-5).
    MeanAndDeviation,
    /// The same with weights (K. Okabe et al., "Attentive statistics pooling for deep speaker embedding", Interspeech
    /// 2018): position h weighs softmax(v · tanh(W h + b) + k).
    AttentivePooling {
        /// Name of the linear layer W, b.
        hidden: String,
        /// Name of the linear layer v, k.
        score: String,
        /// Units of W.
        units: u32,
    },
}

/// A product of two matrices that is added to a third: W + α / rank · B·A, where A starts as linear layers do and B at 0
/// (E. J. Hu et al., "LoRA: low-rank adaptation of large language models", ICLR 2022).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LowRank {
    /// Rows of A and columns of B.
    pub rank: u32,
    /// α.
    pub alpha: f64,
}

impl LowRank {
    /// What the names of A and B begin with for the tensor `name`: that without `.weight`.
    pub fn place(name: &str) -> &str {
        name.strip_suffix(".weight").unwrap_or(name)
    }

    /// What the product is multiplied by: α / rank.
    pub fn scale(self) -> f64 {
        self.alpha / f64::from(self.rank.max(1))
    }
}

/// A function of each value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x · Φ(x), Φ being the normal distribution (D. Hendrycks and K. Gimpel, 2016).
    Gelu,
}

impl Layer {
    /// What it is called in messages.
    pub(super) fn title(&self) -> String {
        let (kind, name) = match self {
            Self::ConvBlock { conv, .. } => ("ConvBlock", conv.as_str()),
            Self::Conv1d { name, .. } => ("Conv1d", name.as_str()),
            Self::Lstm { name, .. } => ("Lstm", name.as_str()),
            Self::SelfAttention { name, .. } => ("SelfAttention", name.as_str()),
            Self::PositionalEncoding => ("PositionalEncoding", ""),
            Self::Linear { name, .. } => ("Linear", name.as_str()),
            Self::LayerNorm { name } => ("LayerNorm", name.as_str()),
            Self::Activation(_) => ("Activation", ""),
            Self::Dropout(_) => ("Dropout", ""),
            Self::Residual(_) => ("Residual", ""),
            Self::ChannelMix { name } => ("ChannelMix", name.as_str()),
            Self::Encoder { name, .. } => ("Encoder", name.as_str()),
            Self::Mean => ("Mean", ""),
            Self::MeanAndDeviation => ("MeanAndDeviation", ""),
            Self::AttentivePooling { hidden, .. } => ("AttentivePooling", hidden.as_str()),
        };
        format!("{kind} {name}").trim_end().to_owned()
    }

    /// By how much bands and positions are divided.
    pub(super) fn stride(&self) -> [usize; 2] {
        match self {
            Self::ConvBlock { pool, .. } => pool.map(|size| size as usize),
            _ => [1, 1],
        }
    }
}

/// Layers that architectures have in common.
impl Layer {
    /// A [`ConvBlock`](Self::ConvBlock) without bias.
    pub fn conv_block(conv: &str, norm: &str, channels: u32, pool: [u32; 2]) -> Self {
        Self::ConvBlock { conv: conv.to_owned(), norm: norm.to_owned(), channels, pool, bias: false }
    }

    /// A [`Linear`](Self::Linear) layer.
    pub fn linear(name: &str, units: u32) -> Self {
        Self::Linear { name: name.to_owned(), units }
    }

    /// An [`Lstm`](Self::Lstm).
    pub fn lstm(name: &str, hidden: u32) -> Self {
        Self::Lstm { name: name.to_owned(), hidden }
    }

    /// A [`LayerNorm`](Self::LayerNorm).
    pub fn layer_norm(name: &str) -> Self {
        Self::LayerNorm { name: name.to_owned() }
    }

    /// From what was pooled over positions to logits: `head.0`, linear of `dense` units, ReLU, dropout, `head.3`, linear.
    pub fn head(dense: u32, dropout: f64, classes: u32) -> [Self; 4] {
        [
            Self::linear("head.0", dense),
            Self::Activation(Activation::Relu),
            Self::Dropout(dropout),
            Self::linear("head.3", classes),
        ]
    }

    /// Two convolution blocks, `cnn.0` to `cnn.3`, that each halve bands and frames.
    pub fn conv_front(channels: [u32; 2]) -> [Self; 2] {
        [
            Self::conv_block("cnn.0", "cnn.1", channels[0], [2, 2]),
            Self::conv_block("cnn.2", "cnn.3", channels[1], [2, 2]),
        ]
    }
}
