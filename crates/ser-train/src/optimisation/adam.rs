//! Adam (Kingma & Ba, 2015) and AdamW (Loshchilov & Hutter, 2019), over one flat buffer.

use ser_model::{FitConfig, Optimizer};
use tch::{Kind, Tensor};

use crate::network::parameters::Parameters;
use ser_torch::Result;

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
    /// Stretches of the buffer, where each begins and how long it is, and what the learning rate is multiplied by there.
    rates: Vec<(i64, i64, f64)>,
}

impl Adam {
    /// An optimiser that has seen nothing yet.
    pub(crate) fn new(parameters: &Parameters) -> Result<Self> {
        let zeros = || parameters.flat().f_zeros_like();
        let rates = vec![(0, parameters.flat().size().iter().product(), 1.0)];
        Ok(Self { steps: 0, mean: zeros()?, square: zeros()?, rates })
    }

    /// The same with the learning rate times `share`, by name, for the weights that started as a pretrained encoder's.
    pub(crate) fn with_share_for_given(self, parameters: &Parameters, share: impl Fn(&str) -> f64) -> Self {
        Self { rates: parameters.stretches(share), ..self }
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
                Optimizer::Adamw => {
                    for (start, length, share) in &self.rates {
                        let mut part = weights.f_narrow(0, *start, *length)?;
                        let _ = part.f_mul_scalar_(1.0 - lr * share * weight_decay)?;
                    }
                }
            }
            self.steps += 1;
            let correction1 = 1.0 - BETA1.powf(self.steps as f64);
            let correction2 = 1.0 - BETA2.powf(self.steps as f64);
            let _ = self.mean.f_lerp_(&gradient, 1.0 - BETA1)?;
            let squared = gradient.f_square()?.f_mul_scalar_(1.0 - BETA2)?;
            let _ = self.square.f_mul_scalar_(BETA2)?.f_add_(&squared)?;
            let mut scale =
                self.square.f_sqrt()?.f_div_scalar_(correction2.sqrt())?.f_add_scalar_(EPSILON)?;
            let _ = scale.f_reciprocal_()?;
            for (start, length, share) in &self.rates {
                let mut part = scale.f_narrow(0, *start, *length)?;
                let _ = part.f_mul_scalar_(-lr * share / correction1)?;
            }
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
    fn weights_of_an_encoder_follow_at_a_share_of_the_learning_rate() {
        let weight = |name: &str, start: Start| Weight { name: name.to_owned(), shape: vec![2], start };
        let weights = || {
            vec![
                weight("encoder.a", Start::Given),
                weight("encoder.b", Start::Given),
                weight("head", Start::Constant(1.0)),
            ]
        };
        let regularisation =
            Regularisation { optimizer: Optimizer::Adamw, weight_decay: 0.5, ..Regularisation::default() };
        let after = |share: Option<f64>, lr: f64| {
            let mut parameters = Parameters::initialise(weights(), 0, Device::Cpu).unwrap();
            let ones = Tensor::ones([2], (Kind::Float, Device::Cpu));
            parameters.start_from(|_| Some(&ones)).unwrap();
            let mut adam = Adam::new(&parameters).unwrap();
            if let Some(share) = share {
                adam = adam.with_share_for_given(&parameters, |_| share);
            }
            let gradient = Tensor::from_slice(&[0.5f32, -1.0, 2.0, 3.0, -0.25, 1.5]);
            for _ in 0..3 {
                adam.step(&mut parameters, &gradient, lr, regularisation).unwrap();
            }
            to_vec_f32(parameters.flat()).unwrap()
        };
        let (whole, tenth, shared) = (after(None, 0.1), after(None, 0.01), after(Some(0.1), 0.1));
        assert_eq!(shared[4..], whole[4..]);
        for (shared, tenth) in shared[..4].iter().zip(&tenth[..4]) {
            assert!((shared - tenth).abs() < 1e-6, "{shared} {tenth}");
        }
        assert!((whole[0] - tenth[0]).abs() > 0.1);
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
