//! Self-attention of a layer, plain or with WavLM's gated relative positions.

use ser_core::Result;

use super::linear;
use super::settings::Settings;
use super::tensors::Tensors;
use crate::nodes::affine;
use crate::onnx::{Attribute, Graph, Value};

/// Numbers that gate the positions of a frame: two, each the sum of four.
const GATES: usize = 8;

/// Attention of every frame of `x` `[1, F, D]` to all, of the same shape; `at` is its name.
///
/// # Errors
/// When a tensor is missing.
pub(super) fn attend(
    graph: &mut Graph,
    at: &str,
    x: &Value,
    positions: Option<&RelativePositions>,
    [size, heads]: [usize; 2],
    tensors: &Tensors<'_>,
) -> Result<Value> {
    let mut parts = Vec::with_capacity(3);
    for name in ["q_proj", "k_proj", "v_proj"] {
        let name = format!("{at}.{name}");
        // Whisper's keys have no bias.
        let projected = match tensors.has(&format!("{name}.bias")) {
            true => linear(graph, tensors, &name, x, [size, size])?,
            false => {
                let weight = tensors.get(&format!("{name}.weight"), &[size, size])?;
                affine(graph, x, &weight, &vec![0.0; size], size)
            }
        };
        parts.push(by_head(graph, &projected, size, heads));
    }
    let [query, key, value] = &parts[..] else { return Ok(x.clone()) };
    let key = graph.transpose(key, &[0, 1, 3, 2]);
    let scale = graph.float(((size / heads) as f32).sqrt().recip());
    let query = graph.op("Mul", &[query, &scale]);
    let mut scores = graph.op("MatMul", &[&query, &key]); // [1, head, query, key]
    if let Some(positions) = positions {
        let bias = positions.gated(graph, at, x, [size, heads], tensors)?;
        scores = graph.op("Add", &[&scores, &bias]);
    }
    let shares = graph.op_with("Softmax", &[&scores], &[Attribute::Int("axis", 3)]);
    let attended = graph.op("MatMul", &[&shares, value]);
    let attended = graph.transpose(&attended, &[0, 2, 1, 3]);
    let attended = graph.reshape(&attended, &[1, 0, size]);
    linear(graph, tensors, &format!("{at}.out_proj"), &attended, [size, size])
}

/// `x` `[1, F, D]` as `[1, head, F, D / heads]`.
fn by_head(graph: &mut Graph, x: &Value, size: usize, heads: usize) -> Value {
    // 0: as many frames as there are.
    let parted = graph.reshape(x, &[1, 0, heads, size / heads]);
    graph.transpose(&parted, &[0, 2, 1, 3])
}

/// The bias of attention scores by the distance between two frames, which is layer 0's and serves all layers.
#[derive(Debug)]
pub(super) struct RelativePositions {
    /// `[1, head, query, key]`
    bias: Value,
}

impl RelativePositions {
    /// For as many frames as `x` `[1, F, D]` has, at most `most`.
    ///
    /// # Errors
    /// When a tensor is missing.
    pub(super) fn of(
        graph: &mut Graph,
        x: &Value,
        most: usize,
        settings: &Settings,
        tensors: &Tensors<'_>,
    ) -> Result<Self> {
        let (heads, buckets) = (settings.num_attention_heads, settings.num_buckets);
        let name = "encoder.layers.0.attention.rel_attn_embed.weight";
        let embedding = tensors.get(name, &[buckets, heads])?;
        let distances = -(most as i64 - 1)..most as i64;
        let places: Vec<usize> = distances.map(|distance| bucket(distance, settings)).collect();
        let of_head = |head: usize| {
            let embedding = &embedding;
            places.iter().map(move |place| embedding.get(place * heads + head).copied().unwrap_or_default())
        };
        let by_distance: Vec<f32> = (0..heads).flat_map(of_head).collect();
        let by_distance = graph.floats(&[heads, places.len()], &by_distance);
        let shape = graph.op("Shape", &[x]);
        let second = graph.int(1);
        let count = graph.gather(&shape, &second, 0);
        let frames: Vec<i64> = (0..most as i64).collect();
        let frames = graph.ints(&[most], &frames);
        let (start, axis) = (graph.int(0), graph.int(0));
        let frames = graph.op("Slice", &[&frames, &start, &count, &axis]);
        let (keys, queries) = (graph.unsqueeze(&frames, &[0]), graph.unsqueeze(&frames, &[1]));
        let distance = graph.op("Sub", &[&keys, &queries]);
        let shift = graph.int(most as i64 - 1);
        let place = graph.op("Add", &[&distance, &shift]);
        let bias = graph.gather(&by_distance, &place, 1); // [head, query, key]
        Ok(Self { bias: graph.unsqueeze(&bias, &[0]) })
    }

    /// The same times a gate that the state of each query gives: `a · (b · factor − 1) + 2`.
    fn gated(
        &self,
        graph: &mut Graph,
        at: &str,
        x: &Value,
        [size, heads]: [usize; 2],
        tensors: &Tensors<'_>,
    ) -> Result<Value> {
        let inputs = size / heads;
        let weight = tensors.get(&format!("{at}.gru_rel_pos_linear.weight"), &[GATES, inputs])?;
        let bias = tensors.get(&format!("{at}.gru_rel_pos_linear.bias"), &[GATES])?;
        // The sum of four outputs of a linear layer is one of the sums.
        let half = GATES / 2;
        let sum = |values: &[f32], width: usize| -> Vec<f32> {
            let of = |part: &[f32]| {
                (0..width).map(|n| part.iter().skip(n).step_by(width).sum()).collect::<Vec<f32>>()
            };
            values.chunks(half * width).flat_map(of).collect()
        };
        let (weight, bias) = (sum(&weight, inputs), sum(&bias, 1));
        let states = by_head(graph, x, size, heads);
        let gates = affine(graph, &states, &weight, &bias, inputs); // [1, head, query, 2]
        let gates = graph.op("Sigmoid", &[&gates]);
        let sizes = graph.ints(&[2], &[1, 1]);
        let [a, b] = graph.outputs_of("Split", &[&gates, &sizes], &[Attribute::Int("axis", 3)]);
        let factor = tensors.get(&format!("{at}.gru_rel_pos_const"), &[1, heads, 1, 1])?;
        let factor = graph.floats(&[1, heads, 1, 1], &factor);
        let [one, two] = [1.0, 2.0].map(|number| graph.float(number));
        let b = graph.op("Mul", &[&b, &factor]);
        let b = graph.op("Sub", &[&b, &one]);
        let gate = graph.op("Mul", &[&a, &b]);
        let gate = graph.op("Add", &[&gate, &two]);
        Ok(graph.op("Mul", &[&gate, &self.bias]))
    }
}

/// The bucket of a distance in frames from a query to a key, as `ser_encoder` finds it.
fn bucket(distance: i64, settings: &Settings) -> usize {
    let half = settings.num_buckets / 2;
    let exact = half / 2;
    let direction = if distance > 0 { half } else { 0 };
    let far = distance.unsigned_abs() as usize;
    if far < exact {
        return far + direction;
    }
    let ratio = (far as f32 / exact as f32).ln();
    let ratio = ratio / (settings.max_bucket_distance as f64 / exact as f64).ln() as f32;
    let large = ratio * (half - exact) as f32 + exact as f32;
    (large as usize).min(half - 1) + direction
}
