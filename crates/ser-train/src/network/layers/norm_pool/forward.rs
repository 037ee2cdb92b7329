//! The normalised, pooled image.

use ser_core::vectorised::{Simd, WithSimd, vectorised};

use super::image::{Affine, Sizes, Vectors, VectorsMut};
use super::lanes::{Largest, Numbers, Pair, by_pairs, scaled, where_above_zero};

/// Sets `pooled` to the largest normalised number of each window of `image`, of which the first `real` rows count. Windows of
/// none of them are 0.
pub(super) fn pool<N: Numbers>(image: &[N], real: usize, sizes: Sizes, affine: &Affine, pooled: &mut [N]) {
    vectorised(Pool { image, real, sizes, affine, pooled });
}

struct Pool<'a, N> {
    image: &'a [N],
    real: usize,
    sizes: Sizes,
    affine: &'a Affine,
    pooled: &'a mut [N],
}

impl<N: Numbers> WithSimd for Pool<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { image, real, sizes, affine, pooled } = self;
        let [rows, columns] = sizes.pooled();
        let pairs = sizes.pairs::<S>();
        let (scale, shift) = (by_pairs::<S, N>(&affine.scale), by_pairs::<S, N>(&affine.shift));
        let image = Vectors::<N, S>::new(simd, image, sizes.columns, pairs);
        let mut pooled = VectorsMut::<N, S>::new(simd, pooled, columns, pairs);
        for row in 0..rows {
            let real = sizes.real_rows(row, real);
            for column in 0..columns {
                for pair in 0..pairs {
                    let window = Window { image: &image, row, column, real, sizes };
                    let best = match real {
                        0 => [simd.splat_f32s(0.0); 2],
                        _ => window.largest(simd, pair, scale[pair], shift[pair]).value,
                    };
                    pooled.set(row, column, pair, where_above_zero(simd, best, best));
                }
            }
        }
    }
}

/// The window that becomes the place `row`, `column` of the pooled image, of which `real` rows count.
#[derive(Clone, Copy)]
pub(super) struct Window<'a, N: Numbers, S: Simd> {
    pub(super) image: &'a Vectors<'a, N, S>,
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) real: usize,
    pub(super) sizes: Sizes,
}

impl<N: Numbers, S: Simd> Window<'_, N, S> {
    /// Where in the image its place `row`, `column` is.
    #[inline(always)]
    pub(super) fn place(&self, row: usize, column: usize) -> [usize; 2] {
        [self.row * self.sizes.window[0] + row, self.column * self.sizes.window[1] + column]
    }

    /// The largest of its numbers x · `scale` + `shift`, of the channels of pair number `pair`. At least one row must count.
    ///
    /// If a number of a channel is none, so are mean and variance, and with them all numbers of that channel.
    #[inline(always)]
    pub(super) fn largest(&self, simd: S, pair: usize, scale: Pair<S>, shift: Pair<S>) -> Largest<S> {
        let [row, column] = self.place(0, 0);
        let first = self.image.get(row, column, pair);
        let mut best = Largest::of(first, scaled(simd, first, scale, shift));
        for row in 0..self.real {
            // The first place has had its turn.
            for column in usize::from(row == 0)..self.sizes.window[1] {
                let [row, column] = self.place(row, column);
                let x = self.image.get(row, column, pair);
                best = best.or(simd, x, scaled(simd, x, scale, shift));
            }
        }
        best
    }
}
