//! Exponential and cosine from additions and multiplications alone.
//!
//! The system's own differ in the last bit from one C library to another. These do not, so a corpus has the same
//! bytes on every machine with IEEE 754 arithmetic.

use std::f64::consts::{FRAC_PI_2, LN_2, LOG2_E, PI, TAU};

/// 2 to the power `x`, for |x| ≤ 1,000; beyond, the value at that bound.
pub(crate) fn exp2(x: f64) -> f64 {
    let x = x.clamp(-1000.0, 1000.0);
    let whole = x.round();
    let fraction = (x - whole) * LN_2;
    // |fraction| ≤ 0.35: 14 terms of the Taylor series are below the last bit.
    let series = (1..=14).rev().fold(1.0, |sum, n| 1.0 + sum * fraction / f64::from(n));
    let exponent = (whole as i64 + 1023) as u64;
    series * f64::from_bits(exponent << 52)
}

/// e to the power `x`.
pub(crate) fn exp(x: f64) -> f64 {
    exp2(x * LOG2_E)
}

/// The amplitude ratio of `level` decibels.
pub(crate) fn decibels(level: f64) -> f64 {
    exp2(level * (std::f64::consts::LOG2_10 / 20.0))
}

/// The frequency ratio of `interval` semitones.
pub(crate) fn semitones(interval: f64) -> f64 {
    exp2(interval / 12.0)
}

/// The cosine of `x` radians, for |x| below about a million.
pub(crate) fn cos(x: f64) -> f64 {
    let x = (x - TAU * (x / TAU).round()).abs();
    let (x, sign) = if x > FRAC_PI_2 { (PI - x, -1.0) } else { (x, 1.0) };
    let square = x * x;
    // 1 − x²/2! + x⁴/4! − …, to x²²: below the last bit for x ≤ π/2.
    let series = (1..=11).rev().fold(1.0, |sum, n| 1.0 - sum * square / f64::from((2 * n - 1) * (2 * n)));
    sign * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_agree_with_the_standard_library_to_a_few_last_bits() {
        for step in -4000..=4000 {
            let x = f64::from(step) * 0.0125;
            assert!((exp2(x) / x.exp2() - 1.0).abs() < 1e-14, "exp2({x})");
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-13, "exp({x})");
            assert!((cos(x) - x.cos()).abs() < 1e-14, "cos({x})");
        }
        assert!((decibels(-6.0) - 0.501_187_233_627_272).abs() < 1e-14);
        assert!((semitones(12.0) - 2.0).abs() < 1e-15);
    }
}
