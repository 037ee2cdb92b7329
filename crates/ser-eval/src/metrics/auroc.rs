//! How well a score tells two kinds of recordings apart.

use ser_core::{Error, ErrorKind, Result};
use ser_model::calibration::Distribution;

/// The area under the ROC curve of a score that is to be higher for `positives` than for `negatives`: the probability that
/// it is, for one drawn from each, with ties counted half (Mann and Whitney 1947). 0.5 for a score that tells nothing,
/// 1 for one that never fails. scikit-learn's `roc_auc_score`, as long as the distribution is kept whole.
///
/// # Errors
/// [`ErrorKind::Unusable`] without positives, or where one is not a number.
pub fn auroc(negatives: &Distribution, positives: &[f64]) -> Result<f64> {
    if positives.is_empty() || positives.iter().any(|score| score.is_nan()) {
        let what = format!("{} scores are none that an AUROC can be computed of", positives.len());
        return Err(Error::new(ErrorKind::Unusable, what));
    }
    let wins: Vec<f64> =
        positives.iter().map(|score| (negatives.below(*score) + negatives.up_to(*score)) / 2.0).collect();
    Ok(super::sum::pairwise(&wins) / positives.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worked_example_comes_out_as_by_hand() {
        let negatives = Distribution::of(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(auroc(&negatives, &[4.0, 5.0]).unwrap(), 1.0);
        assert_eq!(auroc(&negatives, &[2.0]).unwrap(), 0.5);
        assert_eq!(auroc(&negatives, &[0.0, 2.5]).unwrap(), 1.0 / 3.0);
        assert_eq!(auroc(&negatives, &[]).unwrap_err().kind(), ErrorKind::Unusable);
        assert_eq!(auroc(&negatives, &[f64::NAN]).unwrap_err().kind(), ErrorKind::Unusable);
    }
}
