//! Parzen estimators: mixtures with a kernel for each observation and a wide one, the prior.

mod kernels;

use libm::sqrt;
use ser_core::random::Random;

use crate::Distribution;
use kernels::{Domain, Kernels, normalised};

/// An estimator of one option: a mixture of truncated normal distributions, or of distributions over choices.
#[derive(Debug, Clone)]
pub(crate) struct Parzen {
    /// Weights of the kernels, adding up to 1.
    weights: Vec<f64>,
    kernels: Kernels,
}

impl Parzen {
    /// The estimator of TPE as Optuna has it: each kernel as wide as the larger gap to its neighbours, never narrower
    /// than a share of the range ("magic clip"); old observations weigh less.
    ///
    /// `observed` holds values in the internal representation, oldest first.
    pub(crate) fn of_observations(distribution: &Distribution, observed: &[f64]) -> Self {
        let weights = normalised(ramp(observed.len()).into_iter().chain([1.0]).collect());
        match Domain::of(distribution) {
            None => Self::of_choices(distribution, observed, weights),
            Some(domain) => {
                let means: Vec<f64> = observed.iter().map(|&value| domain.scale(value)).collect();
                let (low, high) = domain.bounds();
                let narrowest = (high - low) / (2.0 + means.len() as f64).min(100.0);
                let widths = gaps(&means, low, high);
                let shape = |(mean, width): (&f64, f64)| (*mean, width.clamp(narrowest, high - low));
                let mut shapes: Vec<(f64, f64)> = means.iter().zip(widths).map(shape).collect();
                shapes.push(((low + high) / 2.0, high - low));
                Self { weights, kernels: Kernels::Normal { shapes, domain } }
            }
        }
    }

    /// The estimator of PED-ANOVA over a grid whose points were each seen `counts` times: all kernels as wide as
    /// Scott's rule says.
    pub(crate) fn of_counts(counts: &[u64], is_categorical: bool) -> Self {
        let seen: Vec<(f64, f64)> = (0u32..)
            .zip(counts)
            .filter(|(_, count)| **count > 0)
            .map(|(point, count)| (f64::from(point), *count as f64))
            .collect();
        let weights = normalised(seen.iter().map(|(_, count)| *count).chain([1.0]).collect());
        let points: Vec<f64> = seen.iter().map(|(point, _)| *point).collect();
        if is_categorical {
            return Self { weights, kernels: Kernels::over_choices(counts.len(), &points) };
        }
        let high = counts.len().saturating_sub(1) as f64;
        let width = scott(&seen).max(0.5 / 1.64);
        let mut shapes: Vec<(f64, f64)> = points.iter().map(|point| (*point, width)).collect();
        shapes.push((high / 2.0, high + 1.0));
        let domain = Domain { low: 0.0, high, step: Some(1.0), log: false };
        Self { weights, kernels: Kernels::Normal { shapes, domain } }
    }

    fn of_choices(distribution: &Distribution, observed: &[f64], weights: Vec<f64>) -> Self {
        let count = match distribution {
            Distribution::Categorical { choices } => choices.len(),
            _ => 1,
        };
        Self { weights, kernels: Kernels::over_choices(count, observed) }
    }

    /// The probability or density of `value` under the whole mixture.
    pub(crate) fn density(&self, value: f64) -> f64 {
        self.weights.iter().zip(self.kernels.densities(value)).map(|(weight, density)| weight * density).sum()
    }
}

/// A Parzen estimator of several options at once: a kernel is the product of those of one observation.
#[derive(Debug, Clone)]
pub(crate) struct Joint(Vec<Parzen>);

impl Joint {
    /// The estimator of `distributions` from observations of them all, oldest first.
    pub(crate) fn of_observations(distributions: &[&Distribution], observed: &[Vec<f64>]) -> Self {
        let option = |(index, distribution): (usize, &&Distribution)| {
            let values: Vec<f64> = observed.iter().filter_map(|values| values.get(index).copied()).collect();
            Parzen::of_observations(distribution, &values)
        };
        Self(distributions.iter().enumerate().map(option).collect())
    }

    /// The weights of the kernels, which all options share.
    fn weights(&self) -> &[f64] {
        self.0.first().map_or(&[], |option| &option.weights)
    }

    /// Draws a value for each option.
    pub(crate) fn draw(&self, random: &mut Random) -> Vec<f64> {
        let kernel = random.weighted(self.weights());
        self.0.iter().map(|option| option.kernels.draw(kernel, random)).collect()
    }

    /// The density of `values`, one for each option; see [`Parzen::density`].
    pub(crate) fn density(&self, values: &[f64]) -> f64 {
        let mut products = self.weights().to_vec();
        for (option, value) in self.0.iter().zip(values) {
            for (product, density) in products.iter_mut().zip(option.kernels.densities(*value)) {
                *product *= density;
            }
        }
        products.iter().sum()
    }
}

/// Weights of `count` observations, oldest first: the last 25 count fully, those before less and less.
fn ramp(count: usize) -> Vec<f64> {
    let old = count.saturating_sub(25);
    let (first, last) = (1.0 / count.max(1) as f64, old.saturating_sub(1).max(1) as f64);
    (0..count).map(|at| if at < old { first + (1.0 - first) * at as f64 / last } else { 1.0 }).collect()
}

/// For each mean the larger gap to its neighbours; for the outermost ones the gap to the one inside, since the bounds
/// of the domain say nothing about where good values are.
fn gaps(means: &[f64], low: f64, high: f64) -> Vec<f64> {
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
fn scott(seen: &[(f64, f64)]) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn float(log: bool, step: Option<f64>) -> Distribution {
        Distribution::Float { low: 0.25, high: 2.0, log, step }
    }

    #[test]
    fn densities_integrate_to_one_over_their_domain() {
        let count = 20_000;
        for log_scale in [false, true] {
            let parzen = Parzen::of_observations(&float(log_scale, None), &[0.3, 0.5, 0.55, 1.9]);
            let (low, high) = if log_scale { (0.25f64.ln(), 2f64.ln()) } else { (0.25, 2.0) };
            let width = (high - low) / f64::from(count);
            let at = |index: i32| low + width * (f64::from(index) + 0.5);
            let value = |at: f64| if log_scale { at.exp() } else { at };
            let sum: f64 = (0..count).map(|index| parzen.density(value(at(index))) * width).sum();
            assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        }
        let steps = Parzen::of_observations(&float(false, Some(0.25)), &[0.25, 0.5, 2.0]);
        let sum: f64 = (1..=8).map(|step| steps.density(0.25 * f64::from(step))).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        let log_int = Distribution::Int { low: 1, high: 40, log: true, step: 1 };
        let ints = Parzen::of_observations(&log_int, &[1.0, 3.0, 40.0]);
        let sum: f64 = (1..=40).map(|value| ints.density(f64::from(value))).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }

    #[test]
    fn densities_are_those_of_optuna() {
        // exp(_ParzenEstimator(…).log_pdf(…)) of Optuna 5.0.0, with default_weights and a prior weight of 1.
        let int = |low, high, step, log| Distribution::Int { low, high, step, log };
        let old: Vec<f64> = (0..30).map(|index| 0.25 + 1.75 * f64::from(index * 7 % 30) / 30.0).collect();
        let few = [0.3, 0.5, 0.55, 1.9];
        type Case<'a> = (Distribution, &'a [f64], &'a [(f64, f64)]);
        let cases: [Case<'_>; 7] = [
            (
                float(false, None),
                &few,
                &[(0.25, 1.01118918889337), (1.0, 0.462276908983076), (2.0, 0.32018590728099)],
            ),
            (
                float(true, None),
                &few,
                &[(0.25, 0.511641795462622), (0.52, 0.596477189474069), (2.0, 0.294680180606478)],
            ),
            (
                float(false, Some(0.25)),
                &[0.25, 0.5, 2.0],
                &[(0.25, 0.183412977387201), (2.0, 0.0903599290753862)],
            ),
            (int(1, 40, 1, true), &[1.0, 3.0, 40.0], &[(1.0, 0.28365202908128), (20.0, 0.00948033775580458)]),
            (int(2, 10, 2, false), &[4.0, 4.0, 8.0], &[(4.0, 0.262133652503972), (10.0, 0.131528852645296)]),
            (float(false, None), &old, &[(0.25, 0.242697384167833), (0.52, 0.609270910460239)]),
            (float(false, None), &[0.5], &[(0.25, 0.584498322524972), (2.0, 0.460605995698376)]),
        ];
        for (distribution, observed, expected) in cases {
            let parzen = Parzen::of_observations(&distribution, observed);
            for (value, density) in expected {
                assert!((parzen.density(*value) / density - 1.0).abs() < 1e-9, "{distribution:?} at {value}");
            }
        }
    }

    #[test]
    fn choices_seen_are_preferred_and_none_is_impossible() {
        let choices = ["a", "b", "c"].map(serde_json::Value::from).to_vec();
        let parzen = Parzen::of_observations(&Distribution::Categorical { choices }, &[1.0, 1.0, 2.0]);
        let densities = [0.0, 1.0, 2.0].map(|choice| parzen.density(choice));
        assert!(densities[1] > densities[2] && densities[2] > densities[0] && densities[0] > 0.0);
        assert!((densities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn draws_are_spread_as_the_density_says() {
        let distribution = Distribution::Int { low: 2, high: 10, log: false, step: 2 };
        let parzen = Parzen::of_observations(&distribution, &[4.0, 4.0, 8.0]);
        let joint = Joint(vec![parzen.clone()]);
        let mut random = Random::new(&["test"]);
        let mut seen = [0u32; 11];
        for _ in 0..20_000 {
            let drawn = joint.draw(&mut random)[0];
            assert!(distribution.contains(drawn), "{drawn}");
            seen[drawn as usize] += 1;
        }
        for value in [2usize, 4, 6, 8, 10] {
            let share = f64::from(seen[value]) / 20_000.0;
            assert!((share - parzen.density(value as f64)).abs() < 0.015, "{value}: {share}");
        }
    }

    #[test]
    fn densities_of_several_options_are_those_of_optuna() {
        // exp(_ParzenEstimator(…).log_pdf(…)) of Optuna 5.0.0, with default_weights and a prior weight of 1.
        let float = Distribution::Float { low: 0.25, high: 2.0, log: false, step: None };
        let int = Distribution::Int { low: 2, high: 10, log: false, step: 2 };
        let choices = ["a", "b", "c"].map(serde_json::Value::from).to_vec();
        let options = [&float, &Distribution::Categorical { choices }, &int];
        let observed = [vec![0.3, 1.0, 4.0], vec![0.5, 1.0, 4.0], vec![1.9, 2.0, 8.0]];
        let joint = Joint::of_observations(&options, &observed);
        for (values, density) in [
            ([0.25, 0.0, 2.0], 0.03383386923608281),
            ([0.5, 1.0, 4.0], 0.17135984332201218),
            ([2.0, 2.0, 10.0], 0.039149937503367774),
        ] {
            assert!((joint.density(&values) / density - 1.0).abs() < 1e-9, "{values:?}");
        }
    }

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
}
