//! McNemar's test: whether two classifiers are right equally often on the same utterances.

use serde::Serialize;

/// Below this many utterances that just one of the two got right, the exact test is made.
const EXACT_BELOW: u64 = 25;

/// The result of McNemar's test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct McNemar {
    /// Utterances that the first got right and the second wrong.
    pub only_first: u64,
    /// Utterances that the second got right and the first wrong.
    pub only_second: u64,
    /// The form of the test.
    pub test: McNemarTest,
    /// (|first − second| − 1)² / (first + second), which is χ² with one degree of freedom; the exact test has none.
    pub statistic: Option<f64>,
    /// How often two classifiers that are right equally often would differ at least as much.
    pub p_value: f64,
}

/// The form of McNemar's test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum McNemarTest {
    /// Two-sided binomial test.
    ExactBinomial,
    /// χ² with continuity correction (Edwards 1948).
    ChiSquared,
}

/// McNemar's test over the utterances that just one of two classifiers got right: exact below 25 of them, otherwise by χ²
/// with continuity correction.
///
/// Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
/// Psychometrika 12 (1947). It takes utterances as independent.
pub fn mcnemar(only_first: u64, only_second: u64) -> McNemar {
    let discordant = only_first.saturating_add(only_second);
    let (test, statistic, p_value) = if discordant < EXACT_BELOW {
        (McNemarTest::ExactBinomial, None, exact(only_first.min(only_second), discordant))
    } else {
        let corrected = only_first.abs_diff(only_second) as f64 - 1.0;
        // Two equal counts differ by less than the correction, which does not make them differ.
        let statistic = corrected.max(0.0).powi(2) / discordant as f64;
        (McNemarTest::ChiSquared, Some(statistic), chi_squared_tail(statistic))
    };
    McNemar { only_first, only_second, test, statistic, p_value }
}

/// Twice the chance of at most `fewer` heads in `tosses` tosses, at most 1. Whole numbers below 2²⁵, so nothing is rounded.
fn exact(fewer: u64, tosses: u64) -> f64 {
    let mut ways: u64 = 1;
    let mut sum = ways;
    for heads in 1..=fewer {
        ways = ways * (tosses - heads + 1) / heads;
        sum += ways;
    }
    (2.0 * sum as f64 / (1u64 << tosses) as f64).min(1.0)
}

/// The chance that χ² with one degree of freedom is at least `x`: erfc(√(x/2)).
///
/// A series for erf below z = 2, Lentz's continued fraction for erfc above (Abramowitz and Stegun 7.1.6, 7.1.14).
fn chi_squared_tail(x: f64) -> f64 {
    let z = (x / 2.0).sqrt();
    let scale = (-z * z).exp() / std::f64::consts::PI.sqrt();
    if z < 2.0 {
        let (mut term, mut sum, mut n) = (z, z, 0.0);
        while term > sum * f64::EPSILON / 4.0 {
            n += 1.0;
            term *= 2.0 * z * z / (2.0 * n + 1.0);
            sum += term;
        }
        return 1.0 - 2.0 * scale * sum;
    }
    // erfc(z) √π exp(z²) = 1 / (z + (1/2) / (z + (2/2) / (z + (3/2) / (z + …)))), from the inside.
    let fraction = (1..=100).rev().fold(z, |tail, k| z + f64::from(k) / 2.0 / tail);
    scale / fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_the_test_changes_at_25() {
        assert_eq!(mcnemar(20, 4).test, McNemarTest::ExactBinomial);
        assert_eq!(mcnemar(20, 5).test, McNemarTest::ChiSquared);
    }

    #[test]
    fn equal_classifiers_give_a_p_of_one() {
        for n in [0, 1, 12, 13, 5000] {
            assert_eq!(mcnemar(n, n).p_value, 1.0, "{n}");
        }
    }

    #[test]
    fn the_order_of_the_two_changes_no_p_and_no_count_overflows() {
        assert_eq!(mcnemar(3, 9).p_value, mcnemar(9, 3).p_value);
        assert_eq!(mcnemar(u64::MAX, u64::MAX).p_value, 1.0);
        assert_eq!(mcnemar(u64::MAX, 0).p_value, 0.0);
    }
}
