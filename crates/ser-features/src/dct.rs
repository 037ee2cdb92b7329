//! Discrete cosine transform, type II, orthonormal, as `scipy.fft.dct(…, type=2, norm="ortho")`.

use std::f64::consts::PI;

/// Coefficients summed side by side: a few vectors, which stay in registers.
const LANES: usize = 8;

/// The first `n_mfcc` coefficients of `n_mels` values: `y[k] = s[k] · Σ x[n] · cos(πk(2n + 1) / 2N)` with
/// `s[0] = √(1/N)` and else `s[k] = √(2/N)`.
///
/// The cosines of even `k` are symmetric about the middle of the row and those of odd `k` antisymmetric, so each sum
/// runs over half a row: over `x[n] + x[N − 1 − n]` or `x[n] − x[N − 1 − n]`. In f64, because a row of equal quiet
/// bands sums to several hundred, where f32's rounding errors add up to a few 1e-4.
#[derive(Debug, Clone)]
pub struct Dct {
    n_mels: usize,
    /// For each group of [`LANES`] even coefficients (the last one filled up with zeros), the half rows of the basis.
    even: Vec<[f64; LANES]>,
    odd: Vec<[f64; LANES]>,
    sums: Vec<f64>,
    differences: Vec<f64>,
}

impl Dct {
    /// Tabulates the basis of `n_mfcc` coefficients of `n_mels` values.
    pub fn new(n_mels: usize, n_mfcc: usize) -> Self {
        let half = n_mels.div_ceil(2);
        let cosine = |k: usize, n: usize| {
            let scale: f64 = if k == 0 { 1.0 } else { 2.0 };
            (scale / n_mels as f64).sqrt() * (PI * (k * (2 * n + 1)) as f64 / (2 * n_mels) as f64).cos()
        };
        let basis = |parity: usize| -> Vec<[f64; LANES]> {
            let value = |k: usize, n: usize| if k < n_mfcc { cosine(k, n) } else { 0.0 };
            (parity..n_mfcc)
                .step_by(2 * LANES)
                .flat_map(|first| (0..half).map(move |n| (first, n)))
                .map(|(first, n)| std::array::from_fn(|lane| value(first + 2 * lane, n)))
                .collect()
        };
        Self { n_mels, even: basis(0), odd: basis(1), sums: vec![0.0; half], differences: vec![0.0; half] }
    }

    /// Transforms one row of `n_mels` values to `n_mfcc` coefficients.
    #[inline(always)]
    pub fn apply(&mut self, row: &[f32], coefficients: &mut [f32]) {
        let folded = self.sums.iter_mut().zip(&mut self.differences);
        for ((sum, difference), (&left, &right)) in folded.zip(row.iter().zip(row.iter().rev())) {
            *sum = f64::from(left) + f64::from(right);
            *difference = f64::from(left) - f64::from(right);
        }
        if self.n_mels % 2 == 1
            && let Some(middle) = self.sums.last_mut()
        {
            *middle /= 2.0;
        }
        multiply(&self.even, &self.sums, coefficients.iter_mut().step_by(2));
        multiply(&self.odd, &self.differences, coefficients.iter_mut().skip(1).step_by(2));
    }
}

#[inline(always)]
fn multiply<'a>(basis: &[[f64; LANES]], row: &[f64], mut coefficients: impl Iterator<Item = &'a mut f32>) {
    for group in basis.chunks_exact(row.len()) {
        let mut sums = [0.0; LANES];
        for (&value, basis) in row.iter().zip(group) {
            for (sum, &basis) in sums.iter_mut().zip(basis) {
                *sum += value * basis;
            }
        }
        // The sums first: `zip` would take one coefficient too many before it found no sum left.
        for (sum, coefficient) in sums.into_iter().zip(coefficients.by_ref()) {
            *coefficient = sum as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(row: &[f32], k: usize) -> f64 {
        let n_mels = row.len() as f64;
        let term = |(n, &x): (usize, &f32)| f64::from(x) * (PI * k as f64 * (n as f64 + 0.5) / n_mels).cos();
        let scale = if k == 0 { 1.0 } else { 2.0 };
        (scale / n_mels).sqrt() * row.iter().enumerate().map(term).sum::<f64>()
    }

    #[test]
    fn every_size_agrees_with_the_definition() {
        for n_mels in 1..40 {
            let row: Vec<f32> = (0..n_mels).map(|n| ((n * n * 5) % 17) as f32 - 9.0).collect();
            for n_mfcc in 1..=n_mels {
                let mut coefficients = vec![f32::NAN; n_mfcc];
                Dct::new(n_mels, n_mfcc).apply(&row, &mut coefficients);
                for (k, &coefficient) in coefficients.iter().enumerate() {
                    let error = (f64::from(coefficient) - naive(&row, k)).abs();
                    assert!(error < 1e-5, "coefficient {k} of {n_mfcc}, {n_mels} values: {error}");
                }
            }
        }
    }

    #[test]
    fn a_constant_row_has_only_the_first_coefficient() {
        let mut coefficients = [f32::NAN; 11];
        Dct::new(16, 11).apply(&[2.0; 16], &mut coefficients);
        assert!((coefficients[0] - 8.0).abs() < 1e-6);
        assert!(coefficients[1..].iter().all(|coefficient| coefficient.abs() < 1e-6));
    }
}
