//! Batch normalisation, pooling and ReLU in one pass over memory each way.
//!
//! Done one after the other they read and write an image, the largest tensors of a step, a dozen times; all of them wait for
//! memory and not for arithmetic. Here the way forward reads the image twice and writes what is pooled, and the way back reads it
//! twice and writes its gradients. Sums are the same for any number of threads: an image's in a fixed order, then those of all
//! images in theirs.

mod backward;
mod forward;
mod image;
mod lanes;
mod moments;

use ser_distributed::Connection;
use ser_torch::{filled, for_each_chunk_in_parallel, map_in_parallel, operation, words};
use tch::{Kind, Tensor};

use self::backward::{Linear, Sums};
use self::image::{Affine, Sizes};
use self::lanes::{GROUP, Numbers};
use self::moments::Moments;
use super::Lengths;
use ser_torch::Result;

/// What normalisation adds to variances; PyTorch's own.
pub(super) const EPSILON: f64 = 1e-5;

/// What follows normalisation: the largest of each window of so many rows and columns, and then ReLU. The order makes no
/// difference, since ReLU is monotone; pooling first leaves ReLU less to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolAndRelu(pub(super) [i64; 2]);

impl PoolAndRelu {
    /// It alone, in evaluation, over the whole of `x` `[B, channel, row, column]`.
    pub(super) fn over_all(self, x: &Tensor) -> Result<Tensor> {
        if can(x, None) { pool(x, None, self) } else { self.of(x) }
    }

    /// The same over the rows that are real by `lengths`; the others become zero.
    pub(super) fn over_real(self, x: &Tensor, lengths: &Lengths) -> Result<Tensor> {
        if can(x, Some(lengths)) {
            return pool(x, Some(lengths), self);
        }
        let real = lengths.is_real()?.f_to_kind(x.kind())?;
        self.of(&x.f_mul(&real.f_unsqueeze(1)?.f_unsqueeze(3)?)?)
    }

    /// It alone, by operations of libtorch.
    pub(super) fn of(self, x: &Tensor) -> Result<Tensor> {
        let Self(window) = self;
        Ok(x.f_max_pool2d(window, window, [0, 0], [1, 1], false)?.f_relu()?)
    }
}

/// The other ranks, where mean and variance are those of what all of them hold.
#[derive(Debug, Clone)]
pub(super) struct Others {
    pub(super) connection: Connection,
    /// Whether what this rank holds counts. If not, nothing of it is real.
    pub(super) counts: bool,
}

/// What was seen of each channel, `[channel]`.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) mean: Tensor,
    /// Squares divided by their number less one.
    pub(super) variance: Tensor,
}

/// Whether [`norm_pool`] can do it: [what it knows](knows), and more than one number of each channel.
pub(super) fn can(x: &Tensor, lengths: Option<&Lengths>) -> bool {
    let size = x.size();
    let rows: i64 = match lengths {
        None => size[0] * size[2],
        Some(lengths) => lengths.real().iter().sum(),
    };
    knows(x) && rows * size[3] > 1
}

/// Whether `x` is on libtorch's threads, and has numbers that are known and channels that fill vectors.
pub(super) fn knows(x: &Tensor) -> bool {
    let size = x.size();
    matches!(x.kind(), Kind::Float | Kind::BFloat16)
        && x.device() == tch::Device::Cpu
        && ser_torch::has_threads()
        && size[1] > 0
        && size[1] % GROUP as i64 == 0
}

/// Normalises `x` `[B, channel, row, column]` by mean and variance of each channel over the rows that are real by `lengths` (all,
/// if there are none), scales by `weight` and shifts by `bias`, both `[channel]` in f32, and lets `after` follow. Rows that are
/// not real have no part in it: windows without a real row are 0. With `others`, mean and variance are those of all that the
/// ranks hold, which come here together, and once more on the way back.
///
/// # Errors
/// When shapes disagree, memory is short, or a rank is gone.
pub(super) fn norm_pool(
    x: &Tensor,
    [weight, bias]: [&Tensor; 2],
    lengths: Option<&Lengths>,
    after: PoolAndRelu,
    others: Option<Others>,
) -> Result<(Tensor, Seen)> {
    let x = x.f_permute([0, 2, 3, 1])?.f_contiguous()?; // [B, row, column, channel]
    let (pooled, seen) = match x.kind() {
        Kind::BFloat16 => compute::<u32>(&x, [weight, bias], lengths, after, others)?,
        _ => compute::<f32>(&x, [weight, bias], lengths, after, others)?,
    };
    Ok((pooled.f_permute([0, 3, 1, 2])?, seen))
}

/// Lets `after` follow on `x` `[B, channel, row, column]`, of which the rows that are real by `lengths` count (all, if there are
/// none), as in [`norm_pool`]. No gradients flow back.
///
/// # Errors
/// When memory is short.
pub(super) fn pool(x: &Tensor, lengths: Option<&Lengths>, after: PoolAndRelu) -> Result<Tensor> {
    let x = x.f_detach()?.f_permute([0, 2, 3, 1])?.f_contiguous()?; // [B, row, column, channel]
    let (batch, _, _, channels) = x.size4()?;
    let sizes = sizes_of(&x, after)?;
    let real = real_rows(lengths, batch, sizes);
    let [scale, shift] = [1.0, 0.0].map(|value| vec![value; channels as usize]);
    let affine = Affine { scale, shift };
    let pooled = match x.kind() {
        Kind::BFloat16 => pooled::<u32>(&x, &real, sizes, &affine)?,
        _ => pooled::<f32>(&x, &real, sizes, &affine)?,
    };
    Ok(pooled.f_permute([0, 3, 1, 2])?)
}

/// The sizes of `x` `[B, row, column, channel]` and of what is pooled.
fn sizes_of(x: &Tensor, after: PoolAndRelu) -> Result<Sizes> {
    let (_, rows, columns, channels) = x.size4()?;
    let [rows, columns, channels] = [rows, columns, channels].map(|size| size as usize);
    Ok(Sizes { rows, columns, channels, window: after.0.map(|size| size as usize) })
}

/// How many rows of each image are real.
fn real_rows(lengths: Option<&Lengths>, batch: i64, sizes: Sizes) -> Vec<usize> {
    match lengths {
        None => vec![sizes.rows; batch as usize],
        Some(lengths) => lengths.real().iter().map(|&real| (real as usize).min(sizes.rows)).collect(),
    }
}

/// The normalised, pooled images of `x`, `[B, row, column, channel]` both.
fn pooled<N: Numbers>(x: &Tensor, real: &[usize], sizes: Sizes, affine: &Affine) -> Result<Tensor> {
    let images: Vec<&[N]> = words::<N>(x)?.chunks_exact(sizes.words::<N>()).collect();
    let [rows, columns] = sizes.pooled();
    let shape = [images.len(), rows, columns, sizes.channels].map(|size| size as i64);
    filled::<N>(&shape, |pooled| {
        for_each_chunk_in_parallel(pooled, sizes.pooled_words::<N>(), |at, pooled| {
            forward::pool(images[at], real[at], sizes, affine, pooled);
        });
        Ok(())
    })
}

/// [`norm_pool`] of `x` `[B, row, column, channel]`.
fn compute<N: Numbers>(
    x: &Tensor,
    [weight, bias]: [&Tensor; 2],
    lengths: Option<&Lengths>,
    after: PoolAndRelu,
    others: Option<Others>,
) -> Result<(Tensor, Seen)> {
    let sizes = sizes_of(x, after)?;
    let mut real = real_rows(lengths, x.size()[0], sizes);
    if others.as_ref().is_some_and(|others| !others.counts) {
        real.fill(0);
    }
    let kept = x.f_detach()?;
    let (scale, shift) = (weight.f_detach()?.f_contiguous()?, bias.f_detach()?.f_contiguous()?);
    let images: Vec<&[N]> = words::<N>(&kept)?.chunks_exact(sizes.words::<N>()).collect();
    let moments = map_in_parallel(0..images.len(), |at| Moments::of(images[at], real[at], sizes));
    let mut moments = moments.iter().fold(Moments::none(sizes.channels), Moments::and);
    if let Some(others) = &others {
        let of_all = others.connection.numbers_of_all(&moments.to_numbers())?;
        let of_all = of_all.iter().map(|numbers| Moments::from_numbers(numbers));
        moments = of_all.fold(Moments::none(sizes.channels), |all, of_rank| all.and(&of_rank));
    }
    let (normalisation, seen) = Normalisation::new(&moments, words(&scale)?, words(&shift)?)?;
    let pooled = tch::no_grad(|| pooled::<N>(&kept, &real, sizes, &normalisation.affine))?;
    drop(images);
    let pooled = operation(&[x, weight, bias], pooled, move |gradient| {
        normalisation.backward::<N>(&kept, &real, sizes, gradient, others.as_ref()).map(Vec::from)
    })?;
    Ok((pooled, seen))
}

/// How the numbers of each channel were normalised.
#[derive(Debug)]
struct Normalisation {
    /// Of how many numbers mean and variance are.
    count: f64,
    mean: Vec<f32>,
    /// 1 / √(variance + ε)
    inverse_deviation: Vec<f64>,
    affine: Affine,
}

impl Normalisation {
    /// By `moments`, then scaled by `weight` and shifted by `bias`.
    fn new(moments: &Moments, weight: &[f32], bias: &[f32]) -> Result<(Self, Seen)> {
        let count = moments.count;
        let variance: Vec<f64> = moments.variance().collect();
        let inverse_deviation: Vec<f64> =
            variance.iter().map(|variance| 1.0 / (variance + EPSILON).sqrt()).collect();
        let scale: Vec<f64> = inverse_deviation
            .iter()
            .zip(weight)
            .map(|(inverse, &weight)| inverse * f64::from(weight))
            .collect();
        let shift = moments.mean.iter().zip(&scale).zip(bias);
        let shift = shift.map(|((mean, scale), &bias)| (f64::from(bias) - mean * scale) as f32).collect();
        let affine = Affine { scale: in_f32(scale), shift };
        let mean = in_f32(moments.mean.iter().copied());
        let unbiased = in_f32(variance.iter().map(|variance| variance * count / (count - 1.0).max(1.0)));
        let seen = Seen { mean: Tensor::f_from_slice(&mean)?, variance: Tensor::f_from_slice(&unbiased)? };
        Ok((Self { count, mean, inverse_deviation, affine }, seen))
    }

    /// The gradients of the images, of the weight and of the bias, from those of what was pooled.
    ///
    /// With x̂ = (x − mean) · i, where i is the inverse of the deviation, and g what flows back to a number, those are
    /// weight · i · (g − Σg / n − x̂ · Σg·x̂ / n), Σg·x̂ and Σg (Ioffe & Szegedy, 2015, section 3). Where there are others, the
    /// first has the sums over all ranks, and the other two are this rank's own.
    fn backward<N: Numbers>(
        &self,
        kept: &Tensor,
        real: &[usize],
        sizes: Sizes,
        gradient: &Tensor,
        others: Option<&Others>,
    ) -> Result<[Option<Tensor>; 3]> {
        let gradient = gradient.f_to_kind(N::KIND)?.f_contiguous()?;
        let images: Vec<&[N]> = words::<N>(kept)?.chunks_exact(sizes.words::<N>()).collect();
        let pooled = sizes.pooled_words::<N>();
        let gradients = words::<N>(&gradient)?;
        let gradients: Vec<&[N]> =
            (0..images.len()).map(|at| &gradients[at * pooled..(at + 1) * pooled]).collect();
        let affine = &self.affine;
        let sums = map_in_parallel(0..images.len(), |at| {
            Sums::of(images[at], real[at], sizes, affine, &self.mean, gradients[at])
        });
        let own = sums.iter().fold(Sums::none(sizes.channels), Sums::and);
        let all = match others {
            None => own.clone(),
            Some(others) => {
                let of_all = others.connection.numbers_of_all(&own.to_numbers())?;
                let of_all = of_all.iter().map(|numbers| Sums::from_numbers(numbers));
                of_all.fold(Sums::none(sizes.channels), |all, of_rank| all.and(&of_rank))
            }
        };

        let (mut slope, mut level) = (Vec::new(), Vec::new());
        for (channel, inverse) in self.inverse_deviation.iter().enumerate() {
            let scale = f64::from(affine.scale[channel]);
            let of_x = scale * inverse * all.with_difference[channel] * inverse / self.count;
            slope.push(-of_x as f32);
            let constant = scale * all.gradient[channel] / self.count;
            level.push((f64::from(self.mean[channel]) * of_x - constant) as f32);
        }
        let linear = Linear { slope, level };
        let of_images = filled::<N>(&kept.size(), |into| {
            for_each_chunk_in_parallel(into, sizes.words::<N>(), |at, into| {
                backward::spread(images[at], real[at], sizes, affine, &linear, gradients[at], into);
            });
            Ok(())
        })?;
        let with_normalised = own.with_difference.iter().zip(&self.inverse_deviation);
        let with_normalised = in_f32(with_normalised.map(|(sum, inverse)| sum * inverse));
        let of_weight = Tensor::f_from_slice(&with_normalised)?;
        let of_bias = Tensor::f_from_slice(&in_f32(own.gradient))?;
        Ok([Some(of_images), Some(of_weight), Some(of_bias)])
    }
}

fn in_f32(values: impl IntoIterator<Item = f64>) -> Vec<f32> {
    values.into_iter().map(|value| value as f32).collect()
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    /// Values of about `deviation` around `mean`, the same ones each time.
    fn image(size: [i64; 4], mean: f64, deviation: f64, kind: Kind) -> Tensor {
        let count: i64 = size.iter().product();
        let values = Tensor::arange(count, (Kind::Double, Device::Cpu));
        let values = (values.square() * 0.37).sin() * deviation + mean;
        values.view(size).to_kind(kind)
    }

    fn leaf(tensor: &Tensor) -> Tensor {
        tensor.copy().set_requires_grad(true)
    }

    /// What an implementation gives for the same input: the output, mean and variance, and the gradients of input, weight and
    /// bias of a sum in which every output weighs differently.
    fn through(
        x: &Tensor,
        weights: [&Tensor; 2],
        run: impl Fn(&Tensor, [&Tensor; 2]) -> (Tensor, Tensor, Tensor),
    ) -> [Tensor; 6] {
        let x = leaf(x);
        let [weight, bias] = weights.map(leaf);
        let (y, mean, variance) = run(&x, [&weight, &bias]);
        let size = <[i64; 4]>::try_from(y.size()).unwrap();
        // Not as the input is, of which nothing would flow back through the normalisation.
        let weighed = &y * image(size, 0.1, 1.0, y.kind()).flip([0, 1, 2, 3]);
        weighed.sum(Kind::Float).backward();
        [y.detach(), mean, variance, x.grad(), weight.grad(), bias.grad()]
    }

    /// By operations of libtorch in f64, over the real rows alone.
    fn by_libtorch(
        x: &Tensor,
        [weight, bias]: [&Tensor; 2],
        real: &[i64],
        after: PoolAndRelu,
    ) -> (Tensor, Tensor, Tensor) {
        let x = x.to_kind(Kind::Double);
        let [weight, bias] = [weight, bias].map(|tensor| tensor.to_kind(Kind::Double));
        let (batch, channels, rows, columns) = x.size4().unwrap();
        let pieces: Vec<Tensor> = (0..batch).map(|b| x.get(b).narrow(1, 0, real[b as usize])).collect();
        let together = Tensor::cat(&pieces, 1).unsqueeze(0);
        let mean = Tensor::zeros([channels], (Kind::Double, Device::Cpu));
        let variance = mean.ones_like();
        let normal = together.batch_norm(
            Some(&weight),
            Some(&bias),
            Some(&mean),
            Some(&variance),
            true,
            1.0,
            EPSILON,
            false,
        );
        let mut start = 0;
        let images: Vec<Tensor> = real
            .iter()
            .map(|&real| {
                let piece = normal.narrow(2, start, real);
                start += real;
                Tensor::cat(
                    &[piece, Tensor::zeros([1, channels, rows - real, columns], (Kind::Double, Device::Cpu))],
                    2,
                )
            })
            .collect();
        (after.of(&Tensor::cat(&images, 0)).unwrap(), mean, variance)
    }

    fn assert_near(ours: &Tensor, theirs: &Tensor, tolerance: f64, what: &str) {
        assert_eq!(ours.size(), theirs.size(), "{what}");
        let theirs = theirs.to_kind(Kind::Double);
        let apart = (ours.to_kind(Kind::Double) - &theirs).abs().max().double_value(&[]);
        let most = theirs.abs().max().double_value(&[]).max(1e-3);
        assert!(apart <= tolerance * most, "{what}: {apart} apart, of at most {most}");
    }

    #[test]
    fn values_and_gradients_are_those_of_libtorch() {
        // Some windows leave rows and columns over.
        for (channels, size, pool) in [
            (32, [8, 12], [2, 2]),
            (48, [9, 13], [2, 2]),
            (16, [7, 5], [3, 2]),
            (16, [6, 4], [1, 1]),
            (64, [5, 6], [1, 2]),
        ] {
            let shape = [4, channels, size[0], size[1]];
            let weight = image([1, 1, 1, channels], 0.3, 1.0, Kind::Float).view(-1);
            let bias = image([1, 1, 1, channels], 0.1, 0.5, Kind::Float).view(-1);
            for (kind, tolerance) in [(Kind::Float, 2e-5), (Kind::BFloat16, 1e-2)] {
                for masked in [false, true] {
                    let what = format!("{channels} channels, {size:?}, {pool:?}, {kind:?}, {masked}");
                    let after = PoolAndRelu(pool);
                    let real = if masked { [size[0], 3, 1, 2] } else { [size[0]; 4] };
                    let lengths =
                        masked.then(|| Lengths::of(&Tensor::from_slice(&real), size[0], 1).unwrap());
                    let x = image(shape, 2.0, 3.0, kind);
                    let ours = through(&x, [&weight, &bias], |x, weights| {
                        assert!(can(x, lengths.as_ref()));
                        let (y, seen) = norm_pool(x, weights, lengths.as_ref(), after, None).unwrap();
                        (y, seen.mean, seen.variance)
                    });
                    let theirs =
                        through(&x, [&weight, &bias], |x, weights| by_libtorch(x, weights, &real, after));
                    let names = ["output", "mean", "variance", "gradient", "of the weight", "of the bias"];
                    for ((ours, theirs), name) in ours.iter().zip(&theirs).zip(names) {
                        assert_near(ours, theirs, tolerance, &format!("{what}: {name}"));
                    }
                }
            }
        }
    }

    #[test]
    fn without_normalisation_it_pools_as_libtorch_does() {
        for kind in [Kind::Float, Kind::BFloat16] {
            let x = image([3, 32, 7, 9], 0.0, 1.0, kind);
            for after in [[2, 2], [1, 3], [1, 1]].map(PoolAndRelu) {
                assert!(pool(&x, None, after).unwrap().equal(&after.of(&x).unwrap()), "{kind:?}, {after:?}");
                let lengths = Lengths::of(&Tensor::from_slice(&[7i64, 2, 3]), 7, 1).unwrap();
                let real = lengths.is_real().unwrap().to_kind(kind).unsqueeze(1).unsqueeze(3);
                let masked = after.of(&(&x * real)).unwrap();
                assert!(pool(&x, Some(&lengths), after).unwrap().equal(&masked), "{kind:?}, {after:?}");
            }
        }
    }

    #[test]
    fn it_is_the_same_whatever_the_layout_and_the_number_of_threads() {
        let x = image([3, 32, 6, 8], 0.0, 1.0, Kind::Float);
        let (weight, bias) =
            (Tensor::ones([32], (Kind::Float, Device::Cpu)), Tensor::zeros([32], (Kind::Float, Device::Cpu)));
        let run = |x: &Tensor| {
            let after = PoolAndRelu([2, 2]);
            through(x, [&weight, &bias], |x, weights| {
                let (y, seen) = norm_pool(x, weights, None, after, None).unwrap();
                (y, seen.mean, seen.variance)
            })
        };
        let threads = tch::get_num_threads();
        let one = run(&x);
        tch::set_num_threads(1);
        let other = run(&super::super::channels_last(&x).unwrap());
        tch::set_num_threads(threads);
        for (one, other) in one.iter().zip(&other) {
            assert!(one.equal(other));
        }
    }

    #[test]
    fn what_is_no_number_comes_out_as_such() {
        let x = image([2, 16, 4, 4], 0.0, 1.0, Kind::Float);
        let _ = x.get(1).get(2).get(3).get(3).fill_(f64::NAN);
        let (weight, bias) =
            (Tensor::ones([16], (Kind::Float, Device::Cpu)), Tensor::zeros([16], (Kind::Float, Device::Cpu)));
        let (y, _) = norm_pool(&x, [&weight, &bias], None, PoolAndRelu([2, 2]), None).unwrap();
        assert!(bool::try_from(y.select(1, 2).isnan().all()).unwrap());
        assert!(!bool::try_from(y.select(1, 1).isnan().any()).unwrap());
    }

    #[test]
    fn what_it_cannot_do_is_left_to_libtorch() {
        assert!(can(&image([1, 16, 1, 2], 0.0, 1.0, Kind::Float), None));
        // One number alone has no variance.
        assert!(!can(&image([1, 16, 1, 1], 0.0, 1.0, Kind::Float), None));
        assert!(!can(&image([1, 17, 1, 2], 0.0, 1.0, Kind::Float), None));
        assert!(!can(&image([1, 16, 1, 2], 0.0, 1.0, Kind::Double), None));
    }
}
