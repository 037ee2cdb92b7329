//! The tensors of an encoder: those that a checkpoint carries, with what was trained in their place or added to them.

use ser_core::{Error, ErrorKind, Result};
use ser_model::CarriedEncoder;
use ser_model::network::LowRank;

use crate::weights::Weights;

/// The tensors that one network has in its encoder.
#[derive(Debug)]
pub(crate) struct Tensors<'a> {
    carried: &'a CarriedEncoder<'a>,
    trained: &'a Weights<'a>,
    /// What the names of trained tensors begin with.
    prefix: String,
    low_rank: Option<LowRank>,
}

impl<'a> Tensors<'a> {
    /// Those of `carried` with what is `trained` under names that begin with `prefix`.
    pub(crate) fn new(
        carried: &'a CarriedEncoder<'a>,
        trained: &'a Weights<'a>,
        prefix: String,
        low_rank: Option<LowRank>,
    ) -> Self {
        Self { carried, trained, prefix, low_rank }
    }

    pub(super) fn carried(&self) -> &'a CarriedEncoder<'a> {
        self.carried
    }

    /// Whether there is a tensor called `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.carried.tensors.contains_key(name)
    }

    /// The values of the tensor `name`, which has `shape`.
    ///
    /// # Errors
    /// When there is none, or it has another shape.
    pub(super) fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let full = format!("{}{name}", self.prefix);
        if self.trained.has(&full) {
            return self.trained.get(&full, shape);
        }
        let own =
            self.carried.tensors.get(name).filter(|tensor| tensor.shape() == shape).ok_or_else(|| {
                let what = format!("carries an encoder that lacks {name} of shape {shape:?}");
                Error::new(ErrorKind::Damaged, what)
            })?;
        let mut values = own.to_f32()?;
        let place = LowRank::place(&full);
        let (Some(added), &[outputs, inputs]) = (self.low_rank, shape) else { return Ok(values) };
        if !self.trained.has(&format!("{place}.lora_a")) {
            return Ok(values);
        }
        let rank = added.rank as usize;
        let a = self.trained.get(&format!("{place}.lora_a"), &[rank, inputs])?;
        let b = self.trained.get(&format!("{place}.lora_b"), &[outputs, rank])?;
        for (row, of_row) in values.chunks_exact_mut(inputs.max(1)).zip(b.chunks_exact(rank.max(1))) {
            for (of_rank, factor) in a.chunks_exact(inputs.max(1)).zip(of_row) {
                let factor = f64::from(*factor) * added.scale();
                row.iter_mut().zip(of_rank).for_each(|(value, a)| *value += (factor * f64::from(*a)) as f32);
            }
        }
        Ok(values)
    }
}
