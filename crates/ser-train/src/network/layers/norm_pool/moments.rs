//! Mean and variance of each channel over the real rows of all images.

use ser_core::vectorised::{Simd, WithSimd, vectorised};

use super::image::{Sizes, Vectors};
use super::lanes::{Numbers, add_to, difference, scaled, sum};

/// Mean and sum of squared differences from it, of each channel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moments {
    /// Of how many numbers.
    pub(super) count: f64,
    pub(super) mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    pub(super) fn none(channels: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; channels], squares: vec![0.0; channels] }
    }

    /// Those of the first `real` rows of an image.
    pub(super) fn of<N: Numbers>(image: &[N], real: usize, sizes: Sizes) -> Self {
        let mut moments = Self::none(sizes.channels);
        vectorised(Take { image, real, sizes, moments: &mut moments });
        moments
    }

    /// Those of both (T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    /// variances", Technical Report STAN-CS-79-773, 1979).
    pub(super) fn and(mut self, other: &Self) -> Self {
        let count = self.count + other.count;
        if count == 0.0 {
            return self;
        }
        for (channel, mean) in self.mean.iter_mut().enumerate() {
            let apart = other.mean[channel] - *mean;
            *mean += apart * other.count / count;
            self.squares[channel] +=
                other.squares[channel] + apart * apart * self.count * other.count / count;
        }
        self.count = count;
        self
    }

    /// As numbers one after the other, for the way to another rank.
    pub(super) fn to_numbers(&self) -> Vec<f64> {
        [&[self.count], self.mean.as_slice(), &self.squares].concat()
    }

    /// Those of `numbers` of as many channels as there are means.
    pub(super) fn from_numbers(numbers: &[f64]) -> Self {
        let (count, rest) = numbers.split_first().unwrap_or((&0.0, &[]));
        let (mean, squares) = rest.split_at(rest.len() / 2);
        Self { count: *count, mean: mean.to_vec(), squares: squares.to_vec() }
    }

    /// The variance of each channel, in which the squares are divided by their number.
    pub(super) fn variance(&self) -> impl Iterator<Item = f64> {
        self.squares.iter().map(|squares| squares / self.count)
    }
}

struct Take<'a, N> {
    image: &'a [N],
    real: usize,
    sizes: Sizes,
    moments: &'a mut Moments,
}

impl<N: Numbers> WithSimd for Take<'_, N> {
    type Output = ();

    /// Sums of the differences from the first number, which is near enough to the mean that little is lost: of a row in f32, of
    /// all rows in f64.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { image, real, sizes, moments } = self;
        let count = (real * sizes.columns) as f64;
        moments.count = count;
        if count == 0.0 {
            return;
        }
        let pairs = sizes.pairs::<S>();
        let image = Vectors::<N, S>::new(simd, image, sizes.columns, pairs);
        for row in 0..real {
            for pair in 0..pairs {
                let first = image.get(0, 0, pair);
                let (mut total, mut squares) = ([simd.splat_f32s(0.0); 2], [simd.splat_f32s(0.0); 2]);
                for column in 0..sizes.columns {
                    let x = image.get(row, column, pair);
                    let apart = difference(simd, x, first);
                    total = sum(simd, total, apart);
                    squares = scaled(simd, apart, apart, squares);
                }
                let channels = pair * 2 * S::F32_LANES..(pair + 1) * 2 * S::F32_LANES;
                add_to::<S, N>(total, &mut moments.mean[channels.clone()]);
                add_to::<S, N>(squares, &mut moments.squares[channels]);
            }
        }
        for pair in 0..pairs {
            let channels = pair * 2 * S::F32_LANES..(pair + 1) * 2 * S::F32_LANES;
            let (sums, squares) = (&mut moments.mean[channels.clone()], &mut moments.squares[channels]);
            for (sum, squares) in sums.iter_mut().zip(squares) {
                let apart = *sum / count;
                // Rounding must not make it negative; what is no number stays so.
                let left = *squares - *sum * apart;
                *squares = if left < 0.0 { 0.0 } else { left };
                *sum = apart;
            }
            add_to::<S, N>(image.get(0, 0, pair), sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { rows: 5, columns: 7, channels: 32, window: [2, 2] };

    fn image(offset: f32) -> Vec<f32> {
        (0..SIZES.words::<f32>()).map(|n| offset + ((n * n) as f32 * 0.37).sin()).collect()
    }

    /// In f64, by the definition.
    fn by_definition(images: &[(&[f32], usize)], channel: usize) -> (f64, f64) {
        let values: Vec<f64> = images
            .iter()
            .flat_map(|(image, real)| {
                let row = SIZES.columns * SIZES.channels;
                image[..real * row].iter().skip(channel).step_by(SIZES.channels).map(|&x| f64::from(x))
            })
            .collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64)
    }

    #[test]
    fn they_are_mean_and_variance_of_the_real_rows_of_all_images() {
        let (near, far) = (image(0.0), image(1_000.0));
        let all = [(near.as_slice(), 5), (far.as_slice(), 2), (near.as_slice(), 0)];
        let moments = all
            .iter()
            .map(|(image, real)| Moments::of(image, *real, SIZES))
            .fold(Moments::none(SIZES.channels), |all, one| all.and(&one));
        assert_eq!(moments.count, 49.0);
        assert_eq!(Moments::from_numbers(&moments.to_numbers()), moments);
        for (channel, variance) in moments.variance().enumerate() {
            let (mean, expected) = by_definition(&all, channel);
            assert!(
                (moments.mean[channel] - mean).abs() < 1e-4,
                "{channel}: {} {mean}",
                moments.mean[channel]
            );
            assert!((variance - expected).abs() < 1e-5 * expected, "{channel}: {variance} {expected}");
        }
    }

    #[test]
    fn little_is_lost_far_from_zero() {
        let far = image(1_000.0);
        let moments = Moments::of(&far, 5, SIZES);
        for (channel, variance) in moments.variance().enumerate() {
            let (_, expected) = by_definition(&[(&far, 5)], channel);
            assert!((variance - expected).abs() < 1e-5 * expected, "{channel}: {variance} {expected}");
        }
    }

    #[test]
    fn what_is_no_number_is_not_hidden() {
        let mut image = image(0.0);
        image[(3 * SIZES.columns + 4) * SIZES.channels + 17] = f32::NAN;
        let moments = Moments::of(&image, 5, SIZES);
        let variance: Vec<f64> = moments.variance().collect();
        assert!(moments.mean[17].is_nan() && variance[17].is_nan());
        assert!(moments.mean[16].is_finite() && variance[16].is_finite());
        assert!(Moments::of(&image, 3, SIZES).mean[17].is_finite());
    }
}
