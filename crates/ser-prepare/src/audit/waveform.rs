//! Whether two recordings hold the same waveform: their normalised cross-correlation at the best lag.
//!
//! Spectrograms of two takes of one sentence by one speaker can agree well; their waveforms never do, because nobody
//! repeats the phases of a voice. A copy has the waveform of its original whatever was done to it: trimming moves it,
//! level scales it, and what coding, a telephone or a little noise add is small beside it in the band that all of them
//! keep. Altered speed or pitch is another waveform: such copies are out of reach.

use std::collections::BTreeMap;

use ser_core::{Error, ErrorKind, Result};
use ser_fft::{Complex, FftError, Transforms};

/// Rate at which waveforms are compared, Hz.
pub(super) const RATE: u32 = 8_000;

/// The band that telephones and encoders leave alone, and that hum and rumble, which recordings of one room share, lie
/// below, Hz.
const BAND_HZ: std::ops::RangeInclusive<f64> = 150.0..=3_400.0;

/// Recordings are compared over their first seconds: what agrees for so long is the same.
const LONGEST_S: usize = 30;

/// Both are compared where they overlap, and that must be at least this long, samples, and half of the shorter one.
const SHORTEST_OVERLAP: usize = RATE as usize * 2 / 5;

/// With less than this share of the energy of a recording in the overlap, it is about what is quiet in it.
const LEAST_SHARE: f64 = 0.25;

/// A recording at [`RATE`], limited to the band.
#[derive(Debug, Clone)]
pub(super) struct Waveform {
    samples: Vec<f64>,
    /// Energy of all samples before each, and finally of all.
    energy: Vec<f64>,
}

/// Limits and correlates waveforms, in plans and buffers that are kept; every thread needs its own.
pub(super) struct Correlator {
    plans: BTreeMap<usize, Transforms<f64>>,
}

impl Correlator {
    pub(super) fn new() -> Self {
        Self { plans: BTreeMap::new() }
    }

    /// Transforms of at least `len` samples: of a power of two, for speed.
    fn plan(&mut self, len: usize) -> Plan {
        let len = len.next_power_of_two().max(2);
        let transforms = self.plans.entry(len).or_insert_with(|| ser_fft::double(len));
        Plan { len, transforms: transforms.clone() }
    }

    /// The waveform of `samples` at [`RATE`].
    ///
    /// # Errors
    /// None that samples could cause.
    pub(super) fn waveform(&mut self, samples: &[f32]) -> Result<Waveform> {
        let samples = samples.get(..LONGEST_S * RATE as usize).unwrap_or(samples);
        let plan = self.plan(samples.len());
        let mut padded: Vec<f64> = samples.iter().copied().map(f64::from).collect();
        padded.resize(plan.len, 0.0);
        let mut spectrum = plan.spectrum(&mut padded)?;
        let hz = f64::from(RATE) / plan.len as f64;
        for (bin, value) in spectrum.iter_mut().enumerate() {
            if !BAND_HZ.contains(&(bin as f64 * hz)) {
                *value = Complex::default();
            }
        }
        plan.signal(&mut spectrum, &mut padded)?;
        padded.truncate(samples.len());
        let mut sum = 0.0;
        let mut energy = Vec::with_capacity(padded.len() + 1);
        energy.push(sum);
        energy.extend(padded.iter().map(|sample| {
            sum += sample * sample;
            sum
        }));
        Ok(Waveform { samples: padded, energy })
    }

    /// The largest magnitude, over all lags, of the correlation of both where they overlap; 0 to 1.
    ///
    /// # Errors
    /// None that waveforms could cause.
    pub(super) fn correlation(&mut self, one: &Waveform, other: &Waveform) -> Result<f64> {
        let (n, m) = (one.samples.len(), other.samples.len());
        let plan = self.plan(n + m);
        let padded = |samples: &[f64]| {
            let mut padded = samples.to_vec();
            padded.resize(plan.len, 0.0);
            padded
        };
        let (mut first, mut second) = (padded(&one.samples), padded(&other.samples));
        let mut product = plan.spectrum(&mut first)?;
        for (a, b) in product.iter_mut().zip(plan.spectrum(&mut second)?) {
            *a *= b.conj();
        }
        plan.signal(&mut product, &mut first)?;
        let least = SHORTEST_OVERLAP.max(n.min(m) / 2);
        let of_lag = |lag: isize| -> Option<f64> {
            // Sample t of `other` meets sample t + lag of `one`.
            let (start, end) = (lag.max(0) as usize, n.min(m.checked_add_signed(lag)?));
            if end < start + least {
                return None;
            }
            let (a, b) = (
                one.energy_in(start, end)?,
                other.energy_in(start.checked_add_signed(-lag)?, end.checked_add_signed(-lag)?)?,
            );
            let product = first.get(lag.rem_euclid(plan.len as isize) as usize)?;
            Some(product.abs() / (a * b).sqrt())
        };
        let lags = 1 - m as isize..n as isize;
        Ok(lags.filter_map(of_lag).fold(0.0, f64::max).min(1.0))
    }
}

impl Waveform {
    /// The energy from sample `start` to before `end`, if enough of it all is there.
    fn energy_in(&self, start: usize, end: usize) -> Option<f64> {
        let energy = self.energy.get(end)? - self.energy.get(start)?;
        (energy > LEAST_SHARE * self.energy.last()? && energy > 0.0).then_some(energy)
    }
}

/// Transforms of one length.
struct Plan {
    len: usize,
    transforms: Transforms<f64>,
}

impl Plan {
    fn spectrum(&self, samples: &mut [f64]) -> Result<Vec<Complex<f64>>> {
        let mut spectrum = self.transforms.forward.make_output_vec();
        self.transforms.forward.process(samples, &mut spectrum).map_err(|error| internal(&error))?;
        Ok(spectrum)
    }

    /// The inverse of [`spectrum`](Self::spectrum); what was in `spectrum` is lost.
    fn signal(&self, spectrum: &mut [Complex<f64>], samples: &mut [f64]) -> Result<()> {
        self.transforms.inverse.process(spectrum, samples).map_err(|error| internal(&error))?;
        let scale = 1.0 / self.len as f64;
        samples.iter_mut().for_each(|sample| *sample *= scale);
        Ok(())
    }
}

fn internal(error: &FftError) -> Error {
    Error::new(ErrorKind::Unsupported, format!("cannot be transformed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise that looks random, of `len` samples.
    fn noise(seed: u64, len: usize) -> Vec<f32> {
        let mut random = ser_core::random::Random::new(&["waveform", &seed.to_string()]);
        (0..len).map(|_| random.symmetric() as f32).collect()
    }

    fn correlation(one: &[f32], other: &[f32]) -> f64 {
        let mut correlator = Correlator::new();
        let (one, other) = (correlator.waveform(one).unwrap(), correlator.waveform(other).unwrap());
        correlator.correlation(&one, &other).unwrap()
    }

    #[test]
    fn a_copy_that_is_trimmed_softer_and_turned_over_correlates_wherever_it_begins() {
        let original = noise(1, 12_000);
        let copy: Vec<f32> = original[1234..10_000].iter().map(|sample| -0.1 * sample).collect();
        assert!(correlation(&original, &copy) > 0.99);
        assert!(correlation(&copy, &original) > 0.99);
    }

    #[test]
    fn other_sounds_silence_and_too_short_an_overlap_do_not_correlate() {
        let (one, other) = (noise(1, 12_000), noise(2, 12_000));
        assert!(correlation(&one, &other) < 0.2);
        assert_eq!(correlation(&one, &[0.0; 12_000]), 0.0);
        assert_eq!(correlation(&one, &[]), 0.0);
        // The last quarter of the one is the first of the other.
        let late = [&one[9_000..], &other[..9_000]].concat();
        assert!(correlation(&one, &late) < 0.5);
    }

    #[test]
    fn hum_that_two_recordings_share_does_not_make_them_alike() {
        let hum = |samples: Vec<f32>| -> Vec<f32> {
            let tone = |n: usize| 20.0 * (n as f32 * 50.0 * std::f32::consts::TAU / RATE as f32).sin();
            samples.into_iter().enumerate().map(|(n, sample)| sample + tone(n)).collect()
        };
        assert!(correlation(&hum(noise(1, 12_000)), &hum(noise(2, 12_000))) < 0.3);
    }
}
