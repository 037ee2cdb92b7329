//! Two computations at once, each on one thread.
//!
//! A direction of an LSTM is a chain of small products. Two threads that share each of them wait for one another after every one;
//! with a direction for each they wait once.

use std::sync::{Mutex, PoisonError};

use ser_core::{Error, ErrorKind};
use ser_torch::{has_threads, map_in_parallel, operation};
use tch::{Device, Kind, Tensor};

use ser_torch::Result;

/// Whether [`halves`] is quicker: on two threads, in bf16. In f32 the products are slow enough to be shared.
pub(super) fn can(x: &Tensor) -> bool {
    let two = has_threads() && tch::get_num_threads() == 2;
    two && x.device() == Device::Cpu && x.kind() == Kind::BFloat16
}

/// One of the two, with the graph that it was computed in.
struct Half {
    /// `x`, then its weights, cut off from the graph around.
    leaves: Vec<Tensor>,
    output: Tensor,
}

/// The halves `[B, position, unit]` that `compute` gives for `x` and the one or the other of `weights`, side by side:
/// `[B, position, 2 · unit]`. It is told which half it is to compute.
///
/// # Errors
/// Those of `compute`, and when memory is short.
pub(super) fn halves(
    x: &Tensor,
    weights: [&[Tensor]; 2],
    compute: impl Fn(usize, &Tensor, &[Tensor]) -> Result<Tensor> + Sync,
) -> Result<Tensor> {
    let learns = |tensor: &Tensor| tensor.requires_grad();
    let learning = learns(x) || weights.iter().any(|half| half.iter().any(learns));
    let inputs = weights.map(|weights| -> Result<Vec<Tensor>> {
        let all = std::iter::once(x).chain(weights);
        all.map(|tensor| Ok(tensor.f_detach()?.f_set_requires_grad(tensor.requires_grad())?)).collect()
    });
    let inputs = inputs.into_iter().collect::<Result<Vec<_>>>()?;
    let halves = map_in_parallel(inputs.into_iter().enumerate(), |(number, leaves)| -> Result<Half> {
        let run = || compute(number, &leaves[0], &leaves[1..]);
        let output = tch::with_grad(run)?;
        Ok(Half { leaves, output })
    });
    let halves = halves.into_iter().collect::<Result<Vec<_>>>()?;
    let outputs: Vec<&Tensor> = halves.iter().map(|half| &half.output).collect();
    let output = tch::no_grad(|| Tensor::f_cat(&outputs, 2))?;
    if !learning {
        return Ok(output);
    }
    let all: Vec<&Tensor> = std::iter::once(x).chain(weights.into_iter().flatten()).collect();
    let halves = Mutex::new(halves);
    operation(&all, output, move |gradient| {
        let halves = std::mem::take(&mut *halves.lock().unwrap_or_else(PoisonError::into_inner));
        backward(halves, gradient)
    })
}

/// Gradients of `x` and of the weights of both halves from that of what they gave together.
fn backward(halves: Vec<Half>, gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
    let parts = halves.into_iter().zip(gradient.f_chunk(2, 2)?);
    let gradients = map_in_parallel(parts, |(half, gradient)| -> Result<Vec<Option<Tensor>>> {
        // libtorch begins at one number; the gradient of this one is the gradient of the half.
        let towards = tch::with_grad(|| half.output.f_mul(&gradient)?.f_sum(Kind::Float))?;
        towards.f_backward()?;
        let of_leaf = |leaf: &Tensor| -> Result<Option<Tensor>> {
            Ok(if leaf.requires_grad() { Some(leaf.f_grad()?) } else { None })
        };
        half.leaves.iter().map(of_leaf).collect()
    });
    let mut gradients = gradients.into_iter().collect::<Result<Vec<_>>>()?.into_iter();
    let (Some(mut first), Some(second)) = (gradients.next(), gradients.next()) else {
        return Err(Error::new(ErrorKind::Mismatch, "gradients were asked for a second time").into());
    };
    let mut second = second.into_iter();
    if let (Some(of_x), Some(Some(other))) = (first.first_mut().and_then(Option::as_mut), second.next()) {
        *of_x = of_x.f_add(&other)?;
    }
    first.extend(second);
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(size: &[i64], step: f64) -> Tensor {
        let count: i64 = size.iter().product();
        let values = Tensor::arange(count, (Kind::Float, Device::Cpu));
        (values * step).sin().view(size).set_requires_grad(true)
    }

    /// Half 0 is x · w + b, half 1 is tanh of that.
    fn half(number: usize, x: &Tensor, weights: &[Tensor]) -> Result<Tensor> {
        let y = x.f_matmul(&weights[0])?.f_add(&weights[1])?;
        Ok(if number == 0 { y } else { y.f_tanh()? })
    }

    fn leaves() -> [Tensor; 5] {
        let weights = |step| [leaf(&[4, 3], step), leaf(&[3], step)];
        let ([a, b], [c, d]) = (weights(0.7), weights(1.3));
        [leaf(&[2, 5, 4], 0.9), a, b, c, d]
    }

    #[test]
    fn values_and_gradients_are_those_of_one_after_the_other() {
        let (together, apart) = (leaves(), leaves());
        let output = halves(&together[0], [&together[1..3], &together[3..]], half).unwrap();
        let one = half(0, &apart[0], &apart[1..3]).unwrap();
        let other = half(1, &apart[0], &apart[3..]).unwrap();
        let expected = Tensor::cat(&[one, other], 2);
        assert!(output.allclose(&expected, 1e-6, 1e-6, false));
        let loss = |output: &Tensor| (output * leaf(&[2, 5, 6], 0.3)).sum(Kind::Float);
        loss(&output).backward();
        loss(&expected).backward();
        for (together, apart) in together.iter().zip(&apart) {
            assert!(together.grad().allclose(&apart.grad(), 1e-5, 1e-6, false), "{:?}", together.size());
        }
    }

    #[test]
    fn what_does_not_learn_gets_no_gradient() {
        let [x, a, b, c, d] = leaves();
        let (x, a) = (x.detach(), a.detach());
        let weights = [[a, b], [c, d]];
        let output = halves(&x, [&weights[0], &weights[1]], half).unwrap();
        output.sum(Kind::Float).backward();
        assert!(!x.grad().defined() && !weights[0][0].grad().defined());
        assert!(weights[0][1].grad().defined() && weights[1][0].grad().defined());
        let [c, d] = [0, 1].map(|at| weights[1][at].detach());
        let nothing = halves(&x, [&[c.shallow_clone(), d.shallow_clone()], &[c, d]], half).unwrap();
        assert!(!nothing.requires_grad());
    }

    #[test]
    fn an_error_of_one_half_is_that_of_both() {
        let [x, a, b, c, d] = leaves();
        let refuse = |number, x: &Tensor, weights: &[Tensor]| match number {
            0 => half(number, x, weights),
            _ => Err(Error::new(ErrorKind::Mismatch, "refused").into()),
        };
        let error = halves(&x, [&[a, b], &[c, d]], refuse).unwrap_err();
        assert_eq!(error.to_string(), "refused");
    }
}
