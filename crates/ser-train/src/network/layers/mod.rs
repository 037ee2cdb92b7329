//! Layers that architectures are made of. Each says in its constructor what it learns and records, and computes with a
//! [`Forward`] that holds those values.

pub mod attention;
pub mod batch_norm;
pub mod constant;
pub mod convolution;
pub mod dense;
pub mod feed_forward;
pub mod front;
pub mod image;
pub mod layer_norm;
pub mod lengths;
pub mod lstm;
pub mod pooling;
pub mod position;
pub mod sequence;

use ser_core::random::Random;
use tch::{Device, Kind, Tensor};

use crate::network::parameters::{Start, Weight};
use crate::torch::Result;

pub(super) use attention::SelfAttention;
pub(super) use batch_norm::RunningStatistics;
pub(super) use constant::Constant;
pub(super) use convolution::{ConvBlock, DepthwiseConv, MaskedConvBlock, StridedConv};
pub(super) use dense::{Head, Linear};
pub(super) use feed_forward::{Activation, FeedForward};
pub(super) use front::{ConvFront, to_sequence};
pub(super) use image::{channels_last, cosine_basis, masked_image};
pub(super) use layer_norm::LayerNorm;
pub(super) use lengths::{Lengths, positions_of};
pub(super) use lstm::Lstm;
pub(super) use pooling::{AttentivePooling, masked_mean, masked_mean_and_deviation};
pub(super) use position::PositionalEncoding;
pub(super) use sequence::Conv1d;

/// All that a network learns and records, in the order of its one buffer. Layers add to it as they are made.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) weights: Vec<Weight>,
    /// Name and channels of each batch normalisation.
    pub(super) statistics: Vec<(String, i64)>,
    /// What the names of layers about to be added begin with.
    pub(super) prefix: String,
}

impl Plan {
    /// Adds a weight, and returns its place.
    fn weight(&mut self, name: &str, shape: &[i64], start: Start) -> usize {
        self.weights.push(Weight::new(&format!("{}{name}", self.prefix), shape, start));
        self.weights.len() - 1
    }

    /// Adds `name.weight` of `shape` and, behind it, `name.bias` if wanted, both uniform in ±1/√`fan_in`, as PyTorch
    /// starts convolutions and linear layers.
    fn weight_and_bias(&mut self, name: &str, shape: &[i64], fan_in: i64, bias: bool) -> usize {
        let start = Start::Uniform { bound: 1.0 / (fan_in as f64).sqrt() };
        let place = self.weight(&format!("{name}.weight"), shape, start);
        if bias {
            self.weight(&format!("{name}.bias"), &shape[..1], start);
        }
        place
    }

    pub(super) fn n_parameters(&self) -> u64 {
        self.weights.iter().map(|weight| weight.shape.iter().product::<i64>().unsigned_abs()).sum()
    }

    /// Name and shape of every tensor of the state dict.
    pub(super) fn shapes(&self) -> impl Iterator<Item = (String, Vec<i64>)> {
        let weights = self.weights.iter().map(|weight| (weight.name.clone(), weight.shape.clone()));
        let recorded = self.statistics.iter().flat_map(|(name, channels)| {
            let tensor = |what: &str, shape: Vec<i64>| (format!("{name}.{what}"), shape);
            [
                tensor("running_mean", vec![*channels]),
                tensor("running_var", vec![*channels]),
                tensor("num_batches_tracked", vec![]),
            ]
        });
        weights.chain(recorded)
    }
}

/// What layers compute with in one pass.
#[derive(Debug)]
pub(super) struct Forward<'a> {
    /// The weights, in the order of the plan.
    pub(super) leaves: &'a [Tensor],
    pub(super) statistics: &'a mut [RunningStatistics],
    /// Draws what is dropped, in training.
    pub(super) dropping: Option<&'a mut Random>,
    /// Arithmetic of convolutions and LSTM.
    pub(super) kind: Kind,
    pub(super) device: Device,
}

impl Forward<'_> {
    fn training(&self) -> bool {
        self.dropping.is_some()
    }

    /// A weight in the arithmetic of convolutions and LSTM, through which gradients flow back to it.
    fn leaf(&self, weight: usize) -> Result<Tensor> {
        Ok(self.leaves[weight].f_to_kind(self.kind)?)
    }

    /// Dropout with a mask of our own, so that it follows from the seed alone.
    pub(super) fn drop_out(&mut self, x: Tensor, share: f64) -> Result<Tensor> {
        let share = share as f32;
        let Some(random) = self.dropping.as_mut().filter(|_| share > 0.0) else { return Ok(x) };
        let kept = 1.0 / (1.0 - share);
        let mask: Vec<f32> = (0..x.numel()).map(|_| if random.unit() < share { 0.0 } else { kept }).collect();
        let mask = Tensor::f_from_slice(&mask)?.f_view(x.size().as_slice())?.f_to(self.device)?;
        Ok(x.f_mul(&mask)?)
    }
}
