//! Lowers the rate in two steps that are both cheap: a sharp filter at the rate of the input, by Fourier
//! transforms, then a short one at each output's instant.
//!
//! ```text
//! input ──▶ LowPass at from_hz ──▶ filtered ──▶ 8 to 40 taps a sample ──▶ output
//!           sharp: to_hz/2         from_hz      wide: nothing is left      to_hz
//!           (blocks by FFT)                     between to_hz/2 and
//!                                               from_hz − to_hz/2
//! ```
//!
//! One sharp filter at every output's instant would take hundreds of taps a sample, and of some ratios thousands
//! of different sets: 24,414 to 16,000 Hz is 12,207 to 8,000.

use ser_core::vectorised::{NullaryFnOnce, vectorised};

use crate::fourier::{Fourier, Lanes};
use crate::low_pass::LowPass;
use crate::resample::greatest_common_divisor;

/// Blocks that are transformed side by side: one in the real and one in the imaginary part of each lane, which a
/// real, symmetric filter keeps apart.
const LANES: usize = 8;
const BLOCKS: usize = 2 * LANES;

/// Taps are padded to whole groups of this many, which are summed side by side.
const GROUP: usize = 8;

/// The share of the output's Nyquist frequency up to which the filter is flat, and that from which it stops. What
/// lies between comes back mirrored about the Nyquist frequency, above the flat part.
const PASS: f64 = 0.975;
const STOP: f64 = 1.00625;

/// Attenuation in the stop band, dB. f32's own noise lies at about 140.
const ATTENUATION_DB: f64 = 115.0;

/// The most values in the table of taps.
const MAX_TAPS: usize = 1 << 19;

/// A resampler to a rate that is lower by at least a fifth, with its buffers.
pub(super) struct Polyphase {
    blocks: [BlockFilter; 2],
    /// Taps of each output of a period, in their order.
    taps: Vec<[f32; GROUP]>,
    groups_per_output: usize,
    /// A period is `period_in` samples of the input and `period_out` of the output.
    period_in: usize,
    period_out: usize,
    padded: Vec<f32>,
    filtered: Vec<f32>,
    workspace: Vec<Lanes<f32, LANES>>,
}

impl Polyphase {
    /// A resampler, if it suits these rates.
    pub(super) fn new(from_hz: u32, to_hz: u32) -> Option<Self> {
        let (from, to) = (f64::from(from_hz), f64::from(to_hz));
        if !(1.25..=12.0).contains(&(from / to)) {
            return None;
        }
        let common = greatest_common_divisor(from_hz as usize, to_hz as usize);
        // A period of fewer outputs than are summed side by side is repeated until it has as many.
        let repeated = OUTPUTS_AT_ONCE.div_ceil(to_hz as usize / common);
        let [period_in, period_out] = [from_hz, to_hz].map(|hz| hz as usize / common * repeated);
        let nyquist = to / 2.0 / from;
        let wide = LowPass::between(nyquist, 1.0 - nyquist, ATTENUATION_DB);
        let groups_per_output = (2 * wide.half_length()).div_ceil(GROUP);
        if period_out * groups_per_output * GROUP > MAX_TAPS {
            return None;
        }
        let sharp = LowPass::between(nyquist * PASS, nyquist * STOP, ATTENUATION_DB);
        let len = (8 * sharp.half_length()).next_power_of_two();
        Some(Self {
            blocks: [len, len / 2].map(|len| BlockFilter::new(&sharp, len)),
            taps: tabulate(wide, period_in, period_out, groups_per_output),
            groups_per_output,
            period_in,
            period_out,
            padded: Vec::new(),
            filtered: Vec::new(),
            workspace: vec![Lanes::default(); len],
        })
    }

    /// Values in its tables and workspaces, which its memory is proportional to.
    pub(super) fn size(&self) -> usize {
        self.taps.len() * GROUP + self.workspace.len() * BLOCKS
    }

    /// Appends `length` samples of the output to `output`.
    pub(super) fn process(&mut self, input: &[f32], output: &mut Vec<f32>, length: usize) {
        let reach = self.groups_per_output * GROUP / 2;
        // The filtered signal begins before the input does, and ends after it, by what an output reaches.
        self.filter(input, reach - 1, input.len() + 2 * reach);
        let start = output.len();
        output.resize(start + length, 0.0);
        if let Some(output) = output.get_mut(start..) {
            vectorised(Interpolate { polyphase: self, output });
        }
    }

    /// Fills `self.filtered` with `total` samples, of which the first is that `before` samples before the input.
    fn filter(&mut self, input: &[f32], before: usize, total: usize) {
        let [large, small] = &self.blocks;
        self.padded.clear();
        self.padded.resize(before + large.half, 0.0);
        self.padded.extend_from_slice(input);
        self.filtered.clear();
        while self.filtered.len() < total {
            let missing = total - self.filtered.len();
            let block = if missing > BLOCKS * small.useful { large } else { small };
            let start = self.filtered.len();
            self.padded.resize(self.padded.len().max(start + block.span()), 0.0);
            self.filtered.resize(start + BLOCKS * block.useful, 0.0);
            if let (Some(padded), Some(filtered)) = (self.padded.get(start..), self.filtered.get_mut(start..))
            {
                vectorised(ApplyFilter { block, padded, workspace: &mut self.workspace, filtered });
            }
        }
    }

    #[inline(always)]
    fn interpolate(&self, output: &mut [f32]) {
        let (whole, rest) = (self.period_in / self.period_out, self.period_in % self.period_out);
        let mut start = 0;
        for period in output.chunks_mut(self.period_out) {
            let (mut at, mut phase) = (start, 0);
            let mut taps = self.taps.chunks_exact(self.groups_per_output);
            for samples in period.chunks_mut(OUTPUTS_AT_ONCE) {
                let mut sums = [[0.0; GROUP]; OUTPUTS_AT_ONCE];
                for (sums, taps) in sums.iter_mut().zip(taps.by_ref()).take(samples.len()) {
                    let filtered = self.filtered.get(at..).unwrap_or_default();
                    *sums = products(filtered.as_chunks().0, taps);
                    at += whole;
                    phase += rest;
                    if phase >= self.period_out {
                        phase -= self.period_out;
                        at += 1;
                    }
                }
                for (sample, [a, b, c, d, e, f, g, h]) in samples.iter_mut().zip(&sums) {
                    *sample = ((a + e) + (c + g)) + ((b + f) + (d + h));
                }
            }
            start += self.period_in;
        }
    }
}

/// How many outputs have their sums taken side by side.
const OUTPUTS_AT_ONCE: usize = 16;

/// Sums of the products of every eighth sample with its tap.
#[inline(always)]
fn products(samples: &[[f32; GROUP]], taps: &[[f32; GROUP]]) -> [f32; GROUP] {
    let mut sums = [0.0; GROUP];
    for (samples, taps) in samples.iter().zip(taps) {
        sums = std::array::from_fn(|lane| sums[lane] + samples[lane] * taps[lane]);
    }
    sums
}

struct Interpolate<'a> {
    polyphase: &'a Polyphase,
    output: &'a mut [f32],
}

impl NullaryFnOnce for Interpolate<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.polyphase.interpolate(self.output);
    }
}

/// The taps of every output of a period. That at `t` samples lies between samples `i = ⌊t⌋` and `i + 1`; its taps
/// are for the samples from `i − reach + 1` to `i + reach`, and sum to 1.
fn tabulate(wide: LowPass, period_in: usize, period_out: usize, groups: usize) -> Vec<[f32; GROUP]> {
    let reach = groups * GROUP / 2;
    let filter = wide.reaching(reach);
    let mut taps = Vec::with_capacity(period_out * groups);
    let mut row = vec![0.0; groups * GROUP];
    for output in 0..period_out {
        let fraction = (output * period_in % period_out) as f64 / period_out as f64;
        filter.tabulate(-((reach - 1) as f64) - fraction, 1.0, &mut row);
        let sum: f64 = row.iter().sum();
        taps.extend(row.as_chunks().0.iter().map(|group| group.map(|tap| (tap / sum) as f32)));
    }
    taps
}

/// A filter applied to blocks of a signal, each by a transform of some length.
struct BlockFilter {
    fourier: Fourier<f32>,
    /// The filter's spectrum, real because it is symmetric, divided by the length.
    response: Vec<f32>,
    /// Samples on either side of a block that its outputs depend on.
    half: usize,
    /// Outputs of a block.
    useful: usize,
}

impl BlockFilter {
    fn new(filter: &LowPass, len: usize) -> Self {
        let half = filter.half_length();
        let fourier = Fourier::<f64>::new(len);
        let mut taps = vec![0.0; 2 * half + 1];
        filter.tabulate(-(half as f64), 1.0, &mut taps);
        let gain = taps.iter().sum::<f64>() * len as f64;
        let mut spectrum = vec![Lanes::<f64, 1>::default(); len];
        for (n, tap) in taps.iter().enumerate() {
            spectrum[(len + n - half) % len].re = [tap / gain];
        }
        fourier.forward(&mut spectrum);
        let response = spectrum.iter().map(|point| point.re[0] as f32).collect();
        Self { fourier: Fourier::new(len), response, half, useful: len - 2 * half }
    }

    /// Samples that all blocks together cover.
    fn span(&self) -> usize {
        BLOCKS * self.useful + 2 * self.half
    }

    /// Filters the first [`Self::span`] samples of `padded`; `filtered` has room for the outputs of all blocks, the
    /// first of which is at sample `half` of `padded`.
    #[inline(always)]
    fn apply(&self, padded: &[f32], workspace: &mut [Lanes<f32, LANES>], filtered: &mut [f32]) {
        let len = self.fourier.len();
        let Some(workspace) = workspace.get_mut(..len) else { return };
        let blocks: [&[f32]; BLOCKS] =
            std::array::from_fn(|block| padded.get(block * self.useful..).unwrap_or_default());
        let blocks = blocks.map(|block| block.get(..len).unwrap_or_default());
        if blocks.iter().any(|block| block.len() != len) {
            return;
        }
        for (n, point) in workspace.iter_mut().enumerate() {
            for lane in 0..LANES {
                point.re[lane] = blocks[lane][n];
                point.im[lane] = blocks[LANES + lane][n];
            }
        }
        self.fourier.filter(workspace, &self.response);
        let valid = workspace.get(self.half..).unwrap_or_default();
        for (block, filtered) in filtered.chunks_exact_mut(self.useful).enumerate() {
            let lane = block % LANES;
            for (sample, point) in filtered.iter_mut().zip(valid) {
                *sample = if block < LANES { point.re[lane] } else { point.im[lane] };
            }
        }
    }
}

struct ApplyFilter<'a> {
    block: &'a BlockFilter,
    padded: &'a [f32],
    workspace: &'a mut [Lanes<f32, LANES>],
    filtered: &'a mut [f32],
}

impl NullaryFnOnce for ApplyFilter<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.block.apply(self.padded, self.workspace, self.filtered);
    }
}
