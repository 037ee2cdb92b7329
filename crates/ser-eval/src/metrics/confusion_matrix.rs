//! Counts of true against predicted class: the running form of every metric.

use ser_core::{Error, ErrorKind, Result};
use serde::{Serialize, Serializer};

/// Most classes a [`ConfusionMatrix`] has; at this size it takes 128 MiB.
pub const MAX_CLASSES: usize = 4096;

/// How many utterances of each class were predicted as each class: rows are true, columns predicted.
///
/// Add to it during an epoch and ask for [`metrics`](Self::metrics) at its end; matrices filled elsewhere can be
/// [`merge`](Self::merge)d. Serialised as a list of rows.
///
/// ```
/// use ser_eval::metrics::ConfusionMatrix;
/// let mut matrix = ConfusionMatrix::new(2)?;
/// matrix.add_batch(&[0, 0, 1], &[0, 1, 1])?;
/// assert_eq!(matrix.rows().collect::<Vec<_>>(), [[1, 1], [0, 1]]);
/// assert_eq!(matrix.metrics()?.uar, 0.75);
/// # Ok::<(), ser_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    /// Row-major; `n_classes` × `n_classes`.
    counts: Vec<u64>,
    n_classes: usize,
    /// The sum of `counts`, kept so that one check guards every later sum against overflow.
    n_utterances: u64,
}

impl ConfusionMatrix {
    /// A matrix of zeros.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if `n_classes` is 0, [`ErrorKind::Limit`] if it is above [`MAX_CLASSES`].
    pub fn new(n_classes: usize) -> Result<Self> {
        if n_classes == 0 {
            return Err(Error::new(ErrorKind::Usage, "a classification needs at least one class"));
        }
        if n_classes > MAX_CLASSES {
            let what =
                format!("{n_classes} classes are more than the {MAX_CLASSES} a confusion matrix holds");
            return Err(Error::new(ErrorKind::Limit, what));
        }
        Ok(Self { counts: vec![0; n_classes * n_classes], n_classes, n_utterances: 0 })
    }

    /// Adds a batch: `predicted[i]` was the answer for an utterance of class `truth[i]`.
    ///
    /// # Errors
    /// [`ErrorKind::Mismatch`] if the lengths differ or an index is not below the number of classes. Nothing of
    /// the batch is added then.
    pub fn add_batch(&mut self, truth: &[usize], predicted: &[usize]) -> Result<()> {
        if truth.len() != predicted.len() {
            let what = format!("{} true classes against {} predicted ones", truth.len(), predicted.len());
            return Err(Error::new(ErrorKind::Mismatch, what));
        }
        for (indices, side) in [(truth, "true"), (predicted, "predicted")] {
            if let Some((position, class)) = indices.iter().enumerate().find(|&(_, &c)| c >= self.n_classes) {
                let what = format!(
                    "the {side} class of utterance {position} is {class}, but the highest is {}",
                    self.n_classes - 1
                );
                return Err(Error::new(ErrorKind::Mismatch, what));
            }
        }
        self.n_utterances = self.total_with(truth.len() as u64)?;
        for (&truth, &predicted) in truth.iter().zip(predicted) {
            self.counts[truth * self.n_classes + predicted] += 1;
        }
        Ok(())
    }

    /// Adds the counts of another matrix over the same classes.
    ///
    /// # Errors
    /// [`ErrorKind::Mismatch`] if the numbers of classes differ, [`ErrorKind::Limit`] if the total overflows.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.n_classes != other.n_classes {
            let what = format!(
                "confusion matrices of {} and {} classes do not add up",
                self.n_classes, other.n_classes
            );
            return Err(Error::new(ErrorKind::Mismatch, what));
        }
        self.n_utterances = self.total_with(other.n_utterances)?;
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        Ok(())
    }

    /// Number of classes.
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// Utterances added so far.
    pub fn n_utterances(&self) -> u64 {
        self.n_utterances
    }

    /// Utterances on the diagonal.
    pub fn n_correct(&self) -> u64 {
        self.counts.iter().step_by(self.n_classes + 1).sum()
    }

    /// Utterances of class `truth` predicted as `predicted`; none if either is not a class.
    pub fn count(&self, truth: usize, predicted: usize) -> Option<u64> {
        self.rows().nth(truth)?.get(predicted).copied()
    }

    /// The rows, one for each true class, each with one count for each predicted class.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        self.counts.chunks_exact(self.n_classes)
    }

    /// Column sums: how often each class was predicted.
    pub fn predicted(&self) -> Vec<u64> {
        let mut sums = vec![0; self.n_classes];
        for row in self.rows() {
            for (sum, count) in sums.iter_mut().zip(row) {
                *sum += count;
            }
        }
        sums
    }

    fn total_with(&self, more: u64) -> Result<u64> {
        let too_many = || Error::new(ErrorKind::Limit, "more utterances than a confusion matrix counts");
        self.n_utterances.checked_add(more).ok_or_else(too_many)
    }
}

impl Serialize for ConfusionMatrix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_batch_leaves_the_counts_as_they_were() {
        let mut matrix = ConfusionMatrix::new(3).unwrap();
        matrix.add_batch(&[2], &[1]).unwrap();
        let before = matrix.clone();
        let error = matrix.add_batch(&[0, 1], &[0, 3]).unwrap_err();
        assert_eq!(error.to_string(), "the predicted class of utterance 1 is 3, but the highest is 2");
        assert_eq!(matrix.add_batch(&[0, 1], &[0]).unwrap_err().kind(), ErrorKind::Mismatch);
        assert_eq!(matrix.merge(&ConfusionMatrix::new(2).unwrap()).unwrap_err().kind(), ErrorKind::Mismatch);
        assert_eq!(matrix, before);
        assert_eq!((matrix.count(2, 1), matrix.count(3, 0), matrix.count(0, 3)), (Some(1), None, None));
    }

    #[test]
    fn a_total_that_overflows_is_an_error() {
        let mut matrix = ConfusionMatrix::new(1).unwrap();
        matrix.add_batch(&[0], &[0]).unwrap();
        for _ in 0..63 {
            matrix.merge(&matrix.clone()).unwrap();
        }
        assert_eq!(matrix.merge(&matrix.clone()).unwrap_err().kind(), ErrorKind::Limit);
        assert_eq!(matrix.n_correct(), 1 << 63);
    }

    #[test]
    fn sizes_are_checked_before_memory_is_taken() {
        assert_eq!(ConfusionMatrix::new(0).unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(ConfusionMatrix::new(usize::MAX).unwrap_err().kind(), ErrorKind::Limit);
    }
}
