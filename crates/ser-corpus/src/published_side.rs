//! The sides of the split that a corpus is published with, as they are called there.

use std::fmt;

/// What a table or a folder calls a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PublishedSide {
    /// `train`, `training`.
    Train,
    /// `val`, `valid`, `validation`, `dev`, `devel`, `development`.
    Val,
    /// `test`, `testing`; `Test1`.
    Test,
    /// `eval`, `evaluation`: most say so of their test side. Where there is a test side beside it and no other for
    /// validation, as in the Emotional Speech Database, it is that.
    Evaluation,
}

/// What stands beside the word for a side: `train_set`, `test data`, `dev_splits_complete`.
const BESIDE: [&str; 26] = [
    "audio",
    "audios",
    "clean",
    "clips",
    "complete",
    "corpus",
    "data",
    "dataset",
    "files",
    "final",
    "folder",
    "full",
    "new",
    "other",
    "output",
    "part",
    "partition",
    "recordings",
    "repeated",
    "samples",
    "set",
    "sets",
    "split",
    "splits",
    "subset",
    "wavs",
];

/// What is written right after the word for a side, without anything between: `trainset`.
const ATTACHED: [&str; 4] = ["dataset", "data", "set", "split"];

/// What columns of sides say of recordings that are on none.
const NONE: [&str; 6] = ["extra", "other", "unlabeled", "unlabelled", "unsupervised", "unused"];

impl PublishedSide {
    /// The side that is called so, in any case: by a word for it, alone or with a number or with words that say nothing
    /// more (`Test1`, `train_set`, `train80`).
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase();
        let mut sides = words(&name).filter(|word| !is_beside(word)).map(Self::by_word);
        match (sides.next(), sides.next()) {
            (Some(side), None) => side,
            _ => None,
        }
    }

    /// Whether `name` says of a recording that it is on no side of the published split.
    pub(crate) fn is_none(name: &str) -> bool {
        NONE.contains(&name.trim().to_lowercase().as_str())
    }

    /// Whether the first or the last word of `name` is a side's, whatever the others are: `angry_train`, `train_angry`.
    pub(crate) fn is_within(name: &str) -> bool {
        let name = name.trim().to_lowercase();
        let mut words = words(&name).filter(|word| !is_beside(word));
        let first = words.next();
        first.into_iter().chain(words.last()).any(|word| Self::by_word(word).is_some())
    }

    fn by_word(word: &str) -> Option<Self> {
        let alone = ATTACHED.iter().find_map(|attached| word.strip_suffix(attached)).unwrap_or(word);
        match alone {
            "train" | "training" => Some(Self::Train),
            "val" | "valid" | "validation" | "dev" | "devel" | "development" => Some(Self::Val),
            "test" | "testing" => Some(Self::Test),
            "eval" | "evaluation" => Some(Self::Evaluation),
            _ => None,
        }
    }
}

/// The parts of `name`: letters, the number after them, and what follows on that.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let is_number = |letter: char| letter.is_ascii_digit();
    name.split(|letter: char| !letter.is_alphanumeric())
        .flat_map(move |part| {
            let cut = part.find(is_number).unwrap_or(part.len());
            let (letters, rest) = part.split_at(cut);
            let after = rest.trim_start_matches(is_number);
            [letters, rest.strip_suffix(after).unwrap_or(rest), after]
        })
        .filter(|word| !word.is_empty())
}

fn is_beside(word: &str) -> bool {
    BESIDE.contains(&word) || word.bytes().all(|byte| byte.is_ascii_digit())
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

    #[test]
    fn a_word_for_a_side_may_have_a_number_or_words_that_say_nothing_beside_it() {
        use PublishedSide::*;
        for (name, side) in [
            ("Test1", Test),
            ("test2", Test),
            ("train80", Train),
            ("train_set", Train),
            ("test data", Test),
            ("TrainSet", Train),
            ("training-data", Train),
            ("data_test", Test),
            ("train_splits", Train),
            ("dev_splits_complete", Val),
            ("output_repeated_splits_test", Test),
            ("train-clean-100", Train),
        ] {
            assert_eq!(PublishedSide::named(name), Some(side), "{name}");
        }
        for name in [
            "",
            "80",
            "set",
            "other",
            "train_angry",
            "angry_train",
            "dev_patel",
            "testimony",
            "train_test",
            "100",
        ] {
            assert_eq!(PublishedSide::named(name), None, "{name}");
        }
    }

    #[test]
    fn a_side_within_a_name_is_found_at_either_end() {
        for name in ["train_angry", "angry_train", "angry-test2", "Test Angry"] {
            assert!(PublishedSide::is_within(name), "{name}");
        }
        for name in ["angry", "a_test_b", "trained_angry", "contest", "", "_"] {
            assert!(!PublishedSide::is_within(name), "{name}");
        }
        assert!(PublishedSide::is_none("Unlabelled ") && PublishedSide::is_none("other"));
        assert!(!PublishedSide::is_none("train") && !PublishedSide::is_none(""));
    }
}
