//! One step of learning: forward, backward, Adam.

use ser_core::random::Random;
use ser_core::{Error, ErrorKind};
use ser_distributed::Ranks;
use ser_model::FitConfig;
use ser_model::network::FinetuneConfig;
use tch::{Kind, Reduction, Tensor};

use crate::batches::sharing::Sharing;
use crate::batches::{Batch, Mixed};
use crate::network::{Network, Pass, answer};
use crate::optimisation::adam::{Adam, Regularisation};
use ser_torch::Result;

/// A network and the optimiser that changes it.
#[derive(Debug)]
pub struct Learner {
    /// The network.
    pub network: Network,
    pub(crate) adam: Adam,
    /// In how many parts a batch is learnt from, one after the other.
    parts: usize,
    regularisation: Regularisation,
    label_smoothing: f64,
    /// `[class]`
    class_weights: Option<Tensor>,
}

/// What a step gave, before it changed the network.
#[derive(Debug)]
pub struct StepResult {
    /// Mean cross-entropy over the batch, weighted by class where classes weigh differently, nats, as a tensor without dimensions.
    pub loss: Tensor,
    /// `[B, class]`
    pub logits: Tensor,
}

impl Learner {
    /// A learner of `network` with the optimiser of `config`.
    ///
    /// # Errors
    /// When the device lacks memory.
    pub fn new(network: Network, config: &FitConfig) -> Result<Self> {
        let sizes = config.network.sizes::<FinetuneConfig>();
        let adam = Adam::new(&network.parameters)?;
        let adam = match sizes {
            Some(sizes) => adam.with_share_for_given(&network.parameters, |weight| {
                let (_, tensor) = weight.split_once("encoder.").unwrap_or_default();
                sizes.share_of_learning_rate(tensor)
            }),
            None => adam,
        };
        let parts = sizes.map_or(1, |sizes| sizes.gradient_accumulation as usize);
        let (regularisation, label_smoothing) = (Regularisation::of(config), config.label_smoothing);
        Ok(Self { network, adam, parts, regularisation, label_smoothing, class_weights: None })
    }

    /// Sets the class weights of the loss; the mean over a batch is the weighted one.
    ///
    /// # Errors
    /// When the device lacks memory.
    pub fn weighing_classes(self, weights: Option<&[f32]>) -> Result<Self> {
        let on_device = |weights: &[f32]| Tensor::f_from_slice(weights)?.f_to(self.network.device());
        let class_weights = weights.map(on_device).transpose()?;
        Ok(Self { class_weights, ..self })
    }

    /// Steps done.
    pub(crate) fn steps(&self) -> u64 {
        self.adam.steps.unsigned_abs()
    }

    /// Learns from `batch` at the learning rate `lr`; what the network drops out is drawn from `dropout`.
    ///
    /// # Errors
    /// When shapes disagree or the device lacks memory.
    pub fn step(&mut self, batch: &Batch<'_>, lr: f64, dropout: &mut Random) -> Result<StepResult> {
        let (gradient, learnt) = match self.parts {
            1 => self.gradient(batch, dropout, None)?,
            _ => {
                let alone = Ranks::alone();
                self.gradient_in_parts(batch, dropout, &Sharing::of_whole(batch, &alone))?
            }
        };
        self.adam.step(&mut self.network.parameters, &gradient, lr, self.regularisation)?;
        Ok(learnt)
    }

    /// The same from a rank's part of a batch, of which the others of `sharing` hold the rest: all networks change in the same
    /// way, as one that learns from the whole batch would. The loss is this rank's share of that of the whole batch: added up
    /// over ranks they are its mean.
    ///
    /// The second value is whether any rank said `stop`.
    ///
    /// # Errors
    /// When shapes disagree, the device lacks memory, or a rank is gone.
    pub(crate) fn step_together(
        &mut self,
        batch: &Batch<'_>,
        lr: f64,
        dropout: &mut Random,
        sharing: &Sharing<'_>,
        stop: bool,
    ) -> Result<(StepResult, bool)> {
        let (gradient, learnt) = match self.parts {
            1 => self.gradient(batch, dropout, Some(sharing))?,
            _ => self.gradient_in_parts(batch, dropout, sharing)?,
        };
        let stop = Tensor::f_from_slice(&[f32::from(u8::from(stop))])?.f_to(gradient.device())?;
        let all = sharing.ranks.sum(&Tensor::f_cat(&[gradient, stop], 0)?)?;
        let total = all.numel() as i64 - 1;
        let gradient = all.f_narrow(0, 0, total)?;
        self.adam.step(&mut self.network.parameters, &gradient, lr, self.regularisation)?;
        Ok((learnt, all.f_double_value(&[total])? > 0.0))
    }

    /// The gradient of the loss of `batch`, `[total]`; or, of a part of a batch, of its share of the loss of the whole.
    fn gradient(
        &mut self,
        batch: &Batch<'_>,
        dropout: &mut Random,
        sharing: Option<&Sharing<'_>>,
    ) -> Result<(Tensor, StepResult)> {
        let pass = match sharing {
            None => Pass::Training(dropout),
            Some(sharing) => Pass::Sharing(dropout, sharing),
        };
        let branches = self.network.branches(&batch.features, &batch.frames, pass)?;
        let loss = mean_over_branches(&branches, |logits| match sharing {
            None => self.mean_cross_entropy(logits, batch),
            Some(sharing) => self.share_of_mean(logits, batch, sharing),
        })?;
        let gradient = self.network.gradient(&loss)?;
        Ok((gradient, StepResult { loss: loss.f_detach()?, logits: answer(&branches)?.f_detach()? }))
    }

    /// The same in several parts one after the other, of which only one is in memory with all that its backward pass needs.
    fn gradient_in_parts(
        &mut self,
        batch: &Batch<'_>,
        dropout: &Random,
        sharing: &Sharing<'_>,
    ) -> Result<(Tensor, StepResult)> {
        let count = sharing.part.count;
        let parts = self.parts.min(count).max(1);
        let (mut gradients, mut losses, mut logits) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..parts {
            let rows = count * number / parts..count * (number + 1) / parts;
            // What is drawn is drawn for the whole batch, of which each part takes its own.
            let mut dropout = dropout.clone();
            let part = batch.rows(rows.clone())?;
            let (gradient, learnt) = self.gradient(&part, &mut dropout, Some(&sharing.narrowed(rows)))?;
            gradients = match gradients.pop() {
                None => vec![gradient],
                Some(sum) => vec![gradient.f_add(&sum)?],
            };
            losses.push(learnt.loss);
            logits.push(learnt.logits);
        }
        let Some(gradient) = gradients.pop() else {
            return Err(Error::new(ErrorKind::Mismatch, "a batch of no utterances").into());
        };
        let loss = Tensor::f_stack(&losses, 0)?.f_sum(Kind::Float)?;
        Ok((gradient, StepResult { loss, logits: Tensor::f_cat(&logits, 0)? }))
    }

    /// The sum of the cross-entropies of a part, divided by what the whole batch weighs.
    fn share_of_mean(&self, logits: &Tensor, batch: &Batch<'_>, sharing: &Sharing<'_>) -> Result<Tensor> {
        let counted = f64::from(u8::from(sharing.part.counts));
        let towards = |targets: &Tensor, of_all: &Tensor| -> Result<Tensor> {
            let weights = self.class_weights.as_ref();
            let sum =
                logits.f_cross_entropy_loss(targets, weights, Reduction::Sum, -100, self.label_smoothing)?;
            let sum = sum.f_mul_scalar(counted)?;
            Ok(match weights {
                None => sum.f_div_scalar(sharing.all() as f64)?,
                Some(weights) => sum.f_div(&weights.f_index_select(0, of_all)?.f_sum(Kind::Float)?)?,
            })
        };
        let loss = towards(&batch.targets, &sharing.targets)?;
        Ok(match (&batch.mixed, &sharing.mixed) {
            (Some(Mixed { targets, share }), Some(of_all)) => {
                let other = towards(targets, of_all)?.f_mul_scalar(*share)?;
                loss.f_mul_scalar(1.0 - share)?.f_add(&other)?
            }
            _ => loss,
        })
    }

    /// Of a mixed batch, the loss towards either half of each mixture, weighted by its share.
    fn mean_cross_entropy(&self, logits: &Tensor, batch: &Batch<'_>) -> Result<Tensor> {
        let towards = |targets: &Tensor| {
            let weights = self.class_weights.as_ref();
            logits.f_cross_entropy_loss(targets, weights, Reduction::Mean, -100, self.label_smoothing)
        };
        let loss = towards(&batch.targets)?;
        Ok(match &batch.mixed {
            None => loss,
            Some(Mixed { targets, share }) => {
                loss.f_mul_scalar(1.0 - share)?.f_add(&towards(targets)?.f_mul_scalar(*share)?)?
            }
        })
    }
}

/// The mean of the branches' losses: each branch learns as if it were alone.
pub(crate) fn mean_over_branches(
    branches: &[Tensor],
    loss: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let losses: Vec<Tensor> = branches.iter().map(loss).collect::<Result<_>>()?;
    match losses.as_slice() {
        [loss] => Ok(loss.shallow_clone()),
        losses => Ok(Tensor::f_stack(losses, 0)?.f_mean(Kind::Float)?),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ser_encoder::Tunable;
    use ser_model::network::{Architecture, NetworkConfig, Tune};
    use tch::Device;

    use super::*;
    use crate::network::parameters::to_vec_f32;

    /// Weights after two steps from a batch of five waveforms, and the loss and the logits of the second.
    fn learnt(gradient_accumulation: u32, class_weights: Option<&[f32]>, mixed: bool) -> [Vec<f32>; 3] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/encoders/wavlm-large");
        let encoder = Tunable::open(&folder, Device::Cpu).unwrap();
        let sizes = FinetuneConfig {
            tune: Tune::Top,
            top_layers: 1,
            gradient_accumulation,
            ..FinetuneConfig::default()
        };
        let sizes = FinetuneConfig { encoder: Some(encoder.tuned(&sizes).unwrap()), ..sizes };
        let config =
            FitConfig { network: NetworkConfig::new(sizes), label_smoothing: 0.1, ..FitConfig::default() };
        let architecture = Architecture::new(&config.network, [1, 1, 3_000], 3).unwrap();
        let network = Network::new(&architecture, 5, Device::Cpu).unwrap().with_encoder(encoder).unwrap();
        let mut learner = Learner::new(network, &config).unwrap().weighing_classes(class_weights).unwrap();
        let samples: Vec<f32> = (0..15_000).map(|n| (n as f32 * n as f32 * 1e-5).sin()).collect();
        let features = Tensor::from_slice(&samples).view([5, 1, 1, 3_000]);
        let of = |numbers: [i64; 5]| Tensor::from_slice(&numbers);
        let mut batch = Batch::owned(features, of([3_000, 2_000, 2_500, 1_000, 3_000]), of([0, 2, 1, 1, 0]));
        batch.mixed = mixed.then(|| Mixed { targets: of([1, 0, 0, 2, 2]), share: 0.3 });
        let mut step = || {
            let mut dropout = Random::new(&["dropout"]);
            learner.step(&batch, 1e-3, &mut dropout).unwrap()
        };
        step();
        let StepResult { loss, logits } = step();
        [learner.network.parameters.flat(), &loss, &logits].map(|tensor| to_vec_f32(tensor).unwrap())
    }

    #[test]
    fn a_batch_in_parts_teaches_what_it_teaches_at_once() {
        let weights: &[f32] = &[0.5, 2.0, 1.0];
        for (class_weights, mixed) in [(None, false), (Some(weights), false), (Some(weights), true)] {
            let whole = learnt(1, class_weights, mixed);
            // More parts than utterances are as many as there are.
            for parts in [2, 3, 9] {
                for (whole, in_parts) in whole.iter().zip(learnt(parts, class_weights, mixed)) {
                    assert_eq!(whole.len(), in_parts.len());
                    for (whole, in_parts) in whole.iter().zip(in_parts) {
                        assert!((whole - in_parts).abs() < 2e-5, "{parts} parts: {whole} {in_parts}");
                    }
                }
            }
        }
    }
}
