//! Positions by convolution: what lies around a frame tells where it is.

use std::fmt::Debug;

use ser_core::{ErrorKind, Result as OurResult};
use ser_torch::Result;
use tch::Tensor;

use crate::parts::{Activation, Convolution, Frames, LayerNorm, Layout};
use crate::settings::Settings;
use crate::weights::{Weight, Weights};

/// What is added to frames for their positions.
pub(crate) trait Positions: Debug + Send {
    /// `[B, frame, D]` for `x` of the same shape, which is zero where there is nothing real.
    fn of(&self, x: &Tensor, frames: &Frames) -> Result<Tensor>;

    /// The same, sharing its weights.
    fn share(&self) -> Box<dyn Positions>;
}

/// How a grouped convolution goes over time so that it keeps the number of frames, or gives one more with an even kernel.
fn around(kernel: i64, groups: i64) -> Layout {
    Layout { padding: kernel / 2, stride: 1, groups }
}

/// `convolved` `[B, D, frame]` without what an even kernel gives too many of the frames of `x` `[B, frame, D]`.
fn as_long_as(x: &Tensor, convolved: &Tensor) -> Result<Tensor> {
    let frames = x.size().get(1).copied().unwrap_or_default();
    Ok(convolved.f_narrow(2, 0, frames)?)
}

/// The groups of the convolution, which must divide `size`.
fn groups_of(config: &Settings, size: i64) -> OurResult<i64> {
    let key = "num_conv_pos_embedding_groups";
    let groups = config.whole(key, 16, 1..=size)?;
    match size % groups {
        0 => Ok(groups),
        _ => Err(config.refuse(ErrorKind::Unsupported, key, &format!("a divisor of hidden_size, {size}"))),
    }
}

/// One convolution whose weight is `g·v/‖v‖` (T. Salimans and D. P. Kingma, "Weight normalization", NeurIPS 2016), the norm
/// being that of each place of the kernel; or, in some of HuBERT's, batch normalisation before a plain one.
#[derive(Debug, Clone)]
pub(crate) struct WeightNormedPositions {
    batch_norm: Option<BatchNorm>,
    convolution: Convolution,
    activation: Activation,
}

/// Batch normalisation by statistics of training: a scale and an offset.
#[derive(Debug, Clone)]
struct BatchNorm {
    /// `[D, 1]`
    scale: Weight,
    offset: Weight,
}

impl BatchNorm {
    fn load(weights: &mut Weights, at: &str, size: i64) -> Result<Self> {
        let mut of = |name: &str| weights.take(&format!("{at}.{name}"), &[size]);
        let (weight, bias) = (of("weight")?, of("bias")?);
        let (mean, variance) = (of("running_mean")?, of("running_var")?);
        let scale = weight.f_div(&variance.f_add_scalar(1e-5)?.f_sqrt()?)?;
        let offset = bias.f_sub(&mean.f_mul(&scale)?)?;
        Ok(Self { scale: scale.f_unsqueeze(1)?.into(), offset: offset.f_unsqueeze(1)?.into() })
    }
}

impl WeightNormedPositions {
    /// `encoder.pos_conv_embed.conv`, with its weight in two parts under either of the names that PyTorch has given them.
    pub(crate) fn load(
        config: &Settings,
        weights: &mut Weights,
        size: i64,
        batch_norm: bool,
    ) -> Result<Self> {
        let kernel = config.whole("num_conv_pos_embeddings", 128, 1..=1024)?;
        let groups = groups_of(config, size)?;
        let at = "encoder.pos_conv_embed.conv";
        let shape = [size, size / groups, kernel];
        let (batch_norm, weight) = match batch_norm {
            true => {
                let norm = BatchNorm::load(weights, "encoder.pos_conv_embed.batch_norm", size)?;
                (Some(norm), weights.take_for_products(&format!("{at}.weight"), &shape)?)
            }
            false => {
                let parametrised =
                    [".parametrizations.weight.original0", ".parametrizations.weight.original1"];
                let [g, v] = match weights.has(&format!("{at}{}", parametrised[0])) {
                    true => parametrised,
                    false => [".weight_g", ".weight_v"],
                };
                let g = weights.take(&format!("{at}{g}"), &[1, 1, kernel])?;
                let v = weights.take(&format!("{at}{v}"), &shape)?;
                let norm = Tensor::f_norm_except_dim(&v, 2, 2)?; // [1, 1, kernel]
                (None, weights.for_products(&v.f_mul(&g.f_div(&norm)?)?)?)
            }
        };
        let bias = weights.take_for_products(&format!("{at}.bias"), &[size])?;
        let convolution = Convolution::of(weights, weight, Some(bias), shape, around(kernel, groups))?;
        let activation = Activation::named(config, "feat_extract_activation")?;
        Ok(Self { batch_norm, convolution, activation })
    }
}

impl Positions for WeightNormedPositions {
    fn of(&self, x: &Tensor, frames: &Frames) -> Result<Tensor> {
        let mut y = x.f_transpose(1, 2)?; // [B, D, frame]
        if let Some(BatchNorm { scale, offset }) = &self.batch_norm {
            let normed = y.f_mul(scale)?.f_add(offset)?;
            y = frames.masked(normed.f_transpose(1, 2)?)?.f_transpose(1, 2)?;
        }
        let convolved = self.convolution.activated(&y, self.activation)?;
        Ok(as_long_as(x, &convolved)?.f_transpose(1, 2)?)
    }

    fn share(&self) -> Box<dyn Positions> {
        Box::new(self.clone())
    }
}

/// Several convolutions one after the other, each with a layer normalisation that learns nothing (data2vec).
#[derive(Debug, Clone)]
pub(crate) struct StackedPositions {
    convolutions: Vec<Convolution>,
    norm: LayerNorm,
    activation: Activation,
}

impl StackedPositions {
    /// `encoder.pos_conv_embed.layers.<i>.conv`.
    pub(crate) fn load(config: &Settings, weights: &mut Weights, size: i64) -> Result<Self> {
        let count = config.whole("num_conv_pos_embeddings", 5, 1..=64)?;
        let kernel = config.whole("conv_pos_kernel_size", 19, 1..=1024)?;
        let groups = groups_of(config, size)?;
        let load = |number: i64| -> Result<Convolution> {
            let at = format!("encoder.pos_conv_embed.layers.{number}.conv");
            Convolution::load(weights, &at, [size, size / groups, kernel], around(kernel, groups), true)
        };
        let convolutions = (0..count).map(load).collect::<Result<_>>()?;
        let activation = Activation::named(config, "feat_extract_activation")?;
        Ok(Self { convolutions, norm: LayerNorm::plain(size), activation })
    }
}

impl Positions for StackedPositions {
    fn of(&self, x: &Tensor, frames: &Frames) -> Result<Tensor> {
        let mut y = x.shallow_clone();
        for convolution in &self.convolutions {
            let convolved = as_long_as(x, &convolution.apply(&y.f_transpose(1, 2)?)?)?.f_transpose(1, 2)?;
            // What a convolution puts where nothing is real must not come back through the next one.
            y = frames.masked(self.activation.apply(&self.norm.apply(&convolved)?)?)?;
        }
        Ok(y)
    }

    fn share(&self) -> Box<dyn Positions> {
        Box::new(self.clone())
    }
}
