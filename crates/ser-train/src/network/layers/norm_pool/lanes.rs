//! Channels side by side in vectors.

use ser_core::vectorised::Simd;
use ser_torch::Word;

/// Channels come in groups of so many, or a multiple of it: two vectors of the widest instructions that are used.
pub(super) const GROUP: usize = 16;

/// So many channels, one or more vectors, computed with at once; in which order its [`Numbers`] say.
pub(super) type Pair<S> = [<S as Simd>::f32s; 2];

/// Numbers in memory, as words of a tensor, that are computed with in f32.
pub(super) trait Numbers: Word {
    /// Several words.
    type Vector<S: Simd>: Copy;

    /// Vectors of words that a [`Pair`] is loaded from.
    const VECTORS: usize;

    fn vectors<S: Simd>(words: &[Self]) -> &[Self::Vector<S>];
    fn vectors_mut<S: Simd>(words: &mut [Self]) -> &mut [Self::Vector<S>];
    fn load<S: Simd>(simd: S, from: &[Self::Vector<S>]) -> Pair<S>;
    fn store<S: Simd>(simd: S, pair: Pair<S>, to: &mut [Self::Vector<S>]);

    /// Where in a pair of vectors of `lanes` each its channel number `channel` is.
    fn lane(channel: usize, lanes: usize) -> usize;

    /// A word of zeros.
    const ZERO: Self;
}

impl Numbers for f32 {
    type Vector<S: Simd> = S::f32s;

    const VECTORS: usize = 2;
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn vectors<S: Simd>(words: &[Self]) -> &[S::f32s] {
        S::as_simd_f32s(words).0
    }

    #[inline(always)]
    fn vectors_mut<S: Simd>(words: &mut [Self]) -> &mut [S::f32s] {
        S::as_mut_simd_f32s(words).0
    }

    #[inline(always)]
    fn load<S: Simd>(_: S, from: &[S::f32s]) -> Pair<S> {
        let from = &from[..2];
        [from[0], from[1]]
    }

    #[inline(always)]
    fn store<S: Simd>(_: S, pair: Pair<S>, to: &mut [S::f32s]) {
        to[..2].copy_from_slice(&pair);
    }

    fn lane(channel: usize, _: usize) -> usize {
        channel
    }
}

/// Two of bf16: channels of even and of odd number are a vector each, for which nothing has to change places.
impl Numbers for u32 {
    type Vector<S: Simd> = S::u32s;

    const VECTORS: usize = 1;
    const ZERO: Self = 0;

    #[inline(always)]
    fn vectors<S: Simd>(words: &[Self]) -> &[S::u32s] {
        S::as_simd_u32s(words).0
    }

    #[inline(always)]
    fn vectors_mut<S: Simd>(words: &mut [Self]) -> &mut [S::u32s] {
        S::as_mut_simd_u32s(words).0
    }

    #[inline(always)]
    fn load<S: Simd>(simd: S, from: &[S::u32s]) -> Pair<S> {
        let words = from[0];
        let even = simd.wrapping_dyn_shl_u32s(words, simd.splat_u32s(16));
        let odd = simd.and_u32s(words, simd.splat_u32s(0xffff_0000));
        [simd.transmute_f32s_u32s(even), simd.transmute_f32s_u32s(odd)]
    }

    #[inline(always)]
    fn store<S: Simd>(simd: S, pair: Pair<S>, to: &mut [S::u32s]) {
        let even = simd.wrapping_dyn_shr_u32s(rounded(simd, pair[0]), simd.splat_u32s(16));
        let odd = simd.and_u32s(rounded(simd, pair[1]), simd.splat_u32s(0xffff_0000));
        to[0] = simd.or_u32s(even, odd);
    }

    fn lane(channel: usize, lanes: usize) -> usize {
        channel % 2 * lanes + channel / 2
    }
}

/// The bits of the bf16 next to each number, of two the even one, in the upper halves.
#[inline(always)]
fn rounded<S: Simd>(simd: S, x: S::f32s) -> S::u32s {
    let bits = simd.transmute_u32s_f32s(x);
    let even = simd.and_u32s(simd.wrapping_dyn_shr_u32s(bits, simd.splat_u32s(16)), simd.splat_u32s(1));
    let rounded = simd.add_u32s(bits, simd.add_u32s(even, simd.splat_u32s(0x7fff)));
    // Rounding could carry the last bit of what is no number up into infinity.
    let no_number = simd.or_u32s(bits, simd.splat_u32s(0x0040_0000));
    simd.select_u32s(simd.equal_f32s(x, x), rounded, no_number)
}

/// One value for each channel as pairs of vectors.
pub(super) fn by_pairs<S: Simd, N: Numbers>(values: &[f32]) -> Vec<Pair<S>> {
    let pair = 2 * S::F32_LANES;
    let mut placed = vec![0.0; values.len()];
    for (placed, values) in placed.chunks_exact_mut(pair).zip(values.chunks_exact(pair)) {
        values.iter().enumerate().for_each(|(channel, &value)| placed[N::lane(channel, pair / 2)] = value);
    }
    S::as_simd_f32s(&placed).0.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect()
}

/// Adds the values of a pair to those of the channels that it is of.
#[inline(always)]
pub(super) fn add_to<S: Simd, N: Numbers>(pair: Pair<S>, sums: &mut [f64]) {
    let values: &[f32] = bytemuck::cast_slice(&pair);
    for (channel, sum) in sums.iter_mut().enumerate() {
        *sum += f64::from(values[N::lane(channel, S::F32_LANES)]);
    }
}

#[inline(always)]
pub(super) fn sum<S: Simd>(simd: S, x: Pair<S>, y: Pair<S>) -> Pair<S> {
    [simd.add_f32s(x[0], y[0]), simd.add_f32s(x[1], y[1])]
}

#[inline(always)]
pub(super) fn difference<S: Simd>(simd: S, x: Pair<S>, y: Pair<S>) -> Pair<S> {
    [simd.sub_f32s(x[0], y[0]), simd.sub_f32s(x[1], y[1])]
}

#[inline(always)]
pub(super) fn product<S: Simd>(simd: S, x: Pair<S>, y: Pair<S>) -> Pair<S> {
    [simd.mul_f32s(x[0], y[0]), simd.mul_f32s(x[1], y[1])]
}

/// x · `scale` + `shift`.
#[inline(always)]
pub(super) fn scaled<S: Simd>(simd: S, x: Pair<S>, scale: Pair<S>, shift: Pair<S>) -> Pair<S> {
    sum(simd, product(simd, x, scale), shift)
}

/// The largest of some numbers in each lane.
#[derive(Clone, Copy)]
pub(super) struct Largest<S: Simd> {
    /// What they were before they were scaled and shifted, of equal ones the first.
    pub(super) from: Pair<S>,
    pub(super) value: Pair<S>,
}

impl<S: Simd> Largest<S> {
    /// Of `from` alone, which became `value`.
    #[inline(always)]
    pub(super) fn of(from: Pair<S>, value: Pair<S>) -> Self {
        Self { from, value }
    }

    /// Of those and of `from`, which became `value`.
    #[inline(always)]
    pub(super) fn or(self, simd: S, from: Pair<S>, value: Pair<S>) -> Self {
        let larger = [
            simd.greater_than_f32s(value[0], self.value[0]),
            simd.greater_than_f32s(value[1], self.value[1]),
        ];
        Self { from: select(simd, larger, from, self.from), value: select(simd, larger, value, self.value) }
    }
}

/// `value` where `condition` is above 0 or no number, and else 0.
#[inline(always)]
pub(super) fn where_above_zero<S: Simd>(simd: S, condition: Pair<S>, value: Pair<S>) -> Pair<S> {
    let zero = simd.splat_f32s(0.0);
    let below =
        [simd.less_than_or_equal_f32s(condition[0], zero), simd.less_than_or_equal_f32s(condition[1], zero)];
    select(simd, below, [zero; 2], value)
}

#[inline(always)]
fn select<S: Simd>(simd: S, mask: [S::m32s; 2], one: Pair<S>, other: Pair<S>) -> Pair<S> {
    [simd.select_f32s(mask[0], one[0], other[0]), simd.select_f32s(mask[1], one[1], other[1])]
}

/// Moves what is `left` in each lane in which x is equal to y: gives that, and leaves 0.
#[inline(always)]
pub(super) fn take_where_equal<S: Simd>(simd: S, x: Pair<S>, y: Pair<S>, left: &mut Pair<S>) -> Pair<S> {
    let zero = simd.splat_f32s(0.0);
    let equal = [simd.equal_f32s(x[0], y[0]), simd.equal_f32s(x[1], y[1])];
    let taken = select(simd, equal, *left, [zero; 2]);
    *left = select(simd, equal, [zero; 2], *left);
    taken
}

#[cfg(test)]
mod tests {
    use ser_core::vectorised::{WithSimd, vectorised};
    use ser_torch::words;
    use tch::{Kind, Tensor};

    use super::*;

    /// Loads words and stores them as they are.
    struct Copy<'a, N>(&'a [N], &'a mut [N]);

    impl<N: Numbers> WithSimd for Copy<'_, N> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let (from, to) = (N::vectors::<S>(self.0), N::vectors_mut::<S>(self.1));
            for (from, to) in from.chunks_exact(N::VECTORS).zip(to.chunks_exact_mut(N::VECTORS)) {
                N::store(simd, N::load(simd, from), to);
            }
        }
    }

    #[test]
    fn what_is_loaded_and_stored_is_the_same() {
        let numbers: Vec<f32> = (0..64u8).map(|n| f32::from(n) - 20.0).collect();
        let mut copy = vec![0.0; 64];
        vectorised(Copy(&numbers, &mut copy));
        assert_eq!(copy, numbers);
        let pairs: Vec<u32> = (0..64u32).map(|n| (0x3f80 + n) << 16 | (0xc000 + n)).collect();
        let mut copy = vec![0; 64];
        vectorised(Copy(&pairs, &mut copy));
        assert_eq!(copy, pairs);
    }

    /// Rounds numbers to bf16.
    struct Round<'a>(&'a [f32], &'a mut [u32]);

    impl WithSimd for Round<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let to = <u32 as Numbers>::vectors_mut::<S>(self.1);
            for (pair, to) in by_pairs::<S, u32>(self.0).into_iter().zip(to.chunks_exact_mut(1)) {
                <u32 as Numbers>::store(simd, pair, to);
            }
        }
    }

    #[test]
    fn rounding_is_that_of_libtorch() {
        let mut values: Vec<f32> =
            (0..100_000u32).map(|n| f32::from_bits(n.wrapping_mul(2_654_435_761))).collect();
        values.extend([
            0.0,
            -0.0,
            f32::MAX,
            f32::MIN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MIN_POSITIVE,
            1e-45,
        ]);
        values.extend([f32::NAN, f32::from_bits(0x7f80_0001), f32::from_bits(0xffff_ffff)]);
        values.resize(values.len().next_multiple_of(GROUP), 0.0);
        let mut ours = vec![0u32; values.len() / 2];
        vectorised(Round(&values, &mut ours));
        let theirs = Tensor::from_slice(&values).to_kind(Kind::BFloat16);
        let halves = |words: &[u32]| -> Vec<u32> {
            words.iter().flat_map(|word| [word << 16, word & 0xffff_0000]).collect()
        };
        let theirs = halves(words(&theirs).unwrap());
        for ((value, ours), theirs) in values.iter().zip(halves(&ours)).zip(theirs) {
            let both_none = f32::from_bits(ours).is_nan() && f32::from_bits(theirs).is_nan();
            assert!(ours == theirs || both_none, "{value:e}: {ours:x} {theirs:x}");
            assert_eq!(f32::from_bits(ours).is_nan(), value.is_nan());
        }
    }
}
