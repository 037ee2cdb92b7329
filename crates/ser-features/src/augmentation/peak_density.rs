//! The highest power density of a waveform, which a noise floor is measured against.

use std::f64::consts::PI;

use realfft::num_complex::Complex;
use ser_core::Result;

use crate::augmentation::transform::Transform;

/// Measures the highest power density of a waveform.
#[derive(Debug, Clone)]
pub(super) struct PeakDensity {
    transform: Transform,
    window: Vec<f32>,
    frame: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    /// Frequencies that are averaged over: about 100 Hz.
    span: usize,
}

impl PeakDensity {
    pub(super) fn new(sample_rate: u32) -> Self {
        let rate = f64::from(sample_rate);
        let length = 1_usize << (rate * 0.032).log2().round().clamp(4.0, 20.0) as u32;
        let transform = Transform::new(length);
        let window = (0..length).map(|n| (0.5 - 0.5 * (2.0 * PI * n as f64 / length as f64).cos()) as f32);
        Self {
            window: window.collect(),
            frame: transform.samples(),
            spectrum: transform.spectrum(),
            span: ((100.0 * length as f64 / rate).round() as usize).max(1),
            transform,
        }
    }

    /// The mean square of white noise that has the density of the loudest place in `samples`.
    pub(super) fn measure(&mut self, samples: &[f32]) -> Result<f64> {
        let mut loudest = 0.0_f32;
        let hop = self.window.len() / 2;
        for start in (0..samples.len()).step_by(hop) {
            let rest = samples.get(start..).unwrap_or_default();
            self.frame.fill(0.0);
            for ((value, sample), window) in self.frame.iter_mut().zip(rest).zip(&self.window) {
                *value = sample * window;
            }
            self.transform.run(&mut self.frame, &mut self.spectrum)?;
            for span in self.spectrum.windows(self.span) {
                loudest = loudest.max(span.iter().map(|bin| bin.norm_sqr()).sum());
            }
        }
        // White noise of mean square 1 has a power of Σ window² at each frequency.
        let white: f64 = self.window.iter().map(|&w| f64::from(w) * f64::from(w)).sum();
        Ok(f64::from(loudest) / (self.span as f64 * white))
    }
}
