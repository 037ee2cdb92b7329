//! Linear maps with weights in the order in which oneDNN computes with them.
//!
//! libtorch's own products in f32 are MKL's, which on processors of AMD does without AVX-512 and is less than half as fast on
//! those that have it. oneDNN's use it everywhere, and weights that were put into its order once need not be brought into it
//! for every product.
#![expect(unsafe_code, reason = "the calls of shim/packed.cpp, each with the reason why it is sound")]

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::OnceLock;

use ser_core::{Error, ErrorKind};
use tch::{Device, Kind, Tensor};

use crate::Result;

/// The longest message that is passed on, in bytes with its closing zero.
const ROOM: usize = 1024;

unsafe extern "C" {
    fn ser_pack_linear(weight: *const c_void, message: *mut c_char, room: usize) -> *mut c_void;

    fn ser_packed_linear(
        x: *const c_void,
        packed: *const c_void,
        bias: *const c_void,
        attribute: *const c_char,
        algorithm: *const c_char,
        message: *mut c_char,
        room: usize,
    ) -> *mut c_void;
}

/// A function of each value, computed in the same pass as the product before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointwise {
    /// The value itself.
    Identity,
    /// `x·Φ(x)`
    Gelu,
    /// The same with Φ approximated by a hyperbolic tangent.
    GeluTanh,
    /// The value or 0, whichever is larger.
    Relu,
    /// `x·σ(x)`
    Silu,
}

impl Pointwise {
    /// What libtorch calls it, and the way in which it is computed where there are several.
    fn names(self) -> (&'static CStr, Option<&'static CStr>) {
        match self {
            Self::Identity => (c"none", None),
            Self::Gelu => (c"gelu", Some(c"none")),
            Self::GeluTanh => (c"gelu", Some(c"tanh")),
            Self::Relu => (c"relu", None),
            Self::Silu => (c"swish", None),
        }
    }
}

/// Whether this libtorch, on this processor, computes products of `kind` on `device` with packed weights.
pub fn can_pack(kind: Kind, device: Device) -> bool {
    static FLOAT: OnceLock<bool> = OnceLock::new();
    static BFLOAT16: OnceLock<bool> = OnceLock::new();
    let known = match kind {
        Kind::Float => &FLOAT,
        Kind::BFloat16 => &BFLOAT16,
        _ => return false,
    };
    // What libtorch has depends on how it was built, and bf16 on the processor: a product tells.
    let try_one = || -> Result<bool> {
        let unit = Tensor::f_eye(2, (kind, Device::Cpu))?;
        let squared = PackedLinear::new(&unit, None)?.apply(&unit, Pointwise::Identity)?;
        Ok(squared.f_equal(&unit)?)
    };
    device == Device::Cpu && *known.get_or_init(|| tch::no_grad(try_one).unwrap_or(false))
}

/// A linear map that does not learn. A clone shares the weights.
#[derive(Debug)]
pub struct PackedLinear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl PackedLinear {
    /// That of `weight` `[output, input]` and `bias` `[output]`, of a kind that [`can_pack`].
    ///
    /// # Errors
    /// When libtorch refuses them.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        let weight = new_tensor(|message, room| {
            // SAFETY: tch's tensors are pointers to `at::Tensor`, which this reads; the message has as much room as it says.
            unsafe { ser_pack_linear(weight.as_ptr().cast(), message, room) }
        })?;
        Ok(Self { weight, bias: bias.map(Tensor::f_detach).transpose()? })
    }

    /// `x` `[…, input]`, of the kind of the weights, to `[…, output]`. No gradients flow back through it.
    ///
    /// # Errors
    /// When `x` has another kind or size, or memory is short.
    pub fn apply(&self, x: &Tensor, then: Pointwise) -> Result<Tensor> {
        let (attribute, algorithm) = then.names();
        let bias = self.bias.as_ref().map_or(ptr::null(), |bias| bias.as_ptr().cast());
        new_tensor(|message, room| {
            // SAFETY: as in `new`; a bias that is not there is null, and the names are static.
            unsafe {
                ser_packed_linear(
                    x.as_ptr().cast(),
                    self.weight.as_ptr().cast(),
                    bias,
                    attribute.as_ptr(),
                    algorithm.map_or(ptr::null(), CStr::as_ptr),
                    message,
                    room,
                )
            }
        })
    }
}

impl Clone for PackedLinear {
    fn clone(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), bias: self.bias.as_ref().map(Tensor::shallow_clone) }
    }
}

/// The tensor that the C++ gives; it leaves its message where it has none.
fn new_tensor(compute: impl FnOnce(*mut c_char, usize) -> *mut c_void) -> Result<Tensor> {
    let mut message: [c_char; ROOM] = [0; ROOM];
    let raw = compute(message.as_mut_ptr(), ROOM);
    if raw.is_null() {
        // SAFETY: the C++ leaves a text that ends with a zero within the message.
        let why = unsafe { CStr::from_ptr(message.as_ptr()) }.to_string_lossy().into_owned();
        return Err(Error::new(ErrorKind::Io, format!("libtorch: {why}")).into());
    }
    // SAFETY: a pointer to a new `at::Tensor` that is this one's alone.
    Ok(unsafe { Tensor::from_ptr(raw.cast()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Pointwise; 5] =
        [Pointwise::Identity, Pointwise::Gelu, Pointwise::GeluTanh, Pointwise::Relu, Pointwise::Silu];

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
            Pointwise::Relu => x.relu(),
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
        let kinds: Vec<_> = all.into_iter().filter(|(kind, _)| can_pack(*kind, Device::Cpu)).collect();
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
            assert_eq!(packed.apply(&some(&[1, 0, 33], kind), Pointwise::Gelu).unwrap().size(), [1, 0, 48]);
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_no_crash() {
        assert!(!can_pack(Kind::Half, Device::Cpu) && !can_pack(Kind::Float, Device::Cuda(0)));
        let Some((kind, _)) = kinds().pop() else { return };
        let linear = PackedLinear::new(&some(&[4, 3], kind), None).unwrap();
        let wrong = linear.apply(&some(&[2, 5], kind), Pointwise::Identity);
        assert!(wrong.unwrap_err().to_string().contains("libtorch"));
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
