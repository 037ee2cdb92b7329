//! The weights of a checkpoint, by their names.

use std::collections::HashMap;

use ser_core::{Error, ErrorKind, Result};
use ser_model::checkpoint::Tensor;

/// Added to variances by batch and layer normalisation, as in PyTorch.
pub(super) const EPSILON: f32 = 1e-5;

/// All tensors of a state dict.
#[derive(Debug)]
pub(crate) struct Weights<'a>(HashMap<&'a str, &'a Tensor>);

impl<'a> Weights<'a> {
    pub(crate) fn of(state: &'a [(String, Tensor)]) -> Self {
        Self(state.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect())
    }

    /// Whether there is a tensor called `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The values of `name`, which has `shape`.
    ///
    /// # Errors
    /// When there is none, or it has another shape.
    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let tensor = self
            .0
            .get(name)
            .filter(|tensor| tensor.shape() == shape)
            .ok_or_else(|| Error::new(ErrorKind::Damaged, format!("lacks {name} of shape {shape:?}")))?;
        tensor.to_f32()
    }
}
