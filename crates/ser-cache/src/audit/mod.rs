//! What the sides of a split have in common, as `split.toml` records it, and what that means.
//!
//! An [`Audit`] is computed when a corpus is prepared. [`Audit::findings`] puts it into words; a [`Requirement`] makes a
//! gate of it.

mod measured;
mod require;
mod sentences;

use serde::{Deserialize, Serialize};

pub(crate) use measured::check_measured;
pub use measured::{Content, Measured, NearDuplicatePairKeys};
pub use require::{Requirement, require, require_any};
pub use sentences::{AuditFinding, Leakage};

/// What training and test share: the difference between knowing voices and knowing emotions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Audit {
    /// Whether every utterance names its speaker.
    pub speakers_known: bool,
    /// Speakers of the test side.
    pub test_speakers: Vec<String>,
    /// Those of them who are also heard in training or validation.
    pub shared_speakers: Vec<String>,
    /// Whether every utterance names its word.
    pub words_known: bool,
    /// How many different words the test side has.
    pub test_words: usize,
    /// How many of them also occur in training or validation.
    pub shared_words: usize,
    /// Recordings of the same sound on two sides; always 0, since each sound is kept once.
    pub identical_sounds_across_sides: usize,
    /// Whether every utterance names its session.
    #[serde(default)]
    pub sessions_known: bool,
    /// How many different sessions the test side has.
    #[serde(default)]
    pub test_sessions: usize,
    /// How many of them were also recorded for training or validation.
    #[serde(default)]
    pub shared_sessions: usize,
    /// Segments of the test side that share sound of their recording with one in training or validation.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub overlapping_segments: usize,
    /// Augmented copies on a different side from the recording they were made from, or another copy of it;
    /// `None` in an audit from before this was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies_apart: Option<usize>,
    /// Pairs of near-duplicates of which one is in the test side and the other is not; `None` if not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near_duplicates_across_sides: Option<usize>,
    /// What can be reached without listening.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortcuts: Vec<Shortcut>,
    /// The first hundred of the separated copies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies_apart_list: Vec<CopyApart>,
    /// The first hundred of the pairs of near-duplicates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near_duplicates_list: Vec<NearDuplicate>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// An augmented copy on a different side from what it was made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CopyApart {
    /// The copy.
    pub path: String,
    /// The recording it was made from, or another copy of that.
    pub parent: String,
}

/// A test recording and one of training or validation that is a copy of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NearDuplicate {
    /// The one in the test side.
    pub test: String,
    /// The other one.
    pub other: String,
    /// How well their waveforms correlate, at most 1.
    pub similarity: f64,
}

/// What a classifier that does not listen knows of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cue {
    /// How long it is: the logarithm of its seconds.
    Duration,
    /// Which share of its frames is silent (30 dB below its loudest): the logarithm of silent to other frames.
    Silence,
    /// Its mean level, dB, where recordings were not brought to one level.
    Level,
}

/// What knowing one thing about each recording achieves on the test side.
///
/// A Gaussian for each class is fitted to the cue on the training side, all classes being equally probable before. The
/// class under which the test recording's cue is most probable is the answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shortcut {
    /// What is known.
    pub cue: Cue,
    /// Mean recall over the classes that have test utterances.
    pub uar: f64,
    /// 1 / the number of those classes.
    pub chance: f64,
}

/// What [`Shortcut`] is, in a line.
pub const SHORTCUT_DEFINITION: &str = "UAR of a classifier that knows only this about a recording: a Gaussian for each class, fitted to \
     the training side (of log seconds; of the log ratio of frames 30 dB below the loudest to the others; of \
     dB), with equal class priors";
