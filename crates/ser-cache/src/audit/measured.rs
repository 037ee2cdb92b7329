//! What the tensors of a corpus say that no name does: the file that keeps it.
//!
//! `audit/<feature set>.jsonl` has two lines: a header with the digest of what the measurement is about and a checksum,
//! and the measurement itself. It is a convenience: whatever is wrong with it, it is rebuilt.

use std::path::{Path, PathBuf};

use ser_core::remedy::Action;
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result, remedy};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{FeatureSet, Hex, Sha, TensorEntry, TensorKey, audit_folder, check_inside};

/// Must change with anything that changes a measurement.
const VERSION: u32 = 2;

/// No measurement is read that is larger than this, bytes.
const LARGEST: u64 = 1 << 28;

/// What the tensors of a corpus say.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured<'a> {
    /// The tensors it is about, sorted by their keys.
    entries: Vec<&'a TensorEntry>,
    digest: Sha,
    content: Content,
    is_stored: bool,
}

/// What was measured, by the positions of tensors among their sorted keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Whether near-duplicates were searched for.
    pub looked: bool,
    /// Positions of two tensors among the sorted keys, and how well their recordings' waveforms correlate, in thousandths.
    pub near_duplicates: Vec<(u32, u32, u32)>,
    /// Of each tensor the silent frames, in thousandths of all.
    pub silence: Vec<u32>,
    /// Of each tensor the mean level, tenths of a dB; empty where recordings were brought to one level.
    pub level: Vec<i32>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    feature_set: String,
    /// Digest of the version and of what was measured.
    of: Sha,
    /// SHA-256 of the feature set, of that digest and of the other line.
    checksum: Sha,
}

const FORMAT: &str = "ser-audit";

/// Two recordings that are copies of each other, by the keys of their tensors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearDuplicatePairKeys {
    /// The one whose key is lower.
    pub first: TensorKey,
    /// The other one.
    pub second: TensorKey,
    /// How well their waveforms correlate, at most 1.
    pub similarity: f64,
}

impl<'a> Measured<'a> {
    /// What is kept about the tensors of `entries`, all of `set`, in the cache in `root`; or what `measure` says of them,
    /// sorted by their keys, if nothing is kept, or it is about others, or damaged.
    ///
    /// # Errors
    /// Those of `measure`.
    pub fn of(
        root: &Path,
        set: &FeatureSet,
        entries: impl Iterator<Item = &'a TensorEntry>,
        measure: impl FnOnce(&[&TensorEntry]) -> Result<Content>,
    ) -> Result<Self> {
        let mut entries: Vec<&TensorEntry> = entries.collect();
        entries.sort_unstable_by_key(|entry| entry.row.key);
        let mut hasher = Sha256::new();
        for part in [b"ser audit\0".as_slice(), &VERSION.to_le_bytes(), set.id.as_bytes()] {
            hasher.update(part);
        }
        entries.iter().for_each(|entry| hasher.update(entry.row.key.0));
        let digest = Hex(hasher.finalize().into());
        let path = measured_path(root, &set.id);
        let kept = check_inside(root, &path).and_then(|()| read(&path));
        if let Ok(Some((header, content))) = kept
            && header.of == digest
            && content.covers(entries.len())
        {
            return Ok(Self { entries, digest, content, is_stored: true });
        }
        let content = measure(&entries)?;
        Ok(Self { entries, digest, content, is_stored: false })
    }

    /// Keeps it in the cache in `root`, unless it came from there.
    pub fn write(&self, storage: &Storage, root: &Path, feature_set: &str) -> Result<()> {
        if self.is_stored {
            // Written by a run that may have been killed before the name was durable.
            return storage.sync_folder(&audit_folder(root));
        }
        let internal = |error: serde_json::Error| {
            Error::new(ErrorKind::Unsupported, format!("an audit cannot be written: {error}"))
        };
        let content = serde_json::to_vec(&self.content).map_err(internal)?;
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            feature_set: feature_set.to_owned(),
            of: self.digest,
            checksum: checksum(feature_set, &self.digest, &content),
        };
        let header = serde_json::to_vec(&header).map_err(internal)?;
        let path = measured_path(root, feature_set);
        storage.make_folder(&audit_folder(root))?;
        storage.replace_file(&path, &[&header, b"\n", &content, b"\n"])
    }

    /// Covers no tensors: for an audit of names alone.
    pub fn nothing() -> Self {
        Self { entries: Vec::new(), digest: Sha::of(&[]), content: Content::default(), is_stored: true }
    }

    /// Whether near-duplicates were searched for.
    pub fn looked_for_near_duplicates(&self) -> bool {
        self.content.looked
    }

    /// All pairs of near-duplicates.
    pub fn near_duplicates(&self) -> impl Iterator<Item = NearDuplicatePairKeys> + '_ {
        let key = |position: u32| self.entries.get(position as usize).map(|entry| entry.row.key);
        self.content.near_duplicates.iter().filter_map(move |&(first, second, thousandths)| {
            let similarity = f64::from(thousandths) / 1000.0;
            Some(NearDuplicatePairKeys { first: key(first)?, second: key(second)?, similarity })
        })
    }

    fn position(&self, key: &TensorKey) -> Option<usize> {
        self.entries.binary_search_by_key(&key, |entry| &entry.row.key).ok()
    }

    /// Which share of the frames of this tensor is silent.
    pub fn silence(&self, key: &TensorKey) -> Option<f64> {
        let position = self.position(key)?;
        self.content.silence.get(position).map(|thousandths| f64::from(*thousandths) / 1000.0)
    }

    /// Mean level of this tensor's recording, dB, if recordings were not brought to one level.
    pub fn level_db(&self, key: &TensorKey) -> Option<f64> {
        let position = self.position(key)?;
        self.content.level.get(position).map(|tenths| f64::from(*tenths) / 10.0)
    }
}

impl Content {
    /// Whether everything in it is about `count` tensors.
    fn covers(&self, count: usize) -> bool {
        self.silence.len() == count
            && (self.level.is_empty() || self.level.len() == count)
            && (self.near_duplicates.iter())
                .all(|(first, second, _)| first < second && (*second as usize) < count)
    }
}

/// The file about a feature set.
fn measured_path(root: &Path, feature_set: &str) -> PathBuf {
    audit_folder(root).join(format!("{feature_set}.jsonl"))
}

/// Whether the file at `path` is what was written, or one of an older version, which is replaced when it is needed.
///
/// # Errors
/// When it is neither.
pub(crate) fn check_measured(path: &Path) -> Result<()> {
    read(path).map(drop)
}

/// `None` for a file of an older version.
fn read(path: &Path) -> Result<Option<(Header, Content)>> {
    let damaged = |what: String| {
        Error::new(ErrorKind::Damaged, format!("is not a valid audit: {what}"))
            .at(path)
            .help(remedy![Action::Prepare, " again: it will be rebuilt"])
    };
    let io = |error| Error::io("cannot be read", path, error);
    if std::fs::metadata(path).map_err(io)?.len() > LARGEST {
        return Err(damaged("it is larger than any audit".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(io)?;
    let (header, content) = text.split_once('\n').ok_or_else(|| damaged("it has one line".to_owned()))?;
    let header: Header = serde_json::from_str(header).map_err(|error| damaged(error.to_string()))?;
    if header.format == FORMAT && header.version < VERSION {
        return Ok(None);
    }
    if header.format != FORMAT || header.version != VERSION {
        return Err(damaged(format!("it is of version {}, not {VERSION}", header.version)));
    }
    let content = content.strip_suffix('\n').ok_or_else(|| damaged("it ends early".to_owned()))?;
    if checksum(&header.feature_set, &header.of, content.as_bytes()) != header.checksum {
        return Err(damaged("its checksum differs".to_owned()));
    }
    let content = serde_json::from_str(content).map_err(|error| damaged(error.to_string()))?;
    Ok(Some((header, content)))
}

fn checksum(feature_set: &str, of: &Sha, content: &[u8]) -> Sha {
    Sha::of(&[feature_set.as_bytes(), &of.0, content])
}
