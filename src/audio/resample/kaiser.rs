//! Low-pass filters by the window method, with Kaiser's window (Oppenheim and Schafer, Discrete-Time Signal
//! Processing, section 7.6).

use std::f64::consts::{FRAC_PI_2, PI};

use crate::elementary::cos;

/// How far the filters push down what they stop, dB. f32's own noise lies at about 140.
const ATTENUATION_DB: f64 = 115.0;

/// An ideal low-pass filter under Kaiser's window, as a function of time.
#[derive(Debug, Clone, Copy)]
pub(super) struct LowPass {
    /// Where its amplitude has fallen by half, cycles a sample.
    cut_off: f64,
    /// It is zero this many samples from its middle, and beyond.
    reach: f64,
}

impl LowPass {
    /// A filter that passes what lies below `pass` and stops what lies above `stop`, both in cycles a sample.
    pub(super) fn new(pass: f64, stop: f64) -> Self {
        let order = (ATTENUATION_DB - 7.95) / (14.36 * (stop - pass));
        Self { cut_off: (pass + stop) / 2.0, reach: order / 2.0 }
    }

    /// Samples on either side of the middle that differ from zero.
    pub(super) fn half_length(&self) -> usize {
        self.reach.ceil() as usize
    }

    /// The same filter, made to reach `reach` samples: no less than it needs.
    pub(super) fn reaching(self, reach: usize) -> Self {
        Self { reach: self.reach.max(reach as f64), ..self }
    }

    /// Its value `t` samples from its middle. The values of a whole number of samples apart sum to about 1.
    pub(super) fn at(&self, t: f64) -> f64 {
        let beta = 0.1102 * (ATTENUATION_DB - 8.7);
        let inside = 1.0 - (t / self.reach).powi(2);
        if inside <= 0.0 {
            return 0.0;
        }
        let phase = 2.0 * PI * self.cut_off * t;
        let sinc = if phase.abs() < 1e-9 { 1.0 } else { cos(phase - FRAC_PI_2) / phase };
        2.0 * self.cut_off * sinc * bessel_i0_of_root(beta * beta * inside) / bessel_i0_of_root(beta * beta)
    }
}

/// The modified Bessel function `I₀(√x)` for x up to about 200: `Σ (x/4)ⁿ / n!²`.
fn bessel_i0_of_root(x: f64) -> f64 {
    (1..=40).rev().fold(1.0, |sum, n| 1.0 + sum * (0.25 * x) / f64::from(n * n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bessel_function_has_its_known_values() {
        // scipy.special.i0
        for (x, i0) in [(0.0, 1.0), (1.0, 1.266_065_877_752_008_4), (11.7, 14_169.838_345_286_3)] {
            let found = bessel_i0_of_root(x * x);
            assert!((found / i0 - 1.0_f64).abs() < 1e-6, "I0({x}) = {found}");
        }
    }

    #[test]
    fn the_response_passes_and_stops_what_it_should() {
        let (pass, stop) = (0.30, 0.33);
        let filter = LowPass::new(pass, stop);
        let half = filter.half_length() as i32;
        let gain = |frequency: f64| -> f64 {
            (-half..=half).map(|n| filter.at(n.into()) * (2.0 * PI * frequency * f64::from(n)).cos()).sum()
        };
        for step in 0..=100 {
            let share = f64::from(step) / 100.0;
            assert!((gain(pass * share) - 1.0).abs() < 1e-5);
            assert!(gain(stop + (0.5 - stop) * share).abs() < 1e-5);
        }
    }
}
