//! One step of learning: forward, backward, Adam.

use tch::{Reduction, Tensor};

use super::adam::Adam;
use super::batch::Batch;
use super::network::{Network, Pass};
use crate::Result;
use crate::random::Random;

/// A network and the optimiser that changes it.
#[derive(Debug)]
pub struct Learner {
    /// The network.
    pub network: Network,
    pub(super) adam: Adam,
    lr: f64,
}

/// What a step gave, before it changed the network.
#[derive(Debug)]
pub struct Learnt {
    /// Mean cross-entropy over the batch, nats, as a tensor without dimensions.
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
        Ok(Self { network, adam, lr })
    }

    /// Learns from `batch`; what the network drops out is drawn from `dropout`.
    ///
    /// # Errors
    /// When shapes disagree or the device lacks memory.
    pub fn step(&mut self, batch: &Batch<'_>, dropout: &mut Random) -> Result<Learnt> {
        let logits = self.network.forward(&batch.features, &batch.frames, Pass::Training(dropout))?;
        let loss = mean_cross_entropy(&logits, batch)?;
        let gradient = self.network.parameters.gradient(&loss)?;
        self.adam.step(&mut self.network.parameters, &gradient, self.lr)?;
        Ok(Learnt { loss, logits })
    }
}

fn mean_cross_entropy(logits: &Tensor, batch: &Batch<'_>) -> Result<Tensor> {
    Ok(logits.f_cross_entropy_loss::<Tensor>(&batch.targets, None, Reduction::Mean, -100, 0.0)?)
}
