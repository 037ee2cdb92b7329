//! Which container the bytes are, told from the bytes alone.

use std::fmt;

use ser_core::{Error, ErrorKind, Result};

use crate::mpeg;

/// The kind of file that samples are wrapped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Container {
    /// RIFF WAVE, also as RF64 or BW64.
    Wav,
    /// AIFF or AIFF-C.
    Aiff,
    /// FLAC's own container.
    Flac,
    /// A bare sequence of MPEG audio layer III frames.
    Mp3,
    /// Ogg, with Vorbis or FLAC inside.
    Ogg,
    /// MPEG-4 (also M4A, MOV), with AAC or ALAC inside.
    Mp4,
    /// Apple's Core Audio Format.
    Caf,
    /// A bare sequence of AAC frames (ADTS).
    Adts,
}

impl Container {
    /// Recognises the container of a whole file.
    ///
    /// # Errors
    /// `Unsupported`, naming the format where it is a known one, or else the first bytes.
    pub fn of(bytes: &[u8]) -> Result<Self> {
        let body = bytes.get(mpeg::after_id3v2(bytes)..).unwrap_or_default();
        let starts = |magic: &[u8]| bytes.starts_with(magic);
        let form = bytes.get(8..12).unwrap_or_default();
        if (starts(b"RIFF") || starts(b"RF64") || starts(b"BW64")) && form == b"WAVE" {
            Ok(Self::Wav)
        } else if starts(b"FORM") && (form == b"AIFF" || form == b"AIFC") {
            Ok(Self::Aiff)
        } else if body.starts_with(b"fLaC") {
            Ok(Self::Flac)
        } else if starts(b"OggS") {
            Ok(Self::Ogg)
        } else if bytes.get(4..8) == Some(b"ftyp") {
            Ok(Self::Mp4)
        } else if starts(b"caff") {
            Ok(Self::Caf)
        } else if mpeg::starts_as_adts(body) {
            Ok(Self::Adts)
        } else if mpeg::starts_as_mp3(body) {
            Ok(Self::Mp3)
        } else {
            Err(unrecognised(bytes))
        }
    }

    /// Whether the samples need a codec, rather than being stored in the file as they are or in small blocks.
    pub(super) fn holds_codec(self) -> bool {
        !matches!(self, Self::Wav | Self::Aiff)
    }

    /// The usual extensions, lower case, without the dot.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Wav => &["wav", "wave", "bwf", "rf64"],
            Self::Aiff => &["aif", "aiff", "aifc"],
            Self::Flac => &["flac"],
            Self::Mp3 => &["mp3"],
            Self::Ogg => &["ogg", "oga"],
            Self::Mp4 => &["m4a", "mp4", "m4b", "mov"],
            Self::Caf => &["caf"],
            Self::Adts => &["aac"],
        }
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Wav => "WAV",
            Self::Aiff => "AIFF",
            Self::Flac => "FLAC",
            Self::Mp3 => "MP3",
            Self::Ogg => "Ogg",
            Self::Mp4 => "MP4",
            Self::Caf => "CAF",
            Self::Adts => "AAC (ADTS)",
        })
    }
}

/// Files named like recordings that are not, or that cannot be decoded here.
const OTHER_FORMATS: &[(&[u8], &str)] = &[
    (b"RIFX", "a big-endian WAV (RIFX)"),
    (b"riff", "a Wave64 file"),
    (b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (b"\x30\x26\xb2\x75", "Windows Media"),
    (b"#!AMR", "AMR"),
    (b"NIST_1A", "NIST SPHERE"),
    (b".snd", "Sun/NeXT AU"),
    (b"wvpk", "WavPack"),
    (b"MAC ", "Monkey's Audio"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"<", "a web page or XML"),
    (b"version https://git-lfs", "a Git LFS pointer, not the recording itself"),
    (b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "empty space (zero bytes), as an interrupted download leaves"),
];

fn unrecognised(bytes: &[u8]) -> Error {
    const HELP: &str = "convert it to WAV or FLAC, or take it out of the corpus";
    if let Some((_, name)) = OTHER_FORMATS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Error::new(ErrorKind::Unsupported, format!("is {name}")).help(HELP);
    }
    let first: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let what = format!("is not audio of a known kind (its first bytes are {})", first.join(" "));
    Error::new(ErrorKind::Unsupported, what).help(HELP)
}
