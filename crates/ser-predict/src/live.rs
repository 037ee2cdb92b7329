//! Sound as it comes: the window that an answer is about, and when the next one is due.

use ser_core::Result;

use crate::timeline::stretches_of_speech;
use crate::{Answer, FrontEnd, Model};

/// Softer than this is no speech, RMS in dB below full scale: a microphone that is off, or an empty room.
const SILENCE_DBFS: f64 = -60.0;

/// Less speech than this in a window is too little to say anything about, seconds.
const LEAST_SPEECH_S: f64 = 0.3;

/// The last seconds of a live sound.
#[derive(Debug)]
pub struct Live {
    sample_rate: u32,
    window: usize,
    hop: usize,
    speech_threshold: f32,
    samples: Vec<f32>,
    /// Samples that came since it began.
    total: u64,
    /// Samples that came since the last window was due.
    since: usize,
}

/// What was heard in the last window.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// Where the window ends, seconds since the sound began.
    pub t: f64,
    /// Its level: the root mean square, dB below full scale; −120 and less is −120.
    pub level_dbfs: f64,
    /// What the model says; `None` where there is too little speech to say anything.
    pub answer: Option<Answer>,
}

impl Live {
    /// Windows of `window_s` seconds, one due every `hop_s`, of mono sound at `sample_rate` Hz.
    pub fn new(sample_rate: u32, window_s: f64, hop_s: f64, speech_threshold: f64) -> Self {
        let samples = |seconds: f64| ((seconds * f64::from(sample_rate)).round() as usize).max(1);
        Self {
            sample_rate,
            window: samples(window_s),
            hop: samples(hop_s),
            speech_threshold: speech_threshold as f32,
            samples: Vec::new(),
            total: 0,
            since: 0,
        }
    }

    /// Takes the next samples, and says whether a window is due.
    pub fn hear(&mut self, samples: &[f32]) -> bool {
        self.samples.extend(samples);
        let old = self.samples.len().saturating_sub(self.window);
        self.samples.drain(..old);
        self.total += samples.len() as u64;
        self.since += samples.len();
        let due = self.since >= self.hop;
        if due {
            self.since %= self.hop;
        }
        due
    }

    /// What `model` says of the last window.
    ///
    /// # Errors
    /// When the network cannot answer, or the rate cannot be resampled.
    pub fn moment(&self, model: &mut Model, front_end: &mut FrontEnd) -> Result<Moment> {
        let rate = f64::from(self.sample_rate);
        let level_dbfs = level_dbfs(&self.samples);
        let mut answer = None;
        if level_dbfs > SILENCE_DBFS {
            let speech = stretches_of_speech(&self.samples, self.sample_rate, self.speech_threshold)?;
            let speech_s = speech.iter().map(|stretch| stretch.len() as f64 / rate).sum::<f64>();
            if speech_s >= LEAST_SPEECH_S {
                let clip = front_end.samples(&self.samples, self.sample_rate)?;
                answer = model.answer(&[clip])?.pop();
            }
        }
        Ok(Moment { t: self.total as f64 / rate, level_dbfs, answer })
    }
}

/// The root mean square of `samples` in dB below full scale; −120 at least.
fn level_dbfs(samples: &[f32]) -> f64 {
    let power: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (10.0 * (power / samples.len().max(1) as f64).max(1e-12).log10()).max(-120.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_due_every_hop_and_holds_the_last_samples() {
        let mut live = Live::new(10, 1.0, 0.5, 0.5);
        let due: Vec<bool> = (0..4_i16).map(|n| live.hear(&[f32::from(n); 3])).collect();
        assert_eq!(due, [false, true, false, true]);
        assert_eq!(live.samples, [0.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0]);
        assert_eq!((live.total, live.since), (12, 2));
    }

    #[test]
    fn levels_are_below_full_scale() {
        assert_eq!(level_dbfs(&[1.0, -1.0]), 0.0);
        assert!((level_dbfs(&[0.1, -0.1]) + 20.0).abs() < 1e-6);
        assert_eq!((level_dbfs(&[0.0; 4]), level_dbfs(&[])), (-120.0, -120.0));
    }
}
