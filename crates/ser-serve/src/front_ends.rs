//! From bytes and samples to clips, on threads that may block.

use std::sync::{Mutex, PoisonError};

use ser_audio::Limits;
use ser_core::{ErrorKind, Result};
use ser_predict::timeline::{LiveSpeechDetector, SPEECH_THRESHOLD};
use ser_predict::{Clip, FrontEnd, FrontEnds};

/// A front end whose buffers have held a larger recording is not kept: memory is to stay flat.
const LARGE_BYTES: usize = 4 << 20;

/// What one thread needs to make clips for one model.
#[derive(Debug)]
struct Worker {
    front_end: FrontEnd,
    detector: LiveSpeechDetector,
}

/// The front ends of one model that nobody uses at the moment.
#[derive(Debug)]
pub(crate) struct FrontEndPool {
    front_ends: FrontEnds,
    limits: Limits,
    free: Mutex<Vec<Worker>>,
    most: usize,
}

impl FrontEndPool {
    /// Front ends for recordings within `limits`; no more than `most` are kept.
    pub(crate) fn new(front_ends: FrontEnds, limits: Limits, most: usize) -> Self {
        Self { front_ends, limits, free: Mutex::default(), most }
    }

    /// The recording whose file has these bytes.
    ///
    /// # Errors
    /// As [`FrontEnd::bytes`].
    pub(crate) fn recording(&self, bytes: Vec<u8>) -> Result<Clip> {
        let mut worker = self.take()?;
        let large = bytes.len() > LARGE_BYTES;
        let clip = worker.front_end.bytes(bytes);
        // Compressed, a few bytes can be a long recording.
        let long = clip.as_ref().map_or(true, |clip| clip.seconds > 60.0);
        if !large && !long {
            self.give(worker);
        }
        clip
    }

    /// The window of a stream with these samples at `sample_rate` Hz; `None` where it holds no speech.
    ///
    /// # Errors
    /// As [`FrontEnd::samples`], but for silence.
    pub(crate) fn window(&self, mono: &[f32], sample_rate: u32) -> Result<Option<Clip>> {
        let mut worker = self.take()?;
        let clip = match worker.detector.hear_speech(mono, sample_rate, SPEECH_THRESHOLD)? {
            false => Ok(None),
            true => match worker.front_end.samples(mono, sample_rate) {
                Err(error) if error.kind() == ErrorKind::Unusable => Ok(None),
                clip => clip.map(Some),
            },
        };
        self.give(worker);
        clip
    }

    fn take(&self) -> Result<Worker> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match free {
            Some(worker) => Ok(worker),
            None => {
                let front_end = self.front_ends.front_end(self.limits)?;
                Ok(Worker { front_end, detector: LiveSpeechDetector::default() })
            }
        }
    }

    fn give(&self, worker: Worker) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < self.most {
            free.push(worker);
        }
    }
}
