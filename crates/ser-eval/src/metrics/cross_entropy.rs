//! Cross-entropy of predicted probabilities.

use ser_core::{Error, ErrorKind, Result};

/// Mean of −ln(probability of the true class), in nats.
///
/// `probabilities` are row-major, `[utterance, class]` with `n_classes` columns. Probabilities are clipped to
/// [ε, 1 − ε] with the ε of `f64`, as scikit-learn's `log_loss` does in double precision, so that one certain
/// but wrong answer costs 36 nats and not infinity.
///
/// # Errors
/// [`ErrorKind::Unusable`] without utterances or where a probability is not a number between 0 and 1,
/// [`ErrorKind::Mismatch`] where sizes or class indices do not agree.
pub fn mean_cross_entropy(truth: &[usize], probabilities: &[f32], n_classes: usize) -> Result<f64> {
    if truth.is_empty() {
        return Err(Error::new(ErrorKind::Unusable, "there is no utterance to compute a cross-entropy of"));
    }
    if truth.len().checked_mul(n_classes) != Some(probabilities.len()) {
        let what = format!(
            "{} probabilities for {} utterances and {n_classes} classes",
            probabilities.len(),
            truth.len()
        );
        return Err(Error::new(ErrorKind::Mismatch, what));
    }
    if let Some(class) = truth.iter().find(|&&class| class >= n_classes) {
        let what = format!("true class {class} is not below the number of classes, {n_classes}");
        return Err(Error::new(ErrorKind::Mismatch, what));
    }
    if let Some(value) = probabilities.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        return Err(Error::new(ErrorKind::Unusable, format!("{value} is not a probability")));
    }

    let rows = probabilities.chunks_exact(n_classes);
    let losses: Vec<f64> = truth.iter().zip(rows).map(|(&class, row)| loss(row[class])).collect();
    Ok(crate::metrics::sum::pairwise(&losses) / losses.len() as f64)
}

fn loss(probability: f32) -> f64 {
    -f64::from(probability).clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_costs_the_logarithm_of_the_number_of_classes() {
        let loss = mean_cross_entropy(&[0, 1, 3], &[0.25; 12], 4).unwrap();
        assert!((loss - 4f64.ln()).abs() < 1e-15);
    }

    #[test]
    fn a_certain_wrong_answer_costs_a_finite_amount() {
        assert!((mean_cross_entropy(&[0], &[0.0, 1.0], 2).unwrap() - 36.04365338911715).abs() < 1e-12);
    }

    #[test]
    fn values_that_are_not_probabilities_are_refused() {
        let kind = |truth: &[usize], p: &[f32]| mean_cross_entropy(truth, p, 2).unwrap_err().kind();
        assert_eq!(kind(&[0], &[f32::NAN, 0.5]), ErrorKind::Unusable);
        assert_eq!(kind(&[0], &[0.5, 1.5]), ErrorKind::Unusable);
        assert_eq!(kind(&[0], &[0.5]), ErrorKind::Mismatch);
        assert_eq!(kind(&[2], &[0.5, 0.5]), ErrorKind::Mismatch);
        assert_eq!(kind(&[], &[]), ErrorKind::Unusable);
    }
}
