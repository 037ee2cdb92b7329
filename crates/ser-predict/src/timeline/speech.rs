//! Where there is speech in a recording.

use std::ops::Range;

use earshot::Detector;
use ser_audio::Resampler;
use ser_core::Result;

/// The rate that the detector hears at, Hz, and the samples of one of its frames (16 ms).
const RATE: u32 = 16_000;
const FRAME: usize = 256;

/// From which score on a frame is speech, unless asked otherwise: what the detector's authors advise.
pub const SPEECH_THRESHOLD: f64 = 0.5;

/// Pauses shorter than this are part of the speech around them, seconds.
const SHORTEST_PAUSE_S: f64 = 0.4;

/// Sounds shorter than this are no speech, seconds.
const SHORTEST_SPEECH_S: f64 = 0.2;

/// What is added on either side, since the detector hears soft beginnings and ends late, seconds.
const MARGIN_S: f64 = 0.1;

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
    // A recording that is soft as a whole is still one of somebody speaking.
    let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    if peak > 0.0 && peak.is_finite() {
        samples.iter_mut().for_each(|sample| *sample *= 0.9 / peak);
    }
    let scores = SpeechDetector::default().hear(&samples);
    let frames = f64::from(RATE) / FRAME as f64;
    let in_frames = |seconds: f64| (seconds * frames).round() as usize;
    let found = runs(&scores, threshold, in_frames(SHORTEST_PAUSE_S), in_frames(SHORTEST_SPEECH_S));
    let at = |frame: f64| ((frame.max(0.0) / frames * f64::from(sample_rate)) as usize).min(mono.len());
    let margin = MARGIN_S * frames;
    Ok(found
        .into_iter()
        .map(|run| at(run.start as f64 - margin)..at(run.end as f64 + margin))
        .filter(|range| !range.is_empty())
        .collect())
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
    fn silence_and_a_hum_are_no_speech() {
        let hum: Vec<f32> = (0..48_000).map(|n| 0.3 * (n as f32 * 0.04).sin()).collect();
        for samples in [vec![0.0; 48_000], hum] {
            assert_eq!(stretches_of_speech(&samples, 16_000, 0.5).unwrap(), []);
        }
    }
}
