//! The layers of the transformer.

use ser_core::Result;

use super::attention::{RelativePositions, attend};
use super::settings::Settings;
use super::tensors::Tensors;
use super::{layer_norm, linear};
use crate::onnx::{Graph, Value};

/// What all layers make of `x` `[1, F, D]`, of the same shape, where F is at most `most`; with the normalisation before the
/// first or after the last.
///
/// # Errors
/// When a tensor is missing.
pub(super) fn apply(
    graph: &mut Graph,
    scope: &str,
    x: &Value,
    most: usize,
    settings: &Settings,
    tensors: &Tensors<'_>,
) -> Result<Value> {
    let (size, epsilon) = (settings.hidden_size, settings.layer_norm_eps);
    let norm = |graph: &mut Graph, name: &str, x: &Value| layer_norm(graph, tensors, name, x, size, epsilon);
    let mut x = x.clone();
    if !settings.pre_norm() {
        x = norm(graph, "encoder.layer_norm", &x)?;
    }
    let positions = match settings.has_relative_positions() {
        true => Some(RelativePositions::of(graph, &x, most, settings, tensors)?),
        false => None,
    };
    for number in 0..settings.num_hidden_layers {
        graph.enter(&format!("{scope}/layer.{number}"));
        let at = format!("encoder.layers.{number}");
        let (before, after) = (format!("{at}.layer_norm"), format!("{at}.final_layer_norm"));
        if settings.pre_norm() {
            let read = norm(graph, &before, &x)?;
            let attended = attend(graph, &at, &read, positions.as_ref(), settings, tensors)?;
            x = graph.op("Add", &[&attended, &x]);
            let read = norm(graph, &after, &x)?;
            let fed = feed_forward(graph, &at, &read, settings, tensors)?;
            x = graph.op("Add", &[&fed, &x]);
        } else {
            let attended = attend(graph, &at, &x, positions.as_ref(), settings, tensors)?;
            let sum = graph.op("Add", &[&attended, &x]);
            x = norm(graph, &before, &sum)?;
            let fed = feed_forward(graph, &at, &x, settings, tensors)?;
            let sum = graph.op("Add", &[&fed, &x]);
            x = norm(graph, &after, &sum)?;
        }
    }
    match settings.pre_norm() {
        true => norm(graph, "encoder.layer_norm", &x),
        false => Ok(x),
    }
}

fn feed_forward(
    graph: &mut Graph,
    at: &str,
    x: &Value,
    settings: &Settings,
    tensors: &Tensors<'_>,
) -> Result<Value> {
    let (size, inner) = (settings.hidden_size, settings.intermediate_size);
    let at = format!("{at}.feed_forward");
    let x = linear(graph, tensors, &format!("{at}.intermediate_dense"), x, [size, inner])?;
    let x = settings.activate_layer(graph, &x)?;
    linear(graph, tensors, &format!("{at}.output_dense"), &x, [inner, size])
}
