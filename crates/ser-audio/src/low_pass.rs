//! Low-pass filters by the window method, a sinc under Kaiser's window: Oppenheim and Schafer, "Discrete-Time Signal
//! Processing", section 7.6.

use std::f64::consts::{FRAC_PI_2, PI};

use ser_core::elementary::cos;

/// An ideal low-pass filter under Kaiser's window, as a function of time.
#[derive(Debug, Clone, Copy)]
pub struct LowPass {
    /// Where its amplitude has fallen by half, cycles a sample.
    cut_off: f64,
    /// It is zero this many samples from its middle, and beyond.
    reach: f64,
    /// The shape of the window.
    beta: f64,
}

impl LowPass {
    /// A filter with its amplitude halved at `cut_off` cycles a sample, which ends `reach` samples from its middle, under
    /// a window of shape `beta` (about 0 to 14): the larger, the better what lies above is stopped and the wider the way
    /// there.
    pub const fn new(cut_off: f64, reach: f64, beta: f64) -> Self {
        Self { cut_off, reach, beta }
    }

    /// A filter that passes what lies below `pass` and weakens what lies above `stop`, both in cycles a sample, by
    /// `attenuation_db`, above 50: by Kaiser's formulas for the length and the shape of the window.
    pub fn between(pass: f64, stop: f64, attenuation_db: f64) -> Self {
        let order = (attenuation_db - 7.95) / (14.36 * (stop - pass));
        Self::new((pass + stop) / 2.0, order / 2.0, 0.1102 * (attenuation_db - 8.7))
    }

    /// Samples on either side of the middle that differ from zero.
    pub(crate) fn half_length(&self) -> usize {
        self.reach.ceil() as usize
    }

    /// The same filter, extended to `reach` samples, no fewer than it needs.
    pub(crate) fn reaching(self, reach: usize) -> Self {
        Self { reach: self.reach.max(reach as f64), ..self }
    }

    /// Its values at `first`, `first + step`, … samples from its middle. Those of all whole numbers sum to about 1.
    pub fn tabulate(&self, first: f64, step: f64, values: &mut [f64]) {
        let beta = self.beta;
        let time = |n: usize| first + n as f64 * step;
        for (n, value) in values.iter_mut().enumerate() {
            *value = (1.0 - (time(n) / self.reach) * (time(n) / self.reach)).max(0.0) * (beta * beta);
        }
        // Beyond the reach the series would give its value at 0, which is 1, not a window.
        let last = bessel_i0_of_root(beta * beta);
        for value in values.iter_mut() {
            *value = if *value > 0.0 { bessel_i0_of_root(*value) / last } else { 0.0 };
        }
        // The sine of equal steps, each from the one before.
        let turn = 2.0 * PI * self.cut_off;
        let (step_cos, step_sin) = (cos(turn * step), cos(turn * step - FRAC_PI_2));
        let (mut now_cos, mut now_sin) = (cos(turn * first), cos(turn * first - FRAC_PI_2));
        for (n, value) in values.iter_mut().enumerate() {
            let t = time(n);
            *value *= if t.abs() < 1e-9 { 2.0 * self.cut_off } else { now_sin / (PI * t) };
            (now_cos, now_sin) =
                (now_cos * step_cos - now_sin * step_sin, now_sin * step_cos + now_cos * step_sin);
        }
    }
}

/// The modified Bessel function `I₀(√x)` for x up to about 200: `Σ (x/4)ⁿ / n!²` (Abramowitz and Stegun, "Handbook of
/// Mathematical Functions", 9.6.12).
fn bessel_i0_of_root(x: f64) -> f64 {
    const FACTORS: [f64; 40] = {
        let mut factors = [0.0; 40];
        let mut n = 0;
        while n < factors.len() {
            factors[n] = 0.25 / ((n + 1) * (n + 1)) as f64;
            n += 1;
        }
        factors
    };
    FACTORS.iter().rev().fold(1.0, |sum, factor| 1.0 + sum * (x * factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bessel_function_has_its_known_values() {
        // scipy.special.i0
        for (x, i0) in [(0.0, 1.0), (1.0, 1.266_065_877_752_008_4), (11.7, 14_220.710_865_303_954)] {
            let found = bessel_i0_of_root(x * x);
            assert!((found / i0 - 1.0_f64).abs() < 1e-14, "I0({x}) = {found}");
        }
    }

    #[test]
    fn the_table_agrees_with_the_definition() {
        let filter = LowPass::between(0.2, 0.3, 115.0);
        let mut values = [f64::NAN; 80];
        filter.tabulate(-40.3, 1.0, &mut values);
        let beta = filter.beta;
        for (n, value) in values.iter().enumerate() {
            let t = n as f64 - 40.3;
            let inside = 1.0 - (t / filter.reach).powi(2);
            let window = if inside > 0.0 {
                bessel_i0_of_root(beta * beta * inside) / bessel_i0_of_root(beta * beta)
            } else {
                0.0
            };
            let expected = (2.0 * PI * 0.25 * t).sin() / (PI * t) * window;
            assert!((value - expected).abs() < 1e-13, "{t}: {value}, not {expected}");
        }
    }

    #[test]
    fn the_response_passes_and_stops_what_it_should() {
        let (pass, stop) = (0.30, 0.33);
        let filter = LowPass::between(pass, stop, 115.0);
        let half = filter.half_length() as i32;
        let mut values = vec![f64::NAN; 2 * half as usize + 1];
        filter.tabulate(f64::from(-half), 1.0, &mut values);
        let gain = |frequency: f64| -> f64 {
            let terms = (-half..=half).zip(&values);
            terms.map(|(n, value)| value * (2.0 * PI * frequency * f64::from(n)).cos()).sum()
        };
        for step in 0..=100 {
            let share = f64::from(step) / 100.0;
            assert!((gain(pass * share) - 1.0).abs() < 1e-5);
            assert!(gain(stop + (0.5 - stop) * share).abs() < 1e-5);
        }
    }
}
