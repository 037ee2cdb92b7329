//! What the passes over an utterance's image have in common.

use ser_core::vectorised::Simd;

use super::lanes::{Numbers, Pair};

/// The sizes of images whose channels lie side by side in memory, `[row, column, channel]`, and of the windows that are pooled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) channels: usize,
    /// Rows and columns of a window. What is left over at the end is in none.
    pub(super) window: [usize; 2],
}

impl Sizes {
    /// Rows and columns of the pooled image.
    pub(super) fn pooled(self) -> [usize; 2] {
        [self.rows / self.window[0], self.columns / self.window[1]]
    }

    /// Words of an image.
    pub(super) fn words<N: Numbers>(self) -> usize {
        self.rows * self.columns * self.channels / N::NUMBERS
    }

    /// Words of a pooled image.
    pub(super) fn pooled_words<N: Numbers>(self) -> usize {
        let [rows, columns] = self.pooled();
        rows * columns * self.channels / N::NUMBERS
    }

    /// How many rows of the windows in `row` of the pooled image are among the first `real`.
    #[inline(always)]
    pub(super) fn real_rows(self, row: usize, real: usize) -> usize {
        real.saturating_sub(row * self.window[0]).min(self.window[0])
    }

    /// Pairs of vectors that the channels of a place fill.
    #[inline(always)]
    pub(super) fn pairs<S: Simd>(self) -> usize {
        self.channels / (2 * S::F32_LANES)
    }
}

/// What takes a number to its normalised one, scaled and shifted: x · `scale` + `shift`, by channel.
#[derive(Debug)]
pub(super) struct Affine {
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
}

/// An image, or a part of one, as vectors.
#[derive(Clone, Copy)]
pub(super) struct Vectors<'a, N: Numbers, S: Simd> {
    simd: S,
    vectors: &'a [N::Vector<S>],
    columns: usize,
    pairs: usize,
}

impl<'a, N: Numbers, S: Simd> Vectors<'a, N, S> {
    /// That of `words`, of `columns` in each row.
    #[inline(always)]
    pub(super) fn new(simd: S, words: &'a [N], columns: usize, pairs: usize) -> Self {
        Self { simd, vectors: N::vectors::<S>(words), columns, pairs }
    }

    /// Channels of a place, those of pair number `pair`.
    #[inline(always)]
    pub(super) fn get(&self, row: usize, column: usize, pair: usize) -> Pair<S> {
        let at = ((row * self.columns + column) * self.pairs + pair) * N::VECTORS;
        N::load(self.simd, &self.vectors[at..])
    }
}

/// The same to write to.
pub(super) struct VectorsMut<'a, N: Numbers, S: Simd> {
    simd: S,
    vectors: &'a mut [N::Vector<S>],
    columns: usize,
    pairs: usize,
}

impl<'a, N: Numbers, S: Simd> VectorsMut<'a, N, S> {
    #[inline(always)]
    pub(super) fn new(simd: S, words: &'a mut [N], columns: usize, pairs: usize) -> Self {
        Self { simd, vectors: N::vectors_mut::<S>(words), columns, pairs }
    }

    #[inline(always)]
    pub(super) fn set(&mut self, row: usize, column: usize, pair: usize, to: Pair<S>) {
        let at = ((row * self.columns + column) * self.pairs + pair) * N::VECTORS;
        N::store(self.simd, to, &mut self.vectors[at..]);
    }
}
