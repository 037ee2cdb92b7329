//! The whole computation: samples of one utterance to its tensor.

use ser_core::remedy::{Action, Setting};
use ser_core::vectorised::{NullaryFnOnce, vectorised};
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::kind::{FeatureComputation, UtteranceFrames};
use crate::trim::Trim;
use crate::{Delta, FeatureConfig, FrameLayout};

/// Computes the rows of a feature kind with Δ and ΔΔ; tables, plans and workspaces are made once and serve any number of
/// utterances.
///
/// The same samples give the same bits on the same kind of processor, whatever was extracted before. The Fourier
/// transform uses the vector instructions that it finds, so another kind may differ in the last bits.
#[derive(Debug)]
pub struct Extractor {
    config: FeatureConfig,
    layout: FrameLayout,
    /// None where every frame is kept.
    trim: Option<Trim>,
    computation: Box<dyn FeatureComputation>,
    deltas: Vec<Delta>,
    /// `[row, frame]`.
    rows: Vec<f32>,
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
        if let Some(states) = &config.encoder {
            let what = format!("features of a {} encoder are computed by that encoder alone", states.family);
            return Err(Error::new(ErrorKind::Unsupported, what).help(remedy![
                Action::Prepare,
                " with ",
                Setting::Encoder
            ]));
        }
        Ok(Self::of_valid(config))
    }

    fn of_valid(config: &FeatureConfig) -> Self {
        Self {
            layout: FrameLayout::new(config),
            trim: config.trim_top_db.map(|top_db| Trim::new(config, top_db)),
            computation: config.representation.computation(config),
            deltas: (1..=config.delta_order).map(|order| Delta::new(config.delta_width, order)).collect(),
            rows: Vec::new(),
            config: config.clone(),
        }
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &FeatureConfig {
        &self.config
    }

    /// Shape of the tensor: channels, rows, `max_frames`.
    pub fn shape(&self) -> [usize; 3] {
        self.config.shape()
    }

    /// How many frames `samples` have after trimming, whatever a tensor holds.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] for no samples, and, without `center`, less than one frame.
    pub fn count(&mut self, samples: &[f32]) -> Result<usize> {
        let all = self.layout.count(samples.len())?;
        Ok(self.trim.as_mut().map_or(all, |trim| trim.frames(samples, all).len()))
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
        let all = self.layout.count(samples.len())?;
        let frames = self.trim.as_mut().map_or(0..all, |trim| trim.frames(samples, all));
        let kept = frames.len().min(max_frames);
        let cut = frames.len() - kept;

        // No kept frame's derivative reaches further than one of its windows.
        let computed = frames.len().min(max_frames + self.config.delta_width);
        self.rows.resize(computed * rows, 0.0);
        let utterance = UtteranceFrames { samples, frames, needed: computed };
        self.computation.compute(&utterance, &mut self.rows)?;
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
}

/// A new one for the same configuration: nothing of what it extracted before matters.
impl Clone for Extractor {
    fn clone(&self) -> Self {
        Self::of_valid(&self.config)
    }
}

/// Subtracts from a row the mean over its first `kept` frames.
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
