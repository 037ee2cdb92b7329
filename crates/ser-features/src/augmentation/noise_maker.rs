//! Makes noise and babble, and adds them to a waveform at a level: relative to its power, or to its highest power
//! density.

use std::f64::consts::PI;

use libm::pow;
use ser_core::Result;
use ser_core::random::Random;
use ser_core::ratio::decibels;
use ser_fft::Complex;

use crate::augmentation::NoiseLevel;
use crate::augmentation::transform::Transform;

/// Power density is constant below this frequency, Hz: no slope reaches to 0 Hz.
const KNEE_HZ: f64 = 50.0;

/// Samples of a block of noise at every rate: 128 ms at 16 kHz.
const BLOCK: usize = 2048;

/// Makes noise at one sample rate, with its buffers.
#[derive(Debug, Clone)]
pub(super) struct NoiseMaker {
    sample_rate: f64,
    transform: Transform,
    spectrum: Vec<Complex<f32>>,
    time: Vec<f32>,
    window: Vec<f32>,
    density: PeakDensity,
    noise: Vec<f32>,
}

impl NoiseMaker {
    pub(super) fn new(sample_rate: u32) -> Self {
        let transform = Transform::new(BLOCK);
        let window = (0..BLOCK).map(|n| (PI * n as f64 / BLOCK as f64).sin() as f32);
        Self {
            sample_rate: f64::from(sample_rate),
            spectrum: transform.spectrum(),
            time: transform.samples(),
            window: window.collect(),
            density: PeakDensity::new(sample_rate),
            noise: Vec::new(),
            transform,
        }
    }

    /// Adds noise of a slope (dB per octave) to `samples`.
    pub(super) fn add(
        &mut self,
        slope: f64,
        level: NoiseLevel,
        random: &mut Random,
        samples: &mut [f32],
    ) -> Result<()> {
        let at_1_khz = self.make(slope, samples.len(), random)?;
        let factor = match level {
            NoiseLevel::SnrDb(snr) => factor_for_snr(samples, &self.noise, snr),
            NoiseLevel::FloorDb(floor) => {
                let peak = self.density.measure(samples)?;
                (peak / at_1_khz).sqrt() * decibels(-floor)
            }
        };
        add(samples, &self.noise, factor);
        Ok(())
    }

    /// Adds the mean of `talkers`, each brought to the same power and repeated from a random place, to `samples`.
    pub(super) fn add_babble(
        &mut self,
        talkers: &[Vec<f32>],
        level: NoiseLevel,
        random: &mut Random,
        samples: &mut [f32],
    ) {
        self.noise.clear();
        self.noise.resize(samples.len(), 0.0);
        for talker in talkers {
            let start = random.below(talker.len() as u64) as usize;
            let power = power(talker);
            if !power.is_normal() {
                continue;
            }
            let factor = (1.0 / power.sqrt()) as f32;
            for (sum, sample) in self.noise.iter_mut().zip(talker.iter().cycle().skip(start)) {
                *sum += factor * sample;
            }
        }
        if let NoiseLevel::SnrDb(snr) = level {
            let factor = factor_for_snr(samples, &self.noise, snr);
            add(samples, &self.noise, factor);
        }
    }

    /// Fills `self.noise` with `length` samples, and gives their power density at 1 kHz: the mean square of white noise
    /// with that density.
    ///
    /// Blocks with a random spectrum overlap by half under windows whose squares sum to 1, so that the noise is as loud
    /// everywhere.
    fn make(&mut self, slope: f64, length: usize, random: &mut Random) -> Result<f64> {
        let bins = BLOCK / 2;
        let hz = self.sample_rate / BLOCK as f64;
        // Amplitude falls by slope / 20 decades an octave, and is 1 at 1 kHz.
        let exponent = slope / (20.0 * std::f64::consts::LOG10_2);
        let amplitudes: Vec<f32> =
            (0..=bins).map(|bin| pow((bin as f64 * hz).max(KNEE_HZ) / 1000.0, exponent) as f32).collect();
        self.noise.clear();
        self.noise.resize(length + 2 * BLOCK, 0.0);
        for start in (0..length + bins).step_by(bins) {
            for (bin, amplitude) in self.spectrum.iter_mut().zip(&amplitudes) {
                *bin = Complex::new(
                    random.symmetric() as f32 * amplitude,
                    random.symmetric() as f32 * amplitude,
                );
            }
            self.transform.run_back(&mut self.spectrum, &mut self.time)?;
            let sums = self.noise.get_mut(start..).unwrap_or_default();
            for ((sum, value), window) in sums.iter_mut().zip(&self.time).zip(&self.window) {
                *sum += value * window;
            }
        }
        // The first half block is faded in alone.
        self.noise.drain(..bins);
        self.noise.truncate(length);
        // Both parts of a bin have a variance of 1/3, and each bin counts twice in the sum of the inverse transform.
        Ok(BLOCK as f64 * 2.0 / 3.0)
    }
}

/// The factor that gives `noise` the ratio `snr` (dB) below `samples`; 0 where either is silent.
fn factor_for_snr(samples: &[f32], noise: &[f32], snr: f64) -> f64 {
    let ratio = power(samples) / power(noise);
    if ratio.is_normal() { ratio.sqrt() * decibels(-snr) } else { 0.0 }
}

/// Mean square.
fn power(samples: &[f32]) -> f64 {
    samples.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / samples.len().max(1) as f64
}

fn add(samples: &mut [f32], noise: &[f32], factor: f64) {
    let factor = factor as f32;
    for (sample, noise) in samples.iter_mut().zip(noise) {
        *sample += factor * noise;
    }
}

/// Measures the highest power density of a waveform.
#[derive(Debug, Clone)]
struct PeakDensity {
    transform: Transform,
    window: Vec<f32>,
    frame: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    /// Frequencies that are averaged over: about 100 Hz.
    span: usize,
}

impl PeakDensity {
    fn new(sample_rate: u32) -> Self {
        let rate = f64::from(sample_rate);
        let length = 1_usize << (rate * 0.032).log2().round().clamp(4.0, 20.0) as u32;
        let transform = Transform::new(length);
        let window = (0..length).map(|n| (0.5 - 0.5 * (2.0 * PI * n as f64 / length as f64).cos()) as f32);
        Self {
            window: window.collect(),
            frame: transform.samples(),
            spectrum: transform.spectrum(),
            span: ((100.0 * length as f64 / rate).round() as usize).max(1),
            transform,
        }
    }

    /// The mean square of white noise that has the density of the loudest place in `samples`.
    fn measure(&mut self, samples: &[f32]) -> Result<f64> {
        let mut loudest = 0.0_f32;
        let hop = self.window.len() / 2;
        for start in (0..samples.len()).step_by(hop) {
            let rest = samples.get(start..).unwrap_or_default();
            self.frame.fill(0.0);
            for ((value, sample), window) in self.frame.iter_mut().zip(rest).zip(&self.window) {
                *value = sample * window;
            }
            self.transform.run(&mut self.frame, &mut self.spectrum)?;
            for span in self.spectrum.windows(self.span) {
                loudest = loudest.max(span.iter().map(|bin| bin.norm_sqr()).sum());
            }
        }
        // White noise of mean square 1 has a power of Σ window² at each frequency.
        let white: f64 = self.window.iter().map(|&w| f64::from(w) * f64::from(w)).sum();
        Ok(f64::from(loudest) / (self.span as f64 * white))
    }
}
