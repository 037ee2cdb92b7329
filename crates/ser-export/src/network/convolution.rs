//! Convolutions, of images and of sequences, with batch normalisation folded in.

use ser_core::Result;
use ser_model::network::Padding;

use super::{Builder, Flow, Form, unfit};
use crate::onnx::{Attribute, Value};
use crate::weights::EPSILON;

/// Both sides of the kernels of convolutions over bands and frames.
const KERNEL: usize = 3;

/// A convolution that is about to be added: its weight and bias.
struct Kernel {
    /// `[channel out, channel in, …]`
    shape: Vec<usize>,
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl Builder<'_> {
    /// The convolution `name` of `shape`.
    fn kernel(&self, name: &str, shape: &[usize], bias: bool) -> Result<Kernel> {
        let weight = self.weight(&format!("{name}.weight"), shape)?;
        let bias = bias.then(|| self.weight(&format!("{name}.bias"), &shape[..1])).transpose()?;
        Ok(Kernel { shape: shape.to_vec(), weight, bias })
    }

    /// The same followed by the batch normalisation `norm`, whose statistics are constants by now: BatchNorm(w ∗ x + b) is a
    /// convolution with w·s and (b − mean)·s + β, where s = γ/√(var + ε).
    fn folded(&self, [conv, norm]: [&str; 2], shape: &[usize], bias: bool) -> Result<Kernel> {
        let kernel = self.kernel(conv, shape, bias)?;
        let of_norm = |what: &str| self.weight(&format!("{norm}.{what}"), &shape[..1]);
        let (gamma, beta) = (of_norm("weight")?, of_norm("bias")?);
        let (mean, variance) = (of_norm("running_mean")?, of_norm("running_var")?);
        let scales: Vec<f32> =
            gamma.iter().zip(variance).map(|(gamma, variance)| gamma / (variance + EPSILON).sqrt()).collect();
        let of_channel = kernel.weight.len() / scales.len().max(1);
        let weight = kernel.weight.chunks(of_channel.max(1)).zip(&scales);
        let weight = weight.flat_map(|(weights, scale)| weights.iter().map(move |weight| weight * scale));
        let bias = kernel.bias.unwrap_or_else(|| vec![0.0; scales.len()]);
        let centred = bias.iter().zip(mean).map(|(bias, mean)| bias - mean);
        let bias = centred.zip(&scales).zip(beta).map(|((centred, scale), beta)| centred * scale + beta);
        Ok(Kernel { weight: weight.collect(), bias: Some(bias.collect()), ..kernel })
    }

    /// `x` convolved, as many positions out as in.
    fn convolve(&mut self, x: &Value, kernel: &Kernel) -> Value {
        let weight = self.graph.floats(&kernel.shape, &kernel.weight);
        let bias = kernel.bias.as_ref().map(|bias| self.graph.floats(&kernel.shape[..1], bias));
        let sides = &kernel.shape[2..];
        let before: Vec<i64> = sides.iter().map(|side| (side / 2) as i64).collect();
        let pads: Vec<i64> = before.iter().chain(&before).copied().collect();
        let mut inputs = vec![x, &weight];
        inputs.extend(&bias);
        self.graph.op_with("Conv", &inputs, &[Attribute::Ints("pads", &pads)])
    }

    /// Conv2d 3×3, batch normalisation, max-pooling and ReLU.
    pub(super) fn conv_block(
        &mut self,
        names: [&str; 2],
        channels: u32,
        pool: [u32; 2],
        bias: bool,
        input: Flow,
    ) -> Result<Flow> {
        self.enter(names[0]);
        let Form::Image { channels: inputs, bands } = input.form else { return Err(unfit(names[0])) };
        let channels = channels as usize;
        let kernel = self.folded(names, &[channels, inputs, KERNEL, KERNEL], bias)?;
        let x = self.convolve(&input.x, &kernel);
        let mut flow = Flow { x, form: Form::Image { channels, bands }, ..input };
        if self.padding == Padding::Masked {
            // Before pooling, so that a window that reaches beyond the end gives the largest of its real values, or zero.
            flow = self.mask_image(flow);
        }
        let window = pool.map(i64::from);
        let [across_bands, across_positions] = pool.map(|size| (size as usize).max(1));
        let with = [Attribute::Ints("kernel_shape", &window), Attribute::Ints("strides", &window)];
        let x = self.graph.op_with("MaxPool", &[&flow.x], &with);
        let x = self.graph.op("Relu", &[&x]);
        Ok(Flow {
            x,
            form: Form::Image { channels, bands: bands / across_bands },
            positions: flow.positions / across_positions,
            stride: flow.stride * across_positions,
        })
    }

    /// `flow` as `[1, unit, position]`, zero where it is not real, and its units.
    fn units_first(&mut self, flow: Flow) -> (Flow, usize) {
        let was_image = matches!(flow.form, Form::Image { .. });
        let (mut flow, units) = self.sequence(flow);
        if !was_image {
            // What comes out of most layers at padding is not zero.
            let real = self.is_real(&flow, &[1, flow.positions, 1]);
            let zero = self.graph.float(0.0);
            flow.x = self.graph.op("Where", &[&real, &flow.x, &zero]);
        }
        flow.x = self.graph.transpose(&flow.x, &[0, 2, 1]);
        (flow, units)
    }

    /// Conv1d over positions.
    pub(super) fn conv1d(&mut self, name: &str, channels: u32, kernel: u32, input: Flow) -> Result<Flow> {
        self.enter(name);
        let (input, inputs) = self.units_first(input);
        let units = channels as usize;
        let kernel = self.kernel(name, &[units, inputs, kernel as usize], true)?;
        let x = self.convolve(&input.x, &kernel);
        let x = self.graph.transpose(&x, &[0, 2, 1]);
        Ok(Flow { x, form: Form::Sequence { units }, ..input })
    }
}
