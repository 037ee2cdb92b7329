//! The convolutions that turn a waveform into frames.

use ser_core::ErrorKind;
use ser_torch::Result;
use tch::Tensor;

use crate::parts::{Activation, Convolution, LayerNorm, Layout};
use crate::settings::Settings;
use crate::weights::{Weight, Weights};

/// Added to the variances of group normalisation.
const EPSILON: f64 = 1e-5;

/// How the outputs of the convolutions are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Normalisation {
    /// Each channel of the first over time. That needs all of an utterance and nothing else.
    Group,
    /// Each frame of all over channels.
    Layer,
}

impl Normalisation {
    /// The one that `feat_extract_norm` names.
    pub(crate) fn of(config: &Settings) -> ser_core::Result<Self> {
        Ok(match config.one_of("feat_extract_norm", &["group", "layer"])? {
            0 => Self::Group,
            _ => Self::Layer,
        })
    }
}

/// One-dimensional convolutions without padding, each followed by an activation.
///
/// They see one utterance at a time: what group normalisation gives depends on everything it sees, so padding would change
/// it, and most of an encoder's memory is here.
#[derive(Debug, Clone)]
pub(crate) struct Convolutions {
    layers: Vec<NormedConvolution>,
    activation: Activation,
    /// Channels that come out.
    channels: i64,
}

#[derive(Debug, Clone)]
struct NormedConvolution {
    convolution: Convolution,
    norm: Norm,
}

#[derive(Debug, Clone)]
enum Norm {
    None,
    /// One group a channel.
    Group {
        weight: Weight,
        bias: Weight,
    },
    Layer(LayerNorm),
}

impl Convolutions {
    /// `feature_extractor.conv_layers.<i>.{conv,layer_norm}` of the sizes in `config`.
    ///
    /// # Errors
    /// When sizes are not valid, or weights do not fit them.
    pub(crate) fn load(
        config: &Settings,
        weights: &mut Weights,
        normalisation: Normalisation,
    ) -> Result<Self> {
        let channels = config.wholes("conv_dim", &[512; 7], 1..=4096)?;
        let kernels = config.wholes("conv_kernel", &[10, 3, 3, 3, 3, 2, 2], 1..=1024)?;
        let strides = config.wholes("conv_stride", &[5, 2, 2, 2, 2, 2, 2], 1..=1024)?;
        for (key, list) in [("conv_kernel", &kernels), ("conv_stride", &strides)] {
            if list.len() != channels.len() {
                let expected = format!("{} numbers, as many as conv_dim has", channels.len());
                return Err(config.refuse(ErrorKind::Mismatch, key, &expected).into());
            }
        }
        let has_bias = config.flag("conv_bias", false)?;
        let mut layers = Vec::with_capacity(channels.len());
        let mut inputs = 1;
        for (number, ((&channels, kernel), stride)) in channels.iter().zip(kernels).zip(strides).enumerate() {
            let at = format!("feature_extractor.conv_layers.{number}");
            let shape = [channels, inputs, kernel];
            let layout = Layout { padding: 0, stride, groups: 1 };
            let convolution = Convolution::load(weights, &format!("{at}.conv"), shape, layout, has_bias)?;
            let at = format!("{at}.layer_norm");
            let norm = match (normalisation, number) {
                (Normalisation::Layer, _) => Norm::Layer(LayerNorm::load_usual(weights, &at, channels)?),
                (Normalisation::Group, 0) => Norm::Group {
                    // Its sums are in f32 whatever it is given.
                    weight: weights.take_for_products(&format!("{at}.weight"), &[channels])?,
                    bias: weights.take_for_products(&format!("{at}.bias"), &[channels])?,
                },
                (Normalisation::Group, _) => Norm::None,
            };
            layers.push(NormedConvolution { convolution, norm });
            inputs = channels;
        }
        let activation = Activation::named(config, "feat_extract_activation")?;
        Ok(Self { layers, activation, channels: inputs })
    }

    /// Channels that come out.
    pub(crate) fn channels(&self) -> i64 {
        self.channels
    }

    /// Samples from one frame to the next.
    pub(crate) fn hop(&self) -> usize {
        self.layers.iter().map(|layer| layer.convolution.stride() as usize).product()
    }

    /// Frames that come out of a waveform of `samples`.
    pub(crate) fn frames_of(&self, samples: usize) -> usize {
        self.layers.iter().fold(samples, |length, layer| layer.convolution.outputs_of(length))
    }

    /// The most numbers that one convolution gives of a waveform of `samples`.
    pub(crate) fn largest_output(&self, samples: usize) -> usize {
        let mut length = samples;
        let outputs = self.layers.iter().map(|layer| {
            length = layer.convolution.outputs_of(length);
            length.saturating_mul(layer.convolution.outputs() as usize)
        });
        outputs.max().unwrap_or_default()
    }

    /// Frames `[1, frame, channel]` of one utterance `[sample]`.
    pub(crate) fn apply(&self, samples: &Tensor) -> Result<Tensor> {
        let mut x = samples.f_view([1, 1, -1])?; // [1, channel, time]
        for NormedConvolution { convolution, norm } in &self.layers {
            x = match norm {
                Norm::None => convolution.activated(&x, self.activation)?,
                Norm::Group { weight, bias } => {
                    // Time innermost: where channels are, libtorch subtracts the squared mean from the mean square, and a minute
                    // of sound is off by 1e-4. Nothing is held longer than needed: these are an encoder's largest tensors.
                    let convolved = convolution.apply(&x)?.f_contiguous()?;
                    drop(x);
                    let channels = convolution.outputs();
                    let normed =
                        convolved.f_group_norm(channels, Some(&**weight), Some(&**bias), EPSILON, false)?;
                    drop(convolved);
                    self.activation.apply(&normed)?
                }
                Norm::Layer(norm) => {
                    let x = norm.apply(&convolution.apply(&x)?.f_transpose(1, 2)?)?;
                    self.activation.apply(&x.f_transpose(1, 2)?)?
                }
            };
        }
        Ok(x.f_transpose(1, 2)?)
    }
}
