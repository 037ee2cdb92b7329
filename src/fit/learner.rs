//! One step of learning: forward, backward, Adam.

use tch::{Kind, Reduction, Tensor};

use super::adam::Adam;
use super::batch::Batch;
use super::network::{Network, Pass, answer};
use crate::Result;
use crate::random::Random;

/// A network and the optimiser that changes it.
#[derive(Debug)]
pub struct Learner {
    /// The network.
    pub network: Network,
    pub(super) adam: Adam,
    lr: f64,
    /// `[class]`
    class_weights: Option<Tensor>,
}

/// What a step gave, before it changed the network.
#[derive(Debug)]
pub struct Learnt {
    /// Mean cross-entropy over the batch, weighted by class where classes weigh differently, nats, as a tensor without dimensions.
    pub loss: Tensor,
    /// `[B, class]`
    pub logits: Tensor,
}

impl Learner {
    /// Lets `network` learn by Adam at the learning rate `lr`.
    ///
    /// # Errors
    /// When the device lacks memory.
    pub fn new(network: Network, lr: f64) -> Result<Self> {
        let adam = Adam::new(&network.parameters)?;
        Ok(Self { network, adam, lr, class_weights: None })
    }

    /// Lets each class weigh in the loss as `weights` say; the mean over a batch is the weighted one.
    ///
    /// # Errors
    /// When the device lacks memory.
    pub fn weighing_classes(self, weights: Option<&[f32]>) -> Result<Self> {
        let on_device = |weights: &[f32]| Tensor::f_from_slice(weights)?.f_to(self.network.device());
        let class_weights = weights.map(on_device).transpose()?;
        Ok(Self { class_weights, ..self })
    }

    /// Learns from `batch`; what the network drops out is drawn from `dropout`.
    ///
    /// # Errors
    /// When shapes disagree or the device lacks memory.
    pub fn step(&mut self, batch: &Batch<'_>, dropout: &mut Random) -> Result<Learnt> {
        let branches = self.network.branches(&batch.features, &batch.frames, Pass::Training(dropout))?;
        let loss = mean_over_branches(&branches, |logits| {
            mean_cross_entropy(logits, batch, self.class_weights.as_ref())
        })?;
        let logits = answer(&branches)?;
        let gradient = self.network.parameters.gradient(&loss)?;
        self.adam.step(&mut self.network.parameters, &gradient, self.lr)?;
        Ok(Learnt { loss, logits })
    }
}

/// The mean of the branches' losses: each branch learns as if it were alone.
pub(super) fn mean_over_branches(
    branches: &[Tensor],
    loss: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let losses: Vec<Tensor> = branches.iter().map(loss).collect::<Result<_>>()?;
    match losses.as_slice() {
        [loss] => Ok(loss.shallow_clone()),
        losses => Ok(Tensor::f_stack(losses, 0)?.f_mean(Kind::Float)?),
    }
}

fn mean_cross_entropy(logits: &Tensor, batch: &Batch<'_>, class_weights: Option<&Tensor>) -> Result<Tensor> {
    Ok(logits.f_cross_entropy_loss(&batch.targets, class_weights, Reduction::Mean, -100, 0.0)?)
}
