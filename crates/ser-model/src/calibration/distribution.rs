//! A sample of numbers kept in bounded size, for quantiles and ranks.

use ser_core::{Error, ErrorKind, Result};

/// Sums of weights are equal up to this.
const ROUNDING: f64 = 1e-12;

/// The distribution of a number over utterances: its values, and for each the share of utterances that have it or less.
///
/// Equal values are kept once, and no more than [`Distribution::MOST_KEPT`] of different ones: then only those at evenly
/// spaced shares, each standing for the values below it, so that a quantile is never too low.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Ascending, each once.
    values: Vec<f64>,
    /// Ascending, above 0; the last is 1.
    shares: Vec<f64>,
    n: u64,
}

impl Distribution {
    /// Most values kept.
    pub const MOST_KEPT: usize = 2048;

    /// That of `values`, each counting the same.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] without values, or where one is not a finite number.
    pub fn of(values: &[f64]) -> Result<Self> {
        Self::weighted(values, &vec![1.0; values.len()])
    }

    /// That of `values` which count as `weights`, above 0, say.
    ///
    /// # Errors
    /// As [`Distribution::of`], and for weights that are none.
    pub fn weighted(values: &[f64], weights: &[f64]) -> Result<Self> {
        let valid = values.iter().all(|value| value.is_finite())
            && weights.iter().all(|weight| weight.is_finite() && *weight > 0.0);
        if values.is_empty() || weights.len() != values.len() || !valid {
            let what = format!("{} values are no sample that anything can be based on", values.len());
            return Err(Error::new(ErrorKind::Unusable, what));
        }
        let mut pairs: Vec<(f64, f64)> = values.iter().copied().zip(weights.iter().copied()).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let total: f64 = pairs.iter().map(|(_, weight)| weight).sum();
        let mut sample = Self { values: Vec::new(), shares: Vec::new(), n: values.len() as u64 };
        let mut sum = 0.0;
        for (value, weight) in pairs {
            sum += weight;
            // −0 and 0 are one value.
            if sample.values.last() == Some(&value) {
                sample.shares.pop();
            } else {
                sample.values.push(value);
            }
            sample.shares.push(sum / total);
        }
        if let Some(last) = sample.shares.last_mut() {
            *last = 1.0;
        }
        Ok(sample.thinned())
    }

    /// What [`values`](Self::values), [`shares`](Self::shares) and [`n`](Self::n) gave.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] where they cannot have been given.
    pub fn from_parts(values: Vec<f64>, shares: Vec<f64>, n: u64) -> Result<Self> {
        let ascending = |numbers: &[f64]| {
            numbers.iter().all(|number| number.is_finite())
                && numbers.windows(2).all(|pair| pair[0] < pair[1])
        };
        let valid = values.len() == shares.len()
            && (1..=Self::MOST_KEPT).contains(&values.len())
            && n >= values.len() as u64
            && ascending(&values)
            && ascending(&shares)
            && shares.first().is_some_and(|share| *share > 0.0)
            && shares.last() == Some(&1.0);
        let damaged =
            || Error::new(ErrorKind::Damaged, "has a distribution whose numbers contradict each other");
        valid.then_some(Self { values, shares, n }).ok_or_else(damaged)
    }

    /// The values kept, ascending.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// For each value, the share of utterances that have it or less.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// How many utterances there were.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// The lowest value that a share of at least `level`, 0 to 1, has or is below.
    pub fn quantile(&self, level: f64) -> f64 {
        let at = self.shares.partition_point(|share| *share < level - ROUNDING);
        self.values.get(at).or(self.values.last()).copied().unwrap_or(f64::INFINITY)
    }

    /// The share of utterances below `value`.
    pub fn below(&self, value: f64) -> f64 {
        self.share_of_first(self.values.partition_point(|known| *known < value))
    }

    /// The share of utterances that have `value` or less.
    pub fn up_to(&self, value: f64) -> f64 {
        self.share_of_first(self.values.partition_point(|known| *known <= value))
    }

    fn share_of_first(&self, count: usize) -> f64 {
        count.checked_sub(1).and_then(|last| self.shares.get(last)).copied().unwrap_or(0.0)
    }

    fn thinned(self) -> Self {
        let Self { values, shares, n } = self;
        if values.len() <= Self::MOST_KEPT {
            return Self { values, shares, n };
        }
        let mut kept: Vec<usize> = (1..=Self::MOST_KEPT)
            .map(|step| step as f64 / Self::MOST_KEPT as f64)
            .map(|level| shares.partition_point(|share| *share < level - ROUNDING).min(shares.len() - 1))
            .collect();
        kept.dedup();
        let at = |numbers: &[f64]| kept.iter().map(|index| numbers[*index]).collect();
        Self { values: at(&values), shares: at(&shares), n }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_quantiles_are_those_of_the_sample() {
        let sample = Distribution::of(&[3.0, 1.0, 1.0, 2.0]).unwrap();
        assert_eq!(
            (sample.values(), sample.shares(), sample.n()),
            (&[1.0, 2.0, 3.0][..], &[0.5, 0.75, 1.0][..], 4)
        );
        assert_eq!([0.0, 0.5, 0.51, 1.0].map(|level| sample.quantile(level)), [1.0, 1.0, 2.0, 3.0]);
        assert_eq!([0.0, 1.0, 1.5, 3.0, 4.0].map(|value| sample.below(value)), [0.0, 0.0, 0.5, 0.75, 1.0]);
        assert_eq!([0.0, 1.0, 1.5, 3.0].map(|value| sample.up_to(value)), [0.0, 0.5, 0.5, 1.0]);
    }

    #[test]
    fn weights_count_and_a_sum_of_thirds_is_a_whole() {
        let sample =
            Distribution::weighted(&[1.0, 2.0, 3.0, 4.0], &[1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 1.0]).unwrap();
        assert_eq!(sample.quantile(0.5), 3.0);
        assert_eq!(sample.quantile(0.51), 4.0);
    }

    #[test]
    fn a_long_sample_is_kept_in_few_values_and_a_quantile_is_never_too_low() {
        let values: Vec<f64> = (0..100_000).map(f64::from).collect();
        let sample = Distribution::of(&values).unwrap();
        assert_eq!((sample.values().len(), sample.n()), (Distribution::MOST_KEPT, 100_000));
        for level in [0.001, 0.5, 0.8, 0.9, 0.95, 0.999, 1.0] {
            let [exact, found] = [level * 100_000.0 - 1.0, sample.quantile(level)];
            assert!((exact - 1e-6..exact + 50.0).contains(&found), "{level}: {found} for {exact}");
        }
        let kept = Distribution::from_parts(sample.values().to_vec(), sample.shares().to_vec(), sample.n());
        assert_eq!(kept.unwrap(), sample);
    }

    #[test]
    fn what_is_no_sample_is_refused() {
        assert_eq!(Distribution::of(&[]).unwrap_err().kind(), ErrorKind::Unusable);
        assert_eq!(Distribution::of(&[f64::NAN]).unwrap_err().kind(), ErrorKind::Unusable);
        assert_eq!(Distribution::weighted(&[1.0], &[0.0]).unwrap_err().kind(), ErrorKind::Unusable);
        for (values, shares, n) in [
            (vec![], vec![], 0),
            (vec![1.0], vec![0.5], 1),
            (vec![1.0, 1.0], vec![0.5, 1.0], 2),
            (vec![1.0, 2.0], vec![1.0, 1.0], 2),
            (vec![1.0, 2.0], vec![0.5, 1.0], 1),
            (vec![f64::NAN], vec![1.0], 1),
            (vec![1.0], vec![0.5, 1.0], 2),
        ] {
            let error = Distribution::from_parts(values, shares, n).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged);
        }
    }
}
