//! Samples to mel power: framing, window, power spectrum and filter bank in a row.

use ser_core::Result;

use crate::{FeatureConfig, FrameLayout, MelFilterBank, PowerSpectrum, window};

/// The stages from samples to mel power, with their workspaces.
#[derive(Debug, Clone)]
pub struct MelSpectrogram {
    framing: FrameLayout,
    window: Vec<f64>,
    spectrum: PowerSpectrum,
    bank: MelFilterBank,
    frame: Vec<f64>,
    power: Vec<f64>,
    mel: Vec<f64>,
}

impl MelSpectrogram {
    /// The stages that `config` describes.
    pub fn new(config: &FeatureConfig) -> Self {
        let spectrum = PowerSpectrum::new(config.n_fft);
        Self {
            framing: FrameLayout::new(config),
            window: window(config.window, config.win_length, config.n_fft),
            bank: MelFilterBank::new(config),
            frame: vec![0.0; config.n_fft],
            power: vec![0.0; spectrum.bins()],
            mel: vec![0.0; config.n_mels],
            spectrum,
        }
    }

    /// How many frames `samples` have.
    ///
    /// # Errors
    /// `Unusable` for no samples, and, without `center`, for less than one frame.
    #[inline(always)]
    pub fn count(&self, samples: &[f32]) -> Result<usize> {
        self.framing.count(samples.len())
    }

    /// Power of frame `index` in each mel band, `[n_mels]`.
    ///
    /// # Errors
    /// None for an index below [`count`](Self::count).
    #[inline(always)]
    pub fn frame(&mut self, samples: &[f32], index: usize) -> Result<&[f64]> {
        self.framing.windowed(samples, index, &self.window, &mut self.frame);
        self.spectrum.compute(&mut self.frame, &mut self.power)?;
        self.bank.apply(&self.power, &mut self.mel);
        Ok(&self.mel)
    }
}
