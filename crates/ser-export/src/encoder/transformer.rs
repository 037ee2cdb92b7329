//! The layers of a transformer.

use ser_core::{Error, ErrorKind, Result};

use super::attention::{RelativePositions, attend};
use super::settings::activate;
use super::tensors::Tensors;
use super::{layer_norm, linear};
use crate::onnx::{Graph, Value};

/// What all layers of an encoder have in common.
#[derive(Debug)]
pub(super) struct Layers<'a> {
    pub(super) count: usize,
    /// Units of a frame, heads of the attention, and units between the two linear layers.
    pub(super) size: usize,
    pub(super) heads: usize,
    pub(super) inner: usize,
    pub(super) epsilon: f64,
    /// Whether what goes into each part of a layer is normalised, instead of what comes out.
    pub(super) pre_norm: bool,
    /// As `transformers` calls it.
    pub(super) activation: &'a str,
    pub(super) names: Names,
}

/// What a family calls the layers and their parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    pub(super) layers: &'static str,
    pub(super) attention: &'static str,
    pub(super) attention_norm: &'static str,
    pub(super) inner: &'static str,
    pub(super) outer: &'static str,
    pub(super) final_norm: &'static str,
}

impl Layers<'_> {
    /// What each of the first layers makes of `x` `[1, F, D]`, of the same shape, after `x` itself: as far as the layer
    /// `deepest`, counted from 1.
    ///
    /// # Errors
    /// When a tensor is missing, or there are fewer layers.
    pub(super) fn apply(
        &self,
        graph: &mut Graph,
        scope: &str,
        x: Value,
        positions: Option<&RelativePositions>,
        deepest: usize,
        tensors: &Tensors<'_>,
    ) -> Result<Vec<Value>> {
        if deepest > self.count {
            let what = format!("reads layer {deepest} of an encoder that has {}", self.count);
            return Err(Error::new(ErrorKind::Damaged, what));
        }
        let mut states = vec![x];
        for number in 0..deepest {
            graph.enter(&format!("{scope}/layer.{number}"));
            let at = format!("{}.{number}", self.names.layers);
            if let Some(x) = states.last() {
                states.push(self.layer(graph, &at, x, positions, tensors)?);
            }
        }
        Ok(states)
    }

    /// One of them, called `at`.
    fn layer(
        &self,
        graph: &mut Graph,
        at: &str,
        x: &Value,
        positions: Option<&RelativePositions>,
        tensors: &Tensors<'_>,
    ) -> Result<Value> {
        let named = |name: &str| format!("{at}.{name}");
        let [attention, before, after] =
            [self.names.attention, self.names.attention_norm, self.names.final_norm].map(named);
        let sizes = [self.size, self.heads];
        let norm = |graph: &mut Graph, name: &str, x: &Value| {
            layer_norm(graph, tensors, name, x, self.size, self.epsilon)
        };
        if self.pre_norm {
            let read = norm(graph, &before, x)?;
            let attended = attend(graph, &attention, &read, positions, sizes, tensors)?;
            let x = graph.op("Add", &[&attended, x]);
            let read = norm(graph, &after, &x)?;
            let fed = self.feed_forward(graph, at, &read, tensors)?;
            return Ok(graph.op("Add", &[&fed, &x]));
        }
        let attended = attend(graph, &attention, x, positions, sizes, tensors)?;
        let sum = graph.op("Add", &[&attended, x]);
        let x = norm(graph, &before, &sum)?;
        let fed = self.feed_forward(graph, at, &x, tensors)?;
        let sum = graph.op("Add", &[&fed, &x]);
        norm(graph, &after, &sum)
    }

    fn feed_forward(&self, graph: &mut Graph, at: &str, x: &Value, tensors: &Tensors<'_>) -> Result<Value> {
        let Names { inner, outer, .. } = self.names;
        let x = linear(graph, tensors, &format!("{at}.{inner}"), x, [self.size, self.inner])?;
        let x = activate(graph, self.activation, &x)?;
        linear(graph, tensors, &format!("{at}.{outer}"), &x, [self.inner, self.size])
    }
}
