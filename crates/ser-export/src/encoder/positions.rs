//! Positions by convolution.

use ser_core::Result;

use super::settings::Settings;
use super::tensors::Tensors;
use crate::nodes::{scaled_and_shifted, standardised};
use crate::onnx::{Attribute, Graph, Value};

/// Added to variances here, whatever the settings say of others.
const EPSILON: f32 = 1e-5;

/// Kernel of the one convolution, and how many there are where they are stacked.
const KERNEL: usize = 128;
const STACKED: usize = 5;

/// What is added to frames `x` `[1, F, D]` for their positions, of the same shape.
///
/// # Errors
/// When a tensor is missing.
pub(super) fn of(graph: &mut Graph, x: &Value, settings: &Settings, tensors: &Tensors<'_>) -> Result<Value> {
    let size = settings.hidden_size;
    let mut y = graph.transpose(x, &[0, 2, 1]); // [1, D, F]
    if settings.stacks_positions() {
        let kernel = settings.conv_pos_kernel_size;
        for number in 0..settings.num_conv_pos_embeddings.unwrap_or(STACKED) {
            let at = format!("encoder.pos_conv_embed.layers.{number}.conv");
            let weight = tensors.get(&format!("{at}.weight"), &shape_of(settings, kernel))?;
            y = convolve(graph, &y, &at, &weight, kernel, settings, tensors)?;
            y = graph.transpose(&y, &[0, 2, 1]);
            let epsilon = graph.float(EPSILON);
            y = standardised(graph, &y, &epsilon);
            y = settings.activate_convolution(graph, &y)?;
            y = graph.transpose(&y, &[0, 2, 1]);
        }
        return Ok(graph.transpose(&y, &[0, 2, 1]));
    }
    let kernel = settings.num_conv_pos_embeddings.unwrap_or(KERNEL);
    let at = "encoder.pos_conv_embed.conv";
    let weight = match settings.conv_pos_batch_norm {
        true => {
            let [scale, shift] = batch_norm(tensors, size)?;
            y = scaled_and_shifted(graph, &y, &[size, 1], &scale, &shift);
            tensors.get(&format!("{at}.weight"), &shape_of(settings, kernel))?
        }
        false => weight_normed(tensors, at, &shape_of(settings, kernel))?,
    };
    y = convolve(graph, &y, at, &weight, kernel, settings, tensors)?;
    y = settings.activate_convolution(graph, &y)?;
    Ok(graph.transpose(&y, &[0, 2, 1]))
}

fn shape_of(settings: &Settings, kernel: usize) -> [usize; 3] {
    [settings.hidden_size, settings.hidden_size / settings.num_conv_pos_embedding_groups, kernel]
}

/// A grouped convolution of `y` `[1, D, F]` that keeps the number of frames. With an even kernel there is a frame too many,
/// which goes.
fn convolve(
    graph: &mut Graph,
    y: &Value,
    at: &str,
    weight: &[f32],
    kernel: usize,
    settings: &Settings,
    tensors: &Tensors<'_>,
) -> Result<Value> {
    let bias = tensors.get(&format!("{at}.bias"), &[settings.hidden_size])?;
    let bias = graph.floats(&[settings.hidden_size], &bias);
    let weight = graph.floats(&shape_of(settings, kernel), weight);
    // As much after the frames as before them, but for what goes.
    let (before, after) = ((kernel / 2) as i64, (kernel - 1 - kernel / 2) as i64);
    let with = [
        Attribute::Ints("pads", &[before, after]),
        Attribute::Int("group", settings.num_conv_pos_embedding_groups as i64),
    ];
    Ok(graph.op_with("Conv", &[y, &weight, &bias], &with))
}

/// `g·v/‖v‖`, the norm being that of each place of the kernel, under either of the names that PyTorch has given them.
fn weight_normed(tensors: &Tensors<'_>, at: &str, shape: &[usize; 3]) -> Result<Vec<f32>> {
    let parametrised = [".parametrizations.weight.original0", ".parametrizations.weight.original1"];
    let [g, v] = match tensors.has(&format!("{at}{}", parametrised[0])) {
        true => parametrised,
        false => [".weight_g", ".weight_v"],
    };
    let kernel = shape[2];
    let g = tensors.get(&format!("{at}{g}"), &[1, 1, kernel])?;
    let mut weight = tensors.get(&format!("{at}{v}"), shape)?;
    let mut squares = vec![0.0_f64; kernel];
    for places in weight.chunks_exact(kernel.max(1)) {
        squares.iter_mut().zip(places).for_each(|(sum, value)| *sum += f64::from(*value).powi(2));
    }
    for places in weight.chunks_exact_mut(kernel.max(1)) {
        for ((value, g), square) in places.iter_mut().zip(&g).zip(&squares) {
            *value = (f64::from(*value) * f64::from(*g) / square.sqrt()) as f32;
        }
    }
    Ok(weight)
}

/// Batch normalisation by statistics of training: a scale and an offset of each channel.
fn batch_norm(tensors: &Tensors<'_>, size: usize) -> Result<[Vec<f32>; 2]> {
    let of = |name: &str| tensors.get(&format!("encoder.pos_conv_embed.batch_norm.{name}"), &[size]);
    let (weight, bias) = (of("weight")?, of("bias")?);
    let (mean, variance) = (of("running_mean")?, of("running_var")?);
    let scale: Vec<f32> =
        weight.iter().zip(&variance).map(|(weight, variance)| weight / (variance + EPSILON).sqrt()).collect();
    let of_channel = bias.iter().zip(&mean).zip(&scale);
    let shift = of_channel.map(|((bias, mean), scale)| bias - mean * scale).collect();
    Ok([scale, shift])
}
