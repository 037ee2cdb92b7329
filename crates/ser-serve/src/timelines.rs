//! Timelines of long recordings, beside the live answers: with a network of its own, so that no stream waits for one.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use ser_audio::Limits;
use ser_core::Result;
use ser_core::progress::Silent;
use ser_predict::timeline::{Format, TimelineOptions, listen};
use ser_predict::{FrontEnd, Model, ModelOptions};

/// What timelines of one model are made with, opened when the first one is asked for.
#[derive(Debug)]
pub(crate) struct Timelines {
    checkpoint: PathBuf,
    options: ModelOptions,
    limits: Limits,
    jobs: usize,
    opened: Mutex<Option<Model>>,
}

impl Timelines {
    pub(crate) fn new(checkpoint: PathBuf, options: ModelOptions, limits: Limits, jobs: usize) -> Self {
        Self { checkpoint, options, limits, jobs, opened: Mutex::default() }
    }

    /// The timeline of the recording whose file has these bytes, with a window every `hop_s` seconds.
    ///
    /// # Errors
    /// When the checkpoint is there no more, or the recording cannot be used.
    pub(crate) fn of(&self, bytes: Vec<u8>, hop_s: f64, format: Format) -> Result<String> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let model = match &mut *opened {
            Some(model) => model,
            none => none.insert(Model::open(&self.checkpoint, &self.options)?),
        };
        // Their buffers hold all of a recording, so none is kept.
        let (samples, rate) = model.front_end(self.limits)?.long_bytes(bytes)?;
        // A window is as long as it is, whatever limits recordings have.
        let front_ends = (0..self.jobs).map(|_| model.front_end(self.limits.of_any_duration()));
        let mut front_ends = front_ends.collect::<Result<Vec<FrontEnd>>>()?;
        let options = TimelineOptions { hop_s, ..TimelineOptions::default() };
        let timeline = listen(model, &mut front_ends, "recording", (&samples, rate), &options, &Silent)?;
        format.write(&timeline)
    }
}
