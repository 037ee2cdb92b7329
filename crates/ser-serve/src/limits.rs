//! How much of everything a stranger may ask for.

use std::time::Duration;

use ser_audio::Limits;
use tokio::sync::Semaphore;

/// The limits of a server. Each has a default that serves one machine with a few dozen listeners.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServeLimits {
    /// Bytes of a request's body.
    pub max_body_bytes: usize,
    /// Longest recording, seconds.
    pub max_duration_s: f64,
    /// Longest recording that becomes a timeline, seconds.
    pub max_timeline_s: f64,
    /// Most samples of such a recording, mixed down: at a high rate they are many.
    pub max_timeline_samples: usize,
    /// Longest time of the processor that decoding a recording may take, seconds; four times as long for a timeline.
    pub max_decoding_s: f64,
    /// Requests of one address each second; as many may come at once.
    pub requests_per_s: u32,
    /// Connections that are open at a time.
    pub max_connections: usize,
    /// Recordings that are being answered for at a time. Those that are being sent or answered for may together have as many
    /// bytes as this number of the largest ones.
    pub max_uploads: usize,
    /// Streams at a time.
    pub max_streams: usize,
    /// Bytes of a message of a stream.
    pub max_message_bytes: usize,
    /// How long a connection or a stream may say nothing, seconds.
    pub idle_s: f64,
    /// How long a request may take from its head to its answer, seconds.
    pub request_s: f64,
    /// The time from the last sample of a stream's window to its answer that is promised to 99 of 100, seconds. A stream
    /// that would break it is refused.
    pub promise_s: f64,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            max_body_bytes: 32 << 20,
            max_duration_s: 300.0,
            max_timeline_s: 900.0,
            max_timeline_samples: 900 * 48_000,
            max_decoding_s: 10.0,
            requests_per_s: 500,
            max_connections: 512,
            max_uploads: 32,
            max_streams: 64,
            max_message_bytes: 1 << 18,
            idle_s: 30.0,
            request_s: 60.0,
            promise_s: 0.25,
        }
    }
}

impl ServeLimits {
    /// Limits of one recording.
    pub(crate) fn of_recordings(&self) -> Limits {
        Limits {
            max_bytes: self.max_body_bytes as u64,
            max_duration_s: self.max_duration_s,
            max_decoding_s: self.max_decoding_s,
            ..Limits::default()
        }
    }

    /// Limits of a recording that becomes a timeline.
    pub(crate) fn of_timelines(&self) -> Limits {
        let recordings = self.of_recordings();
        Limits {
            max_duration_s: self.max_timeline_s,
            max_samples: self.max_timeline_samples as u64,
            min_duration_s: 0.0,
            max_decoding_s: 4.0 * recordings.max_decoding_s,
            ..recordings
        }
    }

    /// Bytes that all recordings together may have that are being sent or answered for.
    pub(crate) fn upload_memory(&self) -> usize {
        self.max_uploads.saturating_mul(self.max_body_bytes).min(Semaphore::MAX_PERMITS)
    }

    /// [`idle_s`](Self::idle_s).
    pub(crate) fn idle(&self) -> Duration {
        seconds(self.idle_s)
    }

    /// [`request_s`](Self::request_s).
    pub(crate) fn request(&self) -> Duration {
        seconds(self.request_s)
    }
}

/// A duration of that many seconds, between a millisecond and a day.
fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(if seconds.is_nan() { 1.0 } else { seconds.clamp(0.001, 86_400.0) })
}
