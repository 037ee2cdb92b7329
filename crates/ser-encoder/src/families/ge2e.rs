//! A speaker encoder trained with the generalised end-to-end loss (L. Wan et al., "Generalized end-to-end loss for speaker
//! verification", ICASSP 2018), as the Python package `resemblyzer` 0.1.4 has it: a mel spectrum, an LSTM over windows of
//! 1.6 s, and a linear layer whose output is brought to length 1. `scripts/encoders/ge2e.py` makes a folder of its weights.
//!
//! A state belongs to a window: the last output of a layer of the LSTM, or, as the last layer, the embedding. Windows begin
//! every 0.77 s, as `VoiceEncoder.compute_partial_slices` has them; the last one may reach beyond the recording by a
//! quarter. Silence is not cut out first, as `resemblyzer` does with a voice-activity detector: it would change the frames.

use ser_core::{Error, ErrorKind};
use ser_features::{EncoderPrecision, FeatureConfig, MelFilterBank, MelNorm, MelScale};
use ser_torch::Result;
use tch::{Kind, Tensor};

use crate::families::{Model, Receiver, Source};
use crate::parts::{Frames, Linear};
use crate::preprocessor::{feature_extractor, sample_rate};
use crate::weights::Weight;

/// The tensor that an encoder of this family has.
const ANCHOR: &str = "lstm.weight_ih_l0";
/// Samples under the window of a spectrum.
const N_FFT: i64 = 400;
/// Samples from one frame of the spectrum to the next.
const HOP: usize = 160;
/// Frames of a window, 1.6 s.
const WINDOW: usize = 160;
/// Frames from one window to the next: 1.3 windows a second.
const STEP: usize = 77;
/// The share of the last window that has to lie within the recording, unless it is the only one.
const LEAST_COVERAGE: f64 = 0.75;
/// Root mean square that quieter recordings are raised to: -30 dB below full scale.
const LEAST_RMS: f64 = 0.031_622_776_601_683_79;
/// The longest recording that is heard at once, in seconds.
const MOST_SECONDS: usize = 60;

pub(crate) fn build(source: Source<'_>) -> Result<Box<dyn Model>> {
    let mut weights = source.weights(&[""], ANCHOR)?;
    let Source { config, preprocessor, device, precision, .. } = source;
    if precision != EncoderPrecision::F32 {
        let what = "is a ge2e encoder, which computes in f32 alone";
        return Err(Error::new(ErrorKind::Unsupported, what)
            .at(&source.folder.path)
            .help("leave --precision out")
            .into());
    }
    let preprocessor = feature_extractor(preprocessor, "GE2EFeatureExtractor")?;
    let sample_rate = sample_rate(&preprocessor)?;
    if sample_rate != 16_000 {
        let error = preprocessor.refuse(ErrorKind::Unsupported, "sampling_rate", "16000");
        return Err(error.into());
    }
    let bands = config.whole("num_mel_bins", 40, 1..=200)?;
    let size = config.whole("hidden_size", 256, 1..=8192)?;
    let layers = config.whole("num_hidden_layers", 3, 1..=64)?;
    let mut lstm = Vec::new();
    for layer in 0..layers {
        let inputs = if layer == 0 { bands } else { size };
        let mut take = |name: &str, shape: &[i64]| weights.take(&format!("lstm.{name}_l{layer}"), shape);
        lstm.push(take("weight_ih", &[4 * size, inputs])?);
        lstm.push(take("weight_hh", &[4 * size, size])?);
        lstm.push(take("bias_ih", &[4 * size])?);
        lstm.push(take("bias_hh", &[4 * size])?);
    }
    let embedding = Linear::load(&mut weights, "linear", size, size)?;
    weights.finish(&[])?;
    let spectrum = FeatureConfig {
        sample_rate,
        n_fft: N_FFT as usize,
        n_mels: bands as usize,
        n_mfcc: 1,
        f_min: 0.0,
        f_max: f64::from(sample_rate) / 2.0,
        mel_scale: MelScale::Slaney,
        mel_norm: MelNorm::Slaney,
        ..FeatureConfig::default()
    };
    let dense: Vec<f32> =
        MelFilterBank::new(&spectrum).to_dense().iter().map(|weight| *weight as f32).collect();
    let filters = Tensor::f_from_slice(&dense)?.f_view([bands, N_FFT / 2 + 1])?.f_to_device(device)?;
    let window = Tensor::f_hann_window(N_FFT, (Kind::Float, device))?;
    Ok(Box::new(SpeakerEncoder {
        sample_rate,
        window: window.into(),
        filters: filters.into(),
        lstm,
        embedding,
        layers: layers as usize,
        size,
    }))
}

/// An encoder of this family.
#[derive(Debug)]
struct SpeakerEncoder {
    sample_rate: u32,
    /// `[sample]`
    window: Weight,
    /// `[band, bin]`
    filters: Weight,
    /// Of each layer: `weight_ih` `[4·D, input]`, `weight_hh` `[4·D, D]`, `bias_ih` and `bias_hh` `[4·D]`.
    lstm: Vec<Weight>,
    embedding: Linear,
    layers: usize,
    size: i64,
}

impl SpeakerEncoder {
    /// The mel spectra of the windows of one recording, `[window, frame, band]`: power, not its logarithm.
    fn windows(&self, samples: &[f32]) -> Result<Tensor> {
        let count = self.frames_of(samples.len());
        let needed = (count.saturating_sub(1) * STEP + WINDOW) * HOP;
        let half = N_FFT / 2;
        let silence = half + needed.saturating_sub(samples.len()) as i64;
        let samples = Tensor::f_from_slice(&at_least_as_loud(samples))?
            .f_to_device(self.window.device())?
            .f_constant_pad_nd([half, silence])?;
        let window = Some(&*self.window);
        // [bin, frame], complex
        let spectrum = samples.f_stft(N_FFT, HOP as i64, N_FFT, window, false, true, true, false)?;
        let mel = self.filters.f_matmul(&spectrum.f_abs()?.f_square()?)?; // [band, frame]
        let mel = mel.f_narrow(1, 0, (needed / HOP) as i64)?;
        Ok(mel.f_unfold(1, WINDOW as i64, STEP as i64)?.f_permute([1, 2, 0])?.f_contiguous()?)
    }
}

/// `samples`, raised to a root mean square of [`LEAST_RMS`] where they are quieter, as `normalize_volume` does with
/// `increase_only`. Silence stays silence.
fn at_least_as_loud(samples: &[f32]) -> Vec<f32> {
    let power = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
    let rms = (power / samples.len().max(1) as f64).sqrt();
    let scale = if rms > 0.0 { (LEAST_RMS / rms).max(1.0) } else { 1.0 };
    samples.iter().map(|sample| (f64::from(*sample) * scale) as f32).collect()
}

impl Model for SpeakerEncoder {
    /// Windows of a recording.
    fn frames_of(&self, samples: usize) -> usize {
        if samples == 0 {
            return 0;
        }
        let frames = samples / HOP + 1;
        let count = (frames + STEP + 1).saturating_sub(WINDOW).max(1).div_ceil(STEP);
        let last = (count - 1) * STEP * HOP;
        let coverage = (samples as f64 - last as f64) / (WINDOW * HOP) as f64;
        if coverage < LEAST_COVERAGE { (count - 1).max(1) } else { count }
    }

    fn most_samples(&self) -> usize {
        MOST_SECONDS * self.sample_rate as usize
    }

    fn hop(&self) -> usize {
        STEP * HOP
    }

    /// Those of the LSTM. The first is layer 0, since nothing of their size goes into it; the embedding is one more.
    fn layers(&self) -> usize {
        self.layers
    }

    fn dimension(&self) -> usize {
        self.size as usize
    }

    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    fn share(&self) -> Box<dyn Model> {
        Box::new(Self {
            window: self.window.clone(),
            filters: self.filters.clone(),
            lstm: self.lstm.clone(),
            embedding: self.embedding.clone(),
            ..*self
        })
    }

    fn run(&self, batch: &[&[f32]], last: usize, each: &mut Receiver<'_>) -> Result<()> {
        let spectra: Vec<Tensor> =
            batch.iter().map(|samples| self.windows(samples)).collect::<Result<_>>()?;
        let counts: Vec<i64> = batch.iter().map(|samples| self.frames_of(samples.len()) as i64).collect();
        let input = Tensor::f_cat(&spectra, 0)?; // [window of any recording, frame, band]
        let device = input.device();
        let start =
            Tensor::f_zeros([self.layers as i64, counts.iter().sum(), self.size], (Kind::Float, device))?;
        let lstm: Vec<&Tensor> = self.lstm.iter().map(|weight| &**weight).collect();
        let states = [&start, &start];
        let layers = self.layers as i64;
        let (_, hidden, _) = input.f_lstm(&states, &lstm, true, layers, 0.0, false, false, true)?; // [layer, window, D]
        let frames = Frames::new(counts.clone(), device)?;
        let by_recording = |states: Tensor| -> Result<Tensor> {
            let states = states.f_split_with_sizes(counts.as_slice(), 0)?;
            Ok(Tensor::f_pad_sequence(&states, true, 0.0, "right")?)
        };
        for layer in 0..self.layers.min(last + 1) {
            each(layer, &by_recording(hidden.f_get(layer as i64)?)?, &frames)?;
        }
        if last >= self.layers {
            let raw = self.embedding.apply(&hidden.f_get(layers - 1)?)?.f_relu()?;
            let norm = raw.f_square()?.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Float)?.f_sqrt()?;
            // One whose every number is below zero has no direction.
            let embedding = raw.f_div(&norm.f_clamp_min(f64::from(f32::MIN_POSITIVE))?)?;
            each(self.layers, &by_recording(embedding)?, &frames)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_recordings_are_raised_and_loud_ones_left_alone() {
        let tone = |level: f32| -> Vec<f32> { (0..1600).map(|n| level * (n as f32 * 0.1).sin()).collect() };
        let rms = |samples: &[f32]| {
            (samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64)
                .sqrt()
        };
        assert!((rms(&at_least_as_loud(&tone(1e-4))) - LEAST_RMS).abs() < 1e-8);
        assert_eq!(at_least_as_loud(&tone(0.5)), tone(0.5));
        assert_eq!(at_least_as_loud(&[0.0; 4]), [0.0; 4]);
        assert!(at_least_as_loud(&[]).is_empty());
    }
}
