//! Tensors that follow from a network's sizes alone.

use std::cell::OnceCell;

use tch::Tensor;

use crate::network::layers::Forward;
use crate::torch::Result;

/// A tensor that is computed in the first pass, and kept for those after it. It is not learnt, so no checkpoint
/// holds it.
#[derive(Debug, Default)]
pub(crate) struct Constant(OnceCell<Tensor>);

impl Constant {
    /// What `compute` gave in the first pass, on the device of the network.
    ///
    /// # Errors
    /// Those of `compute`, and when the device lacks memory.
    pub(crate) fn get(
        &self,
        forward: &Forward<'_>,
        compute: impl FnOnce() -> Result<Tensor>,
    ) -> Result<&Tensor> {
        if let Some(known) = self.0.get() {
            return Ok(known);
        }
        let computed = compute()?.f_to(forward.device)?;
        Ok(self.0.get_or_init(|| computed))
    }
}
