//! What the steps of an epoch give, added up.

use ser_distributed::Ranks;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// Sums over the steps of an epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sums {
    /// Cross-entropy, summed over utterances, as bits of an `f64`, which text could round.
    pub(crate) loss_bits: u64,
    pub(crate) correct: i64,
    pub(crate) seconds: f64,
    /// Seconds of them spent waiting for utterances.
    pub(crate) waiting: f64,
}

/// Sums kept on the device while an epoch runs, so that no step waits for a number to be read.
#[derive(Debug)]
pub(crate) struct DeviceSums {
    loss: Tensor,
    correct: Tensor,
}

impl DeviceSums {
    pub(crate) fn new(sums: &Sums, device: tch::Device) -> ser_torch::Result<Self> {
        Ok(Self {
            loss: Tensor::f_from_slice(&[f64::from_bits(sums.loss_bits)])?.f_to(device)?,
            correct: Tensor::f_from_slice(&[sums.correct])?.f_to(device)?,
        })
    }

    /// Adds a step of `all` utterances: its mean `loss`, or this rank's share of it, and its `logits` `[B, class]` for `targets`
    /// `[B]`.
    pub(crate) fn add(
        &mut self,
        loss: &Tensor,
        all: usize,
        logits: &Tensor,
        targets: &Tensor,
    ) -> ser_torch::Result<()> {
        tch::no_grad(|| {
            let loss = loss.f_detach()?.f_to_kind(Kind::Double)?.f_mul_scalar(all as i64)?;
            let _ = self.loss.f_add_(&loss)?;
            let correct = logits.f_argmax(1, false)?.f_eq_tensor(targets)?.f_sum(Kind::Int64)?;
            let _ = self.correct.f_add_(&correct)?;
            Ok(())
        })
    }

    /// What the steps of all ranks gave.
    pub(crate) fn read(&self, ranks: &Ranks, seconds: f64, waiting: f64) -> ser_torch::Result<Sums> {
        let loss = ranks.sum(&self.loss)?.f_double_value(&[0])?;
        let correct = ranks.sum(&self.correct)?.f_int64_value(&[0])?;
        Ok(Sums { loss_bits: loss.to_bits(), correct, seconds, waiting })
    }
}
