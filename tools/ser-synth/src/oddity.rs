//! What is wrong with real corpora, planted on purpose, and the containers that turn up under the names of WAV files.

use ser_audio::{pcm16, pcm16_wav};

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

/// The text of the LIST chunk, as an editor would leave it. Of even length.
const EDITOR: &[u8; 10] = b"ser-synth\0";

/// A mono 16-bit WAV file; with `list`, a LIST INFO chunk follows the samples.
pub(crate) fn wav(samples: &[f32], sample_rate: u32, list: bool) -> Vec<u8> {
    let mut file = pcm16_wav(samples, sample_rate);
    if list {
        file.extend(b"LIST");
        file.extend((12 + EDITOR.len() as u32).to_le_bytes());
        file.extend(b"INFOISFT");
        file.extend((EDITOR.len() as u32).to_le_bytes());
        file.extend(EDITOR);
        let size = (file.len() as u32 - 8).to_le_bytes();
        file[4..8].copy_from_slice(&size);
    }
    file
}

/// A mono 16-bit AIFF file.
pub(crate) fn aiff(samples: &[f32], sample_rate: u32) -> Vec<u8> {
    let count = samples.len() as u32;
    let mut file = Vec::with_capacity(54 + 2 * samples.len());
    file.extend(b"FORM");
    file.extend((46 + 2 * count).to_be_bytes());
    file.extend(b"AIFFCOMM");
    file.extend(18_u32.to_be_bytes());
    file.extend(1_u16.to_be_bytes());
    file.extend(count.to_be_bytes());
    file.extend(16_u16.to_be_bytes());
    // The rate as an 80-bit float: exponent with bias 16,383, then 64 bits of which the first is the leading 1.
    let leading = sample_rate.leading_zeros();
    file.extend((16_383 + 31 - leading as u16).to_be_bytes());
    file.extend((u64::from(sample_rate) << (32 + leading)).to_be_bytes());
    file.extend(b"SSND");
    file.extend((8 + 2 * count).to_be_bytes());
    file.extend([0; 8]);
    for sample in samples {
        file.extend(pcm16(*sample).to_be_bytes());
    }
    file
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
