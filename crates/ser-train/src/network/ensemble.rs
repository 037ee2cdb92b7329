//! Networks of one shape that answer together: the mean of their log-probabilities (L. K. Hansen and P. Salamon, "Neural
//! network ensembles", IEEE Transactions on Pattern Analysis and Machine Intelligence 12, 1990).
//!
//! Weights of member i are called `members.<i>.<name>`, as in an `nn.ModuleList`.

use tch::Tensor;

use crate::network::layers::Forward;
use crate::network::{Model, answer};
use crate::torch::Result;

/// Its members.
#[derive(Debug)]
pub(super) struct Ensemble {
    members: Vec<Box<dyn Model>>,
}

impl Ensemble {
    pub(super) fn new(members: Vec<Box<dyn Model>>) -> Self {
        Self { members }
    }
}

impl Model for Ensemble {
    fn branches(&self, forward: &mut Forward<'_>, features: &Tensor, frames: &Tensor) -> Result<Vec<Tensor>> {
        self.members.iter().map(|member| answer(&member.branches(forward, features, frames)?)).collect()
    }
}

/// What the names of the weights of member `number` begin with.
pub(crate) fn prefix(number: usize) -> String {
    format!("members.{number}.")
}
