//! The sides of the split that a corpus is published with, as they are called there.

use std::fmt;

/// What a table or a folder calls a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PublishedSide {
    /// `train`, `training`.
    Train,
    /// `val`, `valid`, `validation`, `dev`, `devel`, `development`.
    Val,
    /// `test`, `testing`.
    Test,
    /// `eval`, `evaluation`: most say so of their test side. Where there is a test side beside it and no other for
    /// validation, as in the Emotional Speech Database, it is that.
    Evaluation,
}

impl PublishedSide {
    /// The side that is called so, in any case.
    pub fn named(name: &str) -> Option<Self> {
        match name.trim().to_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "val" | "valid" | "validation" | "dev" | "devel" | "development" => Some(Self::Val),
            "test" | "testing" => Some(Self::Test),
            "eval" | "evaluation" => Some(Self::Evaluation),
            _ => None,
        }
    }
}

impl fmt::Display for PublishedSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
            Self::Evaluation => "evaluation",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_go_by_many_names_and_in_any_case() {
        assert_eq!(PublishedSide::named("Training"), Some(PublishedSide::Train));
        assert_eq!(PublishedSide::named(" dev"), Some(PublishedSide::Val));
        assert_eq!(PublishedSide::named("TEST"), Some(PublishedSide::Test));
        assert_eq!(PublishedSide::named("Evaluation"), Some(PublishedSide::Evaluation));
        assert_eq!(PublishedSide::named("tests"), None);
    }
}
