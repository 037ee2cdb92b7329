//! Fourier transforms of one length, there and back, with the scratch memory that both need.

use ser_core::{Error, ErrorKind, Result};
use ser_fft::{Complex, FftError, Transforms};

/// Transforms between `length` samples and their `length / 2 + 1` frequencies.
#[derive(Clone)]
pub(super) struct Transform {
    of_length: Transforms<f32>,
    scratch: Vec<Complex<f32>>,
}

impl Transform {
    /// Transforms of `length` samples, an even number.
    pub(super) fn new(length: usize) -> Self {
        let of_length = ser_fft::single(length);
        let scratch = of_length.forward.get_scratch_len().max(of_length.inverse.get_scratch_len());
        Self { of_length, scratch: vec![Complex::default(); scratch] }
    }

    /// Samples of a transform, all 0.
    pub(super) fn samples(&self) -> Vec<f32> {
        self.of_length.forward.make_input_vec()
    }

    /// Frequencies of a transform, all 0.
    pub(super) fn spectrum(&self) -> Vec<Complex<f32>> {
        self.of_length.forward.make_output_vec()
    }

    /// Fills `spectrum` from `samples`, which are no longer of use then.
    pub(super) fn run(&mut self, samples: &mut [f32], spectrum: &mut [Complex<f32>]) -> Result<()> {
        let scratch = self.scratch.get_mut(..self.of_length.forward.get_scratch_len()).unwrap_or_default();
        self.of_length
            .forward
            .process_with_scratch(samples, spectrum, scratch)
            .map_err(|error| internal(&error))
    }

    /// Fills `samples` from `spectrum`, which is no longer of use then. What was run there and back is `length` times
    /// as large as it was.
    pub(super) fn run_back(&mut self, spectrum: &mut [Complex<f32>], samples: &mut [f32]) -> Result<()> {
        // The first and the last frequency of real samples are real.
        if let [first, .., last] = spectrum {
            first.im = 0.0;
            last.im = 0.0;
        }
        let scratch = self.scratch.get_mut(..self.of_length.inverse.get_scratch_len()).unwrap_or_default();
        self.of_length
            .inverse
            .process_with_scratch(spectrum, samples, scratch)
            .map_err(|error| internal(&error))
    }
}

/// Cannot happen while buffers are those of [`Transform::samples`] and [`Transform::spectrum`].
fn internal(error: &FftError) -> Error {
    Error::new(ErrorKind::Mismatch, format!("a Fourier transform failed: {error}"))
}

impl std::fmt::Debug for Transform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transform").field("length", &self.of_length.forward.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_is_the_same_times_the_length() {
        let mut transform = Transform::new(64);
        let (mut samples, mut spectrum) = (transform.samples(), transform.spectrum());
        let original: Vec<f32> = (0..64).map(|n| ((n * n) as f32 * 0.1).sin()).collect();
        samples.copy_from_slice(&original);
        transform.run(&mut samples, &mut spectrum).unwrap();
        let sum: f32 = original.iter().sum();
        assert!((spectrum[0].re - sum).abs() < 1e-4);
        transform.run_back(&mut spectrum, &mut samples).unwrap();
        for (back, original) in samples.iter().zip(&original) {
            assert!((back / 64.0 - original).abs() < 1e-6, "{back}, not 64 × {original}");
        }
    }

    #[test]
    fn buffers_of_another_length_are_an_error() {
        let mut spectrum = Transform::new(32).spectrum();
        assert!(Transform::new(64).run(&mut [0.0; 64], &mut spectrum).is_err());
    }
}
