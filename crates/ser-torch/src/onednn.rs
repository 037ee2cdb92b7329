//! Products by oneDNN.
//!
//! libtorch's own products in f32 are MKL's, which on processors of AMD does without AVX-512 and is less than half as fast on
//! those that compute with it at full width. oneDNN's use it everywhere, and are no slower elsewhere.
#![expect(unsafe_code, reason = "the calls of shim/onednn.cpp, each with the reason why it is sound")]

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::OnceLock;

use tch::{Device, Kind, Tensor};

use crate::Result;
use crate::message::Message;

unsafe extern "C" {
    fn ser_pack_linear(weight: *const c_void, message: *mut c_char, room: usize) -> *mut c_void;

    fn ser_linear(
        x: *const c_void,
        weight: *const c_void,
        bias: *const c_void,
        attribute: *const c_char,
        algorithm: *const c_char,
        message: *mut c_char,
        room: usize,
    ) -> *mut c_void;
}

/// A function of each value, computed in the same pass as the product before it. oneDNN's ReLU is none of them: it makes 0 of
/// what is not a number, which then nobody would notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointwise {
    /// The value itself.
    Identity,
    /// `x·Φ(x)`
    Gelu,
    /// The same with Φ approximated by a hyperbolic tangent.
    GeluTanh,
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
            Self::Silu => (c"swish", None),
        }
    }
}

/// Whether this libtorch, on this processor, computes products of `kind` on `device` by oneDNN.
pub fn has_onednn(kind: Kind, device: Device) -> bool {
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
        let squared = product(&unit, &packed(&unit)?, None, Pointwise::Identity)?;
        Ok(squared.f_equal(&unit)?)
    };
    device == Device::Cpu && *known.get_or_init(|| tch::no_grad(try_one).unwrap_or(false))
}

/// `weight` `[output, input]` in the order in which oneDNN computes with it. Nothing but [`product`] can read it.
pub(crate) fn packed(weight: &Tensor) -> Result<Tensor> {
    new_tensor(|message, room| {
        // SAFETY: tch's tensors are pointers to `at::Tensor`, which this reads; the message has as much room as it says.
        unsafe { ser_pack_linear(weight.as_ptr().cast(), message, room) }
    })
}

/// `then` of `x · weightᵀ + bias`, for `x` `[…, input]`, `weight` `[output, input]`, packed or not, and `bias` `[output]`, all
/// of one kind. No gradients flow back through it.
pub(crate) fn product(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, then: Pointwise) -> Result<Tensor> {
    let (attribute, algorithm) = then.names();
    new_tensor(|message, room| {
        // SAFETY: as in `packed`; a bias that is not there is null, and the names are static.
        unsafe {
            ser_linear(
                x.as_ptr().cast(),
                weight.as_ptr().cast(),
                bias.map_or(ptr::null(), |bias| bias.as_ptr().cast()),
                attribute.as_ptr(),
                algorithm.map_or(ptr::null(), CStr::as_ptr),
                message,
                room,
            )
        }
    })
}

/// The tensor that the C++ gives; it leaves its message where it has none.
fn new_tensor(compute: impl FnOnce(*mut c_char, usize) -> *mut c_void) -> Result<Tensor> {
    let mut message = Message::new();
    let raw = compute(message.as_mut_ptr(), Message::ROOM);
    if raw.is_null() {
        return Err(message.into_error());
    }
    // SAFETY: a pointer to a new `at::Tensor` that is this one's alone.
    Ok(unsafe { Tensor::from_ptr(raw.cast()) })
}
