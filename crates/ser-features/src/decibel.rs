//! Power to decibels, as `librosa.power_to_db` with `ref = 1.0`.

use std::f64::consts::{LOG2_E, LOG10_2, SQRT_2};

use crate::FeatureConfig;

/// `10·log₁₀(max(power, amin))`, cut off `top_db` below the loudest value of the clip.
#[derive(Debug, Clone, Copy)]
pub struct Decibels {
    amin: f64,
    top_db: Option<f64>,
    /// dB of the reference power 1, which is not 0 where `amin` is above 1.
    reference_db: f64,
}

impl Decibels {
    /// The conversion that `config` describes.
    pub fn new(config: &FeatureConfig) -> Self {
        let reference_db = 10.0 * config.amin.max(1.0).log10();
        Self { amin: config.amin, top_db: config.top_db, reference_db }
    }

    /// Decibels of each value, not yet cut off: the loudest value is known only at the end of a clip.
    #[inline(always)]
    pub fn convert(&self, power: &[f64], db: &mut [f32]) {
        for (db, &power) in db.iter_mut().zip(power) {
            *db = self.of(power);
        }
    }

    /// The level that no value of a clip goes below, given its loudest power; −∞ without `top_db`.
    pub fn floor(&self, loudest_power: f64) -> f32 {
        self.top_db.map_or(f32::NEG_INFINITY, |top_db| self.of(loudest_power) - top_db as f32)
    }

    #[inline(always)]
    fn of(&self, power: f64) -> f32 {
        (10.0 * LOG10_2 * log2(power.max(self.amin)) - self.reference_db) as f32
    }
}

/// Base-2 logarithm of a positive, normal number, within 1e-9.
///
/// Plain arithmetic, so that a row of bands is computed several at a time, and alike on every machine; the standard
/// library's took a third of the whole extraction. From `x = 2ᵉ·m` with `1 ≤ m < 2`, `log₂ x = e + ½ + log₂(m / √2)`,
/// and `ln(m / √2) = 2·artanh(s)` with `s = (m − √2) / (m + √2)`, whose series is short because `|s| < 0.172`.
#[inline(always)]
fn log2(x: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    let bits = x.to_bits();
    let exponent = f64::from((bits >> 52) as i32) - 1022.5;
    let m = f64::from_bits(bits & MANTISSA | 1.0_f64.to_bits());
    let s = (m - SQRT_2) / (m + SQRT_2);
    let s2 = s * s;
    let series = 1.0 + s2 * (1.0 / 3.0 + s2 * (1.0 / 5.0 + s2 * (1.0 / 7.0 + s2 * (1.0 / 9.0 + s2 / 11.0))));
    exponent + 2.0 * LOG2_E * s * series
}

/// Decibels of a whole spectrogram, cut off relative to its loudest value.
pub fn power_to_db(config: &FeatureConfig, power: &[f64], db: &mut [f32]) {
    let decibels = Decibels::new(config);
    decibels.convert(power, db);
    let floor = decibels.floor(power.iter().fold(0.0, |loudest, &power| loudest.max(power)));
    for db in db.iter_mut() {
        *db = db.max(floor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_db(config: FeatureConfig, power: &[f64], expected: &[f32]) {
        let mut db = vec![f32::NAN; power.len()];
        power_to_db(&config, power, &mut db);
        for (db, expected) in db.iter().zip(expected) {
            assert!((db - expected).abs() < 1e-5, "{db} dB, expected {expected}");
        }
    }

    #[test]
    fn nothing_lies_more_than_top_db_below_the_loudest() {
        assert_db(FeatureConfig::default(), &[100.0, 1.0, 1e-7, 0.0], &[20.0, 0.0, -60.0, -60.0]);
    }

    #[test]
    fn without_top_db_amin_is_the_floor() {
        let config = FeatureConfig { top_db: None, ..FeatureConfig::default() };
        assert_db(config, &[100.0, 1e-9, 0.0], &[20.0, -90.0, -100.0]);
    }

    #[test]
    fn an_amin_above_the_reference_is_the_reference() {
        // librosa.power_to_db([1000.0, 1.0], amin=10.0)
        let config = FeatureConfig { amin: 10.0, ..FeatureConfig::default() };
        assert_db(config, &[1000.0, 1.0], &[20.0, 0.0]);
    }

    #[test]
    fn the_logarithm_agrees_with_the_standard_library() {
        let mut x = 1e-300_f64;
        while x < 1e300 {
            assert!((log2(x) - x.log2()).abs() < 1e-9, "log2({x:e})");
            x *= 1.001_7;
        }
        assert!((log2(1.0_f64.next_down()) - log2(1.0)).abs() < 1e-9);
    }
}
