//! A covariance that can be inverted, and its inverse: plain loops over at most
//! [`MOST_CORRELATED`](crate::domain::MOST_CORRELATED) coefficients, which take no library of linear algebra.

use ser_core::{Error, ErrorKind, Result};

/// A covariance estimated with shrinkage.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// The covariance; above the diagonal it is the same as below.
    pub covariance: LowerTriangle,
    /// How far it was moved from that of the sample, 0, to a multiple of the identity, 1.
    pub shrinkage: f64,
}

/// The covariance of `rows`, `[sample, coefficient]`, shrunk towards a multiple of the identity by as much as is best on
/// average: O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
/// Multivariate Analysis 88 (2004), as scikit-learn's `ledoit_wolf`.
///
/// # Errors
/// [`ErrorKind::Unusable`] without rows, or where the covariance is not finite; [`ErrorKind::Mismatch`] where rows differ
/// in length.
pub fn ledoit_wolf(rows: &[Vec<f64>]) -> Result<Shrunk> {
    let Some(order) = rows.first().map(Vec::len).filter(|order| *order > 0) else {
        return Err(Error::new(ErrorKind::Unusable, "nothing has no covariance"));
    };
    if rows.iter().any(|row| row.len() != order) {
        return Err(Error::new(ErrorKind::Mismatch, "the rows of a sample differ in length"));
    }
    let (n, p) = (rows.len() as f64, order as f64);
    let mut mean = vec![0.0; order];
    rows.iter().for_each(|row| mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value / n));
    let mut covariance = LowerTriangle::zero(order);
    // The mean over samples of their fourth powers, summed over all pairs of coefficients.
    let mut fourth = 0.0;
    for row in rows {
        let centred: Vec<f64> = row.iter().zip(&mean).map(|(value, mean)| value - mean).collect();
        fourth += centred.iter().map(|value| value * value).sum::<f64>().powi(2) / n;
        for (i, value) in centred.iter().enumerate() {
            let products = covariance.row_mut(i).iter_mut().zip(&centred);
            products.for_each(|(sum, other)| *sum += value * other);
        }
    }
    covariance.scale(1.0 / n);
    let variance = covariance.diagonal().sum::<f64>() / p;
    let squares = covariance.squared_norm();
    // How far the sample's covariance lies from a multiple of the identity, and how much of that is chance.
    let distance = squares / p - variance.powi(2);
    let chance = ((fourth - squares) / (n * p)).min(distance);
    let shrinkage = if chance > 0.0 { chance / distance } else { 0.0 };
    covariance.scale(1.0 - shrinkage);
    covariance.add_to_diagonal(shrinkage * variance);
    if !covariance.values.iter().all(|value| value.is_finite()) {
        return Err(Error::new(ErrorKind::Unusable, "a covariance is not finite"));
    }
    Ok(Shrunk { covariance, shrinkage })
}

/// A lower-triangular matrix, or the lower half of a symmetric one.
#[derive(Debug, Clone, PartialEq)]
pub struct LowerTriangle {
    order: usize,
    /// Row after row, each up to the diagonal.
    values: Vec<f64>,
}

impl LowerTriangle {
    fn zero(order: usize) -> Self {
        Self { order, values: vec![0.0; order * (order + 1) / 2] }
    }

    /// The matrix of `order` rows whose [`values`](Self::values) these are; none where they are too few or too many.
    pub fn new(order: usize, values: Vec<f64>) -> Option<Self> {
        let wanted = order.checked_add(1)?.checked_mul(order)? / 2;
        (values.len() == wanted).then_some(Self { order, values })
    }

    /// How many rows it has, and columns.
    pub fn order(&self) -> usize {
        self.order
    }

    /// Its values, row after row, each up to the diagonal.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.values[i * (i + 1) / 2..][..=i]
    }

    fn row_mut(&mut self, i: usize) -> &mut [f64] {
        &mut self.values[i * (i + 1) / 2..][..=i]
    }

    pub(super) fn diagonal(&self) -> impl Iterator<Item = f64> {
        (0..self.order).map(|i| self.row(i)[i])
    }

    pub(super) fn add_to_diagonal(&mut self, what: f64) {
        (0..self.order).for_each(|i| self.row_mut(i)[i] += what);
    }

    fn scale(&mut self, factor: f64) {
        self.values.iter_mut().for_each(|value| *value *= factor);
    }

    /// The sum of all squares of the symmetric matrix.
    fn squared_norm(&self) -> f64 {
        let all: f64 = self.values.iter().map(|value| value * value).sum();
        2.0 * all - self.diagonal().map(|value| value * value).sum::<f64>()
    }

    /// The factor L of this symmetric matrix, which is L·Lᵀ.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] where it is not positive definite.
    pub(super) fn cholesky(&self) -> Result<Self> {
        let mut factor = Self::zero(self.order);
        for i in 0..self.order {
            for j in 0..=i {
                let (before, row) = factor.values.split_at_mut(i * (i + 1) / 2);
                let known = if i == j { &row[..j] } else { &before[j * (j + 1) / 2..][..j] };
                let rest = self.row(i)[j] - product(&row[..j], known);
                row[j] = match i == j {
                    false => rest / before[j * (j + 1) / 2 + j],
                    true if rest > 0.0 => rest.sqrt(),
                    true => {
                        return Err(Error::new(ErrorKind::Unusable, "a covariance is not positive definite"));
                    }
                };
            }
        }
        Ok(factor)
    }

    /// Its inverse, which is lower-triangular too. No value on its diagonal may be 0.
    pub(super) fn inverse(&self) -> Self {
        let mut inverse = Self::zero(self.order);
        for i in 0..self.order {
            let (above, row) = inverse.values.split_at_mut(i * (i + 1) / 2);
            let own = self.row(i);
            for (k, factor) in own[..i].iter().enumerate() {
                let known = &above[k * (k + 1) / 2..][..=k];
                row.iter_mut().zip(known).for_each(|(sum, value)| *sum -= factor * value);
            }
            row[i] = 1.0;
            row[..=i].iter_mut().for_each(|value| *value /= own[i]);
        }
        inverse
    }

    pub(super) fn rounded_to_f32(mut self) -> Self {
        self.values.iter_mut().for_each(|value| *value = f64::from(*value as f32));
        self
    }

    /// The product with `vector`, of as many numbers as there are rows.
    pub(super) fn times(&self, vector: &[f64]) -> Vec<f64> {
        (0..self.order).map(|i| product(self.row(i), vector)).collect()
    }
}

/// The sum of products, as far as the shorter one goes.
fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_times_itself_is_the_matrix_and_its_inverse_undoes_it() {
        let rows = crate::domain::tests::descriptors(0, 30, 9);
        let matrix = ledoit_wolf(&rows).unwrap().covariance;
        let factor = matrix.cholesky().unwrap();
        let inverse = factor.inverse();
        for i in 0..9 {
            for j in 0..=i {
                let back = product(factor.row(i), factor.row(j));
                assert!((back - matrix.row(i)[j]).abs() < 1e-12, "{i} {j}");
            }
            let column: Vec<f64> = (0..9).map(|k| factor.row(k).get(i).copied().unwrap_or(0.0)).collect();
            for (k, value) in inverse.times(&column).into_iter().enumerate() {
                assert!((value - f64::from(u8::from(k == i))).abs() < 1e-12, "{i} {k}: {value}");
            }
        }
        let not_definite = LowerTriangle::new(2, vec![1.0, 2.0, 1.0]).unwrap();
        assert_eq!(not_definite.cholesky().unwrap_err().kind(), ErrorKind::Unusable);
        assert_eq!(LowerTriangle::new(2, vec![1.0; 4]), None);
        assert_eq!(LowerTriangle::new(usize::MAX, vec![1.0]), None);
    }

    #[test]
    fn what_is_no_sample_is_refused() {
        let kind = |rows: &[Vec<f64>]| ledoit_wolf(rows).unwrap_err().kind();
        assert_eq!(kind(&[]), ErrorKind::Unusable);
        assert_eq!(kind(&[vec![]]), ErrorKind::Unusable);
        assert_eq!(kind(&[vec![1.0], vec![1.0, 2.0]]), ErrorKind::Mismatch);
        assert_eq!(kind(&[vec![f64::NAN], vec![1.0]]), ErrorKind::Unusable);
        // One row has no spread.
        let alone = ledoit_wolf(&[vec![3.0, 4.0]]).unwrap();
        assert_eq!((alone.covariance.values(), alone.shrinkage), (&[0.0; 3][..], 0.0));
    }
}
