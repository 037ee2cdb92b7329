//! What the sides of a split have in common, as `split.toml` records it, and what that means.
//!
//! An [`Audit`] is computed when a corpus is prepared. [`Audit::findings`] puts it into words; a [`Requirement`] makes a
//! gate of it.

pub mod measured;
mod require;
mod sentences;
mod shortcut;

use serde::{Deserialize, Serialize};

pub use measured::{Content, Measured, NearDuplicatePairKeys, audit_folder, check_measured, measured_path};
pub use require::{Requirement, require, require_any};
pub use sentences::{AuditFinding, Leakage};
pub use shortcut::{Cue, SHORTCUT_DEFINITION, Shortcut};

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
    /// How similar they are, at most 1.
    pub similarity: f64,
}
