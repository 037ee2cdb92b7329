//! The log mel spectrum: power in mel bands, in dB.

use ser_core::Result;

use crate::kind::{FeatureComputation, FeatureKind, FrameLevel, SpectrumRows, UtteranceFrames, Vectorised};
use crate::{Decibels, FeatureConfig, MelSpectrogram};

/// The log mel spectrum, `n_mels` bands in dB.
#[derive(Debug, Clone, Copy)]
pub struct LogMel;

impl FeatureKind for LogMel {
    fn name(&self) -> &'static str {
        "log-mel"
    }

    fn description(&self) -> &'static str {
        "The log mel spectrum itself, `n_mels` bands in dB"
    }

    fn rows(&self, config: &FeatureConfig) -> usize {
        config.n_mels
    }

    fn computation(&self, config: &FeatureConfig) -> Box<dyn FeatureComputation> {
        Box::new(Vectorised(LogMelComputation(LogMelSpectrogram::new(config))))
    }

    fn level(&self, config: &FeatureConfig) -> Option<FrameLevel> {
        let bands = config.n_mels.max(1);
        Some(FrameLevel { rows: bands, scale: 1.0 / bands as f32 })
    }

    fn spectrum(&self) -> Option<SpectrumRows> {
        Some(SpectrumRows::Bands)
    }
}

#[derive(Debug)]
struct LogMelComputation(LogMelSpectrogram);

impl FeatureComputation for LogMelComputation {
    #[inline(always)]
    fn compute(&mut self, utterance: &UtteranceFrames<'_>, rows: &mut [f32]) -> Result<()> {
        for (index, bands) in self.0.frames(utterance)?.enumerate() {
            for (value, &band) in rows.iter_mut().skip(index).step_by(utterance.needed).zip(bands) {
                *value = band;
            }
        }
        Ok(())
    }
}

/// The stages from samples to mel bands in dB, with their workspaces.
#[derive(Debug)]
pub(crate) struct LogMelSpectrogram {
    spectrogram: MelSpectrogram,
    decibels: Decibels,
    n_mels: usize,
    /// dB, `[frame, band]`.
    db: Vec<f32>,
}

impl LogMelSpectrogram {
    pub(crate) fn new(config: &FeatureConfig) -> Self {
        Self {
            spectrogram: MelSpectrogram::new(config),
            decibels: Decibels::new(config),
            n_mels: config.n_mels,
            db: Vec::new(),
        }
    }

    /// The bands of each frame that is needed, cut off `top_db` below the loudest value of all frames.
    #[inline(always)]
    pub(crate) fn frames(&mut self, utterance: &UtteranceFrames<'_>) -> Result<impl Iterator<Item = &[f32]>> {
        self.db.resize(utterance.needed * self.n_mels, 0.0);
        let mut loudest = 0.0_f64;
        let mut rows = self.db.chunks_exact_mut(self.n_mels);
        for index in utterance.frames.clone() {
            let mel = self.spectrogram.frame(utterance.samples, index)?;
            loudest = mel.iter().copied().fold(loudest, f64::max);
            if let Some(row) = rows.next() {
                self.decibels.convert(mel, row);
            }
        }
        let floor = self.decibels.floor(loudest);
        for db in &mut self.db {
            *db = db.max(floor);
        }
        Ok(self.db.chunks_exact(self.n_mels))
    }
}
