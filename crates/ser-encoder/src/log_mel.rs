//! Whisper's front end: a log mel spectrum of a recording that is filled up with silence to a fixed length.

use ser_core::ErrorKind;
use ser_features::{FeatureConfig, MelFilterBank, MelNorm, MelScale};
use ser_torch::Result;
use tch::{Device, Kind, Tensor};

use crate::settings::Settings;
use crate::weights::Weight;

/// Frequencies that the bands cover, in Hz.
const HIGHEST_HZ: f64 = 8_000.0;
/// The least power of a band.
const FLOOR: f64 = 1e-10;
/// What is kept below the loudest value of a recording, in powers of ten.
const RANGE: f64 = 8.0;

/// The computation of `WhisperFeatureExtractor` (A. Radford et al., "Robust speech recognition via large-scale weak
/// supervision", ICML 2023).
#[derive(Debug, Clone)]
pub(crate) struct LogMel {
    n_fft: i64,
    hop: i64,
    /// Samples of the filled-up recording.
    samples: i64,
    window: Weight,
    /// `[band, bin]`
    filters: Weight,
}

impl LogMel {
    /// The front end that the preprocessor's `settings` describe, which must give `bands` bands.
    ///
    /// # Errors
    /// When sizes are not valid.
    pub(crate) fn load(settings: &Settings, bands: i64, sample_rate: u32, device: Device) -> Result<Self> {
        let rate = i64::from(sample_rate);
        if settings.whole("feature_size", 80, 1..=1024)? != bands {
            let expected = format!("{bands}, the num_mel_bins of config.json");
            return Err(settings.refuse(ErrorKind::Mismatch, "feature_size", &expected).into());
        }
        if settings.number("dither", 0.0, 0.0..=1.0)? != 0.0 {
            return Err(settings.refuse(ErrorKind::Unsupported, "dither", "0: noise is not added").into());
        }
        let n_fft = settings.whole("n_fft", 400, 16..=65_536)?;
        let hop = settings.whole("hop_length", 160, 1..=n_fft)?;
        let samples = settings.whole("chunk_length", 30, 1..=60)? * rate;
        if samples <= n_fft {
            return Err(settings.refuse(ErrorKind::Unsupported, "n_fft", "less than chunk_length").into());
        }
        let config = FeatureConfig {
            sample_rate,
            n_fft: n_fft as usize,
            n_mels: bands as usize,
            f_min: 0.0,
            f_max: HIGHEST_HZ,
            mel_scale: MelScale::Slaney,
            mel_norm: MelNorm::Slaney,
            ..FeatureConfig::default()
        };
        let dense: Vec<f32> =
            MelFilterBank::new(&config).to_dense().iter().map(|weight| *weight as f32).collect();
        let filters = Tensor::f_from_slice(&dense)?.f_view([bands, n_fft / 2 + 1])?.f_to_device(device)?;
        let window = Tensor::f_hann_window(n_fft, (Kind::Float, device))?;
        Ok(Self { n_fft, hop, samples, window: window.into(), filters: filters.into() })
    }

    /// Samples of the longest recording.
    pub(crate) fn most_samples(&self) -> usize {
        self.samples as usize
    }

    /// Frames of every recording.
    pub(crate) fn frames(&self) -> i64 {
        self.samples / self.hop
    }

    /// Samples from one frame to the next.
    pub(crate) fn hop(&self) -> i64 {
        self.hop
    }

    /// `[band, frame]` of one recording.
    pub(crate) fn apply(&self, samples: &[f32]) -> Result<Tensor> {
        let device = self.window.device();
        let silence = self.samples - samples.len() as i64;
        let samples = Tensor::f_from_slice(samples)?.f_to_device(device)?.f_constant_pad_nd([0, silence])?;
        // Frame t is centred on sample t · hop, and what lies outside of the recording is its mirror image.
        let half = self.n_fft / 2;
        let samples = samples.f_unsqueeze(0)?.f_reflection_pad1d([half, half])?.f_squeeze_dim(0)?;
        let window = Some(&*self.window);
        let spectrum = samples.f_stft(self.n_fft, self.hop, self.n_fft, window, false, true, true, false)?; // [bin, frame], complex
        let power = spectrum.f_narrow(1, 0, self.frames())?.f_abs()?.f_square()?;
        let mel = self.filters.f_matmul(&power)?.f_clamp_min(FLOOR)?.f_log10()?;
        let floor = mel.f_max()?.f_sub_scalar(RANGE)?;
        Ok(mel.f_maximum(&floor)?.f_add_scalar(4.0)?.f_div_scalar(4.0)?)
    }
}
