//! How far a classifier gets that hears nothing.

use serde::{Deserialize, Serialize};

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
