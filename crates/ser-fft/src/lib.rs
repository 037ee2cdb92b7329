//! Fourier transforms of real samples, planned in one place: [`single`] in f32, [`double`] in f64.

use std::sync::Arc;

use realfft::RealFftPlanner;
pub use realfft::{ComplexToReal, FftError, RealToComplex};
use rustfft::FftNum;
pub use rustfft::num_complex::Complex;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The transforms of one length, both without scaling: there and back is the length times as large.
#[derive(Clone)]
pub struct Transforms<T> {
    /// From `length` samples to `length / 2 + 1` frequencies, `Σ x[n]·exp(−2πi·kn/length)`.
    pub forward: Arc<dyn RealToComplex<T>>,
    /// From these to the samples.
    pub inverse: Arc<dyn ComplexToReal<T>>,
}

/// Transforms of `length` samples in f32.
pub fn single(length: usize) -> Transforms<f32> {
    planned(length)
}

/// Transforms of `length` samples in f64.
pub fn double(length: usize) -> Transforms<f64> {
    planned(length)
}

// Not for others to call: it would be compiled where it is called.
fn planned<T: FftNum>(length: usize) -> Transforms<T> {
    let mut planner = RealFftPlanner::new();
    Transforms { forward: planner.plan_fft_forward(length), inverse: planner.plan_fft_inverse(length) }
}
