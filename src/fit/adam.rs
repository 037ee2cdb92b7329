//! Adam (Kingma & Ba, 2015), over one flat buffer.

use tch::Tensor;

use super::parameters::Parameters;
use crate::Result;

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// The optimiser's state. libtorch's own can be neither saved nor restored through its bindings.
#[derive(Debug)]
pub(super) struct Adam {
    /// Steps done.
    pub(super) steps: i64,
    /// Running mean of the gradient, `[total]`.
    pub(super) mean: Tensor,
    /// Running mean of the squared gradient, `[total]`.
    pub(super) square: Tensor,
}

impl Adam {
    /// An optimiser that has seen nothing yet.
    pub(super) fn new(parameters: &Parameters) -> Result<Self> {
        let zeros = || parameters.flat().f_zeros_like();
        Ok(Self { steps: 0, mean: zeros()?, square: zeros()? })
    }

    /// Changes the parameters by one step against `gradient`, `[total]`, with PyTorch's order of operations.
    pub(super) fn step(&mut self, parameters: &mut Parameters, gradient: &Tensor, lr: f64) -> Result<()> {
        tch::no_grad(|| {
            self.steps += 1;
            let correction1 = 1.0 - BETA1.powf(self.steps as f64);
            let correction2 = 1.0 - BETA2.powf(self.steps as f64);
            let _ = self.mean.f_lerp_(gradient, 1.0 - BETA1)?;
            let squared = gradient.f_square()?.f_mul_scalar_(1.0 - BETA2)?;
            let _ = self.square.f_mul_scalar_(BETA2)?.f_add_(&squared)?;
            let mut scale =
                self.square.f_sqrt()?.f_div_scalar_(correction2.sqrt())?.f_add_scalar_(EPSILON)?;
            let _ = scale.f_reciprocal_()?.f_mul_scalar_(-lr / correction1)?;
            let _ = parameters.flat().shallow_clone().f_addcmul_(&self.mean, &scale)?;
            Ok(())
        })
    }
}
