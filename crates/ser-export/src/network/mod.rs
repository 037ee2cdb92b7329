//! A network as nodes of a graph, from its description: what `ser_train` computes with libtorch when it predicts.
//!
//! One recording at a time, of which the first frames are real: `real` positions follow from their number. Batch
//! normalisation is folded into the convolution before it.

mod attention;
mod convolution;
mod dense;
mod flow;
mod lstm;
mod pooling;

use ser_core::{Error, ErrorKind, Result};
use ser_model::CarriedEncoder;
use ser_model::network::{Architecture, Branch, Layer, LowRank, Padding, View};

use crate::basis::cosine_basis;
use crate::encoder::{Tensors, mean_state};
use crate::features::Features;
use crate::onnx::{Attribute, Graph, Value};
use crate::weights::Weights;

use flow::{Flow, Form};

/// What layers are added to.
struct Builder<'a> {
    graph: &'a mut Graph,
    weights: &'a Weights<'a>,
    /// The pretrained encoder that the network begins with, if it does.
    encoder: Option<&'a CarriedEncoder<'a>>,
    /// Frames that are real, `[1]`, i64.
    frames: Value,
    padding: Padding,
    /// What the names of weights begin with.
    prefix: String,
}

/// Adds the network of `architecture` with `weights` to `graph`, and gives its logits, or averaged log-probabilities,
/// `[1, class]`.
///
/// # Errors
/// When a weight is missing, or of another shape than the architecture says.
pub(crate) fn logits(
    graph: &mut Graph,
    features: &Features,
    architecture: &Architecture,
    weights: &Weights<'_>,
    encoder: Option<&CarriedEncoder<'_>>,
) -> Result<Value> {
    let described = architecture.describe()?;
    let [channels, bands, frames] = architecture.input_shape;
    let mut answers = Vec::new();
    for member in 0..architecture.members {
        let member = architecture.member_prefix(member);
        graph.enter(&format!("{member}input"));
        // Masked images are filled up to a whole number of positions.
        let positions = match described.padding {
            Padding::Read => frames,
            Padding::Masked => frames.next_multiple_of(described.frames_of_a_position()),
        };
        let image = fill_up(graph, &features.tensor, positions - frames);
        let mut branches = Vec::new();
        for branch in &described.branches {
            let mut builder = Builder {
                graph,
                weights,
                encoder,
                frames: features.frames.clone(),
                padding: described.padding,
                prefix: format!("{member}{}", branch.prefix),
            };
            let image =
                Flow { x: image.clone(), form: Form::Image { channels, bands }, positions, stride: 1 };
            branches.push(builder.branch(branch, image)?);
        }
        graph.enter(&format!("{member}answer"));
        answers.push(mean_log_probability(graph, &branches));
    }
    graph.enter("answer");
    Ok(mean_log_probability(graph, &answers))
}

/// `image` `[1, channel, band, T]` with so many zeros after its frames.
fn fill_up(graph: &mut Graph, image: &Value, missing: usize) -> Value {
    if missing == 0 {
        return image.clone();
    }
    let pads = graph.ints(&[8], &[0, 0, 0, 0, 0, 0, 0, missing as i64]);
    graph.op_with("Pad", &[image, &pads], &[Attribute::Text("mode", "constant")])
}

/// The logits themselves of a single network; of several the mean of their log-probabilities.
fn mean_log_probability(graph: &mut Graph, all: &[Value]) -> Value {
    if let [alone] = all {
        return alone.clone();
    }
    let mut logarithms = Vec::new();
    for logits in all {
        logarithms.push(graph.op_with("LogSoftmax", &[logits], &[Attribute::Int("axis", 1)]));
    }
    mean(graph, &logarithms)
}

fn mean(graph: &mut Graph, values: &[Value]) -> Value {
    match values {
        [] => graph.float(f32::NAN),
        [alone] => alone.clone(),
        [first, others @ ..] => {
            let sum = others.iter().fold(first.clone(), |sum, value| graph.op("Add", &[&sum, value]));
            let share = graph.float(1.0 / values.len() as f32);
            graph.op("Mul", &[&sum, &share])
        }
    }
}

impl Builder<'_> {
    /// Logits `[1, class]` of a branch for the image of the features.
    fn branch(&mut self, branch: &Branch, image: Flow) -> Result<Value> {
        let flow = match branch.view {
            View::Features => image,
            View::Cepstrum => self.cepstrum(image),
        };
        Ok(self.layers(&branch.layers, flow)?.x)
    }

    /// The cosine transform over the bands of an image `[1, channel, band, position]`.
    fn cepstrum(&mut self, image: Flow) -> Flow {
        let Form::Image { bands, .. } = image.form else { return image };
        self.enter("cepstrum");
        // From the left: [coefficient, band] · [band, position].
        let by_band = cosine_basis(bands, bands);
        let basis: Vec<f32> =
            (0..bands).flat_map(|k| by_band.chunks_exact(bands).map(move |row| row[k] as f32)).collect();
        let basis = self.graph.floats(&[1, 1, bands, bands], &basis);
        let x = self.graph.op("MatMul", &[&basis, &image.x]);
        Flow { x, ..image }
    }

    fn layers(&mut self, layers: &[Layer], input: Flow) -> Result<Flow> {
        layers.iter().try_fold(input, |flow, layer| self.layer(layer, flow))
    }

    fn layer(&mut self, layer: &Layer, input: Flow) -> Result<Flow> {
        match layer {
            Layer::ConvBlock { conv, norm, channels, pool, bias } => {
                self.conv_block([conv, norm], *channels, *pool, *bias, input)
            }
            Layer::Conv1d { name, channels, kernel } => self.conv1d(name, *channels, *kernel, input),
            Layer::Lstm { name, hidden } => self.lstm(name, *hidden, input),
            Layer::SelfAttention { name, heads } => self.self_attention(name, *heads, input),
            Layer::PositionalEncoding => Ok(self.positional_encoding(input)),
            Layer::Linear { name, units } => self.linear(name, *units, input),
            Layer::LayerNorm { name } => self.layer_norm(name, input),
            Layer::Activation(activation) => Ok(self.activation(*activation, input)),
            Layer::Dropout(_) => Ok(input),
            Layer::Residual(layers) => self.residual(layers, input),
            Layer::ChannelMix { name } => self.channel_mix(name, input),
            Layer::Encoder { name, units, low_rank, .. } => self.encoder(name, *units, *low_rank, input),
            Layer::Mean => Ok(self.mean(input)),
            Layer::MeanAndDeviation => Ok(self.mean_and_deviation(input)),
            Layer::AttentivePooling { hidden, score, units } => {
                self.attentive_pooling([hidden, score], *units, input)
            }
        }
    }

    /// A pretrained encoder of the waveform that an image is.
    fn encoder(&mut self, name: &str, units: u32, low_rank: Option<LowRank>, input: Flow) -> Result<Flow> {
        let Some(carried) = self.encoder else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "begins with a pretrained encoder that is not there",
            ));
        };
        let scope = format!("{}{name}", self.prefix);
        let tensors = Tensors::new(carried, self.weights, format!("{scope}."), low_rank);
        let samples = self.graph.squeeze(&input.x, &[1, 2]); // [1, N]
        let x = mean_state(self.graph, &scope, &samples, input.positions, &tensors)?;
        Ok(Flow { x, form: Form::Vector { units: units as usize }, ..input })
    }

    /// Names of the nodes that follow begin with the layer's.
    fn enter(&mut self, layer: &str) {
        let scope = format!("{}{layer}", self.prefix);
        self.graph.enter(&scope);
    }

    /// A weight of this branch.
    fn weight(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.weights.get(&format!("{}{name}", self.prefix), shape)
    }

    /// How many positions are real where so many frames became one, `[1]`, i64.
    fn real_positions(&mut self, stride: usize) -> Value {
        if stride == 1 {
            return self.frames.clone();
        }
        let (rest, stride) = (self.graph.int(stride as i64 - 1), self.graph.int(stride as i64));
        let up = self.graph.op("Add", &[&self.frames, &rest]);
        self.graph.op("Div", &[&up, &stride])
    }

    /// Which positions of `flow` are real, as booleans of `axes`, of which one is the positions and the others are 1.
    fn is_real(&mut self, flow: &Flow, axes: &[usize]) -> Value {
        let real = self.real_positions(flow.stride);
        let positions: Vec<i64> = (0..flow.positions as i64).collect();
        let positions = self.graph.ints(axes, &positions);
        self.graph.op("Less", &[&positions, &real])
    }

    /// The same as 1 and 0.
    fn real(&mut self, flow: &Flow, axes: &[usize]) -> Value {
        let real = self.is_real(flow, axes);
        self.graph.cast(&real, crate::onnx::ElementType::Float)
    }

    /// An image that is zero where it is not real.
    fn mask_image(&mut self, flow: Flow) -> Flow {
        let real = self.real(&flow, &[1, 1, 1, flow.positions]);
        let x = self.graph.op("Mul", &[&flow.x, &real]);
        Flow { x, ..flow }
    }

    /// `flow` as a sequence `[1, position, unit]` with its units: of an image all bands of the first channel, then of the
    /// second, and so on.
    fn sequence(&mut self, flow: Flow) -> (Flow, usize) {
        match flow.form {
            Form::Image { channels, bands } => {
                let units = channels * bands;
                let x = self.graph.transpose(&flow.x, &[0, 3, 1, 2]);
                let x = self.graph.reshape(&x, &[1, flow.positions, units]);
                (Flow { x, form: Form::Sequence { units }, ..flow }, units)
            }
            Form::Sequence { units } | Form::Vector { units } => (flow, units),
        }
    }
}

/// A layer whose input is not what it reads, which a valid description has none of.
fn unfit(layer: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("describes a network whose {layer} reads no image"))
}
