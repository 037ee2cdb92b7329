//! The convolutions that turn a waveform into frames.

use ser_core::Result;

use super::settings::Settings;
use super::tensors::Tensors;
use crate::nodes::{scaled_and_shifted, standardised};
use crate::onnx::{Attribute, Graph, Value};

/// Added to variances here, whatever the settings say of others.
const EPSILON: f32 = 1e-5;

/// Frames `[1, F, channel]` of `samples` `[1, 1, N]`.
///
/// # Errors
/// When a tensor is missing.
pub(super) fn apply(
    graph: &mut Graph,
    samples: &Value,
    settings: &Settings,
    tensors: &Tensors<'_>,
) -> Result<Value> {
    let mut x = samples.clone(); // [1, channel, time]
    let mut inputs = 1;
    let sizes = settings.conv_dim.iter().zip(&settings.conv_kernel).zip(&settings.conv_stride);
    for (number, ((&channels, &kernel), &stride)) in sizes.enumerate() {
        let at = format!("feature_extractor.conv_layers.{number}");
        let shape = [channels, inputs, kernel];
        let weight = tensors.get(&format!("{at}.conv.weight"), &shape)?;
        let weight = graph.floats(&shape, &weight);
        let bias = match settings.conv_bias {
            true => Some(graph.floats(&[channels], &tensors.get(&format!("{at}.conv.bias"), &[channels])?)),
            false => None,
        };
        let mut read = vec![&x, &weight];
        read.extend(&bias);
        x = graph.op_with("Conv", &read, &[Attribute::Ints("strides", &[stride as i64])]);
        if !settings.group_norm() || number == 0 {
            x = normalise(graph, &x, &format!("{at}.layer_norm"), channels, settings.group_norm(), tensors)?;
        }
        x = settings.activate_convolution(graph, &x)?;
        inputs = channels;
    }
    Ok(graph.transpose(&x, &[0, 2, 1]))
}

/// `x` `[1, channel, time]` with each channel normalised over time, or each moment over channels.
fn normalise(
    graph: &mut Graph,
    x: &Value,
    name: &str,
    channels: usize,
    over_time: bool,
    tensors: &Tensors<'_>,
) -> Result<Value> {
    let scale = tensors.get(&format!("{name}.weight"), &[channels])?;
    let shift = tensors.get(&format!("{name}.bias"), &[channels])?;
    let epsilon = graph.float(EPSILON);
    if over_time {
        let x = standardised(graph, x, &epsilon);
        return Ok(scaled_and_shifted(graph, &x, &[channels, 1], &scale, &shift));
    }
    let x = graph.transpose(x, &[0, 2, 1]);
    let x = standardised(graph, &x, &epsilon);
    let x = scaled_and_shifted(graph, &x, &[channels], &scale, &shift);
    Ok(graph.transpose(&x, &[0, 2, 1]))
}
