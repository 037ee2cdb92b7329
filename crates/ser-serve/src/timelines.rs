//! Timelines of long recordings, beside the live answers: with a network of its own, so that no stream waits for one.

use std::sync::{Mutex, PoisonError};

use ser_core::progress::Silent;
use ser_core::{Error, ErrorKind, Result};
use ser_predict::timeline::{Format, TimelineOptions, listen};
use ser_predict::{CheckpointFile, FrontEnd, Model, ModelOptions};

use crate::limits::ServeLimits;

/// What timelines of one model are made with.
#[derive(Debug)]
pub(crate) struct Timelines {
    options: ModelOptions,
    limits: ServeLimits,
    jobs: usize,
    network: Mutex<Network>,
}

/// A network that is opened when the first timeline is asked for, from the checkpoint as it was when the server started.
#[derive(Debug)]
enum Network {
    Closed(CheckpointFile),
    Open(Box<Model>),
}

impl Timelines {
    /// Timelines by the model of `checkpoint`, of recordings within `limits`, with features computed on `jobs` threads.
    pub(crate) fn new(
        checkpoint: CheckpointFile,
        options: ModelOptions,
        limits: ServeLimits,
        jobs: usize,
    ) -> Self {
        Self { options, limits, jobs, network: Mutex::new(Network::Closed(checkpoint)) }
    }

    /// The timeline of the recording whose file has these bytes, heard by `options`.
    ///
    /// # Errors
    /// When the recording cannot be used, or the network cannot be opened.
    pub(crate) fn of(&self, bytes: Vec<u8>, options: &TimelineOptions, format: Format) -> Result<String> {
        let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        if let Network::Closed(checkpoint) = &*network {
            *network = Network::Open(Box::new(Model::of(checkpoint, &self.options)?));
        }
        let Network::Open(model) = &mut *network else {
            return Err(Error::new(ErrorKind::Io, "the network is not open"));
        };
        // Their buffers hold all of a recording, so none is kept.
        let mut whole = model.front_end(self.limits.of_timelines())?;
        let (samples, rate) = whole.long_bytes(bytes)?;
        // A window is as long as it is, whatever limits recordings have.
        let limits = self.limits.of_recordings().of_any_duration();
        let front_ends = (0..self.jobs).map(|_| model.front_end(limits));
        let mut front_ends = front_ends.collect::<Result<Vec<FrontEnd>>>()?;
        let timeline = listen(model, &mut front_ends, "recording", (samples, rate), options, &Silent)?;
        format.write(&timeline)
    }
}
