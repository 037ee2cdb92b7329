//! What is wrong with real corpora, planted on purpose.

/// Something odd about a file that a pipeline must report, handle, or reject.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
    serde::Serialize,
)]
#[strum(serialize_all = "kebab-case", ascii_case_insensitive)]
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
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name on the command line: `aiff`, `not-audio` …
    pub fn name(self) -> &'static str {
        self.into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_oddity_is_known_by_its_name_everywhere() {
        for &oddity in Oddity::ALL {
            assert_eq!(oddity.name().parse(), Ok(oddity));
            assert_eq!(serde_json::to_value(oddity).unwrap(), oddity.name());
        }
    }
}
