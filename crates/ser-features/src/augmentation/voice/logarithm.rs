//! Logarithm and exponential of f32, several at a time: the four operations of arithmetic and shifts of bits, so that
//! they vectorise, and a number gives the same bits whatever instructions do it. The Fourier transforms around them choose
//! theirs by the processor, so a whole augmentation may differ in its last bits from one kind to another.

/// The natural logarithm of a positive, normal number, to about 2e-7.
#[inline(always)]
pub(super) fn ln(x: f32) -> f32 {
    // x = m · 2^e with m within √½ to √2.
    let bits = x.to_bits().wrapping_sub(0x3f35_04f3);
    let exponent = (bits.cast_signed() >> 23) as f32;
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    // ln m = 2·artanh z with z = (m − 1) / (m + 1), |z| < 0.172.
    let z = (m - 1.0) / (m + 1.0);
    let z2 = z * z;
    let series = 1.0 + z2 * (1.0 / 3.0 + z2 * (0.2 + z2 * (1.0 / 7.0 + z2 * (1.0 / 9.0))));
    exponent * std::f32::consts::LN_2 + 2.0 * z * series
}

/// e to the power `x`, for |x| ≤ 80, to about 2e-7 of itself.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = x.clamp(-80.0, 80.0);
    // Adding and taking away 1.5 · 2²³ rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    let whole = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    // ln 2 in two parts, the first with few digits, so that nothing is lost in the difference.
    let fraction = (x - whole * 0.693_359_4) + whole * 2.121_944_4e-4;
    let series = 1.0
        + fraction
            * (1.0
                + fraction
                    * (0.5
                        + fraction
                            * (1.0 / 6.0
                                + fraction
                                    * (1.0 / 24.0 + fraction * (1.0 / 120.0 + fraction * (1.0 / 720.0))))));
    let power = f32::from_bits((whole as i32).wrapping_add(127).cast_unsigned() << 23);
    series * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_agree_with_the_standard_library() {
        let mut x = 1.2e-38_f32;
        while x < 3e38 {
            assert!((ln(x) - x.ln()).abs() <= 1e-6 * x.ln().abs().max(1.0), "ln({x})");
            x *= 1.003;
        }
        for step in -8000..=8000 {
            let x = step as f32 * 0.01;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-6, "exp({x})");
        }
    }
}
