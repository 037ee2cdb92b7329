//! The names of the ways in which utterances are assigned to train, validation and test.

use std::fmt;
use std::str::FromStr;

use ser_core::{Error, ErrorKind, Result};

use crate::names::{composed, names_a_folder};

/// How utterances are assigned to train, validation and test.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// At random, stratified by label and speaker.
    Random,
    /// Test words occur neither in train nor in validation.
    Word,
    /// Everything this speaker says is test; the others are train and validation.
    Speaker(String),
    /// The speakers are assigned to folds: one is test; of the other speakers some are validation, the rest train.
    SpeakerFold {
        /// Which fold is test, from 1.
        fold: u32,
        /// How many folds there are.
        of: u32,
    },
    /// Everything in this corpus is test; the other corpora are train and validation.
    Corpus(String),
    /// As the corpus is published: by a column of its table or by the names of its folders.
    Official,
    /// As published in folds: this one is test.
    OfficialFold(String),
}

impl Protocol {
    /// The fewest and the most folds: train, validation and test each need one.
    pub const FOLDS: std::ops::RangeInclusive<u32> = 3..=100;
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random => f.write_str("random"),
            Self::Word => f.write_str("word"),
            Self::Speaker(id) => write!(f, "speaker-{id}"),
            Self::SpeakerFold { fold, of } => write!(f, "speakers-{fold}-of-{of}"),
            Self::Corpus(name) => write!(f, "corpus-{name}"),
            Self::Official => f.write_str("official"),
            Self::OfficialFold(fold) => write!(f, "official-{fold}"),
        }
    }
}

impl FromStr for Protocol {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // A keyboard may write a letter in two characters; the name of a folder here never does.
        let named = |prefix: &str| {
            let name = composed(text.strip_prefix(prefix)?.to_owned());
            names_a_folder(&name).then_some(name)
        };
        let protocol = match text {
            "random" => Some(Self::Random),
            "word" => Some(Self::Word),
            "official" => Some(Self::Official),
            _ => (named("speaker-").map(Self::Speaker))
                .or_else(|| named("corpus-").map(Self::Corpus))
                .or_else(|| named("official-").map(Self::OfficialFold))
                .or_else(|| speaker_fold(text)),
        };
        protocol.ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("unknown protocol {text:?}"))
                .help("use random, word, speaker-<ID>, speakers-<i>-of-<k>, corpus-<NAME>, official or official-<FOLD>")
        })
    }
}

/// `speakers-2-of-5`, written as it prints and in no other way.
fn speaker_fold(text: &str) -> Option<Protocol> {
    let (fold, of) = text.strip_prefix("speakers-")?.split_once("-of-")?;
    let (fold, of) = (fold.parse().ok()?, of.parse().ok()?);
    let protocol = Protocol::SpeakerFold { fold, of };
    (Protocol::FOLDS.contains(&of) && (1..=of).contains(&fold) && protocol.to_string() == text)
        .then_some(protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_read_back_as_they_print() {
        for name in [
            "random",
            "word",
            "speaker-OAF",
            "speaker-s-1-of-5",
            "speaker-speakers-1-of-5",
            "speakers-1-of-5",
            "speakers-10-of-10",
            "corpus-TESS",
            "corpus-CREMA-D",
            "official",
            "official-1",
            "official-Ses01",
            "speaker-José",
            "speaker-Mrs. Bing",
            "speaker-FRIENDS-说话人1",
            "corpus-große Stimmen",
        ] {
            assert_eq!(name.parse::<Protocol>().unwrap().to_string(), name);
        }
        assert_eq!("speaker-s-1-of-5".parse::<Protocol>().unwrap(), Protocol::Speaker("s-1-of-5".to_owned()));
        let decomposed = "speaker-Jose\u{301}".parse::<Protocol>().unwrap();
        assert_eq!(decomposed.to_string(), "speaker-José");
    }

    #[test]
    fn unknown_protocols_are_refused() {
        for name in [
            "",
            "speaker-",
            "speaker-../../x",
            "sentence",
            "corpus-",
            "corpus-a/b",
            "corpus-.x",
            "official-",
            "official-a/b",
            "speaker- x",
            "speaker-x ",
            "speaker-x.",
            "speaker-a\u{202e}b",
            "speaker-a\nb",
            "speaker-a\\b",
            "speakers-",
            "speakers-0-of-5",
            "speakers-6-of-5",
            "speakers-1-of-2",
            "speakers-1-of-101",
            "speakers-01-of-5",
            "speakers-+1-of-5",
            "speakers-1-of-5 ",
            "speakers-1-of-99999999999",
            "Random",
        ] {
            assert!(name.parse::<Protocol>().is_err(), "{name}");
        }
    }
}
