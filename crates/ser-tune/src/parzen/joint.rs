//! The estimator of several options at once.

use ser_core::random::Random;

use crate::Distribution;
use crate::parzen::Parzen;

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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn densities_are_those_of_optuna() {
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
}
