//! The spectrum behind the rows of a tensor, in a few bands that telephones and codecs leave alone.
//!
//! MFCC are the cosine transform of a log mel spectrum, so that spectrum, smoothed, is a sum of cosines and can be asked
//! for at any place between two mel bands. Asked for from 150 to 3,400 Hz it does not depend on what a sample rate of
//! 8 kHz, or an encoder that saves bits, cuts off above. Rows that are mel bands themselves go the same way, through the
//! coefficients they have.

use ser_features::{FeatureConfig, SpectrumRows, hz_to_mel};

/// Where the bands lie, Hz.
const LOWEST_HZ: f64 = 150.0;
const HIGHEST_HZ: f64 = 3_400.0;

/// With a narrower range than this, Hz, or fewer coefficients there is too little to tell recordings apart by.
const LEAST_RANGE_HZ: f64 = 1_000.0;
const FEWEST_COEFFICIENTS: usize = 8;

/// No more coefficients than this are used: those above are fine structure, which re-encoding alters first.
const MOST_COEFFICIENTS: usize = 20;

/// What is more than this below the loudest value of a clip, dB, counts as that quiet: it drowns in a little noise.
const RANGE_DB: f32 = 40.0;

/// Frames are taken at about this distance, seconds, or at the feature set's own if that is longer.
const PERIOD_S: f64 = 0.016;

/// With frames further apart than this, seconds, syllables are lost between them.
const LONGEST_PERIOD_S: f64 = 0.04;

/// How the frames of a feature set become band energies.
#[derive(Debug, Clone)]
pub(super) struct ClipFraming {
    rows: SpectrumRows,
    /// Coefficients used.
    coefficients: usize,
    /// Frames in a tensor: the distance from one row to the next.
    max_frames: usize,
    /// Every how many frames one is taken.
    step: usize,
    /// Seconds from one frame taken to the next.
    period_s: f64,
    /// The place of a frequency among the mel bands, as a fraction of their range.
    config: FeatureConfig,
}

impl ClipFraming {
    /// How to look at the tensors of `config`; `None` where they hold too little to tell recordings apart.
    pub(super) fn new(config: &FeatureConfig) -> Option<Self> {
        let hop_s = config.hop_length as f64 / f64::from(config.sample_rate.max(1));
        let step = ((PERIOD_S / hop_s).round() as usize).max(1);
        let period_s = hop_s * step as f64;
        let rows = config.spectrum()?;
        let coefficients = match rows {
            SpectrumRows::Cepstrum => config.n_mfcc,
            SpectrumRows::Bands => config.n_mels,
        };
        let enough = period_s <= LONGEST_PERIOD_S
            && coefficients >= FEWEST_COEFFICIENTS
            && config.f_max.min(HIGHEST_HZ) - config.f_min.max(LOWEST_HZ) >= LEAST_RANGE_HZ;
        enough.then(|| Self {
            rows,
            coefficients: coefficients.min(MOST_COEFFICIENTS),
            max_frames: config.max_frames,
            step,
            period_s,
            config: config.clone(),
        })
    }

    /// How many values at the beginning of a tensor are needed: its first rows, over all frames.
    pub(super) fn values(&self) -> usize {
        let rows = match self.rows {
            SpectrumRows::Cepstrum => self.coefficients,
            SpectrumRows::Bands => self.config.n_mels,
        };
        rows * self.max_frames
    }

    /// How many frames `seconds` are; at least one.
    pub(super) fn frames_in(&self, seconds: f64) -> usize {
        ((seconds / self.period_s).round() as usize).max(1)
    }
}

/// Band energies of a clip, dB: `[frame][band]`.
pub(super) type Energies<const N: usize> = Vec<[f32; N]>;

/// `N` bands, equally spaced in mel.
#[derive(Debug, Clone)]
pub(super) struct Bands<const N: usize> {
    framing: ClipFraming,
    /// `[row][band]`
    weights: Vec<[f32; N]>,
}

impl<const N: usize> Bands<N> {
    pub(super) fn new(framing: &ClipFraming) -> Self {
        let config = &framing.config;
        let mel = |hz: f64| hz_to_mel(config.mel_scale, hz);
        let (low, high) = (mel(config.f_min.max(LOWEST_HZ)), mel(config.f_max.min(HIGHEST_HZ)));
        let (first, last) = (mel(config.f_min), mel(config.f_max));
        let bands = config.n_mels as f64;
        // The orthonormal DCT-II: coefficient k at place m among the mel bands.
        let cosine = |k: usize, m: f64| {
            let norm = if k == 0 { (1.0 / bands).sqrt() } else { (2.0 / bands).sqrt() };
            norm * (std::f64::consts::PI * k as f64 * (m + 0.5) / bands).cos()
        };
        let of_coefficient = |k: usize, band: usize| {
            let at = low + (high - low) * band as f64 / (N.max(2) - 1) as f64;
            // Band m of the filter bank peaks at edge m + 1 of n_mels + 2.
            let m = (at - first) / (last - first) * (bands + 1.0) - 1.0;
            cosine(k, m)
        };
        let of_mel_band = |row: usize, band: usize| -> f64 {
            (0..framing.coefficients).map(|k| cosine(k, row as f64) * of_coefficient(k, band)).sum()
        };
        let weights = match framing.rows {
            SpectrumRows::Cepstrum => (0..framing.coefficients)
                .map(|k| std::array::from_fn(|band| of_coefficient(k, band) as f32))
                .collect(),
            SpectrumRows::Bands => (0..config.n_mels)
                .map(|row| std::array::from_fn(|band| of_mel_band(row, band) as f32))
                .collect(),
        };
        Self { framing: framing.clone(), weights }
    }

    /// Energies of the clip whose tensor starts with `values` and has `frames` real frames, one of `every` frames taken.
    pub(super) fn energies(&self, values: &[f32], frames: usize, every: usize) -> Energies<N> {
        let ClipFraming { max_frames, step, .. } = self.framing;
        let mut loudest = f32::MIN;
        let taken = (0..frames.min(max_frames)).step_by(step.saturating_mul(every.max(1)));
        let mut energies: Energies<N> = taken
            .map(|frame| {
                let mut energy = [0.0; N];
                for (weights, row) in self.weights.iter().zip(values.chunks_exact(max_frames)) {
                    let value = row.get(frame).copied().unwrap_or(0.0);
                    energy.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight * value);
                }
                loudest = energy.iter().copied().fold(loudest, f32::max);
                energy
            })
            .collect();
        let floor = loudest - RANGE_DB;
        energies.iter_mut().flatten().for_each(|energy| *energy = energy.max(floor));
        energies
    }
}

/// The mean over `width` frames around each, the first and last standing for those before and after.
pub(super) fn smooth<const N: usize>(energies: &[[f32; N]], width: usize) -> Energies<N> {
    let Some(last) = energies.len().checked_sub(1) else { return Vec::new() };
    let before = width / 2;
    let scale = 1.0 / width.max(1) as f32;
    let mean = |frame: usize| {
        let mut mean = [0.0; N];
        for at in 0..width {
            let around = (frame + at).saturating_sub(before).min(last);
            mean.iter_mut().zip(&energies[around]).for_each(|(sum, energy)| *sum += energy * scale);
        }
        mean
    };
    (0..energies.len()).map(mean).collect()
}
