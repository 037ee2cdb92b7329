//! Ratios by their logarithms: decibels and semitones, the same to the last bit on every machine.

/// The amplitude ratio of `level` decibels.
pub fn decibels(level: f64) -> f64 {
    libm::exp2(level * (std::f64::consts::LOG2_10 / 20.0))
}

/// The frequency ratio of `interval` semitones.
pub fn semitones(interval: f64) -> f64 {
    libm::exp2(interval / 12.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_intervals_have_known_ratios() {
        assert!((decibels(-6.0) - 0.501_187_233_627_272).abs() < 1e-14);
        assert!((decibels(20.0) - 10.0).abs() < 1e-14);
        assert_eq!(semitones(12.0), 2.0);
    }
}
