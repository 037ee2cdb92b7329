//! The layers of [`ser_model::network::Layer`] computed with libtorch.

mod attention;
mod convolution;
mod dense;
mod encoder;
mod lengths;
mod lstm;
mod norm_pool;
mod normalisation;
mod pooling;
mod side_by_side;
mod view;

use std::collections::HashMap;

use ser_core::random::Random;
use ser_core::{Error, ErrorKind};
use ser_encoder::{Replay, Tunable};
use ser_model::network::{Layer, Layout, Padding};
use tch::{Device, Kind, Tensor};

use crate::batches::sharing::{RankRows, Sharing};
use ser_torch::Result;

pub(super) use lengths::Lengths;
pub(super) use normalisation::RunningStatistics;
pub(super) use view::{Constant, channels_last, cosine_basis, masked_image};

/// A layer that computes.
pub(super) trait Compute: std::fmt::Debug + Send {
    /// What it gives for `input`.
    fn forward(&self, forward: &mut Forward<'_>, input: Flow) -> Result<Flow>;
}

/// Where the weights and statistics of a network lie, by their names.
#[derive(Debug)]
pub(super) struct Places {
    weights: HashMap<String, usize>,
    statistics: HashMap<String, usize>,
    /// What the names of layers about to be built begin with.
    pub(super) prefix: String,
    pub(super) padding: Padding,
}

impl Places {
    pub(super) fn of(layout: &Layout, padding: Padding) -> Self {
        let weights = layout.weights.iter().enumerate().map(|(place, weight)| (weight.name.clone(), place));
        let statistics = layout.statistics.iter().enumerate().map(|(place, seen)| (seen.name.clone(), place));
        Self { weights: weights.collect(), statistics: statistics.collect(), prefix: String::new(), padding }
    }

    /// Where the weight `name` lies.
    fn weight(&self, name: &str) -> Result<usize> {
        self.find(&self.weights, name)
    }

    /// Where the layer `name` has its weight and its bias.
    fn weight_and_bias(&self, name: &str) -> Result<[usize; 2]> {
        Ok([self.weight(&format!("{name}.weight"))?, self.weight(&format!("{name}.bias"))?])
    }

    /// Where the batch normalisation `name` has its statistics.
    fn statistics(&self, name: &str) -> Result<usize> {
        self.find(&self.statistics, name)
    }

    fn find(&self, places: &HashMap<String, usize>, name: &str) -> Result<usize> {
        let name = format!("{}{name}", self.prefix);
        places.get(&name).copied().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, format!("the network's layout has no {name}")).into()
        })
    }
}

/// The layer that `layer` describes.
///
/// # Errors
/// When `places` are those of another network.
pub(super) fn build(layer: &Layer, places: &Places) -> Result<Box<dyn Compute>> {
    Ok(match layer {
        Layer::ConvBlock { conv, norm, pool, bias, .. } => match places.padding {
            Padding::Masked => {
                Box::new(convolution::MaskedConvBlock::new(places, [conv, norm], *pool, *bias)?)
            }
            Padding::Read => Box::new(convolution::ConvBlock::new(places, [conv, norm], *pool, *bias)?),
        },
        Layer::Conv1d { name, kernel, .. } => Box::new(convolution::Conv1d::new(places, name, *kernel)?),
        Layer::Lstm { name, hidden } => Box::new(lstm::Lstm::new(places, name, *hidden)?),
        Layer::SelfAttention { name, heads } => {
            Box::new(attention::SelfAttention::new(places, name, *heads)?)
        }
        Layer::PositionalEncoding => Box::new(attention::PositionalEncoding::default()),
        Layer::Linear { name, .. } => Box::new(dense::Linear::new(places, name)?),
        Layer::LayerNorm { name } => Box::new(normalisation::LayerNorm::new(places, name)?),
        Layer::Activation(activation) => Box::new(dense::Activate(*activation)),
        Layer::Dropout(share) => Box::new(dense::Dropout(*share)),
        Layer::Residual(layers) => Box::new(dense::Residual::new(places, layers)?),
        Layer::ChannelMix { name } => Box::new(pooling::ChannelMix::new(places, name)?),
        Layer::Encoder { name, tensors, low_rank, time_masks, checkpointing, .. } => {
            let encoder = encoder::Encoder::new(places, name, tensors.keys(), *low_rank)?;
            Box::new(encoder.learning(*time_masks, *checkpointing))
        }
        Layer::Mean => Box::new(pooling::Mean),
        Layer::MeanAndDeviation => Box::new(pooling::MeanAndDeviation),
        Layer::AttentivePooling { hidden, score, .. } => {
            Box::new(pooling::AttentivePooling::new(places, [hidden, score])?)
        }
    })
}

/// What goes from one layer to the next.
#[derive(Debug)]
pub(super) struct Flow {
    x: Tensor,
    form: Form,
    real: Real,
}

/// In which order the axes of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `[B, channel, position, band]`, zero at padding: frames come before bands, so that all real positions of an
    /// utterance lie side by side in memory.
    MaskedImage,
    /// `[B, channel, band, position]`, padding and all.
    Image,
    /// `[B, position, unit]`.
    Sequence,
    /// `[B, unit, position]`.
    UnitsFirst,
    /// `[B, unit]`.
    Vector,
}

/// What is known of the positions that are real.
#[derive(Debug)]
enum Real {
    /// How many they are. Padding is masked.
    Positions(Lengths),
    /// How many frames were, `[B]`, of which so many became one position. Padding is read, so nobody needs to know more,
    /// and the numbers stay on the device.
    Frames(Tensor, i64),
}

impl Flow {
    /// The image of features in memory as [`masked_image`] makes it, whose other positions are zero.
    pub(super) fn masked(x: Tensor, lengths: Lengths) -> Self {
        Self { x, form: Form::MaskedImage, real: Real::Positions(lengths) }
    }

    /// The image of features with padding and all, of which the first `frames` `[B]` are real.
    pub(super) fn whole(x: Tensor, frames: &Tensor) -> Self {
        Self { x, form: Form::Image, real: Real::Frames(frames.shallow_clone(), 1) }
    }

    /// The logits `[B, class]` at the end.
    pub(super) fn into_tensor(self) -> Tensor {
        self.x
    }

    fn lengths(&self) -> Result<&Lengths> {
        match &self.real {
            Real::Positions(lengths) => Ok(lengths),
            Real::Frames(..) => {
                Err(Error::new(ErrorKind::Unsupported, "a layer that works on masked padding only").into())
            }
        }
    }

    /// As a sequence `[B, position, unit]`; an image has channel · band units.
    fn sequence(&self) -> Result<Tensor> {
        let size = self.x.size();
        Ok(match self.form {
            Form::MaskedImage => self.x.f_permute([0, 2, 1, 3])?.f_reshape([size[0], size[2], -1])?,
            Form::Image => self.x.f_permute([0, 3, 1, 2])?.f_reshape([size[0], size[3], -1])?,
            Form::UnitsFirst => self.x.f_transpose(1, 2)?,
            Form::Sequence | Form::Vector => self.x.shallow_clone(),
        })
    }

    /// As a sequence `[B, unit, position]`.
    fn units_first(&self) -> Result<Tensor> {
        let size = self.x.size();
        Ok(match self.form {
            Form::MaskedImage => self.x.f_transpose(2, 3)?.f_reshape([size[0], -1, size[2]])?,
            Form::UnitsFirst => self.x.shallow_clone(),
            _ => self.sequence()?.f_transpose(1, 2)?,
        })
    }

    /// A sequence `[B, position, unit]` or vector `[B, unit]`, in f32.
    fn units_last(&self) -> Result<Tensor> {
        Ok(self.sequence()?.f_to_kind(Kind::Float)?)
    }

    /// The same positions with other values, units last.
    fn with_units_last(self, x: Tensor) -> Self {
        let form = if self.form == Form::Vector { Form::Vector } else { Form::Sequence };
        Self { x, form, ..self }
    }
}

/// What layers compute with in one pass.
#[derive(Debug)]
pub(super) struct Forward<'a> {
    /// The weights, in the order of the layout.
    pub(super) leaves: &'a [Tensor],
    pub(super) statistics: &'a mut [RunningStatistics],
    /// Draws what is dropped, in training.
    pub(super) dropping: Option<&'a mut Random>,
    /// Arithmetic of convolutions and LSTM.
    pub(super) kind: Kind,
    pub(super) device: Device,
    /// The pretrained encoder, if the network begins with one.
    pub(super) encoder: Option<&'a Tunable>,
    /// What of the backward pass is left once gradients have come to an encoder that kept nothing.
    pub(super) replays: &'a mut Vec<Replay>,
    /// Whose part of a batch this is, in training by several ranks.
    pub(super) sharing: Option<&'a Sharing<'a>>,
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
    fn drop_out(&mut self, x: Tensor, share: f64) -> Result<Tensor> {
        let share = share as f32;
        let Some(random) = self.dropping.as_mut().filter(|_| share > 0.0) else { return Ok(x) };
        let kept = 1.0 / (1.0 - share);
        let draw = |random: &mut Random| -> Vec<f32> {
            (0..x.numel()).map(|_| if random.unit() < share { 0.0 } else { kept }).collect()
        };
        let mask = match self.sharing {
            None => draw(random),
            // The mask of the whole batch, of which this rank takes its rows.
            Some(sharing) => {
                let row = x.numel() / (x.size()[0].max(1) as usize);
                let leave_out = |rows: usize, random: &mut Random| {
                    (0..rows * row).for_each(|_| _ = random.unit());
                };
                let RankRows { first, count, .. } = sharing.part;
                leave_out(first, random);
                let own = draw(random);
                leave_out(sharing.all().saturating_sub(first + count), random);
                own
            }
        };
        let mask = Tensor::f_from_slice(&mask)?.f_view(x.size().as_slice())?.f_to(self.device)?;
        Ok(x.f_mul(&mask)?)
    }
}
