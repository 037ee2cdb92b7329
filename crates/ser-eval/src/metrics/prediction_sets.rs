//! How often a set of classes holds the right one, and how large such sets are.

use ser_core::{Error, ErrorKind, Result};
use serde::Serialize;

/// What the prediction sets of one coverage did on a test side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SetCoverage {
    /// The coverage that was promised, 0 to 1.
    pub coverage: f64,
    /// Share of utterances whose set holds the right class.
    pub measured: f64,
    /// Mean number of classes in a set.
    pub mean_size: f64,
    /// Share of utterances whose set is one class.
    pub single_share: f64,
}

impl SetCoverage {
    /// The mean of several, each counting the same; none without any, or where they promise different coverages.
    pub fn mean(several: &[Self]) -> Option<Self> {
        let coverage = several.first()?.coverage;
        let mean = |of: fn(&Self) -> f64| several.iter().map(of).sum::<f64>() / several.len() as f64;
        several.iter().all(|one| one.coverage == coverage).then(|| Self {
            coverage,
            measured: mean(|one| one.measured),
            mean_size: mean(|one| one.mean_size),
            single_share: mean(|one| one.single_share),
        })
    }

    /// Measures `sets`, made for `coverage`, against the classes `truth`.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] without utterances, [`ErrorKind::Mismatch`] where there is not a set for each.
    pub fn of(coverage: f64, truth: &[usize], sets: &[Vec<usize>]) -> Result<Self> {
        if truth.is_empty() {
            return Err(Error::new(ErrorKind::Unusable, "there is no utterance to measure a coverage of"));
        }
        if truth.len() != sets.len() {
            let what = format!("{} prediction sets for {} utterances", sets.len(), truth.len());
            return Err(Error::new(ErrorKind::Mismatch, what));
        }
        let share = |count: usize| count as f64 / truth.len() as f64;
        Ok(Self {
            coverage,
            measured: share(truth.iter().zip(sets).filter(|(truth, set)| set.contains(truth)).count()),
            mean_size: share(sets.iter().map(Vec::len).sum()),
            single_share: share(sets.iter().filter(|set| set.len() == 1).count()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worked_example_comes_out_as_by_hand() {
        let sets = [vec![0], vec![1, 0], vec![2, 1, 0], vec![1]];
        let found = SetCoverage::of(0.9, &[0, 0, 1, 0], &sets).unwrap();
        let expected = SetCoverage { coverage: 0.9, measured: 0.75, mean_size: 1.75, single_share: 0.5 };
        assert_eq!(found, expected);
        assert_eq!(SetCoverage::of(0.9, &[], &[]).unwrap_err().kind(), ErrorKind::Unusable);
        assert_eq!(SetCoverage::of(0.9, &[0], &[]).unwrap_err().kind(), ErrorKind::Mismatch);
    }
}
