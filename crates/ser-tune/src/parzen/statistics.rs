//! Weights, widths and probabilities: the arithmetic behind Parzen estimators.

use std::f64::consts::FRAC_1_SQRT_2;

use libm::{erf, erfc, sqrt};

/// Weights of `count` observations, oldest first: the last 25 count fully, those before less and less.
pub(super) fn ramp(count: usize) -> Vec<f64> {
    let old = count.saturating_sub(25);
    let (first, last) = (1.0 / count.max(1) as f64, old.saturating_sub(1).max(1) as f64);
    (0..count).map(|at| if at < old { first + (1.0 - first) * at as f64 / last } else { 1.0 }).collect()
}

/// For each mean the larger gap to its neighbours; for the outermost ones the gap to the one inside, since the bounds
/// of the domain say nothing about where good values are.
pub(super) fn gaps(means: &[f64], low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..means.len()).collect();
    order.sort_by(|&a, &b| means[a].total_cmp(&means[b]));
    let mut gaps = vec![0.0; means.len()];
    for (place, &index) in order.iter().enumerate() {
        let below = place.checked_sub(1).map(|place| means[index] - means[order[place]]);
        let above = order.get(place + 1).map(|&next| means[next] - means[index]);
        gaps[index] = match (below, above) {
            (Some(below), Some(above)) => below.max(above),
            (Some(gap), None) | (None, Some(gap)) => gap,
            (None, None) => (means[index] - low).max(high - means[index]),
        };
    }
    gaps
}

/// The width of kernels by Scott's rule (1992), from points in order and how often each was seen.
pub(super) fn scott(seen: &[(f64, f64)]) -> f64 {
    let total: f64 = seen.iter().map(|(_, count)| count).sum();
    let mean = seen.iter().map(|(point, count)| point * count).sum::<f64>() / total;
    let square: f64 = seen.iter().map(|(point, count)| (point - mean).powi(2) * count).sum();
    let deviation = sqrt(square / (total - 1.0).max(1.0));
    let mut sum = 0.0;
    let cumulated: Vec<f64> = seen.iter().map(|(_, count)| (sum += count, sum).1).collect();
    let first = cumulated.iter().filter(|&&sum| sum < (total / 4.0).floor()).count();
    let third = cumulated.iter().filter(|&&sum| sum <= (total * 3.0 / 4.0).floor()).count();
    let point = |at: usize| seen.get(at.min(seen.len().saturating_sub(1))).map_or(0.0, |(point, _)| *point);
    let range = point(third) - point(first);
    1.059 * (range / 1.34).min(deviation) * libm::pow(total, -0.2)
}

/// Probability that a standard normal number lies between `a` and `b`, exact also far from 0.
pub(super) fn mass(a: f64, b: f64) -> f64 {
    let (a, b) = (a * FRAC_1_SQRT_2, b * FRAC_1_SQRT_2);
    if a > 0.0 {
        0.5 * (erfc(a) - erfc(b))
    } else if b < 0.0 {
        0.5 * (erfc(-b) - erfc(-a))
    } else {
        0.5 * (erf(b) - erf(a))
    }
}

/// `weights` with a sum of 1.
pub(super) fn normalised(weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_observations_weigh_less() {
        let weights = ramp(30);
        assert_eq!(weights[5..], [1.0; 25]);
        // numpy.linspace(1 / 30, 1, num=5)
        for (weight, expected) in weights.iter().zip([1.0 / 30.0, 0.275, 0.516_666_7, 0.758_333_3, 1.0]) {
            assert!((weight - expected).abs() < 1e-6, "{weight}");
        }
        assert_eq!(ramp(3), [1.0; 3]);
    }

    #[test]
    fn mass_is_right_far_from_the_middle() {
        assert!((mass(-1.0, 1.0) - 0.682_689_492_137_085_9).abs() < 1e-15);
        assert!((mass(8.0, 9.0) / 6.219_831_3e-16 - 1.0).abs() < 1e-3);
        assert_eq!(mass(-9.0, -8.0), mass(8.0, 9.0));
    }
}
