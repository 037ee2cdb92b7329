//! How much of some samples is speech.

use std::fmt;

use earshot::Detector;
use ser_audio::ResamplerPool;
use ser_core::Result;

/// Rate that the detector was made for, Hz, and samples of its frames.
const RATE: u32 = 16_000;
const FRAME: usize = 256;

/// A frame whose score is above this is speech, as the detector's documentation has it.
const SCORE: f32 = 0.5;

/// Finds speech: a small network for frames of 16 ms (the crate `earshot`).
pub(crate) struct Ears {
    detector: Box<Detector>,
    resamplers: ResamplerPool,
    samples: Vec<f32>,
}

impl fmt::Debug for Ears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ears").finish_non_exhaustive()
    }
}

impl Ears {
    pub(crate) fn new() -> Self {
        Self {
            detector: Box::default(),
            resamplers: ResamplerPool::new(RATE),
            samples: Vec::new(),
        }
    }

    /// Seconds of speech in `mono` at `sample_rate` Hz.
    ///
    /// # Errors
    /// When that rate cannot be resampled.
    pub(crate) fn speech_s(&mut self, mono: &[f32], sample_rate: u32) -> Result<f64> {
        self.resamplers.get(sample_rate)?.process(mono, &mut self.samples)?;
        self.samples.iter_mut().for_each(|sample| *sample = sample.clamp(-1.0, 1.0));
        self.detector.reset();
        let frames = self.samples.chunks_exact(FRAME);
        let spoken = frames.filter(|frame| self.detector.predict_f32(frame) > SCORE).count();
        Ok((spoken * FRAME) as f64 / f64::from(RATE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_hum_and_noise_are_no_speech() {
        let mut ears = Ears::new();
        let rate = 48_000;
        let silence = vec![0.0; 2 * rate as usize];
        let hum: Vec<f32> =
            (0..2 * rate).map(|n| 0.3 * (std::f32::consts::TAU * 50.0 * n as f32 / rate as f32).sin()).collect();
        let mut state = 1u32;
        let noise: Vec<f32> = (0..2 * rate)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                0.05 * ((state >> 8) as f32 / 8_388_608.0 - 1.0)
            })
            .collect();
        for (name, samples) in [("silence", silence), ("hum", hum), ("noise", noise)] {
            let speech = ears.speech_s(&samples, rate).unwrap();
            assert!(speech < 0.25, "{name}: {speech} s");
        }
    }
}
