//! Mel-frequency cepstral coefficients: the cosine transform of the log mel spectrum, as `librosa.feature.mfcc`.
//!
//! S. B. Davis and P. Mermelstein, "Comparison of parametric representations for monosyllabic word recognition in
//! continuously spoken sentences", IEEE Transactions on Acoustics, Speech, and Signal Processing 28 (1980).

use ser_core::Result;

use crate::kind::{FeatureComputation, FeatureKind, FrameLevel, SpectrumRows, UtteranceFrames, Vectorised};
use crate::log_mel::LogMelSpectrogram;
use crate::{Dct, FeatureConfig};

/// MFCC: the first `n_mfcc` coefficients of the orthonormal DCT-II of `n_mels` log mel bands.
#[derive(Debug, Clone, Copy)]
pub struct Mfcc;

impl FeatureKind for Mfcc {
    fn name(&self) -> &'static str {
        "mfcc"
    }

    fn description(&self) -> &'static str {
        "`n_mfcc` cepstral coefficients: the cosine transform of the log mel spectrum"
    }

    fn rows(&self, config: &FeatureConfig) -> usize {
        config.n_mfcc
    }

    fn computation(&self, config: &FeatureConfig) -> Box<dyn FeatureComputation> {
        Box::new(Vectorised(MfccComputation {
            log_mel: LogMelSpectrogram::new(config),
            dct: Dct::new(config.n_mels, config.n_mfcc),
            coefficients: vec![0.0; config.n_mfcc],
        }))
    }

    /// The first coefficient is the sum of the bands over the root of their number.
    fn level(&self, config: &FeatureConfig) -> Option<FrameLevel> {
        Some(FrameLevel { rows: 1, scale: 1.0 / (config.n_mels.max(1) as f32).sqrt() })
    }

    fn spectrum(&self) -> Option<SpectrumRows> {
        Some(SpectrumRows::Cepstrum)
    }
}

#[derive(Debug)]
struct MfccComputation {
    log_mel: LogMelSpectrogram,
    dct: Dct,
    /// Those of one frame.
    coefficients: Vec<f32>,
}

impl FeatureComputation for MfccComputation {
    #[inline(always)]
    fn compute(&mut self, utterance: &UtteranceFrames<'_>, rows: &mut [f32]) -> Result<()> {
        for (index, bands) in self.log_mel.frames(utterance)?.enumerate() {
            self.dct.apply(bands, &mut self.coefficients);
            let column = rows.iter_mut().skip(index).step_by(utterance.needed);
            for (value, &coefficient) in column.zip(&self.coefficients) {
                *value = coefficient;
            }
        }
        Ok(())
    }
}
