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

use crate::{Answer, Clip, FrontEnd, Model};

pub use formats::Format;
pub use passages::Passage;
pub use speech::{SPEECH_THRESHOLD, SpeechDetector, stretches_of_speech};

/// Windows that are answered for together.
const BATCH: usize = 64;

/// How a long recording is heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimelineOptions {
    /// Length of a window, seconds; `None` for that of a typical training utterance.
    pub window_s: Option<f64>,
    /// From one window to the next, seconds.
    pub hop_s: f64,
    /// From which score of the voice-activity detector on a frame is speech, 0 to 1.
    pub speech_threshold: f64,
}

impl Default for TimelineOptions {
    fn default() -> Self {
        Self { window_s: None, hop_s: 0.5, speech_threshold: SPEECH_THRESHOLD }
    }
}

impl TimelineOptions {
    /// # Errors
    /// [`ErrorKind::Usage`] for lengths and thresholds that cannot be.
    fn checked(self, typical_s: f64) -> Result<(f64, f64)> {
        let window_s = self.window_s.unwrap_or(typical_s);
        let usage = |what: String, setting: Setting| {
            Err(Error::new(ErrorKind::Usage, what).help(remedy!["choose another ", setting]))
        };
        if !(0.2..=60.0).contains(&window_s) {
            return usage(format!("a window of {window_s} s is not between 0.2 and 60 s"), Setting::Window);
        }
        if !(0.05..=window_s).contains(&self.hop_s) {
            let what =
                format!("a hop of {} s is not between 0.05 s and the window, {window_s} s", self.hop_s);
            return usage(what, Setting::Hop);
        }
        if !(0.0..=1.0).contains(&self.speech_threshold) {
            let what = format!("a speech threshold of {} is not between 0 and 1", self.speech_threshold);
            return usage(what, Setting::SpeechThreshold);
        }
        Ok((window_s, self.hop_s))
    }
}

/// What a model says along a recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// The recording, as it was named.
    pub recording: String,
    /// Its length, seconds.
    pub seconds: f64,
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
    let (window_s, hop_s) = options.checked(model.about().typical_s)?;
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
    let seconds = |samples: usize| samples as f64 / f64::from(sample_rate);
    Ok(Timeline {
        recording: recording.to_owned(),
        seconds: seconds(mono.len()),
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
