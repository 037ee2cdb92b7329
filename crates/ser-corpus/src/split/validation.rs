//! What keeps the validation side of a split apart from its training side.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What keeps validation apart from training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValidationBy {
    /// It has speakers of its own.
    Speakers,
    /// It has words of its own.
    Words,
    /// Nothing: it is drawn from each class and speaker, because whole speakers or words would be far from the share
    /// asked for, or are not known.
    Drawn,
}

impl ValidationBy {
    /// The ways that keep it apart, in the order in which they are tried.
    pub(super) const APART: [Self; 2] = [Self::Speakers, Self::Words];
}

/// After "validation": "has speakers of its own".
impl fmt::Display for ValidationBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Speakers => "has speakers of its own",
            Self::Words => "has words of its own",
            Self::Drawn => "is drawn from each class and speaker",
        })
    }
}
