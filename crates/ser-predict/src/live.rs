//! Sound as it comes: the window that an answer is about, and when the next one is due.

use ser_core::Result;

use crate::timeline::{LiveSpeechDetector, level_dbfs};
use crate::{Answer, FrontEnd, Model};

/// The last seconds of a live sound.
#[derive(Debug)]
pub struct Live {
    sample_rate: u32,
    window: usize,
    hop: usize,
    speech_threshold: f64,
    detector: LiveSpeechDetector,
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
            speech_threshold,
            detector: LiveSpeechDetector::default(),
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
    pub fn moment(&mut self, model: &mut Model, front_end: &mut FrontEnd) -> Result<Moment> {
        let (samples, rate) = (&self.samples, self.sample_rate);
        let answer = match self.detector.hear_speech(samples, rate, self.speech_threshold)? {
            true => model.answer(&[front_end.samples(samples, rate)?])?.pop(),
            false => None,
        };
        Ok(Moment { t: self.total as f64 / f64::from(rate), level_dbfs: level_dbfs(samples), answer })
    }
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
}
