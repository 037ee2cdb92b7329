//! What is wrong with real corpora, planted on purpose.

use std::fmt;

use clap::ValueEnum;

/// Something odd about a file that a pipeline must report, handle, or reject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Oddity {
    /// Two AIFF files named .wav
    Aiff,
    /// A file at 96 kHz (at 48 kHz if the corpus is at 96)
    Rate,
    /// Half of the sound files carry a LIST chunk after the samples
    List,
    /// A file whose name lacks the last letter of its speaker: `OA_bite_neutral.wav`
    Name,
    /// A file that ends in the middle of its samples
    Truncated,
    /// A file of 0 bytes
    Empty,
    /// A file with nothing but zeros for samples
    Silent,
    /// A byte-identical copy of a file in a nested copy of the corpus's folder
    Duplicate,
    /// A text file named .wav
    NotAudio,
    /// A 32-bit float file with samples that are not numbers
    Nan,
}

impl Oddity {
    /// Every oddity.
    pub const ALL: [Self; 10] = [
        Self::Aiff,
        Self::Rate,
        Self::List,
        Self::Name,
        Self::Truncated,
        Self::Empty,
        Self::Silent,
        Self::Duplicate,
        Self::NotAudio,
        Self::Nan,
    ];

    /// The name on the command line: `aiff`, `not-audio` …
    pub fn name(self) -> &'static str {
        match self {
            Self::Aiff => "aiff",
            Self::Rate => "rate",
            Self::List => "list",
            Self::Name => "name",
            Self::Truncated => "truncated",
            Self::Empty => "empty",
            Self::Silent => "silent",
            Self::Duplicate => "duplicate",
            Self::NotAudio => "not-audio",
            Self::Nan => "nan",
        }
    }

    /// How many utterances it takes for itself; 0 where it goes with another's.
    pub(crate) fn utterances(self) -> usize {
        match self {
            Self::List | Self::Duplicate => 0,
            Self::Aiff => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_oddity_is_known_by_its_name_everywhere() {
        assert_eq!(Oddity::value_variants(), Oddity::ALL);
        for oddity in Oddity::ALL {
            assert_eq!(Oddity::from_str(oddity.name(), false), Ok(oddity));
            assert_eq!(serde_json::to_value(oddity).unwrap(), oddity.name());
        }
    }
}
