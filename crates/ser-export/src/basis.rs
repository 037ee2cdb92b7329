//! The basis of the discrete cosine transform.

use std::f64::consts::PI;

/// The orthonormal DCT-II as a matrix `[band, coefficient]` that a row of bands is multiplied by:
/// `s[k]·cos(πk(2n + 1) / 2N)` with `s[0] = √(1/N)` and else `s[k] = √(2/N)`.
pub(crate) fn cosine_basis(bands: usize, coefficients: usize) -> Vec<f64> {
    let value = |n: usize, k: usize| {
        let scale = if k == 0 { 1.0 } else { 2.0 };
        // The cosine repeats every 4N, up to which the product is exact.
        let phase = (k * (2 * n + 1)) % (4 * bands);
        (scale / bands as f64).sqrt() * (PI * phase as f64 / (2 * bands) as f64).cos()
    };
    (0..bands).flat_map(|n| (0..coefficients).map(move |k| value(n, k))).collect()
}

#[cfg(test)]
mod tests {
    use ser_features::Dct;

    use super::*;

    #[test]
    fn it_is_the_transform_of_the_features() {
        let row: Vec<f32> = (0..7_u8).map(|band| f32::from(band * band % 5) - 1.5).collect();
        let mut expected = [0.0; 4];
        Dct::new(7, 4).apply(&row, &mut expected);
        let basis = cosine_basis(7, 4);
        for (k, expected) in expected.iter().enumerate() {
            let sum: f64 = row.iter().zip(basis.chunks(4)).map(|(value, of)| f64::from(*value) * of[k]).sum();
            assert!((sum - f64::from(*expected)).abs() < 1e-6, "{k}: {sum} and {expected}");
        }
    }
}
