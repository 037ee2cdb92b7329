//! The interval of an accuracy.

use ser_core::{Error, ErrorKind, Result};
use serde::Serialize;

/// Quantile of the standard normal distribution at 0.975.
const Z: f64 = 1.959_963_984_540_054;

/// A confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Confidence level, 0.95.
    pub level: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

/// 95 % Wilson score interval of the proportion `successes / trials`.
///
/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927);
/// recommended by Brown, Cai and DasGupta, "Interval estimation for a binomial proportion", Statistical Science
/// 16 (2001), also for few trials and for proportions near 0 or 1, where accuracies are. It takes the trials as
/// independent: utterances that share a speaker or a word are not quite, so it tells nothing about other
/// speakers.
///
/// # Errors
/// [`ErrorKind::Unusable`] without trials, [`ErrorKind::Mismatch`] with more successes than trials.
pub fn wilson_interval(successes: u64, trials: u64) -> Result<Interval> {
    if trials == 0 {
        return Err(Error::new(ErrorKind::Unusable, "a proportion of no trials has no interval"));
    }
    if successes > trials {
        return Err(Error::new(ErrorKind::Mismatch, format!("{successes} successes in {trials} trials")));
    }
    let n = trials as f64;
    let (p, q) = (successes as f64 / n, (trials - successes) as f64 / n);
    let denominator = 2.0 * (n + Z * Z);
    let centre = (2.0 * n * p + Z * Z) / denominator;
    let half_width = Z * (4.0 * n * p * q + Z * Z).sqrt() / denominator;
    // At the ends the interval touches 0 or 1 exactly; rounding would leave it an ulp away.
    let lower = if successes == 0 { 0.0 } else { centre - half_width };
    let upper = if successes == trials { 1.0 } else { centre + half_width };
    Ok(Interval { level: 0.95, lower, upper })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The four examples of Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in
    /// Medicine 17 (1998), table I, method 3.
    #[test]
    fn published_intervals_are_met() {
        let published = [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ];
        for (successes, trials, lower, upper) in published {
            let interval = wilson_interval(successes, trials).unwrap();
            assert!((interval.lower - lower).abs() <= 5e-5, "{successes}/{trials}: {interval:?}");
            assert!((interval.upper - upper).abs() <= 5e-5, "{successes}/{trials}: {interval:?}");
        }
    }

    #[test]
    fn impossible_proportions_are_refused() {
        assert_eq!(wilson_interval(0, 0).unwrap_err().kind(), ErrorKind::Unusable);
        assert_eq!(wilson_interval(2, 1).unwrap_err().kind(), ErrorKind::Mismatch);
    }
}
