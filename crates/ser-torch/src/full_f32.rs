//! Products of f32 in full precision, with TF32 switched off.
#![expect(unsafe_code, reason = "the call of shim/full_f32.cpp, with the reason why it is sound")]

unsafe extern "C" {
    fn ser_compute_f32_in_full() -> bool;
}

/// From now on GPUs compute products, convolutions and LSTMs of f32 in f32. As libtorch starts, cuDNN may round what it multiplies
/// to the 11 bits of TF32 (and cuBLAS, where `TORCH_ALLOW_TF32_CUBLAS_OVERRIDE` is set), so that a network would answer otherwise
/// than on the CPU. `false` if libtorch refuses.
#[must_use]
pub fn compute_f32_in_full() -> bool {
    // SAFETY: it takes nothing, sets a flag of libtorch's own, and lets no exception out.
    unsafe { ser_compute_f32_in_full() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtorch_agrees() {
        assert!(compute_f32_in_full());
    }
}
