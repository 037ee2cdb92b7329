//! Playing a waveform faster or slower by any ratio: pitch, formants and duration change together.

use ser_audio::LowPass;
use ser_core::vectorised::{NullaryFnOnce, vectorised};

/// Samples on either side that an output depends on where the ratio is at most 1, at the lower of the two rates.
const REACH: f64 = 16.0;

/// Kaiser's window with this shape stops at −63 dB.
const BETA: f64 = 6.0;

/// Instants between two samples at which the filter is tabulated; between two of them it is interpolated linearly, with
/// an error below −75 dB.
const PHASES: usize = 64;

/// Taps are padded to whole groups, which are summed side by side.
const GROUP: usize = 8;

/// A resampler with its buffers.
#[derive(Debug, Clone, Default)]
pub(super) struct Resampling {
    /// Of each phase, its taps and beside them what leads on to those of the next.
    taps: Vec<[f32; GROUP]>,
    groups: usize,
    padded: Vec<f32>,
    /// The filter for ratios up to 1, at every hundredth part of a sample or so from its middle to its end.
    filter: Vec<f64>,
}

/// Parts of a sample that the filter is tabulated at; between two of them it is interpolated linearly.
const PARTS: f64 = 128.0;

impl Resampling {
    /// Replaces `output` by `length` samples of `input`, read from its first with steps of `ratio` samples.
    pub(super) fn process(&mut self, input: &[f32], ratio: f64, length: usize, output: &mut Vec<f32>) {
        self.tabulate(ratio);
        let reach = self.groups * GROUP / 2;
        let last = (length.saturating_sub(1) as f64 * ratio) as usize;
        self.padded.clear();
        self.padded.resize(reach - 1, 0.0);
        self.padded.extend_from_slice(input);
        self.padded.resize(self.padded.len().max(last + 2 * reach + 1), 0.0);
        output.clear();
        output.resize(length, 0.0);
        vectorised(Interpolate { resampling: self, ratio, output });
    }

    /// Taps for the samples from `i − reach + 1` to `i + reach` of an output between samples `i` and `i + 1`.
    fn tabulate(&mut self, ratio: f64) {
        if self.filter.is_empty() {
            self.filter.resize((REACH * PARTS) as usize + 1, 0.0);
            // All that lies below half the sample rate.
            LowPass::new(0.5, REACH, BETA).tabulate(0.0, 1.0 / PARTS, &mut self.filter);
        }
        // At ratios above 1 it is stretched in time, so that what would fold back about half the new rate is stopped.
        let stretch = ratio.max(1.0);
        self.groups = (2.0 * REACH * stretch / GROUP as f64).ceil() as usize;
        let length = self.groups * GROUP;
        let before = (length / 2) as f64 - 1.0;
        let filter = |time: f64| {
            let place = time.abs() / stretch * PARTS;
            match self.filter.get(place as usize..) {
                Some([low, high, ..]) => low + (high - low) * place.fract(),
                _ => 0.0,
            }
        };
        let row = |phase: usize| -> Vec<f64> {
            let fraction = phase as f64 / PHASES as f64;
            let mut taps: Vec<f64> = (0..length).map(|tap| filter(tap as f64 - before - fraction)).collect();
            let sum: f64 = taps.iter().sum();
            taps.iter_mut().for_each(|tap| *tap /= sum);
            taps
        };
        self.taps.clear();
        let mut now = row(0);
        for phase in 0..PHASES {
            let next = row(phase + 1);
            for (now, next) in now.as_chunks::<GROUP>().0.iter().zip(next.as_chunks::<GROUP>().0) {
                self.taps.push(now.map(|tap| tap as f32));
                self.taps.push(std::array::from_fn(|lane| (next[lane] - now[lane]) as f32));
            }
            now = next;
        }
    }

    #[inline(always)]
    fn interpolate(&self, ratio: f64, output: &mut [f32]) {
        for (index, sample) in output.iter_mut().enumerate() {
            let time = index as f64 * ratio;
            let whole = time as usize;
            let place = (time - whole as f64) * PHASES as f64;
            let phase = (place as usize).min(PHASES - 1);
            let part = (place - phase as f64) as f32;
            let samples = self.padded.get(whole..).unwrap_or_default().as_chunks::<GROUP>().0;
            let taps = self.taps.get(2 * phase * self.groups..).unwrap_or_default();
            let mut sums = [0.0_f32; GROUP];
            for (samples, taps) in samples.iter().zip(taps.as_chunks::<2>().0).take(self.groups) {
                let [now, on] = taps;
                sums = std::array::from_fn(|l| sums[l] + samples[l] * (now[l] + part * on[l]));
            }
            let [a, b, c, d, e, f, g, h] = sums;
            *sample = ((a + e) + (c + g)) + ((b + f) + (d + h));
        }
    }
}

struct Interpolate<'a> {
    resampling: &'a Resampling,
    ratio: f64,
    output: &'a mut [f32],
}

impl NullaryFnOnce for Interpolate<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.resampling.interpolate(self.ratio, self.output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    #[test]
    fn a_tone_comes_out_at_the_ratio_with_sixty_decibels_to_spare() {
        let mut resampling = Resampling::default();
        let mut output = Vec::new();
        for ratio in [0.5, 0.749_153_538, 0.97, 1.0, 1.1, 1.334_839_854, 2.0, 3.7] {
            for frequency in [0.003, 0.05, 0.11] {
                let input: Vec<f32> =
                    (0..6000).map(|n| (TAU * frequency * f64::from(n)).sin() as f32).collect();
                let length = (6000.0 / ratio) as usize;
                resampling.process(&input, ratio, length, &mut output);
                assert_eq!(output.len(), length);
                let mut noise = 0.0;
                let inside = 200..length - 200;
                for n in inside.clone() {
                    let expected = (TAU * frequency * ratio * n as f64).sin();
                    noise += (f64::from(output[n]) - expected).powi(2);
                }
                let ratio_db = 10.0 * (0.5 * inside.len() as f64 / noise).log10();
                assert!(ratio_db > 60.0, "ratio {ratio}, {frequency} cycles a sample: {ratio_db} dB");
            }
        }
    }

    #[test]
    fn what_would_fold_back_is_stopped() {
        let input: Vec<f32> = (0..6000).map(|n| (TAU * 0.45 * f64::from(n)).sin() as f32).collect();
        let mut output = Vec::new();
        Resampling::default().process(&input, 1.5, 4000, &mut output);
        let inside = &output[200..3800];
        let power = inside.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / inside.len() as f64;
        assert!(10.0 * (power / 0.5).log10() < -55.0, "{power}");
    }
}
