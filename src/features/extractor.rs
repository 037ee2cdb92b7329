//! The whole computation: samples of one utterance to its tensor.

use super::{Dct, Decibels, Delta, FeatureConfig, Framing, MelFilterBank, PowerSpectrum, window};
use crate::vectorised::{NullaryFnOnce, vectorised};
use crate::{Error, ErrorKind, Result};

/// Computes MFCC, Δ and ΔΔ; tables, plans and workspaces are made once and serve any number of utterances.
///
/// The same samples give the same bits on the same kind of processor, whatever was extracted before. The Fourier
/// transform uses the vector instructions that it finds, so another kind may differ in the last bits.
#[derive(Debug, Clone)]
pub struct Extractor {
    config: FeatureConfig,
    spectrogram: MelSpectrogram,
    decibels: Decibels,
    dct: Dct,
    deltas: Vec<Delta>,
    /// dB, `[frames, n_mels]`.
    db: Vec<f32>,
    /// One frame's coefficients.
    coefficients: Vec<f32>,
    /// MFCC, `[n_mfcc, frames]`.
    mfcc: Vec<f32>,
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
            dct: Dct::new(config.n_mels, config.n_mfcc),
            deltas: (1..=config.delta_order).map(|order| Delta::new(config.delta_width, order)).collect(),
            db: Vec::new(),
            coefficients: vec![0.0; config.n_mfcc],
            mfcc: Vec::new(),
            config: config.clone(),
        })
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &FeatureConfig {
        &self.config
    }

    /// Shape of the tensor: channels, `n_mfcc`, `max_frames`.
    pub fn shape(&self) -> [usize; 3] {
        self.config.shape()
    }

    /// Computes the tensor of `samples` (mono, at `sample_rate`, normalised as the caller sees fit) into `tensor`,
    /// row-major in [`Self::shape`]. `top_db` and the derivatives see the whole utterance; then frames beyond
    /// `max_frames` are left out, and missing ones are zero in every channel.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] for no samples, samples that are NaN or infinite, and, without `center`, less than
    /// one frame; [`ErrorKind::Mismatch`] when `tensor` has another size than the shape says.
    pub fn extract(&mut self, samples: &[f32], tensor: &mut [f32]) -> Result<Extraction> {
        let [channels, n_mfcc, max_frames] = self.shape();
        if tensor.len() != channels * n_mfcc * max_frames {
            let what =
                format!("a tensor [{channels}, {n_mfcc}, {max_frames}] cannot have {} values", tensor.len());
            return Err(Error::new(ErrorKind::Mismatch, what));
        }
        vectorised(Extract { extractor: self, samples, tensor })
    }

    #[inline(always)]
    fn fill(&mut self, samples: &[f32], tensor: &mut [f32]) -> Result<Extraction> {
        let [_, n_mfcc, max_frames] = self.shape();
        refuse_non_finite(samples)?;
        let frames = self.spectrogram.framing.count(samples.len())?;
        let kept = frames.min(max_frames);

        self.compute_mfcc(samples, frames)?;
        let computed = self.mfcc.len() / n_mfcc;
        let (mfcc, derivatives) = tensor.split_at_mut(n_mfcc * max_frames);
        for (row, values) in self.mfcc.chunks_exact(computed).zip(mfcc.chunks_exact_mut(max_frames)) {
            let (values, padding) = values.split_at_mut(kept);
            values.copy_from_slice(&row[..kept]);
            padding.fill(0.0);
        }
        for (delta, channel) in self.deltas.iter().zip(derivatives.chunks_exact_mut(n_mfcc * max_frames)) {
            for (row, values) in self.mfcc.chunks_exact(computed).zip(channel.chunks_exact_mut(max_frames)) {
                let (values, padding) = values.split_at_mut(kept);
                delta.apply(row, values);
                padding.fill(0.0);
            }
        }
        Ok(Extraction { frames: kept, cut: frames - kept })
    }

    /// Fills `self.mfcc` with the frames that the tensor depends on.
    ///
    /// These are `max_frames` and, of a longer utterance, one window of the derivatives more: no kept frame's
    /// derivative reaches further. Later frames count only for the loudest power, so that an hour of sound needs no
    /// more memory than a few seconds.
    #[inline(always)]
    fn compute_mfcc(&mut self, samples: &[f32], frames: usize) -> Result<()> {
        let FeatureConfig { n_mels, n_mfcc, max_frames, delta_width, .. } = self.config;
        let needed = frames.min(max_frames + delta_width);
        self.db.resize(needed * n_mels, 0.0);
        self.mfcc.resize(needed * n_mfcc, 0.0);

        let mut loudest = 0.0_f64;
        let mut rows = self.db.chunks_exact_mut(n_mels);
        for index in 0..frames {
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
            self.dct.apply(row, &mut self.coefficients);
            let column = self.mfcc.iter_mut().skip(index).step_by(needed);
            for (value, &coefficient) in column.zip(&self.coefficients) {
                *value = coefficient;
            }
        }
        Ok(())
    }
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

/// The stages from samples to mel power, with their workspaces.
#[derive(Debug, Clone)]
struct MelSpectrogram {
    framing: Framing,
    window: Vec<f64>,
    spectrum: PowerSpectrum,
    bank: MelFilterBank,
    frame: Vec<f64>,
    power: Vec<f64>,
    mel: Vec<f64>,
}

impl MelSpectrogram {
    fn new(config: &FeatureConfig) -> Self {
        let spectrum = PowerSpectrum::new(config.n_fft);
        Self {
            framing: Framing::new(config),
            window: window(config.window, config.win_length, config.n_fft),
            bank: MelFilterBank::new(config),
            frame: vec![0.0; config.n_fft],
            power: vec![0.0; spectrum.bins()],
            mel: vec![0.0; config.n_mels],
            spectrum,
        }
    }

    /// Power of frame `index` in each mel band.
    #[inline(always)]
    fn frame(&mut self, samples: &[f32], index: usize) -> Result<&[f64]> {
        self.framing.windowed(samples, index, &self.window, &mut self.frame);
        self.spectrum.compute(&mut self.frame, &mut self.power)?;
        self.bank.apply(&self.power, &mut self.mel);
        Ok(&self.mel)
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
    Err(Error::new(ErrorKind::Unusable, what).mend("write the recording again without such samples"))
}
