//! What the tensors of a corpus say that no name does, and the file that keeps it.
//!
//! `audit/<feature set>.jsonl` has two lines: a header with the digest of what the measurement is about and a checksum,
//! and the measurement itself. It is a convenience: whatever is wrong with it, it is made anew.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::bands::Framing;
use super::near_duplicates::near_duplicates;
use super::sketch::{Sketch, Sketcher};
use crate::audio::Normalisation;
use crate::cache::digest::Sha;
use crate::cache::inside::stays_inside;
use crate::cache::row::Key;
use crate::cache::shard::{Shard, shard_path};
use crate::cache::{Entry, FeatureSet, layout_of, shards_folder};
use crate::features::{FeatureConfig, Representation};
use crate::storage::Storage;
use crate::{Error, ErrorKind, Result};

/// Changes with anything that changes a measurement.
const VERSION: u32 = 1;

/// A frame this far below the loudest of its clip is silent, dB.
const SILENT_DB: f32 = 30.0;

/// No measurement is read that is larger than this, bytes.
const LARGEST: u64 = 1 << 28;

/// What the tensors of a corpus say.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The tensors it is about, sorted.
    keys: Vec<Key>,
    digest: Sha,
    content: Content,
    is_stored: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    /// Whether near-duplicates were looked for; some feature sets hold too little for that.
    looked: bool,
    /// Positions of two tensors among the sorted keys, and their similarity in thousandths.
    near_duplicates: Vec<(u32, u32, u32)>,
    /// Of each tensor the silent frames, in thousandths of all.
    silence: Vec<u32>,
    /// Of each tensor the mean level, tenths of a dB; empty where recordings were brought to one level.
    level: Vec<i32>,
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
pub struct Similar {
    /// The one whose key is lower.
    pub first: Key,
    /// The other one.
    pub second: Key,
    /// How similar they are, at most 1.
    pub similarity: f64,
}

impl Measured {
    /// What is kept about the tensors of `entries`, all of `set`, in the cache in `root`; or measured, with `jobs` threads,
    /// if it is not there, about others, or damaged.
    ///
    /// # Errors
    /// When a tensor has to be read and cannot.
    pub(in crate::cache) fn of<'a>(
        root: &Path,
        set: &FeatureSet,
        entries: impl Iterator<Item = &'a Entry>,
        jobs: usize,
    ) -> Result<Self> {
        let mut entries: Vec<&Entry> = entries.collect();
        entries.sort_unstable_by_key(|entry| entry.row.key);
        let keys: Vec<Key> = entries.iter().map(|entry| entry.row.key).collect();
        let bytes: &[&[u8]] = &[b"ser audit\0", &VERSION.to_le_bytes(), set.id.as_bytes()];
        let parts: Vec<&[u8]> = bytes.iter().copied().chain(keys.iter().map(|key| &key.0[..])).collect();
        let digest = Sha::of(&parts);
        drop(parts);
        let path = measured_path(root, &set.id);
        let kept = stays_inside(root, &path).and_then(|()| read(&path));
        if let Ok((header, content)) = kept
            && header.of == digest
            && content.is_about(keys.len())
        {
            return Ok(Self { keys, digest, content, is_stored: true });
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build();
        let pool =
            pool.map_err(|error| Error::new(ErrorKind::Io, format!("cannot start threads: {error}")))?;
        let content = pool.install(|| measure(root, set, &entries))?;
        Ok(Self { keys, digest, content, is_stored: false })
    }

    /// Keeps it in the cache in `root`, unless it came from there.
    pub(in crate::cache) fn write(&self, storage: &Storage, root: &Path, feature_set: &str) -> Result<()> {
        if self.is_stored {
            // By a run that may have been killed before its name was durable.
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

    /// About no tensor: for an audit of names alone.
    #[cfg(test)]
    pub(in crate::cache) fn nothing() -> Self {
        Self { keys: Vec::new(), digest: Sha::of(&[]), content: Content::default(), is_stored: true }
    }

    /// Whether near-duplicates were looked for: the feature set may hold too little for that.
    pub fn looked_for_near_duplicates(&self) -> bool {
        self.content.looked
    }

    /// All pairs of near-duplicates.
    pub fn near_duplicates(&self) -> impl Iterator<Item = Similar> + '_ {
        let key = |position: u32| self.keys.get(position as usize).copied();
        self.content.near_duplicates.iter().filter_map(move |&(first, second, thousandths)| {
            let similarity = f64::from(thousandths) / 1000.0;
            Some(Similar { first: key(first)?, second: key(second)?, similarity })
        })
    }

    /// Which share of the frames of this tensor is silent.
    pub fn silence(&self, key: &Key) -> Option<f64> {
        let position = self.keys.binary_search(key).ok()?;
        self.content.silence.get(position).map(|thousandths| f64::from(*thousandths) / 1000.0)
    }

    /// Mean level of this tensor's recording, dB, if recordings were not brought to one level.
    pub fn level_db(&self, key: &Key) -> Option<f64> {
        let position = self.keys.binary_search(key).ok()?;
        self.content.level.get(position).map(|tenths| f64::from(*tenths) / 10.0)
    }
}

impl Content {
    /// Whether everything in it is about `count` tensors.
    fn is_about(&self, count: usize) -> bool {
        self.silence.len() == count
            && (self.level.is_empty() || self.level.len() == count)
            && (self.near_duplicates.iter())
                .all(|(first, second, _)| first < second && (*second as usize) < count)
    }
}

/// Where measurements lie in the cache in `root`.
pub(in crate::cache) fn audit_folder(root: &Path) -> PathBuf {
    root.join("audit")
}

/// The file about a feature set.
pub(in crate::cache) fn measured_path(root: &Path, feature_set: &str) -> PathBuf {
    audit_folder(root).join(format!("{feature_set}.jsonl"))
}

/// Whether the file at `path` is what was written.
///
/// # Errors
/// When it is not.
pub(in crate::cache) fn check_measured(path: &Path) -> Result<()> {
    read(path).map(drop)
}

fn read(path: &Path) -> Result<(Header, Content)> {
    let damaged = |what: String| {
        Error::new(ErrorKind::Damaged, format!("is no whole audit: {what}"))
            .at(path)
            .mend("run ser-prep again: it is made anew")
    };
    let io = |error| Error::io("cannot be read", path, error);
    if std::fs::metadata(path).map_err(io)?.len() > LARGEST {
        return Err(damaged("it is larger than any".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(io)?;
    let (header, content) = text.split_once('\n').ok_or_else(|| damaged("it has one line".to_owned()))?;
    let header: Header = serde_json::from_str(header).map_err(|error| damaged(error.to_string()))?;
    if header.format != FORMAT || header.version != VERSION {
        return Err(damaged(format!("it is of version {}, not {VERSION}", header.version)));
    }
    let content = content.strip_suffix('\n').ok_or_else(|| damaged("it ends early".to_owned()))?;
    if checksum(&header.feature_set, &header.of, content.as_bytes()) != header.checksum {
        return Err(damaged("its checksum differs".to_owned()));
    }
    let content = serde_json::from_str(content).map_err(|error| damaged(error.to_string()))?;
    Ok((header, content))
}

fn checksum(feature_set: &str, of: &Sha, content: &[u8]) -> Sha {
    Sha::of(&[feature_set.as_bytes(), &of.0, content])
}

fn measure(root: &Path, set: &FeatureSet, entries: &[&Entry]) -> Result<Content> {
    let config: Option<FeatureConfig> = serde_json::from_str(&set.configuration).ok();
    let config = config.ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "has a feature configuration that cannot be read").at(root)
    })?;
    let (folder, layout) = (shards_folder(root), layout_of(set));
    // Read, not mapped: what is mapped counts as memory of this process.
    let open = |name: &Sha| Shard::open_by(&shard_path(&folder, name), &layout, false);
    let shards: Vec<Shard> = set.shards.par_iter().map(open).collect::<Result<_>>()?;
    let beginning = |position: usize, values: usize| {
        let entry = entries[position];
        let shard = shards
            .get(entry.shard as usize)
            .ok_or_else(|| Error::new(ErrorKind::Damaged, "names a shard that is not listed").at(root))?;
        Ok((shard.beginning(entry.position as usize, values)?, entry.row.frames as usize))
    };
    let framing = Framing::new(&config);
    let sketcher = framing.as_ref().map(Sketcher::new);
    let level_rows = if config.representation == Representation::LogMel { config.n_mels } else { 1 };
    let values = framing.as_ref().map_or(level_rows * config.max_frames, Framing::values);
    let of_one = |position: usize| -> Result<(u32, i32, Option<Sketch>)> {
        let (values, frames) = beginning(position, values)?;
        let (silence, level) = silence_and_level(&values, frames, &config);
        Ok((silence, level, sketcher.as_ref().map(|sketcher| sketcher.sketch(&values, frames))))
    };
    let of_each: Vec<_> = (0..entries.len()).into_par_iter().map(of_one).collect::<Result<_>>()?;
    let is_level_known = config.normalisation == Normalisation::None && !config.mean_subtraction;
    let mut content = Content {
        looked: framing.is_some(),
        near_duplicates: Vec::new(),
        silence: of_each.iter().map(|(silence, _, _)| *silence).collect(),
        level: of_each.iter().filter(|_| is_level_known).map(|(_, level, _)| *level).collect(),
    };
    let sketches: Vec<Sketch> = of_each.into_iter().filter_map(|(_, _, sketch)| sketch).collect();
    if let Some(framing) = &framing {
        let pairs = near_duplicates(framing, sketches, |position| beginning(position, values))?;
        let stored = |(first, second, similarity): (usize, usize, f32)| {
            (first as u32, second as u32, (similarity * 1000.0).round() as u32)
        };
        content.near_duplicates = pairs.into_iter().map(stored).collect();
    }
    Ok(content)
}

/// Thousandths of the frames that are silent, and the mean level in tenths of a dB, by the mean of each frame's log mel
/// energies. Of cepstral coefficients the first is their sum over the root of their number.
fn silence_and_level(values: &[f32], frames: usize, config: &FeatureConfig) -> (u32, i32) {
    let bands = config.n_mels.max(1);
    let (rows, scale) = match config.representation {
        Representation::Mfcc => (1, 1.0 / (bands as f32).sqrt()),
        Representation::LogMel => (bands, 1.0 / bands as f32),
    };
    let of_frame = |frame: usize| {
        let column = values.iter().skip(frame).step_by(config.max_frames.max(1)).take(rows);
        scale * column.sum::<f32>()
    };
    let levels: Vec<f32> = (0..frames.min(config.max_frames).min(values.len())).map(of_frame).collect();
    let loudest = levels.iter().copied().fold(f32::MIN, f32::max);
    let silent = levels.iter().filter(|level| **level < loudest - SILENT_DB).count();
    let mean = levels.iter().map(|level| f64::from(*level)).sum::<f64>() / levels.len().max(1) as f64;
    ((silent * 1000 / levels.len().max(1)) as u32, (mean * 10.0).round() as i32)
}
