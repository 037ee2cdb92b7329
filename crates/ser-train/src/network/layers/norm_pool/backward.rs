//! Gradients of normalisation and pooling.
//!
//! Which number of a window was the largest is found out again from the image: that takes less time than reading it from a
//! tensor of its own.

use ser_core::vectorised::{Simd, WithSimd, vectorised};

use super::forward::Window;
use super::image::{Affine, Sizes, Vectors, VectorsMut};
use super::lanes::{
    Numbers, Pair, add_to, by_pairs, difference, product, scaled, sum, take_where_equal, where_above_zero,
};

/// Sums over the windows of images, by channel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sums {
    /// Of the gradients.
    pub(super) gradient: Vec<f64>,
    /// Of the gradients, each times the difference from the mean of the number that it goes to.
    pub(super) with_difference: Vec<f64>,
}

impl Sums {
    pub(super) fn none(channels: usize) -> Self {
        Self { gradient: vec![0.0; channels], with_difference: vec![0.0; channels] }
    }

    /// Those of an image, of which the first `real` rows count, for the gradients of the pooled image; `mean` is that of each
    /// channel.
    pub(super) fn of<N: Numbers>(
        image: &[N],
        real: usize,
        sizes: Sizes,
        affine: &Affine,
        mean: &[f32],
        gradient: &[N],
    ) -> Self {
        let mut sums = Self::none(sizes.channels);
        vectorised(Sum { image, real, sizes, affine, mean, gradient, sums: &mut sums });
        sums
    }

    /// As numbers one after the other, for the way to another rank.
    pub(super) fn to_numbers(&self) -> Vec<f64> {
        [self.gradient.as_slice(), &self.with_difference].concat()
    }

    /// Those of `numbers`.
    pub(super) fn from_numbers(numbers: &[f64]) -> Self {
        let (gradient, with_difference) = numbers.split_at(numbers.len() / 2);
        Self { gradient: gradient.to_vec(), with_difference: with_difference.to_vec() }
    }

    pub(super) fn and(mut self, other: &Self) -> Self {
        let pairs = self.gradient.iter_mut().zip(&other.gradient);
        pairs.for_each(|(sum, other)| *sum += other);
        let pairs = self.with_difference.iter_mut().zip(&other.with_difference);
        pairs.for_each(|(sum, other)| *sum += other);
        self
    }
}

struct Sum<'a, N> {
    image: &'a [N],
    real: usize,
    sizes: Sizes,
    affine: &'a Affine,
    mean: &'a [f32],
    gradient: &'a [N],
    sums: &'a mut Sums,
}

impl<N: Numbers> WithSimd for Sum<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { image, real, sizes, affine, mean, gradient, sums } = self;
        let [rows, columns] = sizes.pooled();
        let pairs = sizes.pairs::<S>();
        let (scale, shift) = (by_pairs::<S, N>(&affine.scale), by_pairs::<S, N>(&affine.shift));
        let mean = by_pairs::<S, N>(mean);
        let image = Vectors::<N, S>::new(simd, image, sizes.columns, pairs);
        let gradient = Vectors::<N, S>::new(simd, gradient, columns, pairs);
        for row in 0..rows {
            let real = sizes.real_rows(row, real);
            if real == 0 {
                break;
            }
            for pair in 0..pairs {
                let (scale, shift, mean) = (scale[pair], shift[pair], mean[pair]);
                let (mut total, mut with_difference) = ([simd.splat_f32s(0.0); 2], [simd.splat_f32s(0.0); 2]);
                for column in 0..columns {
                    let window = Window { image: &image, row, column, real, sizes };
                    let best = window.largest(simd, pair, scale, shift);
                    let flowing = through_relu(simd, gradient.get(row, column, pair), best.value);
                    total = sum(simd, total, flowing);
                    let apart = difference(simd, best.from, mean);
                    with_difference = scaled(simd, flowing, apart, with_difference);
                }
                let channels = pair * 2 * S::F32_LANES..(pair + 1) * 2 * S::F32_LANES;
                add_to::<S, N>(total, &mut sums.gradient[channels.clone()]);
                add_to::<S, N>(with_difference, &mut sums.with_difference[channels]);
            }
        }
    }
}

/// What takes the gradients of a pooled image to those of the image: that of number x is `scale` · (its share of the pooled
/// gradients) + (x · `slope` + `level`), by channel, where `scale` is that of the way forward.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) slope: Vec<f32>,
    pub(super) level: Vec<f32>,
}

/// Sets `into` to the gradients of the numbers of an image, of which the first `real` rows count; the others have none.
pub(super) fn spread<N: Numbers>(
    image: &[N],
    real: usize,
    sizes: Sizes,
    affine: &Affine,
    linear: &Linear,
    gradient: &[N],
    into: &mut [N],
) {
    into[real * sizes.columns * sizes.channels / N::NUMBERS..].fill(N::ZERO);
    vectorised(Spread { image, real, sizes, affine, linear, gradient, into });
}

struct Spread<'a, N> {
    image: &'a [N],
    real: usize,
    sizes: Sizes,
    affine: &'a Affine,
    linear: &'a Linear,
    gradient: &'a [N],
    into: &'a mut [N],
}

impl<N: Numbers> WithSimd for Spread<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { image, real: real_rows, sizes, affine, linear, gradient, into } = self;
        let [rows, columns] = sizes.pooled();
        let pairs = sizes.pairs::<S>();
        let (scale, shift) = (by_pairs::<S, N>(&affine.scale), by_pairs::<S, N>(&affine.shift));
        let (slope, level) = (by_pairs::<S, N>(&linear.slope), by_pairs::<S, N>(&linear.level));
        let image = Vectors::<N, S>::new(simd, image, sizes.columns, pairs);
        let gradient = Vectors::<N, S>::new(simd, gradient, columns, pairs);
        let mut into = VectorsMut::<N, S>::new(simd, into, sizes.columns, pairs);
        for row in 0..rows {
            let real = sizes.real_rows(row, real_rows);
            if real == 0 {
                break;
            }
            for column in 0..columns {
                let window = Window { image: &image, row, column, real, sizes };
                for pair in 0..pairs {
                    let (scale, shift, slope, level) = (scale[pair], shift[pair], slope[pair], level[pair]);
                    let best = window.largest(simd, pair, scale, shift);
                    let flowing = through_relu(simd, gradient.get(row, column, pair), best.value);
                    let mut left = product(simd, flowing, scale);
                    for row in 0..real {
                        for column in 0..sizes.window[1] {
                            let [row, column] = window.place(row, column);
                            let x = image.get(row, column, pair);
                            // The first that is equal to what became the largest is that one.
                            let own = take_where_equal(simd, x, best.from, &mut left);
                            into.set(row, column, pair, sum(simd, own, scaled(simd, x, slope, level)));
                        }
                    }
                }
            }
        }
        // What is in no window: the loss depends on it through mean and variance alone.
        for row in 0..real_rows {
            let in_windows = if row / sizes.window[0] < rows { columns * sizes.window[1] } else { 0 };
            for column in in_windows..sizes.columns {
                for pair in 0..pairs {
                    let x = image.get(row, column, pair);
                    into.set(row, column, pair, scaled(simd, x, slope[pair], level[pair]));
                }
            }
        }
    }
}

/// Nothing flows back to what ReLU has made 0; through what is no number it flows, as libtorch has it.
#[inline(always)]
fn through_relu<S: Simd>(simd: S, gradient: Pair<S>, value: Pair<S>) -> Pair<S> {
    where_above_zero(simd, value, gradient)
}
