//! Fourier transforms of several signals side by side, bit-identical on every machine.
//!
//! Each signal has its own lane of a vector, so a lane never meets another: whatever vector instructions a
//! processor has, every number comes from the same additions and multiplications in the same order, and none are
//! fused. [`vectorised`](ser_core::vectorised) compiles the same source for more than one instruction set.
//!
//! A transform is in place and decimates in frequency, so its result lies in an order of its own, with the digits
//! of the frequency reversed. What multiplies a spectrum point by point needs no other: [`Fourier::filter`].

use std::f64::consts::TAU;
use std::ops::{Add, Mul, Sub};

use ser_core::elementary::cos;

/// A real number that signals are made of.
pub(crate) trait Real:
    Copy + Default + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self>
{
    /// The nearest number of this kind.
    fn nearest(x: f64) -> Self;
}

impl Real for f32 {
    fn nearest(x: f64) -> Self {
        x as Self
    }
}

impl Real for f64 {
    fn nearest(x: f64) -> Self {
        x
    }
}

/// `L` complex numbers, one for each lane.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
pub(crate) struct Lanes<T, const L: usize> {
    pub(crate) re: [T; L],
    pub(crate) im: [T; L],
}

impl<T: Real, const L: usize> Default for Lanes<T, L> {
    fn default() -> Self {
        Self { re: [T::default(); L], im: [T::default(); L] }
    }
}

impl<T: Real, const L: usize> Lanes<T, L> {
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self {
            re: std::array::from_fn(|l| self.re[l] + other.re[l]),
            im: std::array::from_fn(|l| self.im[l] + other.im[l]),
        }
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Self {
            re: std::array::from_fn(|l| self.re[l] - other.re[l]),
            im: std::array::from_fn(|l| self.im[l] - other.im[l]),
        }
    }

    /// `self + i·other`
    #[inline(always)]
    fn plus_i(self, other: Self) -> Self {
        Self {
            re: std::array::from_fn(|l| self.re[l] - other.im[l]),
            im: std::array::from_fn(|l| self.im[l] + other.re[l]),
        }
    }

    /// `self − i·other`
    #[inline(always)]
    fn minus_i(self, other: Self) -> Self {
        Self {
            re: std::array::from_fn(|l| self.re[l] + other.im[l]),
            im: std::array::from_fn(|l| self.im[l] - other.re[l]),
        }
    }

    #[inline(always)]
    fn times(self, [re, im]: [T; 2]) -> Self {
        Self {
            re: std::array::from_fn(|l| self.re[l] * re - self.im[l] * im),
            im: std::array::from_fn(|l| self.re[l] * im + self.im[l] * re),
        }
    }

    /// Times the conjugate of a number.
    #[inline(always)]
    fn times_conjugate(self, [re, im]: [T; 2]) -> Self {
        Self {
            re: std::array::from_fn(|l| self.re[l] * re + self.im[l] * im),
            im: std::array::from_fn(|l| self.im[l] * re - self.re[l] * im),
        }
    }

    #[inline(always)]
    pub(crate) fn scaled(self, factor: T) -> Self {
        Self { re: self.re.map(|x| x * factor), im: self.im.map(|x| x * factor) }
    }
}

/// Blocks of this many points are transformed as a whole before the next: they stay in the nearest cache.
const NEAR: usize = 256;

/// A transform of a length that is a power of two, at least 4.
#[derive(Debug, Clone)]
pub(crate) struct Fourier<T> {
    len: usize,
    /// One for each length from `len` down to 4 or 8, a quarter of the one before.
    levels: Vec<Level<T>>,
}

/// A step of the transform, from `length` points to four times a quarter of them.
#[derive(Debug, Clone)]
struct Level<T> {
    length: usize,
    /// `e^(−2πi·k/length)` of k, 2k and 3k, for the `length / 4` values of k.
    turns: Vec<[[T; 2]; 3]>,
}

impl<T: Real> Fourier<T> {
    /// Tabulates what transforms of `len` points need; `len` is rounded up to a power of two.
    pub(crate) fn new(len: usize) -> Self {
        let len = len.next_power_of_two().max(4);
        let turn = |k: usize, length: usize| {
            let angle = TAU * (k % length) as f64 / length as f64;
            // sin x = cos(x − π/2)
            [T::nearest(cos(angle)), T::nearest(-cos(angle - TAU / 4.0))]
        };
        let lengths = std::iter::successors(Some(len), |length| Some(length / 4));
        let levels = lengths.take_while(|length| *length >= 4).map(|length| {
            let turns = (0..length / 4).map(|k| [k, 2 * k, 3 * k].map(|k| turn(k, length))).collect();
            Level { length, turns }
        });
        Self { len, levels: levels.collect() }
    }

    /// Points of a transform.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where each frequency lies in a spectrum: that of k / len cycles a sample at `positions()[k]`.
    #[cfg(test)]
    fn positions(&self) -> Vec<usize> {
        (0..self.len)
            .map(|mut k| {
                let (mut position, mut length) = (0, self.len);
                while length > 1 {
                    let radix = length.min(4);
                    length /= radix;
                    position += k % radix * length;
                    k /= radix;
                }
                position
            })
            .collect()
    }

    /// Transforms each lane of `data`, which has [`Fourier::len`] points.
    #[inline(always)]
    pub(crate) fn forward<const L: usize>(&self, data: &mut [Lanes<T, L>]) {
        let (far, near) = self.far_and_near();
        descend(data, far);
        for part in data.chunks_exact_mut(near_length(near)) {
            descend(part, near);
            self.pairs(part);
        }
    }

    /// Transforms each lane of `data`, multiplies its spectrum by `response` (real, and itself a result
    /// of [`Fourier::forward`]) and transforms it back, all but for a factor of [`Fourier::len`].
    #[inline(always)]
    pub(crate) fn filter<const L: usize>(&self, data: &mut [Lanes<T, L>], response: &[T]) {
        let (far, near) = self.far_and_near();
        let length = near_length(near);
        descend(data, far);
        for (part, response) in data.chunks_exact_mut(length).zip(response.chunks_exact(length)) {
            descend(part, near);
            self.pairs(part);
            for (point, &response) in part.iter_mut().zip(response) {
                *point = point.scaled(response);
            }
            self.pairs(part);
            ascend(part, near);
        }
        ascend(data, far);
    }

    fn far_and_near(&self) -> (&[Level<T>], &[Level<T>]) {
        self.levels.split_at(self.levels.partition_point(|level| level.length > NEAR))
    }

    /// The last step where the length is not a power of four; its own inverse, but for a factor.
    #[inline(always)]
    fn pairs<const L: usize>(&self, data: &mut [Lanes<T, L>]) {
        if self.len.trailing_zeros() % 2 == 1 {
            for [a, b] in data.as_chunks_mut().0 {
                (*a, *b) = (a.plus(*b), a.minus(*b));
            }
        }
    }
}

fn near_length<T>(near: &[Level<T>]) -> usize {
    near.first().map_or(1, |level| level.length)
}

/// The steps from the time's side to the spectrum's.
#[inline(always)]
fn descend<T: Real, const L: usize>(data: &mut [Lanes<T, L>], levels: &[Level<T>]) {
    for level in levels {
        for block in data.chunks_exact_mut(level.length) {
            for ([a, b, c, d], &[w, w2, w3]) in quarters(block).zip(&level.turns) {
                let (sum, difference) = (a.plus(*c), a.minus(*c));
                let (other_sum, other_difference) = (b.plus(*d), b.minus(*d));
                *a = sum.plus(other_sum);
                *b = difference.minus_i(other_difference).times(w);
                *c = sum.minus(other_sum).times(w2);
                *d = difference.plus_i(other_difference).times(w3);
            }
        }
    }
}

/// The steps back.
#[inline(always)]
fn ascend<T: Real, const L: usize>(data: &mut [Lanes<T, L>], levels: &[Level<T>]) {
    for level in levels.iter().rev() {
        for block in data.chunks_exact_mut(level.length) {
            for ([a, b, c, d], &[w, w2, w3]) in quarters(block).zip(&level.turns) {
                let (first, second) = (*a, b.times_conjugate(w));
                let (third, fourth) = (c.times_conjugate(w2), d.times_conjugate(w3));
                let (sum, difference) = (first.plus(third), first.minus(third));
                let (other_sum, other_difference) = (second.plus(fourth), second.minus(fourth));
                *a = sum.plus(other_sum);
                *b = difference.plus_i(other_difference);
                *c = sum.minus(other_sum);
                *d = difference.minus_i(other_difference);
            }
        }
    }
}

/// The points of the four quarters of `block` that belong together.
#[inline(always)]
fn quarters<T>(block: &mut [T]) -> impl Iterator<Item = [&mut T; 4]> {
    let (left, right) = block.split_at_mut(block.len() / 2);
    let (a, b) = left.split_at_mut(left.len() / 2);
    let (c, d) = right.split_at_mut(right.len() / 2);
    a.iter_mut().zip(b).zip(c).zip(d).map(|(((a, b), c), d)| [a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ser_core::vectorised::{NullaryFnOnce, vectorised};

    const LANES: usize = 4;

    fn noise(len: usize) -> Vec<Lanes<f64, LANES>> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / 8_388_608.0 - 1.0
        };
        (0..len)
            .map(|_| Lanes { re: std::array::from_fn(|_| next()), im: std::array::from_fn(|_| next()) })
            .collect()
    }

    #[test]
    fn every_length_agrees_with_the_definition_in_every_lane() {
        for len in [4, 8, 16, 32, 256, 512, 1024, 2048] {
            let fourier = Fourier::new(len);
            let signal = noise(len);
            let mut spectrum = signal.clone();
            fourier.forward(&mut spectrum);
            let positions = fourier.positions();
            for lane in 0..LANES {
                for k in [0, 1, len / 3, len / 2, len - 1] {
                    let (mut re, mut im) = (0.0, 0.0);
                    for (n, x) in signal.iter().enumerate() {
                        let (sin, cos) = (-TAU * ((k * n) % len) as f64 / len as f64).sin_cos();
                        re += x.re[lane] * cos - x.im[lane] * sin;
                        im += x.re[lane] * sin + x.im[lane] * cos;
                    }
                    let found = spectrum[positions[k]];
                    let error = (found.re[lane] - re).hypot(found.im[lane] - im);
                    assert!(error < 1e-10, "{len} points, frequency {k}, lane {lane}: {error}");
                }
            }
        }
    }

    #[test]
    fn a_flat_response_gives_the_signal_back() {
        for len in [4, 8, 128, 512, 4096] {
            let fourier = Fourier::new(len);
            let signal = noise(len);
            let mut filtered = signal.clone();
            fourier.filter(&mut filtered, &vec![1.0 / len as f64; len]);
            for (found, expected) in filtered.iter().zip(&signal) {
                for lane in 0..LANES {
                    assert!((found.re[lane] - expected.re[lane]).abs() < 1e-13);
                    assert!((found.im[lane] - expected.im[lane]).abs() < 1e-13);
                }
            }
        }
    }

    struct Filter<'a>(&'a Fourier<f32>, &'a mut [Lanes<f32, LANES>], &'a [f32]);

    impl NullaryFnOnce for Filter<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            self.0.filter(self.1, self.2);
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let fourier = Fourier::<f32>::new(2048);
        let narrow = |x: [f64; LANES]| x.map(|x| x as f32);
        let signal: Vec<Lanes<f32, LANES>> =
            noise(2048).iter().map(|x| Lanes { re: narrow(x.re), im: narrow(x.im) }).collect();
        let response: Vec<f32> = (0..2048).map(|n| 1.0 / (n + 1) as f32).collect();
        let mut plain = signal.clone();
        fourier.filter(&mut plain, &response);
        let mut wide = signal;
        vectorised(Filter(&fourier, &mut wide, &response));
        for (plain, wide) in plain.iter().zip(&wide) {
            assert_eq!(plain.re.map(f32::to_bits), wide.re.map(f32::to_bits));
            assert_eq!(plain.im.map(f32::to_bits), wide.im.map(f32::to_bits));
        }
    }
}
