//! Pitch, formants, duration and frequency response, all changed in one pass.
//!
//! ```text
//! samples ─▶ Resampling ─▶ Alignment ─▶ FFT ─▶ × envelope(k/formants) / envelope(k/pitch) ─▶ IFFT ─▶ overlap-add
//!            pitch ratio    duration           × equaliser
//! ```
//!
//! Reading the waveform `pitch` times as fast moves F0 and the formants by that ratio; placing its frames by waveform
//! similarity gives it the duration asked for; a gain on each frame's spectrum, which leaves phases alone, moves the
//! envelope to where the formants belong.

mod alignment;
mod change;
mod logarithm;
mod resample;

pub use change::VoiceChange;
pub(super) use change::VoicePass;
use ser_core::Result;
use ser_core::vectorised::{NullaryFnOnce, vectorised};
use ser_fft::Complex;

use alignment::{Alignment, Frames};
use change::response_db;
use resample::Resampling;

use crate::augmentation::transform::Transform;

/// About how long a frame is, in seconds; its length is the power of two that is nearest.
const FRAME_S: f64 = 0.032;

/// How far from its time a frame may be taken, in seconds: half of the longest period that stays whole (50 Hz).
const TOLERANCE_S: f64 = 0.010;

/// Quefrencies in which the pitch period is looked for, in seconds: 80 to 450 Hz. What lies outside counts as its end.
const PERIOD_S: [f64; 2] = [0.002_2, 0.012_5];

/// Up to what share of the period the cepstrum describes the envelope rather than the harmonics: between those two it is
/// faded out.
const LIFTER: [f32; 2] = [0.5, 0.8];

/// The most that moving the envelope changes a frequency, as the logarithm of an amplitude: 30 dB.
const MAX_GAIN: f32 = 3.453_877_6;

/// Powers below that of the frame's loudest frequency by more than this factor count as no louder than that: −90 dB.
const RANGE: f32 = 1e-9;

/// Of a waveform that is read more slowly, up to what share of its highest frequency its spectrum is used.
const FULL: f64 = 0.95;

/// Changes voices at one sample rate, with its buffers.
#[derive(Debug, Clone)]
pub(super) struct VoiceChanger {
    sample_rate: f64,
    frame: usize,
    window: Vec<f32>,
    transform: Transform,
    /// Quefrencies in which the pitch period is looked for, in samples.
    period: [usize; 2],
    resampling: Resampling,
    alignment: Alignment,
    resampled: Vec<f32>,
    places: Vec<i64>,
    time: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    envelope: Vec<Complex<f32>>,
    log_envelope: Vec<f32>,
    bins: Vec<Bin>,
    gains: Vec<f32>,
}

/// What a frequency of the output is made from.
#[derive(Debug, Clone, Copy)]
struct Bin {
    /// The frequency whose fine structure it takes.
    source: usize,
    /// Where in the envelope of the samples its level is read.
    wanted: Place,
    /// Where in it the level of its source is.
    found: Place,
    /// Gain of the equaliser, as a logarithm.
    equaliser: f32,
}

/// Between entries `index` and `index + 1`.
#[derive(Debug, Clone, Copy)]
struct Place {
    index: usize,
    part: f32,
}

impl Place {
    fn new(place: f64, last: usize) -> Self {
        let place = place.clamp(0.0, last as f64);
        let index = (place as usize).min(last.saturating_sub(1));
        Self { index, part: (place - index as f64) as f32 }
    }

    fn read(self, values: &[f32]) -> f32 {
        match values.get(self.index..) {
            Some([low, high, ..]) => low + self.part * (high - low),
            _ => 0.0,
        }
    }
}

impl VoiceChanger {
    pub(super) fn new(sample_rate: u32) -> Self {
        let sample_rate = f64::from(sample_rate);
        let frame = 1_usize << (sample_rate * FRAME_S).log2().round().clamp(4.0, 20.0) as u32;
        let transform = Transform::new(frame);
        // The root of a periodic Hann window, before and after: together they sum to 1 at half overlap.
        let window = (0..frame).map(|n| (std::f64::consts::PI * n as f64 / frame as f64).sin() as f32);
        let period = PERIOD_S.map(|s| ((s * sample_rate) as usize).clamp(2, frame / 2));
        Self {
            sample_rate,
            frame,
            window: window.collect(),
            period,
            resampling: Resampling::default(),
            alignment: Alignment::default(),
            resampled: Vec::new(),
            places: Vec::new(),
            time: transform.samples(),
            spectrum: transform.spectrum(),
            envelope: transform.spectrum(),
            log_envelope: vec![0.0; frame / 2 + 1],
            bins: Vec::new(),
            gains: Vec::new(),
            transform,
        }
    }

    /// Replaces `output` by the changed `samples`: `round(duration · samples.len())` of them, at least one.
    pub(super) fn process(
        &mut self,
        change: &VoicePass,
        samples: &[f32],
        output: &mut Vec<f32>,
    ) -> Result<()> {
        let VoicePass { pitch, formants, duration, .. } = *change;
        let length = ((samples.len() as f64 * duration).round() as usize).max(1);
        let mut resampled = std::mem::take(&mut self.resampled);
        let moved = (pitch - 1.0).abs() > 1e-9;
        if moved {
            let length = ((samples.len() as f64 / pitch).round() as usize).max(1);
            self.resampling.process(samples, pitch, length, &mut resampled);
        }
        let source: &[f32] = if moved { &resampled } else { samples };

        let hop = self.frame / 2;
        let tolerance = (TOLERANCE_S * self.sample_rate) as usize;
        let count = length.div_ceil(hop) + 1;
        let stretch = if duration * pitch == 1.0 { 1.0 } else { length as f64 / source.len().max(1) as f64 };
        let mut places = std::mem::take(&mut self.places);
        self.alignment.find(source, Frames { hop, tolerance }, stretch, count, &mut places);

        self.tabulate(change);
        let reshaped = (pitch - formants).abs() > 1e-9 || pitch < 1.0;
        let filtered = reshaped || !change.equalisers.is_empty();
        output.clear();
        output.resize(count * hop + hop, 0.0);
        for (index, &place) in places.iter().enumerate() {
            self.load(source, place);
            if filtered {
                self.transform.run(&mut self.time, &mut self.spectrum)?;
                if reshaped {
                    if moved {
                        let place = (place as f64 * pitch).round() as i64;
                        self.load(samples, place);
                        self.transform.run(&mut self.time, &mut self.envelope)?;
                    } else {
                        self.envelope.clone_from(&self.spectrum);
                    }
                    self.estimate_envelope()?;
                }
                self.reshape(reshaped);
                self.transform.run_back(&mut self.spectrum, &mut self.time)?;
            }
            let sums = output.get_mut(index * hop..).unwrap_or_default();
            for ((sum, value), window) in sums.iter_mut().zip(&self.time).zip(&self.window) {
                *sum += value * window;
            }
        }
        // The first frame is centred on the first sample.
        output.drain(..hop.min(output.len()));
        output.truncate(length);
        self.resampled = resampled;
        self.places = places;
        Ok(())
    }

    /// The windowed frame of `samples` whose middle is at `place`, into `self.time`.
    fn load(&mut self, samples: &[f32], place: i64) {
        let start = place - (self.frame / 2) as i64;
        let inside = usize::try_from(start).ok().and_then(|start| samples.get(start..start + self.frame));
        if let Some(inside) = inside {
            for ((value, sample), window) in self.time.iter_mut().zip(inside).zip(&self.window) {
                *value = sample * window;
            }
            return;
        }
        for (n, (value, window)) in self.time.iter_mut().zip(&self.window).enumerate() {
            let sample = usize::try_from(start + n as i64).ok().and_then(|at| samples.get(at));
            *value = sample.copied().unwrap_or(0.0) * window;
        }
    }

    /// The logarithm of the envelope's amplitude, from the spectrum in `self.envelope`: its cepstrum, without what is
    /// beyond the lifter.
    fn estimate_envelope(&mut self) -> Result<()> {
        vectorised(LogAmplitude(&mut self.envelope));
        self.transform.run_back(&mut self.envelope, &mut self.time)?;
        let [shortest, longest] = self.period;
        let peaks = self.time.iter().enumerate().take(longest).skip(shortest);
        // The first peak at least half as high as the highest: two periods are a period too, but not the right one.
        let highest = peaks.clone().map(|(_, value)| *value).fold(0.0, f32::max);
        let period = peaks.clone().find(|(_, value)| **value >= 0.5 * highest).map_or(shortest, |(at, _)| at);
        let [full, end] = LIFTER.map(|share| share * period as f32);
        // An even sequence: the second half mirrors the first. Both transforms together multiply by the frame's length.
        let scale = 1.0 / self.frame as f32;
        for (n, value) in self.time.iter_mut().enumerate() {
            let quefrency = n.min(self.frame - n) as f32;
            let part = ((end - quefrency) / (end - full)).clamp(0.0, 1.0);
            *value *= scale * part * part * (3.0 - 2.0 * part);
        }
        self.transform.run(&mut self.time, &mut self.envelope)?;
        for (value, bin) in self.log_envelope.iter_mut().zip(&self.envelope) {
            *value = bin.re;
        }
        Ok(())
    }

    /// Which frequencies and levels the output's are made from.
    fn tabulate(&mut self, change: &VoicePass) {
        let VoicePass { pitch, formants, .. } = *change;
        let last = self.frame / 2;
        let highest = if pitch < 1.0 { ((last as f64 * pitch * FULL) as usize).max(1) } else { last };
        let hz = self.sample_rate / self.frame as f64;
        let decibel = std::f64::consts::LN_10 / 20.0;
        self.bins.clear();
        self.bins.extend((0..=last).map(|bin| {
            let source = folded(bin, highest);
            let equaliser: f64 = change
                .equalisers
                .iter()
                .map(|gains| response_db(gains, bin as f64 * hz, self.sample_rate))
                .sum();
            Bin {
                source,
                wanted: Place::new(bin as f64 / formants, last),
                found: Place::new(source as f64 / pitch, last),
                equaliser: (equaliser * decibel) as f32,
            }
        }));
    }

    /// Multiplies the spectrum by the gains, and by one over the frame's length for the way back.
    fn reshape(&mut self, envelope: bool) {
        self.gains.clear();
        self.gains.extend(self.bins.iter().map(|bin| {
            if !envelope {
                return bin.equaliser;
            }
            let moved = bin.wanted.read(&self.log_envelope) - bin.found.read(&self.log_envelope);
            bin.equaliser + moved.clamp(-MAX_GAIN, MAX_GAIN)
        }));
        vectorised(Exponential { scale: 1.0 / self.frame as f32, values: &mut self.gains });
        // From the top down, because a frequency's source lies below it.
        for (bin, (table, gain)) in self.bins.iter().zip(&self.gains).enumerate().rev() {
            let value = self.spectrum.get(table.source).copied().unwrap_or_default();
            if let Some(place) = self.spectrum.get_mut(bin) {
                *place = value * gain;
            }
        }
    }
}

/// Replaces a spectrum by the logarithm of its amplitude.
struct LogAmplitude<'a>(&'a mut [Complex<f32>]);

impl NullaryFnOnce for LogAmplitude<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let mut loudest = 0.0_f32;
        for bin in self.0.iter_mut() {
            *bin = Complex::new(bin.re * bin.re + bin.im * bin.im, 0.0);
            loudest = loudest.max(bin.re);
        }
        let floor = (loudest * RANGE).max(f32::MIN_POSITIVE);
        for bin in self.0.iter_mut() {
            bin.re = 0.5 * logarithm::ln(bin.re + floor);
        }
    }
}

/// Replaces values by `scale` times their exponential.
struct Exponential<'a> {
    scale: f32,
    values: &'a mut [f32],
}

impl NullaryFnOnce for Exponential<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for value in self.values {
            *value = self.scale * logarithm::exp(*value);
        }
    }
}

/// Frequencies above `highest`, where a waveform that is read more slowly has nothing, take their fine structure from
/// below it, mirrored again and again between `highest` and half of it.
fn folded(bin: usize, highest: usize) -> usize {
    if bin <= highest {
        return bin;
    }
    let span = (highest - highest / 2).max(1);
    let beyond = (bin - highest) % (2 * span);
    highest - beyond.min(2 * span - beyond)
}
