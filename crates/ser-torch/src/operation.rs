//! Operations that are computed here and take their place in libtorch's graph.
#![expect(unsafe_code, reason = "the calls of shim/operation.cpp, each with the reason why it is sound")]

use std::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::Tensor;

use crate::Result;
use crate::message::Message;

type Backward = dyn Fn(&Tensor) -> Result<Vec<Option<Tensor>>> + Send;

type RawBackward = extern "C" fn(
    state: *mut c_void,
    gradient: *const c_void,
    gradients: *mut *mut c_void,
    message: *mut c_char,
    room: usize,
) -> bool;

unsafe extern "C" {
    fn ser_operation(
        output: *mut c_void,
        inputs: *const *const c_void,
        count: usize,
        state: *mut c_void,
        backward: RawBackward,
        release: extern "C" fn(*mut c_void),
        message: *mut c_char,
        room: usize,
    ) -> bool;
}

/// What the graph keeps of an operation.
struct State {
    inputs: usize,
    backward: Box<Backward>,
}

/// Makes `output` the output of an operation on `inputs`: where libtorch needs the gradients of the inputs, it asks
/// `backward` for them with that of the output, and gets one for each input, or `None` where it has none.
///
/// `output` must be a new tensor of its own memory, computed where no gradients are recorded ([`tch::no_grad`]), and
/// `backward` must not keep it, or neither would ever be freed. If no input learns, it is given back as it is.
///
/// # Errors
/// When libtorch refuses it. An error of `backward` comes out of the backward pass as libtorch's own.
pub fn operation(
    inputs: &[&Tensor],
    output: Tensor,
    backward: impl Fn(&Tensor) -> Result<Vec<Option<Tensor>>> + Send + 'static,
) -> Result<Tensor> {
    let mut output = output;
    let raw: Vec<*const c_void> = inputs.iter().map(|input| input.as_ptr().cast()).collect();
    let state = Box::into_raw(Box::new(State { inputs: inputs.len(), backward: Box::new(backward) }));
    let mut message = Message::new();
    // SAFETY: tch's tensors are pointers to `at::Tensor`, which this reads, and to the last of which it gives a history;
    // `raw` is as long as it says. The state goes over to the C++, which calls `release` for it once.
    let done = unsafe {
        ser_operation(
            output.as_mut_ptr().cast(),
            raw.as_ptr(),
            raw.len(),
            state.cast(),
            backward_of,
            release,
            message.as_mut_ptr(),
            Message::ROOM,
        )
    };
    if done {
        return Ok(output);
    }
    Err(message.into_error())
}

/// Calls the closure that the graph keeps. Nothing unwinds into C++.
extern "C" fn backward_of(
    state: *mut c_void,
    gradient: *const c_void,
    gradients: *mut *mut c_void,
    message: *mut c_char,
    room: usize,
) -> bool {
    // SAFETY: the C++ passes on what it was given, and has not released it yet.
    let State { inputs, backward } = unsafe { &*state.cast::<State>() };
    let computed = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: a pointer to an `at::Tensor` that lives while this runs, of which the copy is another handle.
        let gradient = unsafe { Tensor::clone_from_ptr(gradient.cast_mut().cast()) };
        tch::no_grad(|| backward(&gradient))
    }));
    let why = match computed {
        Ok(Ok(computed)) if computed.len() == *inputs => {
            for (place, tensor) in computed.into_iter().enumerate() {
                let Some(mut tensor) = tensor else { continue };
                let raw: *mut c_void = tensor.as_mut_ptr().cast();
                // It is the C++ that frees it now.
                std::mem::forget(tensor);
                // SAFETY: the C++ has room for as many gradients as there are inputs.
                unsafe { *gradients.add(place) = raw };
            }
            return true;
        }
        Ok(Ok(computed)) => format!("{} gradients for {inputs} inputs", computed.len()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the operation's backward pass panicked".to_owned(),
    };
    let why = why.as_bytes();
    let length = why.len().min(room.saturating_sub(1));
    // SAFETY: the message has `room` bytes, all zero, of which the last stays so.
    unsafe { std::ptr::copy_nonoverlapping(why.as_ptr(), message.cast(), length) };
    false
}

extern "C" fn release(state: *mut c_void) {
    // SAFETY: it was made by `Box::into_raw`, and the C++ calls this once.
    let state = unsafe { Box::from_raw(state.cast::<State>()) };
    // A drop that panics must not unwind into C++.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(state)));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ser_core::{Error, ErrorKind};
    use tch::{Device, Kind};

    use super::*;

    fn leaf(values: &[f32]) -> Tensor {
        Tensor::from_slice(values).set_requires_grad(true)
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor).unwrap()
    }

    /// The product of two tensors.
    fn product(a: &Tensor, b: &Tensor) -> Tensor {
        let (kept_a, kept_b) = (a.detach(), b.detach());
        let output = tch::no_grad(|| a * b);
        operation(&[a, b], output, move |gradient| {
            Ok(vec![Some(gradient.f_mul(&kept_b)?), Some(gradient.f_mul(&kept_a)?)])
        })
        .unwrap()
    }

    #[test]
    fn gradients_flow_through_it() {
        let (a, b) = (leaf(&[1.0, 2.0]), leaf(&[3.0, 5.0]));
        let twice = product(&product(&a, &b), &b);
        assert_eq!(values(&twice), [9.0, 50.0]);
        twice.sum(Kind::Float).backward();
        assert_eq!(values(&a.grad()), [9.0, 25.0]);
        assert_eq!(values(&b.grad()), [6.0, 20.0]);
    }

    #[test]
    fn where_nothing_learns_there_is_no_graph() {
        let (a, b) = (Tensor::from_slice(&[1.0f32]), Tensor::from_slice(&[2.0f32]));
        assert!(!product(&a, &b).requires_grad());
        let (a, b) = (leaf(&[1.0]), leaf(&[2.0]));
        assert!(product(&a, &b).requires_grad());
        assert!(!tch::no_grad(|| product(&a, &b)).requires_grad());
    }

    #[test]
    fn what_it_keeps_is_freed_once_with_the_graph_or_after_the_backward_pass() {
        let kept = Arc::new(());
        let make = |a: &Tensor| {
            let kept = Arc::clone(&kept);
            let output = tch::no_grad(|| a * 2.0);
            operation(&[a], output, move |gradient| {
                let _ = &kept;
                Ok(vec![Some(gradient.f_mul_scalar(2.0)?)])
            })
            .unwrap()
        };
        let a = leaf(&[1.0]);
        let output = make(&a);
        assert_eq!(Arc::strong_count(&kept), 2);
        drop(output);
        assert_eq!(Arc::strong_count(&kept), 1);
        let output = make(&a);
        output.sum(Kind::Float).backward();
        assert_eq!(Arc::strong_count(&kept), 1, "though its output lives: {output:?}");
        drop(make(&Tensor::zeros([1], (Kind::Float, Device::Cpu))));
        assert_eq!(Arc::strong_count(&kept), 1);
    }

    #[test]
    fn a_failing_backward_pass_is_an_error_and_no_crash() {
        let message = |backward: fn(&Tensor) -> Result<Vec<Option<Tensor>>>| {
            let a = leaf(&[1.0]);
            let output = tch::no_grad(|| &a + 1.0);
            let output = operation(&[&a], output, backward).unwrap();
            crate::TorchError::from(output.sum(Kind::Float).f_backward().unwrap_err()).to_string()
        };
        let refused = message(|_| Err(Error::new(ErrorKind::Mismatch, "refused").into()));
        assert!(refused.contains("refused"), "{refused}");
        let panicked = message(|_| panic!("a panic that this test provokes"));
        assert!(panicked.contains("panicked"), "{panicked}");
        let too_many = message(|_| Ok(vec![None, None]));
        assert!(too_many.contains("2 gradients for 1 inputs"), "{too_many}");
    }
}
