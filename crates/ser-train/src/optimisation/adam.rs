//! Adam (Kingma & Ba, 2015) and AdamW (Loshchilov & Hutter, 2019), over one flat buffer.

use ser_model::{FitConfig, Optimizer};
use tch::{Kind, Tensor};

use crate::network::parameters::Parameters;
use crate::torch::Result;

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Added to the norm of a gradient before it divides, as `torch.nn.utils.clip_grad_norm_` does.
const CLIP_EPSILON: f64 = 1e-6;

/// What an optimiser does besides following the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Regularisation {
    pub(crate) optimizer: Optimizer,
    pub(crate) weight_decay: f64,
    /// 0 for none.
    pub(crate) gradient_clip: f64,
}

impl Regularisation {
    pub(crate) fn of(config: &FitConfig) -> Self {
        let &FitConfig { optimizer, weight_decay, gradient_clip, .. } = config;
        Self { optimizer, weight_decay, gradient_clip }
    }
}

/// The optimiser's state. libtorch's own can be neither saved nor restored through its bindings.
#[derive(Debug)]
pub(crate) struct Adam {
    /// Steps done.
    pub(crate) steps: i64,
    /// Running mean of the gradient, `[total]`.
    pub(crate) mean: Tensor,
    /// Running mean of the squared gradient, `[total]`.
    pub(crate) square: Tensor,
}

impl Adam {
    /// An optimiser that has seen nothing yet.
    pub(crate) fn new(parameters: &Parameters) -> Result<Self> {
        let zeros = || parameters.flat().f_zeros_like();
        Ok(Self { steps: 0, mean: zeros()?, square: zeros()? })
    }

    /// Changes the parameters by one step of the learning rate `lr` against `gradient`, `[total]`, with PyTorch's order of
    /// operations.
    pub(crate) fn step(
        &mut self,
        parameters: &mut Parameters,
        gradient: &Tensor,
        lr: f64,
        regularisation: Regularisation,
    ) -> Result<()> {
        let Regularisation { optimizer, weight_decay, gradient_clip } = regularisation;
        tch::no_grad(|| {
            let mut weights = parameters.flat().shallow_clone();
            let mut gradient = gradient.shallow_clone();
            if gradient_clip > 0.0 {
                gradient = shorten(&gradient, gradient_clip)?;
            }
            match optimizer {
                _ if weight_decay == 0.0 => {}
                Optimizer::Adam => gradient = gradient.f_add(&weights.f_mul_scalar(weight_decay)?)?,
                Optimizer::Adamw => _ = weights.f_mul_scalar_(1.0 - lr * weight_decay)?,
            }
            self.steps += 1;
            let correction1 = 1.0 - BETA1.powf(self.steps as f64);
            let correction2 = 1.0 - BETA2.powf(self.steps as f64);
            let _ = self.mean.f_lerp_(&gradient, 1.0 - BETA1)?;
            let squared = gradient.f_square()?.f_mul_scalar_(1.0 - BETA2)?;
            let _ = self.square.f_mul_scalar_(BETA2)?.f_add_(&squared)?;
            let mut scale =
                self.square.f_sqrt()?.f_div_scalar_(correction2.sqrt())?.f_add_scalar_(EPSILON)?;
            let _ = scale.f_reciprocal_()?.f_mul_scalar_(-lr / correction1)?;
            let _ = weights.f_addcmul_(&self.mean, &scale)?;
            Ok(())
        })
    }
}

/// `gradient`, shortened to the norm `longest` where it is longer.
fn shorten(gradient: &Tensor, longest: f64) -> Result<Tensor> {
    let norm = gradient.f_square()?.f_sum(Kind::Float)?.f_sqrt()?;
    let scale = norm.f_add_scalar(CLIP_EPSILON)?.f_reciprocal()?.f_mul_scalar(longest)?.f_clamp_max(1.0)?;
    Ok(gradient.f_mul(&scale)?)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use tch::Device;

    use super::*;
    use crate::network::parameters::to_vec_f32;
    use ser_model::network::{Start, Weight};

    /// What `tests/fixtures/fit/optimizers.py` wrote.
    #[derive(Deserialize)]
    struct Fixture {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        optimizer: Optimizer,
        weight_decay: f64,
        gradient_clip: f64,
        rates: Vec<f64>,
        before: Vec<f32>,
        gradients: Vec<Vec<f32>>,
        after: Vec<Vec<f32>>,
    }

    #[test]
    fn weight_decay_and_clipping_go_as_pytorchs() {
        let text = include_str!("../../../../tests/fixtures/fit/optimizers.json");
        let Fixture { cases } = serde_json::from_str(text).unwrap();
        assert_eq!(cases.len(), 4);
        for case in cases {
            let shape = vec![case.before.len()];
            let weight = Weight { name: "weight".to_owned(), shape, start: Start::Constant(0.0) };
            let mut parameters = Parameters::initialise(vec![weight], 0, Device::Cpu).unwrap();
            let before = Tensor::f_from_slice(&case.before).unwrap();
            parameters.flat().shallow_clone().f_copy_(&before).unwrap();
            let mut adam = Adam::new(&parameters).unwrap();
            let Case { optimizer, weight_decay, gradient_clip, .. } = case;
            let regularisation = Regularisation { optimizer, weight_decay, gradient_clip };
            for ((gradient, rate), after) in case.gradients.iter().zip(&case.rates).zip(&case.after) {
                let gradient = Tensor::f_from_slice(gradient).unwrap();
                adam.step(&mut parameters, &gradient, *rate, regularisation).unwrap();
                for (found, expected) in to_vec_f32(parameters.flat()).unwrap().iter().zip(after) {
                    assert!((found - expected).abs() < 1e-6, "{regularisation:?}: {found} is not {expected}");
                }
            }
        }
    }
}
