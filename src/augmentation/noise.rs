//! Additive noise: of a colour, or of other people talking.

use std::f64::consts::PI;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use serde::{Deserialize, Serialize};

use super::Range;
use super::recipe::require;
use crate::elementary::{decibels, ln};
use crate::random::Random;
use crate::{Error, ErrorKind, Result};

/// `kind = "noise"`
///
/// Either `colour` or `slope_db_per_octave`, and either `snr_db` or `floor_db`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// What it sounds like. White if neither this nor a slope is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// How its power density changes with frequency, −12 to 12 dB per octave, uniform: 0 is white, −3 pink, −6 brown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slope_db_per_octave: Option<Range>,
    /// Mean power of the utterance over mean power of the noise, −60 to 120 dB, uniform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snr_db: Option<Range>,
    /// How far the noise's power density at 1 kHz lies below the highest that the utterance ever has: the loudest 100 Hz
    /// of its loudest 32 ms. 0 to 120 dB, uniform. This is what a spectrogram shows as its floor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_db: Option<Range>,
    /// How many people talk in babble, 1 to 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talkers: Option<usize>,
}

/// A kind of noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// The same power in every hertz.
    White,
    /// The same power in every octave: −3 dB per octave.
    Pink,
    /// −6 dB per octave.
    Brown,
    /// Other training utterances, mixed.
    Babble,
}

/// How loud noise is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Signal-to-noise ratio in dB.
    SnrDb(f64),
    /// How far it is below the utterance's highest power density, in dB.
    FloorDb(f64),
}

/// Power density is constant below this frequency, Hz: no slope reaches to 0 Hz.
const KNEE_HZ: f64 = 50.0;

/// Talkers in babble if none are given.
const TALKERS: usize = 4;

impl Noise {
    pub(super) fn validate(&self) -> Result<()> {
        let refuse = |what: &str, mend: &str| Err(Error::new(ErrorKind::Usage, what).mend(mend));
        match (self.colour, self.slope_db_per_octave) {
            (Some(_), Some(_)) => {
                return refuse("has both colour and slope_db_per_octave", "give one of them");
            }
            (_, Some(slope)) => slope.validate("slope_db_per_octave", -12.0, 12.0, "dB per octave")?,
            _ => {}
        }
        match (self.snr_db, self.floor_db) {
            (Some(snr), None) => snr.validate("snr_db", -60.0, 120.0, "dB")?,
            (None, Some(floor)) => floor.validate("floor_db", 0.0, 120.0, "dB")?,
            _ => return refuse("needs either snr_db or floor_db", "give one of them"),
        }
        if let Some(talkers) = self.talkers {
            if self.colour != Some(Colour::Babble) {
                return refuse("has talkers, but only babble does", "give colour = \"babble\"");
            }
            require((1..=32).contains(&talkers), "talkers", talkers, "1 to 32")?;
        }
        if self.colour == Some(Colour::Babble) && self.floor_db.is_some() {
            return refuse("has floor_db, but babble has no even floor", "give snr_db");
        }
        Ok(())
    }

    /// Slope in dB per octave (`None` for babble), and level.
    pub(super) fn draw(&self, random: &mut Random) -> (Option<f64>, Level) {
        let slope = match (self.colour, self.slope_db_per_octave) {
            (Some(Colour::Babble), _) => None,
            (Some(Colour::Pink), _) => Some(-10.0 * std::f64::consts::LOG10_2),
            (Some(Colour::Brown), _) => Some(-20.0 * std::f64::consts::LOG10_2),
            (_, Some(slope)) => Some(slope.draw(random)),
            (Some(Colour::White) | None, None) => Some(0.0),
        };
        let level = match (self.snr_db, self.floor_db) {
            (_, Some(floor)) => Level::FloorDb(floor.draw(random)),
            (Some(snr), None) => Level::SnrDb(snr.draw(random)),
            (None, None) => Level::SnrDb(120.0),
        };
        (slope, level)
    }

    /// How many people talk.
    pub(super) fn talkers(&self) -> usize {
        self.talkers.unwrap_or(TALKERS)
    }
}

/// Makes noise at one sample rate, with its buffers.
#[derive(Clone)]
pub(super) struct NoiseMaker {
    sample_rate: f64,
    inverse: Arc<dyn ComplexToReal<f32>>,
    spectrum: Vec<Complex<f32>>,
    time: Vec<f32>,
    scratch: Vec<Complex<f32>>,
    window: Vec<f32>,
    density: PeakDensity,
    noise: Vec<f32>,
}

/// Samples of a block of noise at most rates: 128 ms at 16 kHz.
const BLOCK: usize = 2048;

impl NoiseMaker {
    pub(super) fn new(sample_rate: u32) -> Self {
        let inverse = RealFftPlanner::new().plan_fft_inverse(BLOCK);
        let window = (0..BLOCK).map(|n| (PI * n as f64 / BLOCK as f64).sin() as f32);
        Self {
            sample_rate: f64::from(sample_rate),
            spectrum: inverse.make_input_vec(),
            time: inverse.make_output_vec(),
            scratch: inverse.make_scratch_vec(),
            window: window.collect(),
            density: PeakDensity::new(sample_rate),
            noise: Vec::new(),
            inverse,
        }
    }

    /// Adds noise of a slope (dB per octave) to `samples`.
    pub(super) fn add(
        &mut self,
        slope: f64,
        level: Level,
        random: &mut Random,
        samples: &mut [f32],
    ) -> Result<()> {
        let at_1_khz = self.make(slope, samples.len(), random)?;
        let factor = match level {
            Level::SnrDb(snr) => factor_for_snr(samples, &self.noise, snr),
            Level::FloorDb(floor) => {
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
        level: Level,
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
        if let Level::SnrDb(snr) = level {
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
        let amplitudes: Vec<f32> = (0..=bins)
            .map(|bin| crate::elementary::exp(exponent * ln((bin as f64 * hz).max(KNEE_HZ) / 1000.0)) as f32)
            .collect();
        self.noise.clear();
        self.noise.resize(length + 2 * BLOCK, 0.0);
        for start in (0..length + bins).step_by(bins) {
            for (bin, amplitude) in self.spectrum.iter_mut().zip(&amplitudes) {
                *bin = Complex::new(
                    random.symmetric() as f32 * amplitude,
                    random.symmetric() as f32 * amplitude,
                );
            }
            for edge in [0, bins] {
                if let Some(bin) = self.spectrum.get_mut(edge) {
                    bin.im = 0.0;
                }
            }
            self.inverse
                .process_with_scratch(&mut self.spectrum, &mut self.time, &mut self.scratch)
                .map_err(|error| {
                    Error::new(ErrorKind::Mismatch, format!("a Fourier transform failed: {error}"))
                })?;
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
#[derive(Clone)]
struct PeakDensity {
    forward: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    frame: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    /// Frequencies that are averaged over: about 100 Hz.
    span: usize,
}

impl PeakDensity {
    fn new(sample_rate: u32) -> Self {
        let rate = f64::from(sample_rate);
        let length = 1_usize << (rate * 0.032).log2().round().clamp(4.0, 20.0) as u32;
        let forward = RealFftPlanner::new().plan_fft_forward(length);
        let window = (0..length).map(|n| (0.5 - 0.5 * (2.0 * PI * n as f64 / length as f64).cos()) as f32);
        Self {
            window: window.collect(),
            frame: forward.make_input_vec(),
            spectrum: forward.make_output_vec(),
            scratch: forward.make_scratch_vec(),
            span: ((100.0 * length as f64 / rate).round() as usize).max(1),
            forward,
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
            self.forward
                .process_with_scratch(&mut self.frame, &mut self.spectrum, &mut self.scratch)
                .map_err(|error| {
                    Error::new(ErrorKind::Mismatch, format!("a Fourier transform failed: {error}"))
                })?;
            for span in self.spectrum.windows(self.span) {
                loudest = loudest.max(span.iter().map(|bin| bin.norm_sqr()).sum());
            }
        }
        // White noise of mean square 1 has a power of Σ window² at each frequency.
        let white: f64 = self.window.iter().map(|&w| f64::from(w) * f64::from(w)).sum();
        Ok(f64::from(loudest) / (self.span as f64 * white))
    }
}

impl std::fmt::Debug for NoiseMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NoiseMaker").field("sample_rate", &self.sample_rate).finish_non_exhaustive()
    }
}
