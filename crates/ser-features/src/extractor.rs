//! The whole computation: samples of one utterance to its tensor.

use std::ops::Range;

use ser_core::vectorised::{NullaryFnOnce, vectorised};
use ser_core::{Error, ErrorKind, Result};

use crate::{Dct, Decibels, Delta, FeatureConfig, MelSpectrogram, Representation, trim};

/// Computes rows, which are MFCC or mel bands in dB, with Δ and ΔΔ; tables, plans and workspaces are made once and serve
/// any number of utterances.
///
/// The same samples give the same bits on the same kind of processor, whatever was extracted before. The Fourier
/// transform uses the vector instructions that it finds, so another kind may differ in the last bits.
#[derive(Debug, Clone)]
pub struct Extractor {
    config: FeatureConfig,
    spectrogram: MelSpectrogram,
    decibels: Decibels,
    /// None where the mel spectrum itself is what is asked for.
    dct: Option<Dct>,
    deltas: Vec<Delta>,
    /// dB, `[frames, n_mels]`.
    db: Vec<f32>,
    /// One frame's coefficients.
    coefficients: Vec<f32>,
    /// MFCC or bands, `[row, frame]`.
    rows: Vec<f32>,
    /// Energy under the window of every frame.
    energies: Vec<f64>,
}

/// How much of an utterance is in its tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extraction {
    /// Frames computed from samples, at most `max_frames`; the rest of the tensor is zero.
    pub frames: usize,
    /// Frames left out because the utterance has more than `max_frames`.
    pub cut: usize,
}

impl Extractor {
    /// Prepares the computation that `config` describes.
    ///
    /// # Errors
    /// Those of [`FeatureConfig::validate`].
    pub fn new(config: &FeatureConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self {
            spectrogram: MelSpectrogram::new(config),
            decibels: Decibels::new(config),
            dct: match config.representation {
                Representation::Mfcc => Some(Dct::new(config.n_mels, config.n_mfcc)),
                Representation::LogMel => None,
            },
            deltas: (1..=config.delta_order).map(|order| Delta::new(config.delta_width, order)).collect(),
            db: Vec::new(),
            coefficients: vec![0.0; config.rows()],
            rows: Vec::new(),
            energies: Vec::new(),
            config: config.clone(),
        })
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &FeatureConfig {
        &self.config
    }

    /// Shape of the tensor: channels, coefficients or bands, `max_frames`.
    pub fn shape(&self) -> [usize; 3] {
        self.config.shape()
    }

    /// Computes the tensor of `samples` (mono, at `sample_rate`, normalised as the caller sees fit) into `tensor`,
    /// row-major in [`Self::shape`]. `top_db`, trimming and the derivatives see the whole utterance; then frames beyond
    /// `max_frames` are left out, and missing ones are zero in every channel.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] for no samples, samples that are NaN or infinite, and, without `center`, less than
    /// one frame; [`ErrorKind::Mismatch`] when `tensor` has another size than the shape says.
    pub fn extract(&mut self, samples: &[f32], tensor: &mut [f32]) -> Result<Extraction> {
        let [channels, rows, max_frames] = self.shape();
        if tensor.len() != channels * rows * max_frames {
            let what =
                format!("a tensor [{channels}, {rows}, {max_frames}] cannot have {} values", tensor.len());
            return Err(Error::new(ErrorKind::Mismatch, what));
        }
        vectorised(Extract { extractor: self, samples, tensor })
    }

    #[inline(always)]
    fn fill(&mut self, samples: &[f32], tensor: &mut [f32]) -> Result<Extraction> {
        let [_, rows, max_frames] = self.shape();
        refuse_non_finite(samples)?;
        let frames = self.speech_frames(samples)?;
        let kept = frames.len().min(max_frames);

        let (cut, computed) = (frames.len() - kept, self.compute_rows(samples, frames)?);
        if self.config.mean_subtraction {
            self.rows.chunks_exact_mut(computed).for_each(|row| subtract_mean(row, kept));
        }
        let (first, derivatives) = tensor.split_at_mut(rows * max_frames);
        for (row, values) in self.rows.chunks_exact(computed).zip(first.chunks_exact_mut(max_frames)) {
            let (values, padding) = values.split_at_mut(kept);
            values.copy_from_slice(&row[..kept]);
            padding.fill(0.0);
        }
        for (delta, channel) in self.deltas.iter().zip(derivatives.chunks_exact_mut(rows * max_frames)) {
            for (row, values) in self.rows.chunks_exact(computed).zip(channel.chunks_exact_mut(max_frames)) {
                let (values, padding) = values.split_at_mut(kept);
                delta.apply(row, values);
                padding.fill(0.0);
            }
        }
        Ok(Extraction { frames: kept, cut })
    }

    /// The frames that are not trimmed.
    #[inline(always)]
    fn speech_frames(&mut self, samples: &[f32]) -> Result<Range<usize>> {
        let frames = self.spectrogram.count(samples)?;
        let Some(top_db) = self.config.trim_top_db else { return Ok(0..frames) };
        self.energies.clear();
        self.energies.extend((0..frames).map(|index| self.spectrogram.energy(samples, index)));
        Ok(trim(&self.energies, top_db))
    }

    /// Fills `self.rows` with those of `frames` that the tensor depends on, and says how many they are.
    ///
    /// These are `max_frames` and, of a longer utterance, one window of the derivatives more: no kept frame's
    /// derivative reaches further. Later frames count only for the loudest power, so that an hour of sound needs no
    /// more memory than a few seconds.
    #[inline(always)]
    fn compute_rows(&mut self, samples: &[f32], frames: Range<usize>) -> Result<usize> {
        let FeatureConfig { n_mels, max_frames, delta_width, .. } = self.config;
        let needed = frames.len().min(max_frames + delta_width);
        self.db.resize(needed * n_mels, 0.0);
        self.rows.resize(needed * self.config.rows(), 0.0);

        let mut loudest = 0.0_f64;
        let mut rows = self.db.chunks_exact_mut(n_mels);
        for index in frames {
            let mel = self.spectrogram.frame(samples, index)?;
            loudest = mel.iter().copied().fold(loudest, f64::max);
            if let Some(row) = rows.next() {
                self.decibels.convert(mel, row);
            }
        }

        let floor = self.decibels.floor(loudest);
        for (index, row) in self.db.chunks_exact_mut(n_mels).enumerate() {
            for db in row.iter_mut() {
                *db = db.max(floor);
            }
            let coefficients = match &mut self.dct {
                Some(dct) => {
                    dct.apply(row, &mut self.coefficients);
                    &self.coefficients
                }
                None => &*row,
            };
            let column = self.rows.iter_mut().skip(index).step_by(needed);
            for (value, &coefficient) in column.zip(coefficients) {
                *value = coefficient;
            }
        }
        Ok(needed)
    }
}

/// Subtracts from a row of coefficients the mean over its first `kept` frames.
#[inline(always)]
fn subtract_mean(row: &mut [f32], kept: usize) {
    let sum: f64 = row[..kept].iter().map(|&value| f64::from(value)).sum();
    let mean = (sum / kept.max(1) as f64) as f32;
    row.iter_mut().for_each(|value| *value -= mean);
}

/// The whole computation as [`vectorised`] takes it.
struct Extract<'a> {
    extractor: &'a mut Extractor,
    samples: &'a [f32],
    tensor: &'a mut [f32],
}

impl NullaryFnOnce for Extract<'_> {
    type Output = Result<Extraction>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        self.extractor.fill(self.samples, self.tensor)
    }
}

/// One NaN would spread over the whole tensor, through the loudest value or the derivatives.
#[inline(always)]
fn refuse_non_finite(samples: &[f32]) -> Result<()> {
    // Infinity is the smallest bit pattern, without its sign, that is not finite; comparing integers vectorises.
    let magnitude = |sample: &f32| sample.to_bits() & 0x7fff_ffff;
    if samples.iter().map(magnitude).fold(0, u32::max) < f32::INFINITY.to_bits() {
        return Ok(());
    }
    let at = samples.iter().position(|sample| !sample.is_finite()).unwrap_or(0);
    let what =
        format!("sample {at} is {}, not a finite number", samples.get(at).copied().unwrap_or(f32::NAN));
    Err(Error::new(ErrorKind::Unusable, what).help("write the recording again without such samples"))
}
