//! `cnn-statistics`: convolutions and statistics pooling, after the x-vectors of D. Snyder et al., "X-vectors: robust DNN
//! embeddings for speaker recognition", ICASSP 2018.
//!
//! ```text
//! [B, channel, band, T] → Conv2d 3×3 → BatchNorm → MaxPool 2×2 → ReLU
//!                       → Conv2d 3×3 → BatchNorm → MaxPool 2×2 → ReLU
//!                       → Conv2d 3×3 → BatchNorm → MaxPool 2×1 (bands alone) → ReLU
//!                       → [B, channel · band/8, T/4] → Conv1d 3 → ReLU
//!                       → mean and standard deviation over the first ⌈frames/4⌉ positions
//!                       → Dropout → Linear → ReLU → Dropout → Linear → [B, class]
//! ```
//!
//! Padding never counts: it is zero before every convolution, left out of batch normalisation's statistics and of the
//! pooling. With two views there are two of these branches, the second one over the cepstrum of the features.

use ser_model::network::{CnnStatisticsConfig, Views};
use tch::{Kind, Tensor};

use crate::network::Model;
use crate::network::layers::{
    Constant, Conv1d, Forward, Head, Lengths, MaskedConvBlock, Plan, channels_last, cosine_basis,
    masked_image, masked_mean_and_deviation,
};
use crate::torch::Result;

/// Its branches.
#[derive(Debug)]
pub(super) struct CnnStatistics {
    views: Views,
    /// That of the cepstrum.
    basis: Constant,
    branches: Vec<Branch>,
}

#[derive(Debug)]
struct Branch {
    blocks: [MaskedConvBlock; 3],
    frames: Conv1d,
    dropout: f64,
    head: Head,
}

impl CnnStatistics {
    pub(super) fn new(
        config: &CnnStatisticsConfig,
        input: [usize; 3],
        classes: usize,
        plan: &mut Plan,
    ) -> Self {
        let count = match config.views {
            Views::Features => 1,
            Views::FeaturesAndCepstrum => 2,
        };
        let branches = (0..count).map(|view| Branch::new(config, input, classes, view, plan)).collect();
        Self { views: config.views, basis: Constant::default(), branches }
    }
}

impl Branch {
    fn new(
        config: &CnnStatisticsConfig,
        input: [usize; 3],
        classes: usize,
        view: usize,
        plan: &mut Plan,
    ) -> Self {
        let [depth, bands, _] = input.map(|size| size as i64);
        let [first, second, third] = config.channels.map(i64::from);
        let (units, dense) = (i64::from(config.frame_channels), i64::from(config.dense));
        let name = |layer: &str| format!("views.{view}.{layer}");
        let mut block = |conv: &str, norm: &str, channels: [i64; 2], pool: [i64; 2]| {
            MaskedConvBlock::new(plan, [&name(conv), &name(norm)], channels, pool)
        };
        let blocks = [
            block("cnn.0", "cnn.1", [depth, first], [2, 2]),
            block("cnn.2", "cnn.3", [first, second], [2, 2]),
            block("cnn.4", "cnn.5", [second, third], [1, 2]),
        ];
        let frames = Conv1d::new(plan, &name("frames"), [third * (bands / 8), units], 3);
        let sizes = [2 * units, dense, classes as i64];
        let head = Head::new(plan, [&name("head.0"), &name("head.3")], sizes, config.dropout);
        Self { blocks, frames, dropout: config.dropout, head }
    }

    /// `x` is `[B, channel, position, band]`.
    fn forward(&self, forward: &mut Forward<'_>, x: &Tensor, lengths: &Lengths) -> Result<Tensor> {
        let (mut x, mut lengths) = (x.f_to_kind(forward.kind)?, lengths.clone());
        for block in &self.blocks {
            (x, lengths) = block.forward(forward, &x, &lengths)?;
        }
        // [B, channel, position, band] → [B, channel · band, position]
        let x = x.f_transpose(2, 3)?.f_reshape([lengths.batch(), -1, lengths.positions()])?;
        let x = self.frames.forward(forward, &x)?.f_relu()?.f_to_kind(Kind::Float)?;
        let x = masked_mean_and_deviation(&x, &lengths)?;
        let x = forward.drop_out(x, self.dropout)?;
        self.head.forward(forward, &x)
    }
}

impl Model for CnnStatistics {
    fn branches(&self, forward: &mut Forward<'_>, features: &Tensor, frames: &Tensor) -> Result<Vec<Tensor>> {
        let lengths = Lengths::of(frames, features.size()[3])?;
        let image = masked_image(features, &lengths)?; // [B, channel, position, band]
        let mut views = vec![image];
        if self.views == Views::FeaturesAndCepstrum {
            let basis = self.basis.get(forward, || cosine_basis(features.size()[2]))?;
            views.push(channels_last(&views[0].f_matmul(&basis.f_tr()?)?)?);
        }
        self.branches
            .iter()
            .zip(&views)
            .map(|(branch, view)| branch.forward(forward, view, &lengths))
            .collect()
    }
}
