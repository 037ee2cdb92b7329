//! One step of learning: forward, backward, Adam.

use ser_core::random::Random;
use ser_model::FitConfig;
use ser_model::network::FinetuneConfig;
use tch::{Kind, Reduction, Tensor};

use crate::batches::sharing::Sharing;
use crate::batches::{Batch, Mixed};
use crate::network::{Network, Pass, answer};
use crate::optimisation::adam::{Adam, Regularisation};
use crate::torch::Result;

/// A network and the optimiser that changes it.
#[derive(Debug)]
pub struct Learner {
    /// The network.
    pub network: Network,
    pub(crate) adam: Adam,
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
        let share = config.network.sizes::<FinetuneConfig>().map(|sizes| sizes.encoder_lr_scale);
        let adam = Adam::new(&network.parameters)?;
        let adam = match share {
            Some(share) => adam.with_share_for_given(&network.parameters, share),
            None => adam,
        };
        let (regularisation, label_smoothing) = (Regularisation::of(config), config.label_smoothing);
        Ok(Self { network, adam, regularisation, label_smoothing, class_weights: None })
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
        let branches = self.network.branches(&batch.features, &batch.frames, Pass::Training(dropout))?;
        let loss = mean_over_branches(&branches, |logits| self.mean_cross_entropy(logits, batch))?;
        let logits = answer(&branches)?;
        let gradient = self.network.parameters.gradient(&loss)?;
        self.adam.step(&mut self.network.parameters, &gradient, lr, self.regularisation)?;
        Ok(StepResult { loss, logits })
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
        let pass = Pass::Sharing(dropout, sharing);
        let branches = self.network.branches(&batch.features, &batch.frames, pass)?;
        let loss = mean_over_branches(&branches, |logits| self.share_of_mean(logits, batch, sharing))?;
        let logits = answer(&branches)?;
        let gradient = self.network.parameters.gradient(&loss)?;
        let stop = Tensor::f_from_slice(&[f32::from(u8::from(stop))])?.f_to(gradient.device())?;
        let all = sharing.ranks.sum(&Tensor::f_cat(&[gradient, stop], 0)?)?;
        let total = all.numel() as i64 - 1;
        self.adam.step(&mut self.network.parameters, &all.f_narrow(0, 0, total)?, lr, self.regularisation)?;
        Ok((StepResult { loss, logits }, all.f_double_value(&[total])? > 0.0))
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
