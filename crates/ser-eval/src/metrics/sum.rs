//! A sum in NumPy's order.

/// The sum of `values`, added in the order in which NumPy adds a contiguous array of doubles: eight running sums
/// within blocks of at most 128, and halves of those (pairwise summation, Higham 1993).
///
/// Means of quotients often fall exactly between two printed decimals (1/32, say); only the same rounding errors
/// put them on the same side as scikit-learn does.
pub(super) fn pairwise(values: &[f64]) -> f64 {
    if values.len() > 128 {
        let half = values.len() / 2;
        let (left, right) = values.split_at(half - half % 8);
        return pairwise(left) + pairwise(right);
    }
    let mut eights = values.chunks_exact(8);
    let rest = eights.remainder();
    let Some(first) = eights.next() else {
        return rest.iter().fold(0.0, |sum, value| sum + value);
    };
    let mut sums = [0.0; 8];
    sums.copy_from_slice(first);
    for eight in eights {
        for (sum, value) in sums.iter_mut().zip(eight) {
            *sum += value;
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    let blocks = ((a + b) + (c + d)) + ((e + f) + (g + h));
    rest.iter().fold(blocks, |sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::pairwise;

    /// Expected: `np.sum(1 / np.arange(1, n + 1)).view(np.uint64)`.
    #[test]
    fn sums_have_the_bits_of_numpy() {
        let harmonic = |n: u32| pairwise(&(1..=n).map(|i| 1.0 / f64::from(i)).collect::<Vec<_>>());
        let expected = [
            (3, 0x3ffd555555555555),
            (7, 0x4004be2be2be2be2),
            (8, 0x4005be2be2be2be2),
            (20, 0x400cc82bbab7a28b),
            (128, 0x4015bb8ae9541ca7),
            (129, 0x4015c37b09149ba9),
            (1000, 0x401df11f45f4e61a),
        ];
        for (n, bits) in expected {
            assert_eq!(harmonic(n).to_bits(), bits, "{n} terms");
        }
        assert_eq!(pairwise(&[]), 0.0);
    }
}
