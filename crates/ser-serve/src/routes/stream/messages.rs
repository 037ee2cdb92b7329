//! What client and server tell each other, as JSON; between the client's messages come samples as binary ones.

use ser_predict::Opinion;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::stream_buffer::PcmFormat;

/// The first message of a client.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hello {
    /// Rate of the samples, Hz: 8,000 to 192,000.
    pub(super) sample_rate: u32,
    /// How samples are written.
    #[serde(default)]
    pub(super) format: PcmFormat,
    /// Name of a model; the first one without it.
    pub(super) model: Option<String>,
    /// Seconds from one answer to the next: 0.1 to 10, 0.5 without it.
    pub(super) hop_s: Option<f64>,
}

/// The server's answer to it. Binary messages with samples may follow.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Ready {
    /// The model that answers.
    pub(super) model: String,
    /// Its labels.
    pub(super) labels: Vec<String>,
    /// Seconds of sound behind each answer.
    pub(super) window_s: f64,
    /// Seconds from one answer to the next.
    pub(super) hop_s: f64,
}

/// What the server says of each window.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct WindowAnswer {
    /// Where the window ends, seconds since the stream began.
    pub(super) t: f64,
    /// Whether there is too little sound to say anything yet.
    pub(super) filling: bool,
    /// Whether somebody speaks in the window. Nothing is said of one without speech.
    pub(super) speech: bool,
    /// Level since the last answer, dB below full scale; -120 is silence.
    pub(super) level_dbfs: f64,
    /// What the model says; absent without speech.
    #[serde(flatten)]
    pub(super) opinion: Option<Opinion>,
    /// From the last sample to this answer, milliseconds.
    pub(super) latency_ms: f64,
    /// Windows that were not answered for since the last answer, because this server had not answered for those before them
    /// when more samples came.
    pub(super) skipped: u64,
}
