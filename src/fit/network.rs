//! The default network, `cnn-bilstm`.
//!
//! ```text
//! [B, channel, n_mfcc, T] → Conv2d 3×3 → BatchNorm → MaxPool 2 → ReLU
//!                         → Conv2d 3×3 → BatchNorm → MaxPool 2 → ReLU
//!                         → [B, T/4, channel · n_mfcc/4] → BiLSTM → mean over the first ⌈frames/4⌉ positions
//!                         → Linear → ReLU → Dropout → Linear → [B, class]
//! ```
//!
//! Every utterance has T frames, of which the first are real and the rest zero. The LSTM reads them all, in both
//! directions, so that logits are defined for zero padding alone; the mean leaves the padding out.
//!
//! Names of weights are PyTorch's, so that a plain `nn.Module` loads them; `docs/checkpoint.md` holds that class.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::checkpoint;
use super::config::{NetworkConfig, Precision};
use super::parameters::{Parameters, Start, Weight, export_f32, find, import_f32};
use crate::random::Random;
use crate::{Error, ErrorKind, Result};

const BATCH_NORM_MOMENTUM: f64 = 0.1;
const BATCH_NORM_EPSILON: f64 = 1e-5;

/// A network's shape: what a checkpoint must say for it to be built again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// `cnn-bilstm`.
    pub arch: String,
    /// Shape of an utterance: `[channel, n_mfcc, frame]`.
    pub input_shape: [usize; 3],
    /// Channels of the two convolutions.
    pub channels: [u32; 2],
    /// Hidden units of the LSTM in each direction.
    pub hidden: u32,
    /// Units of the dense layer.
    pub dense: u32,
    /// Share of dense units dropped in training.
    pub dropout: f64,
    /// Number of classes.
    pub classes: usize,
}

impl Architecture {
    /// The network of `config` for utterances of `input_shape`.
    ///
    /// # Errors
    /// When they are too small for two poolings.
    pub fn new(config: &NetworkConfig, input_shape: [usize; 3], classes: usize) -> Result<Self> {
        let &NetworkConfig { channels, hidden, dense, dropout } = config;
        let arch = "cnn-bilstm".to_owned();
        let built = Self { arch, input_shape, channels, hidden, dense, dropout, classes };
        built.validate().map(|()| built)
    }

    /// Checks what a checkpoint says, before anything is allocated for it.
    ///
    /// # Errors
    /// When it is another network, or of a size that makes no sense.
    pub fn validate(&self) -> Result<()> {
        if self.arch != "cnn-bilstm" {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("there is no architecture {:?}; this program knows cnn-bilstm", self.arch),
            ));
        }
        let [channels, bands, frames] = self.input_shape;
        if bands < 4 || frames < 4 || channels == 0 {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("utterances of shape {:?} are too small for two poolings", self.input_shape),
            )
            .mend("compute features with at least 4 coefficients and 4 frames"));
        }
        let largest = [channels, bands, frames].into_iter().max().unwrap_or(0).max(self.classes);
        let units = [self.channels[0], self.channels[1], self.hidden, self.dense];
        let sensible = largest <= 1 << 20
            && self.classes >= 2
            && units.iter().all(|units| (1..=8192).contains(units))
            && self.lstm_inputs() <= 1 << 20
            && (0.0..1.0).contains(&self.dropout);
        sensible.then_some(()).ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, format!("a network of these sizes makes no sense: {self:?}"))
        })
    }

    /// Inputs of the LSTM at each position: channels of the second convolution times bands left.
    fn lstm_inputs(&self) -> usize {
        self.channels[1] as usize * (self.input_shape[1] / 4)
    }

    /// Positions the LSTM sees.
    fn positions(&self) -> i64 {
        (self.input_shape[2] / 4) as i64
    }

    /// How many numbers are learnt.
    pub fn n_parameters(&self) -> u64 {
        self.weights().iter().map(|weight| weight.shape.iter().product::<i64>().unsigned_abs()).sum()
    }

    /// Every weight, in the order [`Network`] uses them. Initial ranges are PyTorch's: ±1/√fan-in for
    /// convolutions and linear layers, ±1/√hidden for the LSTM.
    pub(super) fn weights(&self) -> Vec<Weight> {
        let input = self.input_shape[0] as i64;
        let [first, second] = self.channels.map(i64::from);
        let (hidden, dense, classes) = (i64::from(self.hidden), i64::from(self.dense), self.classes as i64);
        let lstm_inputs = self.lstm_inputs() as i64;
        let mut weights = Vec::new();
        let mut layer = |name: &str, weight: &[i64], bias: i64, fan_in: i64| {
            let start = Start::Uniform { bound: 1.0 / (fan_in as f64).sqrt() };
            weights.push(Weight::new(&format!("{name}.weight"), weight, start));
            weights.push(Weight::new(&format!("{name}.bias"), &[bias], start));
        };
        layer("cnn.0", &[first, input, 3, 3], first, input * 9);
        layer("cnn.4", &[second, first, 3, 3], second, first * 9);
        layer("head.0", &[dense, 2 * hidden], dense, 2 * hidden);
        layer("head.3", &[classes, dense], classes, dense);
        for (name, channels) in [("cnn.1", first), ("cnn.5", second)] {
            weights.push(Weight::new(&format!("{name}.weight"), &[channels], Start::Constant(1.0)));
            weights.push(Weight::new(&format!("{name}.bias"), &[channels], Start::Constant(0.0)));
        }
        let start = Start::Uniform { bound: 1.0 / (hidden as f64).sqrt() };
        for direction in ["", "_reverse"] {
            for (name, shape) in [
                ("weight_ih", &[4 * hidden, lstm_inputs][..]),
                ("weight_hh", &[4 * hidden, hidden]),
                ("bias_ih", &[4 * hidden]),
                ("bias_hh", &[4 * hidden]),
            ] {
                weights.push(Weight::new(&format!("lstm.{name}_l0{direction}"), shape, start));
            }
        }
        weights
    }
}

/// Positions of the weights in [`Architecture::weights`].
mod at {
    pub(super) const CONV: [usize; 2] = [0, 2];
    pub(super) const HEAD: [usize; 2] = [4, 6];
    pub(super) const NORM: [usize; 2] = [8, 10];
    pub(super) const LSTM: std::ops::Range<usize> = 12..20;
}

/// What BatchNorm has seen so far.
#[derive(Debug)]
struct RunningStatistics {
    name: &'static str,
    mean: Tensor,
    var: Tensor,
    batches: i64,
}

/// A network with its weights.
#[derive(Debug)]
pub struct Network {
    architecture: Architecture,
    pub(super) parameters: Parameters,
    statistics: [RunningStatistics; 2],
    device: Device,
    /// In which convolutions and LSTM learn.
    learning: Kind,
}

/// What a pass is for.
#[derive(Debug)]
pub enum Pass<'a> {
    /// Learning: BatchNorm uses and records the batch's own statistics, dropout draws from the generator.
    Training(&'a mut Random),
    /// Predicting: BatchNorm uses what it has recorded, nothing is dropped.
    Evaluation,
}

impl Network {
    /// A network with fresh weights, the same for a seed on every machine.
    ///
    /// # Errors
    /// When the device lacks memory.
    pub fn new(architecture: &Architecture, seed: u64, device: Device) -> Result<Self> {
        let parameters = Parameters::initialise(architecture.weights(), seed, device)?;
        let fresh = |name: &'static str, channels: u32| -> Result<RunningStatistics> {
            let size = [i64::from(channels)];
            let mean = Tensor::f_zeros(size, (Kind::Float, device))?;
            let var = Tensor::f_ones(size, (Kind::Float, device))?;
            Ok(RunningStatistics { name, mean, var, batches: 0 })
        };
        let [first, second] = architecture.channels;
        let statistics = [fresh("cnn.1", first)?, fresh("cnn.5", second)?];
        let learning = Kind::Float;
        Ok(Self { architecture: architecture.clone(), parameters, statistics, device, learning })
    }

    /// Lets convolutions and LSTM learn in the arithmetic `precision`, of which `Auto` stands for f32.
    #[must_use]
    pub fn learning_in(self, precision: Precision) -> Self {
        let learning = if precision == Precision::Bf16 { Kind::BFloat16 } else { Kind::Float };
        Self { learning, ..self }
    }

    /// Its shape.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Logits `[B, class]` of `features` `[B, channel, n_mfcc, T]`, of which the first `frames` `[B]` are real.
    ///
    /// # Errors
    /// When shapes disagree or the device lacks memory.
    pub fn forward(&mut self, features: &Tensor, frames: &Tensor, mut pass: Pass<'_>) -> Result<Tensor> {
        let shape = self.architecture.input_shape.map(|size| size as i64);
        if features.dim() != 4 || features.size()[1..] != shape {
            // oneDNN's LSTM would take a wrong width without a word and read beyond its weights.
            return Err(Error::new(
                ErrorKind::Mismatch,
                format!("features of shape {:?} do not fit a network for {shape:?}", features.size()),
            ));
        }
        let training = matches!(pass, Pass::Training(_));
        let kind = if training { self.learning } else { Kind::Float };
        let mut x = channels_last(&features.f_to_kind(kind)?)?; // [B, channel, n_mfcc, T]
        for block in 0..2 {
            x = match training {
                true => self.learning_block(block, &x)?,
                false => self.folded_block(block, &x)?,
            }; // [B, channel, n_mfcc/2, T/2], then /4
        }
        let (batch, hidden) = (x.size()[0], i64::from(self.architecture.hidden));
        let positions = self.architecture.positions();
        // [B, channel, band, position] → [B, position, channel · band]
        let x = x.f_permute([0, 3, 1, 2])?.f_reshape([batch, positions, -1])?;
        let zeros = Tensor::f_zeros([2, batch, hidden], (kind, self.device))?;
        let state = [zeros.shallow_clone(), zeros];
        let weights: Vec<Tensor> = at::LSTM.map(|weight| self.leaf(weight, kind)).collect::<Result<_>>()?;
        let (x, _, _) = x.f_lstm(&state, &weights, true, 1, 0.0, training, true, true)?;
        let x = mean_over_real(&x.f_to_kind(Kind::Float)?, frames, positions)?; // [B, 2 · hidden]
        let x = self.linear(at::HEAD[0], &x)?.f_relu()?;
        let x = match &mut pass {
            Pass::Training(random) => self.drop_out(&x, random)?,
            Pass::Evaluation => x,
        };
        self.linear(at::HEAD[1], &x)
    }

    /// Conv2d → BatchNorm → MaxPool → ReLU, with the batch's own statistics. Pooling first gives the same values and
    /// gradients as ReLU first, since ReLU is monotone, and leaves ReLU a quarter of the work.
    fn learning_block(&mut self, block: usize, x: &Tensor) -> Result<Tensor> {
        let (conv, norm) = (at::CONV[block], at::NORM[block]);
        let (weight, bias) = (self.leaf(conv, x.kind())?, self.leaf(conv + 1, x.kind())?);
        let x = x.f_conv2d(&weight, Some(&bias), [1, 1], [1, 1], [1, 1], 1)?;
        let leaves = self.parameters.leaves();
        let seen = &mut self.statistics[block];
        let x = x.f_batch_norm(
            Some(&leaves[norm]),
            Some(&leaves[norm + 1]),
            Some(&seen.mean),
            Some(&seen.var),
            true,
            BATCH_NORM_MOMENTUM,
            BATCH_NORM_EPSILON,
            true,
        )?;
        seen.batches = seen.batches.saturating_add(1);
        pool(&x)
    }

    /// The same with the statistics of training, which are constants by now: BatchNorm(w ∗ x + b) is a convolution with
    /// w·s and (b − mean)·s + β, where s = γ/√(var + ε).
    fn folded_block(&self, block: usize, x: &Tensor) -> Result<Tensor> {
        let leaves = self.parameters.leaves();
        let (conv, norm) = (at::CONV[block], at::NORM[block]);
        let seen = &self.statistics[block];
        let scale = leaves[norm].f_div(&seen.var.f_add_scalar(BATCH_NORM_EPSILON)?.f_sqrt()?)?;
        let weight = leaves[conv].f_mul(&scale.f_view([-1, 1, 1, 1])?)?;
        let bias = leaves[conv + 1].f_sub(&seen.mean)?.f_mul(&scale)?.f_add(&leaves[norm + 1])?;
        pool(&x.f_conv2d(&weight, Some(&bias), [1, 1], [1, 1], [1, 1], 1)?)
    }

    /// A weight in another arithmetic, through which gradients flow back to it.
    fn leaf(&self, weight: usize, kind: Kind) -> Result<Tensor> {
        Ok(self.parameters.leaves()[weight].f_to_kind(kind)?)
    }

    fn linear(&self, weight: usize, x: &Tensor) -> Result<Tensor> {
        let leaves = self.parameters.leaves();
        Ok(x.f_linear(&leaves[weight], Some(&leaves[weight + 1]))?)
    }

    /// Dropout with a mask of our own, so that it follows from the seed alone.
    fn drop_out(&self, x: &Tensor, random: &mut Random) -> Result<Tensor> {
        let share = self.architecture.dropout as f32;
        if share == 0.0 {
            return Ok(x.shallow_clone());
        }
        let kept = 1.0 / (1.0 - share);
        let mask: Vec<f32> = (0..x.numel()).map(|_| if random.unit() < share { 0.0 } else { kept }).collect();
        let mask = Tensor::f_from_slice(&mask)?.f_view(x.size().as_slice())?.f_to(self.device)?;
        Ok(x.f_mul(&mask)?)
    }

    /// The state dict, with PyTorch's names.
    ///
    /// # Errors
    /// When values cannot be copied from the device.
    pub fn state_dict(&self) -> Result<Vec<(String, checkpoint::Tensor)>> {
        let mut state = self.parameters.export()?;
        for seen in &self.statistics {
            state.push((format!("{}.running_mean", seen.name), export_f32(&seen.mean)?));
            state.push((format!("{}.running_var", seen.name), export_f32(&seen.var)?));
            let batches = checkpoint::Tensor::from_i64(&[], &[seen.batches])?;
            state.push((format!("{}.num_batches_tracked", seen.name), batches));
        }
        state.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(state)
    }

    /// Overwrites all weights and statistics.
    ///
    /// # Errors
    /// When `state` is of another network.
    pub fn load_state_dict(&mut self, state: &[(String, checkpoint::Tensor)]) -> Result<()> {
        let known = self.parameters.leaves().len() + 3 * self.statistics.len();
        if state.len() != known {
            return Err(Error::new(
                ErrorKind::Mismatch,
                format!("the checkpoint holds {} tensors, this network has {known}", state.len()),
            )
            .mend("use a checkpoint of this network"));
        }
        self.parameters.import(state)?;
        for seen in &mut self.statistics {
            for (name, tensor) in [("running_mean", &mut seen.mean), ("running_var", &mut seen.var)] {
                let name = format!("{}.{name}", seen.name);
                tensor.f_copy_(&import_f32(find(state, &name)?, &tensor.size(), &name)?)?;
            }
            let name = format!("{}.num_batches_tracked", seen.name);
            seen.batches = find(state, &name)?.to_i64()?.first().copied().unwrap_or(0);
        }
        Ok(())
    }
}

fn pool(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?.f_relu()?)
}

/// The same tensor with its channels innermost in memory, which the convolutions of a CPU and of tensor cores want.
fn channels_last(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])?)
}

/// Mean of `x` `[B, position, unit]` over the first ⌈`frames`/4⌉ positions, at least one: `[B, unit]`.
fn mean_over_real(x: &Tensor, frames: &Tensor, positions: i64) -> Result<Tensor> {
    let real = frames.f_add_scalar(3)?.f_floor_divide_scalar(4)?.f_clamp(1, positions)?.f_unsqueeze(1)?; // [B, 1]
    let position = Tensor::f_arange(positions, (Kind::Int64, x.device()))?.f_unsqueeze(0)?; // [1, position]
    let weight = position.f_lt_tensor(&real)?.f_to_kind(Kind::Float)?.f_div(&real)?; // [B, position]
    Ok(weight.f_unsqueeze(1)?.f_bmm(x)?.f_squeeze_dim(1)?)
}
