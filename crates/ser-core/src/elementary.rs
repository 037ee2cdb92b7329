//! Exponential, logarithm and cosine whose bits never change.
//!
//! Weights that a seed gives, dropout, and the filters that recordings are resampled by were made with these, so
//! checkpoints and caches depend on their last bits. Everything newer uses `libm`, which is as exact as the system's
//! functions and, like these, gives the same bits on every machine.

use std::f64::consts::{FRAC_PI_2, LN_2, LOG2_E, PI, TAU};

/// 2 to the power `x`, for |x| ≤ 1,000; beyond, the value at that bound.
fn exp2(x: f64) -> f64 {
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

/// The natural logarithm of `x`, which is positive, finite and normal; of anything else, that of the smallest
/// such number.
pub(crate) fn ln(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 11] = {
        let mut coefficients = [0.0; 11];
        let mut n = 0;
        while n < coefficients.len() {
            coefficients[n] = 1.0 / (2 * n + 1) as f64;
            n += 1;
        }
        coefficients
    };
    let x = if x.is_normal() && x > 0.0 { x } else { f64::MIN_POSITIVE };
    // x = mantissa · 2^exponent with a mantissa within √½ to √2.
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i64 - 1023;
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    let (mantissa, exponent) = if mantissa > std::f64::consts::SQRT_2 {
        (0.5 * mantissa, exponent + 1)
    } else {
        (mantissa, exponent)
    };
    // ln m = 2·artanh z with z = (m − 1) / (m + 1), |z| < 0.172: 11 terms are below the last bit.
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let series = COEFFICIENTS.iter().rev().fold(0.0, |sum, coefficient| coefficient + sum * (z * z));
    exponent as f64 * LN_2 + 2.0 * z * series
}

/// The cosine of `x` radians, for |x| below about a million.
pub fn cos(x: f64) -> f64 {
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
        for step in 1..=4000 {
            let x = f64::from(step) * 0.0125;
            assert!((ln(x) - x.ln()).abs() < 1e-14 * (1.0 + x.ln().abs()), "ln({x})");
        }
        assert!((ln(0.0) - f64::MIN_POSITIVE.ln()).abs() < 1e-12);
    }
}
