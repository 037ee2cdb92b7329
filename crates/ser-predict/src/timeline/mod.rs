//! A long recording: where there is speech, and what the model says of it.
//!
//! ```text
//! samples ──▶ speech ──▶ windows ──▶ Model ──▶ slots ──▶ passages ──▶ CSV, JSON, labels, subtitles, TextGrid, SVG
//! ```
//!
//! Speech is found by a voice-activity detector. A stretch of it is heard in windows as long as a typical training
//! utterance, one every hop; the probabilities of a slot of one hop are the mean over the windows it lies in, which
//! smooths them; slots with the same answer are one passage.

mod formats;
mod passages;
mod speech;
mod windows;

use std::ops::Range;
use std::sync::Mutex;

use rayon::prelude::*;
use ser_core::progress::Progress;
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use serde::Serialize;

use crate::clip::digest_of;
use crate::{About, Answer, Clip, FrontEnd, HeardIn, Model};

pub use formats::Format;
pub use passages::Passage;
pub use speech::{LiveSpeechDetector, SPEECH_THRESHOLD, SpeechDetector, level_dbfs, stretches_of_speech};

/// Windows that are answered for together.
const BATCH: usize = 64;

/// How a long recording is heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimelineOptions {
    /// Length of a window, seconds; `None` for that of a typical training utterance.
    pub window_s: Option<f64>,
    /// From one window to the next, seconds; `None` for 0.5, or for a window where that is shorter.
    pub hop_s: Option<f64>,
    /// From which score of the voice-activity detector on a frame is speech, 0 to 1.
    pub speech_threshold: f64,
}

impl Default for TimelineOptions {
    fn default() -> Self {
        Self { window_s: None, hop_s: None, speech_threshold: SPEECH_THRESHOLD }
    }
}

/// From one window to the next where nothing is asked for, seconds.
const HOP_S: f64 = 0.5;

impl TimelineOptions {
    /// The length of a window and of a hop with the model that `about` is about, seconds.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for lengths and thresholds that cannot be, and for a window of which the model would not hear the
    /// end.
    pub fn lengths(&self, about: &About) -> Result<(f64, f64)> {
        self.within(about.typical_s, about.longest_s)
    }

    fn within(&self, typical_s: f64, longest_s: f64) -> Result<(f64, f64)> {
        let window_s = self.window_s.unwrap_or(typical_s.clamp(0.2, 60.0).min(longest_s));
        let hop_s = self.hop_s.unwrap_or(HOP_S.min(window_s));
        let usage = |what: String, setting: Setting| {
            Err(Error::new(ErrorKind::Usage, what).help(remedy!["choose another ", setting]))
        };
        if !(0.2..=60.0).contains(&window_s) {
            return usage(format!("a window of {window_s} s is not between 0.2 and 60 s"), Setting::Window);
        }
        // A person copies the longest from what is printed, with three decimals.
        if window_s > longest_s + 0.0005 {
            let what = format!(
                "a window of {window_s} s is longer than what the model hears at once, {longest_s:.3} s"
            );
            return usage(what, Setting::Window);
        }
        if !(0.05..=window_s).contains(&hop_s) {
            let what = format!("a hop of {hop_s} s is not between 0.05 s and the window, {window_s} s");
            return usage(what, Setting::Hop);
        }
        if !(0.0..=1.0).contains(&self.speech_threshold) {
            let what = format!("a speech threshold of {} is not between 0 and 1", self.speech_threshold);
            return usage(what, Setting::SpeechThreshold);
        }
        Ok((window_s, hop_s))
    }
}

/// What a model says along a recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// The recording, as it was named.
    pub recording: String,
    /// Its length, seconds.
    pub seconds: f64,
    /// Whether the model was trained or validated on this very recording.
    pub heard_before: bool,
    /// On which of the two, if it was.
    pub heard_in: Option<HeardIn>,
    /// Of these, speech.
    pub speech_s: f64,
    /// Length of a window, seconds.
    pub window_s: f64,
    /// From one window to the next, seconds.
    pub hop_s: f64,
    /// Labels in index order.
    pub labels: Vec<String>,
    /// Passages with one answer each, in their order; between them there is no speech.
    pub passages: Vec<Passage>,
    /// Probabilities along the speech, one slot of a hop each, in their order.
    pub slots: Vec<Slot>,
}

/// The probabilities of a piece of speech as long as a hop.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slot {
    /// When it starts, seconds.
    pub start_s: f64,
    /// When it ends, seconds.
    pub end_s: f64,
    /// Mean probability of each class over the windows that it lies in.
    pub probabilities: Vec<f32>,
    /// Mean over those windows of [`Answer::share_as_unusual`].
    pub share_as_unusual: Option<f64>,
}

/// Listens to `mono` samples at `sample_rate` Hz, which `recording` names, with a front end for each thread.
///
/// # Errors
/// When the options are not valid, when a window cannot be used, which the limits of a front end may be a reason for, or the
/// network cannot answer. Windows of digital silence are left out, as if there were no speech in them.
pub fn listen(
    model: &mut Model,
    front_ends: &mut [FrontEnd],
    recording: &str,
    (mono, sample_rate): (&[f32], u32),
    options: &TimelineOptions,
    progress: &dyn Progress,
) -> Result<Timeline> {
    let (window_s, hop_s) = options.lengths(model.about())?;
    let speech = stretches_of_speech(mono, sample_rate, options.speech_threshold as f32)?;
    let in_samples = |seconds: f64| ((seconds * f64::from(sample_rate)).round() as usize).max(1);
    let (window, hop) = (in_samples(window_s), in_samples(hop_s));
    let front_ends: Vec<Mutex<&mut FrontEnd>> = front_ends.iter_mut().map(Mutex::new).collect();
    let planned: Vec<Vec<Range<usize>>> =
        speech.iter().map(|stretch| windows::over(stretch, window, hop)).collect();
    progress.start(planned.iter().map(Vec::len).sum::<usize>() as u64, "windows");
    let mut slots = Vec::new();
    for (stretch, planned) in speech.iter().zip(&planned) {
        let mut heard = Vec::new();
        for batch in planned.chunks(BATCH) {
            let clips = extract(&front_ends, mono, sample_rate, batch)?;
            let (windows, clips): (Vec<Range<usize>>, Vec<Clip>) = clips.into_iter().unzip();
            heard.extend(windows.into_iter().zip(model.answer(&clips)?));
            progress.advance(batch.len() as u64);
        }
        slots.extend(windows::slots(stretch, hop, &heard, sample_rate));
    }
    progress.finish();
    let heard_in = model.heard_in(&digest_of(mono, sample_rate));
    let seconds = |samples: usize| samples as f64 / f64::from(sample_rate);
    Ok(Timeline {
        recording: recording.to_owned(),
        seconds: seconds(mono.len()),
        heard_before: heard_in.is_some(),
        heard_in,
        speech_s: seconds(speech.iter().map(Range::len).sum()),
        window_s,
        hop_s,
        labels: model.labels().to_vec(),
        passages: passages::of(&slots, |probabilities| model.set_of(probabilities)),
        slots,
    })
}

/// The clips of `windows`, each with its window; those that are digital silence are left out.
fn extract(
    front_ends: &[Mutex<&mut FrontEnd>],
    mono: &[f32],
    sample_rate: u32,
    windows: &[Range<usize>],
) -> Result<Vec<(Range<usize>, Clip)>> {
    let clip = |window: &Range<usize>| {
        let samples = mono.get(window.clone()).unwrap_or_default();
        let thread = rayon::current_thread_index().unwrap_or(0) % front_ends.len().max(1);
        // Amid speech too, where a recording was cut together.
        let is_silent = samples.iter().all(|sample| sample.abs() < f32::MIN_POSITIVE);
        let Some(front_end) = front_ends.get(thread).filter(|_| !is_silent) else { return Ok(None) };
        let mut front_end = front_end.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(Some((window.clone(), front_end.samples(samples, sample_rate)?)))
    };
    let clips: Vec<Result<Option<_>>> = windows.par_iter().map(clip).collect();
    // Of several errors that of the first window.
    clips.into_iter().filter_map(Result::transpose).collect()
}

/// What a window was answered.
type Heard = (Range<usize>, Answer);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_longer_than_the_model_hears_is_refused_and_none_is_chosen() {
        let asked = |window_s, hop_s| TimelineOptions { window_s, hop_s, ..TimelineOptions::default() };
        assert_eq!(asked(None, None).within(2.0, 6.4).unwrap(), (2.0, 0.5));
        assert_eq!(asked(None, None).within(9.0, 6.4).unwrap(), (6.4, 0.5));
        assert_eq!(asked(None, None).within(0.3, 6.4).unwrap(), (0.3, 0.3));
        assert_eq!(asked(Some(6.4), Some(6.4)).within(2.0, 6.4).unwrap(), (6.4, 6.4));
        let error = asked(Some(10.0), None).within(2.0, 6.4).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(
            error.to_string().contains("a window of 10 s is longer") && error.to_string().contains("6.400 s"),
            "{error}"
        );
        for (window_s, hop_s) in
            [(Some(0.1), None), (Some(f64::NAN), None), (None, Some(2.5)), (None, Some(f64::NAN))]
        {
            assert!(asked(window_s, hop_s).within(2.0, 6.4).is_err(), "{window_s:?} {hop_s:?}");
        }
    }
}
