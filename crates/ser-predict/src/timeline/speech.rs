//! Where there is speech in a recording.

use std::ops::Range;

use earshot::Detector;
use ser_audio::{Resampler, ResamplerPool};
use ser_core::Result;

/// The rate that the detector hears at, Hz, and the samples of one of its frames (16 ms).
const RATE: u32 = 16_000;
const FRAME: usize = 256;

/// From which score on a frame is speech, unless asked otherwise: what the detector's authors advise.
pub const SPEECH_THRESHOLD: f64 = 0.5;

/// The peak that samples are brought to before the detector hears them. It finds the same of a voice from 0.1 to 0.9, and takes
/// steady noise for speech above 0.3.
const PEAK: f32 = 0.3;

/// Pauses shorter than this are part of the speech around them, seconds.
const SHORTEST_PAUSE_S: f64 = 0.4;

/// Sounds shorter than this are no speech, seconds.
const SHORTEST_SPEECH_S: f64 = 0.2;

/// What is added on either side, since the detector hears soft beginnings and ends late, seconds.
const MARGIN_S: f64 = 0.1;

/// A window that is softer than this holds no speech, RMS in dB below full scale: a microphone that is off, or an empty room.
const SILENCE_DBFS: f64 = -70.0;

/// Less speech than this in a window is too little to say anything about, seconds.
const LEAST_SPEECH_S: f64 = 0.3;

/// A voice-activity detector for one stream of samples: earshot's network, which hears 16 ms at a time.
pub struct SpeechDetector {
    detector: Box<Detector>,
    /// Samples at 16,000 Hz that are no whole frame yet.
    waiting: Vec<f32>,
}

impl std::fmt::Debug for SpeechDetector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpeechDetector").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

impl Default for SpeechDetector {
    fn default() -> Self {
        Self { detector: Detector::default_boxed(), waiting: Vec::new() }
    }
}

impl SpeechDetector {
    /// Hears `samples`, mono at 16,000 Hz and from −1 to 1, and gives the score of every 16 ms that are whole by now: 0 for
    /// no speech to 1 for speech.
    pub fn hear(&mut self, samples: &[f32]) -> Vec<f32> {
        self.waiting.extend(samples.iter().map(|sample| sample.clamp(-1.0, 1.0)));
        let whole = self.waiting.len() / FRAME * FRAME;
        let scores =
            self.waiting[..whole].chunks_exact(FRAME).map(|frame| self.detector.predict_f32(frame)).collect();
        self.waiting.drain(..whole);
        scores
    }
}

/// The stretches of `mono` samples at `sample_rate` Hz that are speech, in their order and apart from each other.
///
/// # Errors
/// When the rate is outside of what can be resampled.
pub fn stretches_of_speech(mono: &[f32], sample_rate: u32, threshold: f32) -> Result<Vec<Range<usize>>> {
    let mut samples = Vec::new();
    Resampler::new(sample_rate, RATE)?.process(mono, &mut samples)?;
    Ok(stretches(&mut samples, (mono.len(), sample_rate), threshold))
}

/// The stretches of `samples` at 16,000 Hz that are speech, as places in the `len` samples at `sample_rate` Hz that they were
/// resampled from; `samples` are brought to a level.
fn stretches(samples: &mut [f32], (len, sample_rate): (usize, u32), threshold: f32) -> Vec<Range<usize>> {
    // A recording that is soft as a whole is still one of somebody speaking.
    let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    if peak > 0.0 && peak.is_finite() {
        samples.iter_mut().for_each(|sample| *sample *= PEAK / peak);
    }
    let scores = SpeechDetector::default().hear(samples);
    let frames = f64::from(RATE) / FRAME as f64;
    let in_frames = |seconds: f64| (seconds * frames).round() as usize;
    let found = runs(&scores, threshold, in_frames(SHORTEST_PAUSE_S), in_frames(SHORTEST_SPEECH_S));
    let at = |frame: f64| ((frame.max(0.0) / frames * f64::from(sample_rate)) as usize).min(len);
    let margin = MARGIN_S * frames;
    let ranges = found.into_iter().map(|run| at(run.start as f64 - margin)..at(run.end as f64 + margin));
    ranges.filter(|range| !range.is_empty()).collect()
}

/// Finds out whether somebody speaks in one window of live sound after another, of a microphone or a stream.
#[derive(Debug)]
pub struct LiveSpeechDetector {
    resamplers: ResamplerPool,
    samples: Vec<f32>,
}

impl Default for LiveSpeechDetector {
    fn default() -> Self {
        Self { resamplers: ResamplerPool::new(RATE), samples: Vec::new() }
    }
}

impl LiveSpeechDetector {
    /// Whether the window of `mono` samples at `sample_rate` Hz is louder than −70 dB below full scale and holds 0.3 s of
    /// speech, found as in timelines; less is too little to say anything about.
    ///
    /// # Errors
    /// When that rate cannot be resampled.
    pub fn hear_speech(&mut self, mono: &[f32], sample_rate: u32, threshold: f64) -> Result<bool> {
        if level_dbfs(mono) <= SILENCE_DBFS {
            return Ok(false);
        }
        self.resamplers.get(sample_rate)?.process(mono, &mut self.samples)?;
        let found = stretches(&mut self.samples, (mono.len(), sample_rate), threshold as f32);
        let speech: usize = found.iter().map(Range::len).sum();
        Ok(speech as f64 / f64::from(sample_rate.max(1)) >= LEAST_SPEECH_S)
    }
}

/// The level of `samples`: their root mean square in dB below a full-scale square wave; −120 and less is −120.
pub fn level_dbfs(samples: &[f32]) -> f64 {
    let power: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (10.0 * (power / samples.len().max(1) as f64).max(1e-12).log10()).max(-120.0)
}

/// Runs of scores at or above `threshold`, those joined that are less than `pause` frames apart, without those shorter than
/// `shortest`.
fn runs(scores: &[f32], threshold: f32, pause: usize, shortest: usize) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for frame in (0..scores.len()).filter(|frame| scores[*frame] >= threshold) {
        match runs.last_mut() {
            Some(last) if frame < last.end + pause => last.end = frame + 1,
            _ => runs.push(frame..frame + 1),
        }
    }
    runs.retain(|run| run.len() >= shortest);
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_pauses_are_bridged_and_short_sounds_left_out() {
        let scores = [0.9, 0.9, 0.1, 0.8, 0.0, 0.0, 0.0, 0.9, 0.0, 0.0, 0.0, 0.6, 0.7, 0.5];
        assert_eq!(runs(&scores, 0.5, 3, 2), [0..4, 11..14]);
        assert_eq!(runs(&scores, 0.95, 3, 1), []);
        assert_eq!(runs(&[], 0.5, 3, 1), []);
    }

    #[test]
    fn levels_are_below_full_scale() {
        assert_eq!(level_dbfs(&[1.0, -1.0]), 0.0);
        assert!((level_dbfs(&[0.1, -0.1]) + 20.0).abs() < 1e-6);
        assert_eq!((level_dbfs(&[0.0; 4]), level_dbfs(&[])), (-120.0, -120.0));
    }

    #[test]
    fn a_window_of_silence_hum_or_noise_holds_no_speech() {
        let mut detector = LiveSpeechDetector::default();
        let rate = 48_000;
        let silence = vec![0.0; 2 * rate as usize];
        let tone = |n: u32| 0.3 * (std::f32::consts::TAU * 50.0 * n as f32 / rate as f32).sin();
        let hum: Vec<f32> = (0..2 * rate).map(tone).collect();
        let mut state = 1u32;
        let noise = (0..2 * rate).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            0.05 * ((state >> 8) as f32 / 8_388_608.0 - 1.0)
        });
        let noise: Vec<f32> = noise.collect();
        for (name, samples) in [("silence", silence), ("hum", hum), ("noise", noise)] {
            assert!(!detector.hear_speech(&samples, rate, SPEECH_THRESHOLD).unwrap(), "{name}");
        }
    }

    #[test]
    fn silence_and_a_hum_are_no_speech() {
        let hum: Vec<f32> = (0..48_000).map(|n| 0.3 * (n as f32 * 0.04).sin()).collect();
        for samples in [vec![0.0; 48_000], hum] {
            assert_eq!(stretches_of_speech(&samples, 16_000, 0.5).unwrap(), []);
        }
    }
}
