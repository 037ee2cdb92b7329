//! What a kind of feature is: what the rows of a tensor are, and how they are computed from the frames of an utterance.

use std::fmt;
use std::ops::Range;

use ser_core::Result;
use ser_core::vectorised::{NullaryFnOnce, vectorised};

use crate::FeatureConfig;

/// A kind of feature, such as MFCC.
///
/// The extractor does what all kinds share: it counts and trims frames, subtracts means, computes derivatives, and cuts
/// or pads the tensor. A kind computes its rows. A new one is a file like `mfcc.rs` and a line in
/// [`Representation`](crate::Representation)'s list of kinds; one of another crate needs no line, but cannot be named in texts:
///
/// ```
/// use ser_core::Result;
/// use ser_features::{
///     Extractor, FeatureComputation, FeatureConfig, FeatureKind, FrameLayout, Representation, UtteranceFrames,
/// };
///
/// /// The level of a frame: its root mean square.
/// #[derive(Debug)]
/// struct Level;
///
/// impl FeatureKind for Level {
///     fn name(&self) -> &'static str {
///         "level"
///     }
///
///     fn description(&self) -> &'static str {
///         "Root mean square of each frame"
///     }
///
///     fn rows(&self, _config: &FeatureConfig) -> usize {
///         1
///     }
///
///     fn computation(&self, config: &FeatureConfig) -> Box<dyn FeatureComputation> {
///         Box::new(LevelComputation { layout: FrameLayout::new(config), frame: vec![0.0; config.n_fft] })
///     }
/// }
///
/// #[derive(Debug)]
/// struct LevelComputation {
///     layout: FrameLayout,
///     frame: Vec<f64>,
/// }
///
/// impl FeatureComputation for LevelComputation {
///     fn compute(&mut self, utterance: &UtteranceFrames<'_>, rows: &mut [f32]) -> Result<()> {
///         for (level, index) in rows.iter_mut().zip(utterance.frames.clone()) {
///             self.layout.cut(utterance.samples, index, &mut self.frame);
///             let energy: f64 = self.frame.iter().map(|sample| sample * sample).sum();
///             *level = (energy / self.frame.len() as f64).sqrt() as f32;
///         }
///         Ok(())
///     }
/// }
///
/// let config = FeatureConfig { representation: Representation::of(&Level), delta_order: 0, ..Default::default() };
/// let mut extractor = Extractor::new(&config)?;
/// assert_eq!(extractor.shape(), [1, 1, 200]);
/// let mut tensor = vec![0.0; 200];
/// let extraction = extractor.extract(&[0.5; 16_000], &mut tensor)?;
/// assert_eq!(extraction.frames, 63);
/// assert!((tensor[30] - 0.5).abs() < 1e-6);
/// # Ok::<(), ser_core::Error>(())
/// ```
pub trait FeatureKind: fmt::Debug + Send + Sync {
    /// Its name in configurations, in kebab case: `mfcc`.
    fn name(&self) -> &'static str;

    /// What the rows are, in a phrase for help texts.
    fn description(&self) -> &'static str;

    /// Rows of a channel, at least one.
    fn rows(&self, config: &FeatureConfig) -> usize;

    /// Makes the tables and buffers that `config`, which is valid, needs.
    fn computation(&self, config: &FeatureConfig) -> Box<dyn FeatureComputation>;

    /// How the level of a frame follows from its rows; `None` where it does not.
    fn level(&self, _config: &FeatureConfig) -> Option<FrameLevel> {
        None
    }

    /// How the log mel spectrum can be had back from the rows; `None` where it cannot.
    fn spectrum(&self) -> Option<SpectrumRows> {
        None
    }
}

/// What rows that hold a log mel spectrum are, up to a mean of each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpectrumRows {
    /// The `n_mels` bands, dB.
    Bands,
    /// The first coefficients of the bands' orthonormal DCT-II.
    Cepstrum,
}

/// The mean of a frame's log mel spectrum, in dB: `scale` times the sum of its first `rows` rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameLevel {
    /// How many rows are summed.
    pub rows: usize,
    /// What the sum is multiplied by.
    pub scale: f32,
}

/// What of an utterance is computed.
#[derive(Debug, Clone)]
pub struct UtteranceFrames<'a> {
    /// All samples: mono, finite, at the configuration's rate.
    pub samples: &'a [f32],
    /// The frames that were not trimmed.
    pub frames: Range<usize>,
    /// How many of them, from the first, are needed, at least one. Later frames count only for what depends on the whole
    /// utterance, such as its loudest value, so that an hour of sound takes no more memory than a few seconds.
    pub needed: usize,
}

/// Computes the rows of one kind for one utterance after another.
pub trait FeatureComputation: fmt::Debug + Send + Sync {
    /// Fills `rows`, `[row, frame]` with [`UtteranceFrames::needed`] frames. It depends on the utterance alone, not on those
    /// before it.
    ///
    /// # Errors
    /// None that finite samples could cause; the extractor hands on whatever is returned.
    fn compute(&mut self, utterance: &UtteranceFrames<'_>, rows: &mut [f32]) -> Result<()>;
}

/// A computation compiled for several instruction sets, of which the best is chosen as the program runs. Its `compute`
/// and everything that calls must be `#[inline(always)]`, or it is compiled for the oldest processor alone.
#[derive(Debug)]
pub struct Vectorised<C>(pub C);

impl<C: FeatureComputation> FeatureComputation for Vectorised<C> {
    fn compute(&mut self, utterance: &UtteranceFrames<'_>, rows: &mut [f32]) -> Result<()> {
        vectorised(Compute { computation: &mut self.0, utterance, rows })
    }
}

struct Compute<'a, C> {
    computation: &'a mut C,
    utterance: &'a UtteranceFrames<'a>,
    rows: &'a mut [f32],
}

impl<C: FeatureComputation> NullaryFnOnce for Compute<'_, C> {
    type Output = Result<()>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        self.computation.compute(self.utterance, self.rows)
    }
}
