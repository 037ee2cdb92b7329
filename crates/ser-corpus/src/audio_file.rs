//! Recordings as a file system knows them.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ser_core::storage::objects::Object;
use ser_core::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// File name extensions of recordings. The content later decides what a file really is; a file with another extension,
/// or none, is one if its content begins like audio.
pub const EXTENSIONS: [&str; 17] = [
    "wav", "wave", "aif", "aiff", "aifc", "flac", "mp3", "ogg", "oga", "m4a", "mp4", "aac", "caf", "opus",
    "webm", "mka", "mkv",
];

/// A recording in the corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioFile {
    /// Path relative to the corpus, with `/` between folders on every system.
    pub path: String,
    /// What the file system says of it.
    pub stat: FileStat,
}

impl AudioFile {
    /// Where to open it, in the corpus in `root`.
    pub fn location(&self, root: &Path) -> PathBuf {
        root.join(&self.path)
    }
}

/// What the file system, or an object store, says of a file. If it is unchanged, the file is assumed to be, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileStat {
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of content, nanoseconds since 1970.
    pub modified_ns: i128,
    /// Time of the last change of content or attributes, nanoseconds since 1970; 0 where there is none. It
    /// reveals an edit whose modification time was reset.
    pub changed_ns: i128,
    /// Number of the file in its file system; 0 where there is none.
    pub inode: u64,
}

impl FileStat {
    /// Of an object in a store, whose ETag stands for its content: a digest of that is in `changed_ns`, and no time
    /// counts. Where there is no ETag, or one that does not stand for its bytes, the time of its last change does as well.
    pub fn of_object(object: &Object) -> Self {
        let etag = object.etag.as_deref().map_or(0, |etag| xxh3_128(etag.as_bytes()).cast_signed());
        let modified_ns = if object.strong_etag().is_some() { 0 } else { object.modified_ns };
        Self { size: object.size, modified_ns, changed_ns: etag, inode: 0 }
    }

    /// Reads the fields from `metadata`.
    pub fn of(metadata: &Metadata) -> Self {
        let nanoseconds = |s: i64, ns: i64| i128::from(s) * 1_000_000_000 + i128::from(ns);
        Self {
            size: metadata.size(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }
}

/// Hidden files are left by systems, not by people: `.DS_Store`, and `._x.wav` beside every `x.wav` in archives
/// made on a Mac.
pub fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || name == "__MACOSX"
}

/// Whether a file is named as a recording.
pub(crate) fn has_audio_extension(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}

/// How many bytes of a file are looked at that is not named as audio.
pub(crate) const BEGINNING: u64 = 64;

/// The error about audio of a kind that is not decoded; it does not name the file.
pub(crate) fn not_decoded(kind: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("is {kind}, which is not decoded here"))
        .help("convert it to WAV or FLAC, or take it out of the corpus")
}
