//! What the cache knows of one utterance besides its tensor.

use ser_audio::Container;
use ser_corpus::Segment;
use ser_features::EXTRACTOR_VERSION;
use serde::{Deserialize, Serialize};

use crate::{Checksum, Sha};

/// The identity of a tensor: SHA-256 over what it was computed from.
pub type TensorKey = Sha;

/// The key of the tensor that a file gives under a feature configuration.
///
/// `file` is the SHA-256 of the file's bytes, or what [`content_of_segment`] says of a part of it, `configuration` the canonical JSON of the feature configuration.
/// The file's name, location and times do not matter.
pub fn key_of(file: &Sha, configuration: &str) -> TensorKey {
    let configuration = Sha::of(&[configuration.as_bytes()]);
    Sha::of(&[b"ser key 1\0", &file.0, &configuration.0, &EXTRACTOR_VERSION.to_le_bytes()])
}

/// What stands for the content of a segment of a recording with this content, in keys and wherever an utterance is
/// recognised by what it holds.
pub fn content_of_segment(file: &Sha, segment: Option<&Segment>) -> Sha {
    let Some(segment) = segment else { return *file };
    let [start, end] = segment.nanoseconds();
    Sha::of(&[b"ser segment 1\0", &file.0, &start.to_le_bytes(), &end.to_le_bytes()])
}

/// The channels of a recording, and which of them was used if only one was.
///
/// Stored as one number: how many there are, and where only one was used 256 times its number, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceChannels(u16);

impl SourceChannels {
    /// `count` channels, of which `only` is the one that was used, from 1.
    pub fn new(count: u16, only: Option<u16>) -> Self {
        Self(count | only.unwrap_or(0) << 8)
    }

    /// How many there are.
    pub fn count(self) -> u16 {
        self.0 & 0xff
    }

    /// The one that was used alone, from 1, because the channels cancel each other.
    pub fn only(self) -> Option<u16> {
        Some(self.0 >> 8).filter(|only| *only > 0)
    }
}

/// The recording a tensor was computed from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TensorSource {
    /// Sample rate of the file, Hz.
    pub sample_rate: u32,
    /// Channels of the file, mixed down to one.
    pub channels: SourceChannels,
    /// Container, told from the content.
    pub container: Container,
    /// Length, samples at `sample_rate`.
    pub samples: u64,
    /// XXH3-128 of the decoded samples: equal for the same sound in another lossless container, or with other
    /// metadata beside it.
    pub sound: Checksum,
}

impl TensorSource {
    /// Length in seconds.
    pub fn duration_s(&self) -> f64 {
        self.samples as f64 / f64::from(self.sample_rate.max(1))
    }
}

/// A row of a shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowInfo {
    /// Its identity.
    pub key: TensorKey,
    /// How many of the tensor's frames are real, the rest being padding.
    pub frames: u32,
    /// How many further frames the recording had, cut off at the end.
    pub frames_cut: u32,
    /// Checksum of the tensor and `frames`.
    pub checksum: Checksum,
    /// The recording it was computed from.
    pub source: TensorSource,
}
