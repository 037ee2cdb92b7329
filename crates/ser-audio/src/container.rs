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
    /// Ogg, with Vorbis, Opus or FLAC inside.
    Ogg,
    /// MPEG-4 (also M4A, MOV), with AAC or ALAC inside.
    Mp4,
    /// Apple's Core Audio Format.
    Caf,
    /// A bare sequence of AAC frames (ADTS).
    Adts,
    /// Matroska or WebM, with Opus, Vorbis, FLAC, AAC, MP3 or PCM inside.
    Matroska,
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
        } else if starts(b"\x1a\x45\xdf\xa3") {
            Ok(Self::Matroska)
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
            Self::Ogg => &["ogg", "oga", "opus"],
            Self::Mp4 => &["m4a", "mp4", "m4b", "mov"],
            Self::Caf => &["caf"],
            Self::Adts => &["aac"],
            Self::Matroska => &["webm", "mka", "mkv"],
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
            Self::Matroska => "Matroska or WebM",
        })
    }
}

/// What is no audio that can be decoded: its first bytes, what it is, and what to do about it.
const OTHER_FORMATS: &[(&[u8], &str, &str)] = &[
    (b"RIFX", "a big-endian WAV (RIFX)", CONVERT),
    (b"riff", "a Wave64 file", CONVERT),
    (b"\x30\x26\xb2\x75", "Windows Media audio", CONVERT),
    (b"#!AMR", "AMR", CONVERT),
    (b"NIST_1A", "NIST SPHERE", CONVERT),
    (b".snd", "Sun/NeXT AU", CONVERT),
    (b"wvpk", "WavPack", CONVERT),
    (b"MAC ", "Monkey's Audio", CONVERT),
    (b"TTA1", "True Audio", CONVERT),
    (b"DSD ", "DSD audio", CONVERT),
    (b"PK\x03\x04", "a ZIP archive", "unpack it"),
    (b"\x1f\x8b", "a gzip archive", "unpack it"),
    (b"Rar!", "a RAR archive", "unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"%PDF", "a PDF", "take it out of the corpus"),
    (b"\x89PNG", "an image", "take it out of the corpus"),
    (b"\xff\xd8\xff", "an image", "take it out of the corpus"),
    (b"<", "a web page or XML", "download it again: what was saved is a page and not the recording"),
    (b"version https://git-lfs", "a Git LFS pointer, not the recording itself", "run git lfs pull"),
    (
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        "empty space (zero bytes), as an interrupted download leaves",
        "download it again",
    ),
];

/// The remedy for audio of another kind.
const CONVERT: &str = "convert it to WAV or FLAC, or take it out of the corpus";

/// What a file is that begins with `bytes` and is audio, whatever its name: a container that is read here, or the name of
/// a kind that is not. Nothing for what is no audio, as far as its beginning shows.
pub fn sniff(bytes: &[u8]) -> Option<Result<Container, &'static str>> {
    match Container::of(bytes) {
        // A few bytes of anything look like a frame of these; they need a whole file to be told.
        Ok(Container::Mp3 | Container::Adts) if !bytes.starts_with(b"ID3") => None,
        Ok(container) => Some(Ok(container)),
        Err(_) => OTHER_FORMATS
            .iter()
            .find(|(magic, _, help)| *help == CONVERT && bytes.starts_with(magic))
            .map(|(_, name, _)| Err(*name)),
    }
}

fn unrecognised(bytes: &[u8]) -> Error {
    if let Some((_, name, help)) = OTHER_FORMATS.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        return Error::new(ErrorKind::Unsupported, format!("is {name}")).help(*help);
    }
    let first: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let what = format!("is not audio of a known kind (its first bytes are {})", first.join(" "));
    Error::new(ErrorKind::Unsupported, what).help(CONVERT)
}
