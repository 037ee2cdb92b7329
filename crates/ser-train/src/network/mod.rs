//! Networks that compute: [`ser_model::network`] describes them as layers, and this builds those layers with libtorch.
//! An architecture needs nothing here; a new kind of layer does, in `layers/`.

mod layers;
mod model;
pub mod parameters;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod tuning_parity;

use ser_core::random::Random;
use ser_core::{Error, ErrorKind};
use ser_distributed::Ranks;
use ser_encoder::{Replay, Tunable};
use ser_model::network::{Architecture, FinetuneConfig};
use ser_model::{Precision, checkpoint};
use tch::{Device, Kind, Tensor};

use crate::batches::sharing::Sharing;
use crate::network::layers::{Forward, RunningStatistics};
use crate::network::model::Model;
use crate::network::parameters::Parameters;
use ser_torch::Result;

/// A network with its weights.
#[derive(Debug)]
pub struct Network {
    architecture: Architecture,
    model: Model,
    pub(crate) parameters: Parameters,
    statistics: Vec<RunningStatistics>,
    device: Device,
    /// In which convolutions and LSTM learn.
    learning: Kind,
    /// In which they predict.
    predicting: Kind,
    /// The pretrained encoder that it begins with, if it does.
    encoder: Option<Tunable>,
    /// Of the pass before, in training: what its backward pass is to go on with behind the head.
    replays: Vec<Replay>,
}

/// What a pass is for.
#[derive(Debug)]
pub enum Pass<'a> {
    /// Learning: BatchNorm uses and records the batch's own statistics, dropout draws from the generator.
    Training(&'a mut Random),
    /// The same for a part of a batch, of which other ranks hold the rest.
    Sharing(&'a mut Random, &'a Sharing<'a>),
    /// Predicting: BatchNorm uses what it has recorded, nothing is dropped.
    Evaluation,
}

impl Network {
    /// A network with fresh weights, the same for a seed on every machine.
    ///
    /// # Errors
    /// When its sizes are not valid, or the device lacks memory.
    pub fn new(architecture: &Architecture, seed: u64, device: Device) -> Result<Self> {
        let layout = architecture.layout()?;
        let model = Model::new(architecture, &layout)?;
        let statistics = layout.statistics.iter().map(|seen| RunningStatistics::fresh(seen, device));
        let statistics = statistics.collect::<Result<_>>()?;
        let parameters = Parameters::initialise(layout.weights, seed, device)?;
        let architecture = architecture.clone();
        Ok(Self {
            architecture,
            model,
            parameters,
            statistics,
            device,
            learning: Kind::Float,
            predicting: Kind::Float,
            encoder: None,
            replays: Vec::new(),
        })
    }

    /// The same with the pretrained encoder that it begins with. Tensors of the encoder that are trained are as in its folder.
    ///
    /// # Errors
    /// When the network begins with none, or with another one.
    pub fn with_encoder(mut self, encoder: Tunable) -> Result<Self> {
        let sizes = self.architecture.network.sizes::<FinetuneConfig>();
        let wanted = sizes.and_then(|sizes| sizes.encoder.as_ref());
        if wanted.is_none_or(|wanted| wanted.digest != encoder.digest().to_string()) {
            let what = "holds an encoder that the network does not begin with";
            return Err(Error::new(ErrorKind::Mismatch, what).at(encoder.folder()).into());
        }
        self.parameters.start_from(|weight| {
            let (_, tensor) = weight.split_once("encoder.")?;
            encoder.tensor(tensor)
        })?;
        Ok(Self { encoder: Some(encoder), ..self })
    }

    /// The encoder that it begins with, if it does.
    pub(crate) fn encoder(&self) -> Option<&Tunable> {
        self.encoder.as_ref()
    }

    /// Sets the arithmetic in which convolutions and LSTM learn; `Auto` stands for f32.
    #[must_use]
    pub fn learning_in(self, precision: Precision) -> Self {
        Self { learning: kind_of(precision), ..self }
    }

    /// Sets the arithmetic in which convolutions and LSTM predict, f32 at first; `Auto` stands for that.
    pub fn predict_in(&mut self, precision: Precision) {
        self.predicting = kind_of(precision);
    }

    /// Its shape.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Logits `[B, class]` of `features` `[B, channel, band, T]`, of which the first `frames` `[B]` are real.
    ///
    /// # Errors
    /// When shapes disagree or the device lacks memory.
    pub fn forward(&mut self, features: &Tensor, frames: &Tensor, pass: Pass<'_>) -> Result<Tensor> {
        answer(&self.branches(features, frames, pass)?)
    }

    /// Logits `[B, class]` of each branch, of which the loss is the mean of the branches' losses. [`answer`] makes one
    /// answer of them.
    ///
    /// # Errors
    /// When shapes disagree or the device lacks memory.
    pub fn branches(&mut self, features: &Tensor, frames: &Tensor, pass: Pass<'_>) -> Result<Vec<Tensor>> {
        self.check_shape(features)?;
        let (kind, dropping, sharing) = match pass {
            Pass::Training(random) => (self.learning, Some(random), None),
            Pass::Sharing(random, sharing) => (self.learning, Some(random), Some(sharing)),
            Pass::Evaluation => (self.predicting, None, None),
        };
        let leaves = self.parameters.leaves();
        let (statistics, device) = (&mut self.statistics, self.device);
        let encoder = self.encoder.as_ref();
        self.replays.clear();
        let replays = &mut self.replays;
        let mut forward = Forward { leaves, statistics, dropping, kind, device, encoder, replays, sharing };
        self.model.branches(&mut forward, features, frames)
    }

    /// Gradients of `loss`, which was computed from the branches of the last pass, laid out as the weights' buffer, `[total]`.
    ///
    /// # Errors
    /// When the device lacks memory.
    pub(crate) fn gradient(&mut self, loss: &Tensor) -> Result<Tensor> {
        let replays = std::mem::take(&mut self.replays);
        if replays.is_empty() {
            return self.parameters.gradient(loss);
        }
        loss.f_backward()?;
        replays.into_iter().try_for_each(Replay::backward)?;
        self.parameters.take_gradients()
    }

    fn check_shape(&self, features: &Tensor) -> Result<()> {
        let shape = self.architecture.input_shape.map(|size| size as i64);
        if features.dim() != 4 || features.size()[1..] != shape {
            // oneDNN's LSTM would silently accept a wrong width and read beyond its weights.
            return Err(Error::new(
                ErrorKind::Mismatch,
                format!("features of shape {:?} do not fit a network for {shape:?}", features.size()),
            )
            .into());
        }
        Ok(())
    }

    /// Makes BatchNorm's statistics, which differ where each rank has learnt by its own, the means of all ranks'.
    pub(crate) fn average_statistics(&mut self, ranks: &Ranks) -> Result<()> {
        self.statistics.iter_mut().try_for_each(|seen| seen.average(ranks))
    }

    /// Everything that training changes, as tensors sharing the network's memory: the weights in one, then BatchNorm's
    /// statistics.
    pub(crate) fn state(&self) -> Vec<Tensor> {
        let weights = std::iter::once(self.parameters.flat());
        weights
            .chain(self.statistics.iter().flat_map(RunningStatistics::values))
            .map(Tensor::shallow_clone)
            .collect()
    }

    /// The state dict, with PyTorch's names.
    ///
    /// # Errors
    /// When values cannot be copied from the device.
    pub fn state_dict(&self) -> Result<Vec<(String, checkpoint::Tensor)>> {
        let mut state = self.parameters.export()?;
        for seen in &self.statistics {
            state.extend(seen.export()?);
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
            .help("use a checkpoint of this network")
            .into());
        }
        self.parameters.import(state)?;
        self.statistics.iter_mut().try_for_each(|seen| seen.import(state))
    }
}

fn kind_of(precision: Precision) -> Kind {
    match precision {
        Precision::Bf16 => Kind::BFloat16,
        Precision::Auto | Precision::F32 => Kind::Float,
    }
}

/// The one answer `[B, class]` of some branches' logits: the mean of their log-probabilities, or the logits themselves of
/// a single branch.
///
/// # Errors
/// When shapes disagree or the device lacks memory.
pub fn answer(branches: &[Tensor]) -> Result<Tensor> {
    if let [logits] = branches {
        return Ok(logits.shallow_clone());
    }
    let branches: Vec<Tensor> =
        branches.iter().map(|logits| logits.f_log_softmax(-1, Kind::Float)).collect::<Result<_, _>>()?;
    Ok(Tensor::f_stack(&branches, 0)?.f_mean_dim(0, false, Kind::Float)?)
}
