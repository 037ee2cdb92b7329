//! Split manifests: which utterance is on which side of a split, in files that Python reads with `json`.

pub(crate) mod generation;

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;
use ser_core::remedy::Action;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::split::{Fractions, Side, Unassigned, ValidationBy};
use ser_corpus::{Protocol, Segment, check_relative};
use serde::{Deserialize, Serialize};

use crate::{Audit, CopySettings, Sha, TensorKey};

/// An utterance: a line of a manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Utterance<T = String> {
    /// Identity of its tensor.
    pub key: TensorKey,
    /// Its file, relative to the corpus; where there are several, with the corpus's name in front. A segment of a longer
    /// recording has `#t=<start>,<end>` behind the file, in seconds.
    pub path: T,
    /// Where the segment starts in its recording, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_s: Option<f64>,
    /// Where the segment ends, seconds, unless that is where its recording does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_s: Option<f64>,
    /// Its class.
    pub label: T,
    /// Who speaks, if known.
    pub speaker: Option<T>,
    /// Which word is spoken, if known.
    pub word: Option<T>,
    /// In which session it was recorded, if known.
    #[serde(default = "unknown_name", skip_serializing_if = "Option::is_none")]
    pub session: Option<T>,
    /// The recording it was made from, by its path, if it is an augmented copy.
    #[serde(default = "unknown_name", skip_serializing_if = "Option::is_none")]
    pub parent: Option<T>,
    /// The corpus it is from, where the cache holds several.
    #[serde(default = "unknown_name", skip_serializing_if = "Option::is_none")]
    pub corpus: Option<T>,
    /// Sample rate of the file, Hz.
    pub sample_rate: u32,
    /// Length of the recording, seconds.
    pub duration_s: f64,
    /// How many frames of its tensor are real.
    pub frames: u32,
    /// Its shard, relative to the cache.
    pub shard: T,
    /// Its row in the shard.
    pub row: u32,
}

/// What is written as a line of a manifest. Whoever has many of them can hold what they are made of, and make each when it
/// is asked for.
pub trait ManifestLine {
    /// The line.
    fn line(&self) -> Utterance<&str>;
}

impl<T: AsRef<str>> ManifestLine for Utterance<T> {
    fn line(&self) -> Utterance<&str> {
        Utterance {
            key: self.key,
            path: self.path.as_ref(),
            start_s: self.start_s,
            end_s: self.end_s,
            label: self.label.as_ref(),
            speaker: self.speaker.as_ref().map(T::as_ref),
            word: self.word.as_ref().map(T::as_ref),
            session: self.session.as_ref().map(T::as_ref),
            parent: self.parent.as_ref().map(T::as_ref),
            corpus: self.corpus.as_ref().map(T::as_ref),
            sample_rate: self.sample_rate,
            duration_s: self.duration_s,
            frames: self.frames,
            shard: self.shard.as_ref(),
            row: self.row,
        }
    }
}

impl<L: ManifestLine> ManifestLine for &L {
    fn line(&self) -> Utterance<&str> {
        L::line(self)
    }
}

impl Utterance {
    /// Nothing in it leads out of the corpus or the cache.
    fn check_paths(&self) -> Result<(), String> {
        let (recording, _) = Segment::parse_path(&self.path);
        check_relative(recording).map_err(|error| error.reason())?;
        let name = self.shard.strip_prefix("shards/").and_then(|name| name.strip_suffix(".safetensors"));
        match name.map(str::parse::<Sha>) {
            Some(Ok(_)) => Ok(()),
            _ => Err(format!("{:?} is not the path of a shard in a cache", self.shard)),
        }
    }
}

/// What `split.toml` says of a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitInfo {
    /// `random`, `word`, `speaker-<ID>`, `speakers-<i>-of-<k>`, `corpus-<NAME>`, `official` or `official-<FOLD>`.
    pub protocol: String,
    /// Seed of the split.
    pub seed: u64,
    /// The feature set its rows lie in.
    pub feature_set: String,
    /// Classes, in index order.
    pub labels: Vec<String>,
    /// What keeps validation apart from training, where the protocol does not say it. Words are not written: that they do was
    /// the only way once, and a split that has not changed keeps its digest.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub validation: Option<ValidationBy>,
    /// Shares asked for.
    pub fractions: Fractions,
    /// Utterances on each side.
    pub counts: BTreeMap<Side, usize>,
    /// Utterances of the cache that are on no side.
    #[serde(default, skip_serializing_if = "Unassigned::is_empty")]
    pub left_out: Unassigned,
    /// How the augmented copies were made, if there are any that a preparation made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augmentation: Option<CopySettings>,
    /// Utterances of each class on each side.
    pub counts_by_label: BTreeMap<String, BTreeMap<Side, usize>>,
    /// What the sides share.
    pub audit: Audit,
    /// SHA-256 of each manifest.
    pub manifests: BTreeMap<Side, Sha>,
}

fn is_usual(validation: &Option<ValidationBy>) -> bool {
    matches!(validation, None | Some(ValidationBy::Words))
}

/// A split ready to be written.
#[derive(Debug, Clone)]
pub struct SplitManifest<L = Utterance> {
    /// What goes into `split.toml`, except the digests.
    pub info: SplitInfo,
    /// The utterances of each side.
    pub sides: BTreeMap<Side, Vec<L>>,
}

/// The file that describes a split. It holds the digests of the other three.
pub(crate) const DESCRIPTION: &str = "split.toml";

/// A split read back.
#[derive(Debug, Clone)]
pub struct StoredSplit {
    /// What `split.toml` says.
    pub info: SplitInfo,
    /// SHA-256 of `split.toml`, and so, through the digests in it, of the whole split.
    pub digest: Sha,
    /// The utterances of each side.
    pub sides: BTreeMap<Side, Vec<Utterance>>,
}

impl StoredSplit {
    /// Its files.
    pub const FILES: [&str; 4] = [DESCRIPTION, "train.jsonl", "val.jsonl", "test.jsonl"];

    /// Reads the split in `folder` (`manifests/<generation>/<protocol>`), comparing digests.
    ///
    /// # Errors
    /// When a file is missing or has changed since it was written.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(DESCRIPTION);
        let text = read_text(&path)?;
        let info: SplitInfo =
            toml::from_str(&text).map_err(|error| damaged(&path, error.message().to_owned()))?;
        info.protocol.parse::<Protocol>().map_err(|error| damaged(&path, error.reason()))?;
        let read: Vec<Result<(Side, Vec<Utterance>)>> = (Side::ALL.into_par_iter())
            .map(|side| {
                Ok((side, read_side(&folder.join(format!("{side}.jsonl")), info.manifests.get(&side))?))
            })
            .collect();
        // Of several errors that of the first side, whichever was found first.
        let sides = read.into_iter().collect::<Result<BTreeMap<_, _>>>()?;
        Ok(Self { info, digest: Sha::of(&[text.as_bytes()]), sides })
    }

    /// The utterances of one side.
    pub fn side(&self, side: Side) -> &[Utterance] {
        self.sides.get(&side).map_or(&[], Vec::as_slice)
    }
}

/// The utterances of the manifest at `path`, whose digest must be `expected`.
fn read_side(path: &Path, expected: Option<&Sha>) -> Result<Vec<Utterance>> {
    let text = read_text(path)?;
    if expected != Some(&Sha::of(&[text.as_bytes()])) {
        return Err(damaged(path, "its checksum differs from split.toml".to_owned()));
    }
    let lines: Vec<&str> = text.lines().collect();
    let read: Vec<Result<Utterance>> = (lines.par_iter().enumerate())
        .map(|(number, line)| {
            let wrong = |what: String| damaged(path, format!("line {}: {what}", number + 1));
            let utterance: Utterance =
                serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            utterance.check_paths().map_err(wrong)?;
            Ok(utterance)
        })
        .collect();
    // Of several errors that of the first line.
    read.into_iter().collect()
}

/// `serde(default)` alone would ask that the type of names has a default.
fn unknown_name<T>() -> Option<T> {
    None
}

pub(crate) fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| Error::io("cannot be read", path, error).help(remedy![Action::Prepare, " again"]))
}

fn damaged(path: &Path, why: String) -> Error {
    Error::new(ErrorKind::Damaged, format!("is not a valid manifest: {why}"))
        .at(path)
        .help(remedy![Action::Prepare, " again: it rebuilds what is damaged"])
}
