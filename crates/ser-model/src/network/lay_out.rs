//! What a layer makes of its input: what it gives, and what it learns.

use std::collections::BTreeMap;

use super::description::{Layout, Padding, Start};
use super::flow::{Flow, within};
use super::layer::{Layer, LowRank};

/// Both sides of the kernels of convolutions over bands and frames.
const KERNEL: usize = 3;

impl Layer {
    /// What it gives for `input`; what it learns and records goes into `layout`, behind `prefix`.
    ///
    /// # Errors
    /// What is wrong with its sizes or with `input`.
    pub(super) fn lay_out(
        &self,
        input: Flow,
        padding: Padding,
        prefix: &str,
        layout: &mut Layout,
    ) -> Result<Flow, String> {
        if padding == Padding::Read && self.needs_masked_padding() {
            return Err("works on masked padding only".to_owned());
        }
        let named = |name: &str| format!("{prefix}{name}");
        Ok(match self {
            Self::ConvBlock { conv, norm, channels, pool, bias } => {
                let ((inputs, bands), channels) = (input.image()?, size(*channels)?);
                let [across_bands, _] = [size(pool[0])?, size(pool[1])?];
                let fan_in = inputs * KERNEL * KERNEL;
                let shape = [channels, inputs, KERNEL, KERNEL];
                layout.weight_and_bias(&named(conv), &shape, uniform(fan_in), bias.then(|| uniform(fan_in)));
                layout.batch_norm(&named(norm), channels);
                Flow::Image { channels, bands: bands / across_bands }
            }
            Self::Conv1d { name, channels, kernel } => {
                let (inputs, units, kernel) = (input.sequence()?, size(*channels)?, odd(*kernel)?);
                let start = uniform(inputs * kernel);
                layout.weight_and_bias(&named(name), &[units, inputs, kernel], start, Some(start));
                Flow::Sequence { units }
            }
            Self::Lstm { name, hidden } => lstm(&named(name), input.sequence()?, size(*hidden)?, layout),
            Self::SelfAttention { name, heads } => {
                self_attention(&named(name), input.sequence()?, size(*heads)?, layout)?
            }
            Self::PositionalEncoding => Flow::Sequence { units: input.sequence()? },
            Self::Linear { name, units } => {
                let ((inputs, with), units) = (input.units()?, size(*units)?);
                layout.linear(&named(name), inputs, units);
                with(units)
            }
            Self::LayerNorm { name } => {
                let (units, with) = input.units()?;
                layout.scale_and_shift(&named(name), units);
                with(units)
            }
            Self::Activation(_) => input,
            Self::Dropout(share) => match (0.0..1.0).contains(share) {
                true => input,
                false => return Err(format!("drops a share of {share}, not one from 0 to below 1")),
            },
            Self::Residual(layers) => residual(layers, input, padding, prefix, layout)?,
            Self::ChannelMix { name } => {
                let (channels, bands) = input.image()?;
                layout.weight(named(name), &[channels], Start::Constant(0.0));
                Flow::Image { channels: 1, bands }
            }
            Self::Encoder { name, units, tensors, low_rank, .. } => {
                if *units == 0 {
                    return Err("no encoder is named".to_owned());
                }
                if input.image()? != (1, 1) {
                    return Err("reads a waveform, one channel of one band".to_owned());
                }
                encoder_tensors(&named(name), tensors, low_rank.as_ref(), layout)?;
                Flow::Vector { units: size(*units)? }
            }
            Self::Mean => Flow::Vector { units: input.sequence()? },
            Self::MeanAndDeviation => Flow::Vector { units: 2 * input.sequence()? },
            Self::AttentivePooling { hidden, score, units } => {
                let (inputs, units) = (input.sequence()?, size(*units)?);
                layout.linear(&named(hidden), inputs, units);
                layout.linear(&named(score), units, 1);
                Flow::Vector { units: 2 * inputs }
            }
        })
    }

    /// Whether nothing says what it does where padding is read like any frame.
    fn needs_masked_padding(&self) -> bool {
        matches!(
            self,
            Self::Conv1d { .. }
                | Self::SelfAttention { .. }
                | Self::PositionalEncoding
                | Self::MeanAndDeviation
                | Self::AttentivePooling { .. }
        )
    }
}

/// The weights of both directions, `[4 · hidden, …]` for the four gates as in PyTorch.
fn lstm(name: &str, inputs: usize, hidden: usize, layout: &mut Layout) -> Flow {
    let start = uniform(hidden);
    for direction in ["", "_reverse"] {
        for (what, shape) in [
            ("weight_ih", &[4 * hidden, inputs][..]),
            ("weight_hh", &[4 * hidden, hidden]),
            ("bias_ih", &[4 * hidden]),
            ("bias_hh", &[4 * hidden]),
        ] {
            layout.weight(format!("{name}.{what}_l0{direction}"), shape, start);
        }
    }
    Flow::Sequence { units: 2 * hidden }
}

/// As in PyTorch: Xavier's uniform for the projection, zero for its bias and that of the output.
fn self_attention(name: &str, units: usize, heads: usize, layout: &mut Layout) -> Result<Flow, String> {
    if !units.is_multiple_of(heads) {
        return Err(format!("has {heads} heads for {units} units, which is no multiple of them"));
    }
    let start = Start::Uniform { bound: (6.0 / (4 * units) as f64).sqrt() };
    layout.weight(format!("{name}.in_proj_weight"), &[3 * units, units], start);
    let zero = Start::Constant(0.0);
    layout.weight(format!("{name}.in_proj_bias"), &[3 * units], zero);
    layout.weight_and_bias(&format!("{name}.out_proj"), &[units, units], uniform(units), Some(zero));
    Ok(Flow::Sequence { units })
}

/// What `layers` give must be of the kind and size of what they are added to.
fn residual(
    layers: &[Layer],
    input: Flow,
    padding: Padding,
    prefix: &str,
    layout: &mut Layout,
) -> Result<Flow, String> {
    let (units, with) = input.units()?;
    let added = layers.iter().try_fold(with(units), |input, layer| {
        layer.lay_out(input, padding, prefix, layout).map_err(|error| format!("{}: {error}", layer.title()))
    })?;
    match added == with(units) {
        true => Ok(added),
        false => Err(format!("adds {added:?} to {:?}", with(units))),
    }
}

/// The tensors of an encoder that are trained, or with `low_rank` the two matrices beside each.
fn encoder_tensors(
    name: &str,
    tensors: &BTreeMap<String, Vec<usize>>,
    low_rank: Option<&LowRank>,
    layout: &mut Layout,
) -> Result<(), String> {
    for (tensor, shape) in tensors {
        let place = format!("{name}.{tensor}");
        shape.iter().try_for_each(|size| within("the size of a tensor", *size).map(drop))?;
        match (low_rank, shape.as_slice()) {
            (None, _) if shape.len() <= 4 => layout.weight(place, shape, Start::Given),
            (Some(added), &[outputs, inputs]) => {
                let rank = size(added.rank)?;
                let place = LowRank::place(&place);
                layout.weight(format!("{place}.lora_a"), &[rank, inputs], uniform(inputs));
                layout.weight(format!("{place}.lora_b"), &[outputs, rank], Start::Constant(0.0));
            }
            _ => return Err(format!("{tensor} of shape {shape:?} is not a matrix")),
        }
    }
    Ok(())
}

fn size(size: u32) -> Result<usize, String> {
    within("its size", size as usize)
}

fn odd(kernel: u32) -> Result<usize, String> {
    match kernel % 2 {
        1 => within("its kernel", kernel as usize),
        _ => Err(format!("has a kernel of {kernel}, which has no middle")),
    }
}

/// Linear layers and convolutions start uniform in ±1/√inputs, as in PyTorch.
fn uniform(inputs: usize) -> Start {
    Start::Uniform { bound: 1.0 / (inputs as f64).sqrt() }
}
