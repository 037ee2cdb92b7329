//! Sums over ranks, by which ranks share gradients, losses and statistics.

use std::sync::Arc;

use ser_torch::{Result as TorchResult, operation};
use tch::Tensor;

use super::Ranks;
use crate::c10d::Group;

impl Ranks {
    /// Σ over ranks of `value`, which has the same shape on each: to the bit the same for all.
    ///
    /// # Errors
    /// When a rank is gone.
    pub fn sum(&self, value: &Tensor) -> TorchResult<Tensor> {
        match &self.group {
            Some(group) => group.sum(value),
            None => Ok(value.shallow_clone()),
        }
    }

    /// The same, through which gradients flow: all ranks then go back through it, in the same order. What each rank's share
    /// changes is the sum on every rank, so that its gradient is the sum of all ranks' gradients.
    ///
    /// # Errors
    /// When a rank is gone.
    pub fn sum_differentiably(&self, value: &Tensor) -> TorchResult<Tensor> {
        let Some(group) = &self.group else { return Ok(value.shallow_clone()) };
        let sum = tch::no_grad(|| group.sum(value))?;
        let group = Arc::clone(group);
        operation(&[value], sum, move |gradient| Ok(vec![Some(group.sum(gradient)?)]))
    }

    /// What connects this rank with the others, if there are others.
    pub fn connection(&self) -> Option<Connection> {
        let group = Arc::clone(self.group.as_ref()?);
        Some(Connection { rank: self.rank, count: self.count, group })
    }
}

/// What connects a rank with the others, for work that must not borrow [`Ranks`], such as the way back through an operation.
#[derive(Debug, Clone)]
pub struct Connection {
    rank: u32,
    count: u32,
    group: Arc<Group>,
}

impl Connection {
    /// What each rank says, in their order, where this one says `own`; all say equally many numbers.
    ///
    /// # Errors
    /// When a rank is gone.
    pub fn numbers_of_all(&self, own: &[f64]) -> TorchResult<Vec<Vec<f64>>> {
        // Each has a place of its own in a sum, of which the others' places are 0.
        let mut said = vec![0.0; own.len() * self.count as usize];
        said[self.rank as usize * own.len()..][..own.len()].copy_from_slice(own);
        let sum = self.group.sum(&Tensor::f_from_slice(&said)?)?;
        let numbers = said.len();
        sum.f_copy_data(&mut said, numbers)?;
        Ok(said.chunks_exact(own.len().max(1)).map(<[f64]>::to_vec).collect())
    }
}
