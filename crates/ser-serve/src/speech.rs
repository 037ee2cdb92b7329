//! How much of some samples is speech.

use ser_audio::ResamplerPool;
use ser_core::Result;
use ser_predict::timeline::{SPEECH_THRESHOLD, SpeechDetector};

/// Rate that the detector hears at, Hz, and the length of its frames, seconds.
const RATE: u32 = 16_000;
const FRAME_S: f64 = 0.016;

/// Finds speech in one window after another.
#[derive(Debug)]
pub(crate) struct Ears {
    resamplers: ResamplerPool,
    samples: Vec<f32>,
}

impl Ears {
    pub(crate) fn new() -> Self {
        Self { resamplers: ResamplerPool::new(RATE), samples: Vec::new() }
    }

    /// Seconds of speech in `mono` at `sample_rate` Hz.
    ///
    /// # Errors
    /// When that rate cannot be resampled.
    pub(crate) fn speech_s(&mut self, mono: &[f32], sample_rate: u32) -> Result<f64> {
        self.resamplers.get(sample_rate)?.process(mono, &mut self.samples)?;
        let scores = SpeechDetector::default().hear(&self.samples);
        let spoken = scores.iter().filter(|score| f64::from(**score) >= SPEECH_THRESHOLD).count();
        Ok(spoken as f64 * FRAME_S)
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
        let hum: Vec<f32> = (0..2 * rate)
            .map(|n| 0.3 * (std::f32::consts::TAU * 50.0 * n as f32 / rate as f32).sin())
            .collect();
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
