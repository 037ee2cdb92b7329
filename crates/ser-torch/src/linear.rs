//! Linear maps by oneDNN, where it has them.

use tch::{Device, Kind, Tensor};

use crate::onednn::{Pointwise, has_onednn, packed, product};
use crate::{Result, operation};

/// Multiplications below which libtorch's own product is taken, which begins sooner. The last bits depend on which of the two
/// multiplies; below this, it is the same one for an utterance alone and for a batch of them.
const FEWEST: usize = 1 << 26;

/// A linear map that does not learn, with its weight in the order in which oneDNN computes with it. A clone shares it.
#[derive(Debug)]
pub struct PackedLinear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl PackedLinear {
    /// That of `weight` `[output, input]` and `bias` `[output]`, of a kind for which there [is oneDNN](has_onednn).
    ///
    /// # Errors
    /// When libtorch refuses them.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        Ok(Self { weight: packed(weight)?, bias: bias.map(Tensor::f_detach).transpose()? })
    }

    /// `then` of `W · x + b`: `x` `[…, input]`, of the kind of the weights, to `[…, output]`. No gradients flow back through it.
    ///
    /// # Errors
    /// When `x` has another kind or size, or memory is short.
    pub fn apply(&self, x: &Tensor, then: Pointwise) -> Result<Tensor> {
        product(x, &self.weight, self.bias.as_ref(), then)
    }
}

impl Clone for PackedLinear {
    fn clone(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), bias: self.bias.as_ref().map(Tensor::shallow_clone) }
    }
}

/// `W · x + b`: `x` `[…, input]` to `[…, output]` with `weight` `[output, input]` and `bias` `[output]`, as libtorch's own
/// `linear`, with gradients to all three. Large ones in f32 on the CPU are oneDNN's, as are their gradients.
///
/// # Errors
/// When kinds or sizes do not fit, or memory is short.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let in_f32 =
        [x, weight, bias].iter().all(|tensor| tensor.kind() == Kind::Float && tensor.device() == Device::Cpu);
    let outputs = weight.size().first().copied().unwrap_or_default() as usize;
    let is_large = x.dim() >= 2 && x.numel().saturating_mul(outputs) >= FEWEST;
    if !(in_f32 && is_large && has_onednn(Kind::Float, Device::Cpu)) {
        return Ok(x.f_linear(weight, Some(bias))?);
    }
    let output = tch::no_grad(|| product(x, weight, Some(bias), Pointwise::Identity))?;
    let learns = [x, weight, bias].map(Tensor::requires_grad);
    let kept_x = learns[1].then(|| x.f_detach()).transpose()?;
    let kept_weight = learns[0].then(|| weight.f_detach()).transpose()?;
    operation(&[x, weight, bias], output, move |gradient| {
        let rows = |tensor: &Tensor| tensor.f_flatten(0, -2);
        let by = |a: &Tensor, b: &Tensor| product(a, b, None, Pointwise::Identity);
        let of_x = kept_weight.as_ref().map(|weight| by(gradient, &weight.f_tr()?)).transpose()?;
        let of_weight =
            kept_x.as_ref().map(|x| by(&rows(gradient)?.f_tr()?, &rows(x)?.f_tr()?)).transpose()?;
        let of_bias = match learns[2] {
            true => Some(rows(gradient)?.f_sum_dim_intlist([0i64].as_slice(), false, Kind::Float)?),
            false => None,
        };
        Ok(vec![of_x, of_weight, of_bias])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Pointwise; 4] = [Pointwise::Identity, Pointwise::Gelu, Pointwise::GeluTanh, Pointwise::Silu];

    /// Numbers around 0 that look like nothing in particular.
    fn some(size: &[i64], kind: Kind) -> Tensor {
        let count: i64 = size.iter().product();
        let values = Tensor::arange(count, (Kind::Float, Device::Cpu));
        (values.square() * 0.37).sin().view(size).to_kind(kind)
    }

    fn plain(x: &Tensor, then: Pointwise) -> Tensor {
        match then {
            Pointwise::Identity => x.shallow_clone(),
            Pointwise::Gelu => x.gelu("none"),
            Pointwise::GeluTanh => x.gelu("tanh"),
            Pointwise::Silu => x.silu(),
        }
    }

    fn difference(a: &Tensor, b: &Tensor) -> f64 {
        assert_eq!((a.size(), a.kind()), (b.size(), b.kind()));
        (a.to_kind(Kind::Float) - b.to_kind(Kind::Float)).abs().max().double_value(&[])
    }

    /// The kinds that this processor computes with packed weights, and how far off a value of size 30 may be: in bf16 by a unit
    /// of its last place.
    fn kinds() -> Vec<(Kind, f64)> {
        let all = [(Kind::Float, 1e-5), (Kind::BFloat16, 0.13)];
        let kinds: Vec<_> = all.into_iter().filter(|(kind, _)| has_onednn(*kind, Device::Cpu)).collect();
        assert!(cfg!(not(target_arch = "x86_64")) || !kinds.is_empty(), "libtorch from pip has oneDNN");
        kinds
    }

    #[test]
    fn a_packed_linear_map_is_the_plain_one() {
        for (kind, tolerance) in kinds() {
            let (weight, bias) = (some(&[48, 33], kind), some(&[48], kind));
            let packed = PackedLinear::new(&weight, Some(&bias)).unwrap();
            let unbiased = PackedLinear::new(&weight, None).unwrap();
            // Windows that overlap are read where they are.
            let overlapping = some(&[100], kind).as_strided([1, 20, 33], [0, 3, 1], 0);
            let inputs =
                [some(&[5, 33], kind), some(&[2, 7, 33], kind), some(&[1, 300, 33], kind), overlapping];
            for (x, then) in inputs.iter().flat_map(|x| ALL.map(|then| (x, then))) {
                let expected = plain(&x.linear(&weight, Some(&bias)), then);
                let found = difference(&packed.apply(x, then).unwrap(), &expected);
                assert!(found < tolerance, "{kind:?} {:?} {then:?}: {found}", x.size());
                let expected = plain(&x.linear(&weight, None::<&Tensor>), then);
                assert!(difference(&unbiased.clone().apply(x, then).unwrap(), &expected) < tolerance);
            }
            for then in ALL {
                let broken = some(&[3, 33], kind);
                let _ = broken.get(1).fill_(f64::NAN);
                let found = packed.apply(&broken, then).unwrap();
                assert!(
                    bool::try_from(found.get(1).isnan().all()).unwrap(),
                    "{then:?} hides what is not a number"
                );
                assert!(!bool::try_from(found.get(0).isnan().any()).unwrap());
            }
            assert_eq!(packed.apply(&some(&[1, 0, 33], kind), Pointwise::Gelu).unwrap().size(), [1, 0, 48]);
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_no_crash() {
        assert!(!has_onednn(Kind::Half, Device::Cpu) && !has_onednn(Kind::Float, Device::Cuda(0)));
        let Some((kind, _)) = kinds().pop() else { return };
        let linear = PackedLinear::new(&some(&[4, 3], kind), None).unwrap();
        let wrong = linear.apply(&some(&[2, 5], kind), Pointwise::Identity);
        let error = wrong.unwrap_err().to_string();
        assert!(error.contains("libtorch") && !error.contains('\n'), "{error}");
        assert!(linear.apply(&some(&[2, 3], Kind::Double), Pointwise::Identity).is_err());
    }

    #[test]
    fn a_linear_map_that_learns_has_the_gradients_of_libtorchs() {
        let leaf = |size: &[i64], learns: bool| some(size, Kind::Float).set_requires_grad(learns);
        // The first two are oneDNN's.
        const { assert!(44_000 * 33 * 48 > FEWEST) };
        let sizes: [&[i64]; 6] = [&[44_000, 33], &[2, 22_000, 33], &[2, 7, 33], &[1, 33], &[33], &[3, 0, 33]];
        for size in sizes {
            for learns in
                [[true, true, true], [true, false, false], [false, true, false], [false, false, true]]
            {
                let leaves = || [leaf(size, learns[0]), leaf(&[48, 33], learns[1]), leaf(&[48], learns[2])];
                let (ours, theirs) = (leaves(), leaves());
                let found = linear(&ours[0], &ours[1], &ours[2]).unwrap();
                let expected = theirs[0].linear(&theirs[1], Some(&theirs[2]));
                // What flows back to the output differs from place to place, and is a view of something else.
                let towards = |y: &Tensor| {
                    let weights = some(&y.size().into_iter().rev().collect::<Vec<_>>(), Kind::Float);
                    let reversed: Vec<i64> = (0..y.dim() as i64).rev().collect();
                    (y * weights.permute(reversed)).sum(Kind::Float).backward();
                };
                towards(&found);
                towards(&expected);
                assert_eq!(found.size(), expected.size());
                assert!(found.allclose(&expected, 1e-5, 1e-4, false), "{size:?}");
                for ((ours, theirs), learns) in ours.iter().zip(&theirs).zip(learns) {
                    assert_eq!(ours.grad().defined(), learns);
                    assert!(!learns || ours.grad().allclose(&theirs.grad(), 1e-4, 1e-3, false), "{size:?}");
                }
            }
        }
        let [x, weight, bias] = [leaf(&[2, 33], false), leaf(&[48, 33], false), leaf(&[48], false)];
        assert!(!linear(&x, &weight, &bias).unwrap().requires_grad());
        assert!(linear(&leaf(&[2, 5], false), &weight, &bias).is_err());
    }

    #[test]
    fn threads_share_the_weights() {
        let Some((kind, _)) = kinds().pop() else { return };
        let packed = PackedLinear::new(&some(&[64, 32], kind), None).unwrap();
        let x = some(&[9, 32], kind);
        let expected = packed.apply(&x, Pointwise::Gelu).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let (packed, x, expected) = (packed.clone(), x.shallow_clone(), expected.shallow_clone());
                scope.spawn(move || {
                    for _ in 0..20 {
                        assert_eq!(packed.apply(&x, Pointwise::Gelu).unwrap(), expected);
                    }
                });
            }
        });
    }
}
