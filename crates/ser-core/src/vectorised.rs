//! The same source compiled for more than one instruction set, chosen as the program runs.
//!
//! No instruction set changes a result: additions and multiplications keep their order, and none are fused.

use std::sync::LazyLock;

pub use pulp::{NullaryFnOnce, Simd, WithSimd};

/// Runs `work` with the widest vector instructions that this processor has and this program was compiled for: of a
/// [`NullaryFnOnce`] the compiler finds them, a [`WithSimd`] names them. Its `call` or `with_simd` and everything that calls
/// must be `#[inline(always)]`, or it is compiled for the oldest processor alone.
pub fn vectorised<W: WithSimd>(work: W) -> W::Output {
    static ARCH: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);
    ARCH.dispatch(work)
}
