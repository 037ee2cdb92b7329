//! Whether the voices of a test side were heard in training.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::evaluation::TestSide;

/// How the voices of a test side relate to training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Voices {
    /// Every test speaker was heard in training.
    Known,
    /// None was.
    New,
    /// Some were.
    Mixed,
    /// There are utterances whose speaker is unknown.
    Unknown,
}

/// How the voices of `test` relate to its training side.
pub(crate) fn voices(test: &TestSide) -> Voices {
    let side = test.side();
    relation(&side.speakers, &test.train.speakers, side.without_speaker > 0 || test.train.without_speaker > 0)
}

/// How the names on a test side relate to those in training, where no name is `unknown`.
pub(super) fn relation(test: &BTreeSet<String>, train: &BTreeSet<String>, unknown: bool) -> Voices {
    match test.intersection(train).count() {
        _ if unknown => Voices::Unknown,
        0 => Voices::New,
        n if n == test.len() => Voices::Known,
        _ => Voices::Mixed,
    }
}
