//! Split manifests: which utterance stands on which side of a split, in files that Python reads with `json`.
//!
//! A generation of manifests is a folder named by a SHA-256 over its content and never changed; `splits` is a
//! link to the newest. So whoever reads `splits/random/train.jsonl` sees all files of one generation, also while
//! another is being written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::Sha;
use super::row::Key;
use crate::corpus::{Fractions, Part};
use crate::storage::{self, SCRATCH_PREFIX};
use crate::{Error, ErrorKind, Result};

/// An utterance: a line of a manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Utterance {
    /// Identity of its tensor.
    pub key: Key,
    /// Its file, relative to the corpus.
    pub path: String,
    /// Its class.
    pub label: String,
    /// Who speaks, if known.
    pub speaker: Option<String>,
    /// Which word is spoken, if known.
    pub word: Option<String>,
    /// Sample rate of the file, Hz.
    pub sample_rate: u32,
    /// Length of the recording, seconds.
    pub duration_s: f64,
    /// How many frames of its tensor are real.
    pub frames: u32,
    /// Its shard, relative to the cache.
    pub shard: String,
    /// Its row in the shard.
    pub row: u32,
}

/// What `split.toml` says of a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitInfo {
    /// `random`, `word` or `speaker-<ID>`.
    pub protocol: String,
    /// Seed of the split.
    pub seed: u64,
    /// The feature set its rows lie in.
    pub feature_set: String,
    /// Classes, in index order.
    pub labels: Vec<String>,
    /// Shares asked for.
    pub fractions: Fractions,
    /// Utterances on each side.
    pub counts: BTreeMap<Part, usize>,
    /// Utterances of each class on each side.
    pub counts_by_label: BTreeMap<String, BTreeMap<Part, usize>>,
    /// What the sides have in common.
    pub audit: Audit,
    /// SHA-256 of each manifest.
    pub manifests: BTreeMap<Part, Sha>,
}

/// What training and test have in common: the difference between knowing voices and knowing emotions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Audit {
    /// Whether every utterance names its speaker.
    pub speakers_known: bool,
    /// Speakers of the test side.
    pub test_speakers: Vec<String>,
    /// Those of them who are also heard in training or validation.
    pub shared_speakers: Vec<String>,
    /// Whether every utterance names its word.
    pub words_known: bool,
    /// How many different words the test side has.
    pub test_words: usize,
    /// How many of them also occur in training or validation.
    pub shared_words: usize,
    /// Recordings of the same sound that stand on two sides; always 0, since each sound is kept once.
    pub identical_sounds_across_sides: usize,
}

impl Audit {
    /// Compares what `test` and `rest` (training and validation) hold.
    pub fn of<'a>(rest: &[&'a Utterance], test: &[&'a Utterance]) -> Self {
        let speaker = |utterance: &'a Utterance| utterance.speaker.as_deref();
        let word = |utterance: &'a Utterance| utterance.word.as_deref();
        let (test_speakers, rest_speakers) = (known(test, speaker), known(rest, speaker));
        let (test_words, rest_words) = (known(test, word), known(rest, word));
        let keys: BTreeSet<&Key> = rest.iter().map(|utterance| &utterance.key).collect();
        let owned = |set: BTreeSet<&str>| set.into_iter().map(str::to_owned).collect();
        Self {
            speakers_known: test_speakers.is_some() && rest_speakers.is_some(),
            shared_speakers: shared(&test_speakers, &rest_speakers).into_iter().map(str::to_owned).collect(),
            test_speakers: test_speakers.map(owned).unwrap_or_default(),
            words_known: test_words.is_some() && rest_words.is_some(),
            shared_words: shared(&test_words, &rest_words).len(),
            test_words: test_words.map_or(0, |words| words.len()),
            identical_sounds_across_sides: test.iter().filter(|u| keys.contains(&u.key)).count(),
        }
    }
}

fn known<'a>(
    side: &[&'a Utterance],
    of: impl Fn(&'a Utterance) -> Option<&'a str>,
) -> Option<BTreeSet<&'a str>> {
    side.iter().map(|utterance| of(utterance)).collect()
}

fn shared<'a>(a: &Option<BTreeSet<&'a str>>, b: &Option<BTreeSet<&'a str>>) -> Vec<&'a str> {
    match (a, b) {
        (Some(a), Some(b)) => a.intersection(b).copied().collect(),
        _ => Vec::new(),
    }
}

/// A split ready to be written.
#[derive(Debug, Clone)]
pub struct SplitManifest {
    /// What goes into `split.toml`, except the digests.
    pub info: SplitInfo,
    /// The utterances of each side.
    pub parts: BTreeMap<Part, Vec<Utterance>>,
}

/// A generation of manifests: all files of all protocols, in memory.
#[derive(Debug)]
pub struct Generation {
    /// By protocol, then by file name.
    files: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    name: Sha,
}

impl Generation {
    /// Renders `splits` into files.
    ///
    /// # Errors
    /// When one cannot be rendered.
    pub fn new(splits: &[SplitManifest]) -> Result<Self> {
        let mut files = BTreeMap::new();
        let mut descriptions = BTreeMap::new();
        for split in splits {
            let mut info = split.info.clone();
            let mut of_split = BTreeMap::new();
            for (part, utterances) in &split.parts {
                let lines = json_lines(utterances)?;
                info.manifests.insert(*part, Sha::of(&[&lines]));
                of_split.insert(format!("{part}.jsonl"), lines);
            }
            let text = toml::to_string(&info).map_err(|error| unwritable(&error.to_string()))?;
            of_split.insert(DESCRIPTION.to_owned(), text.clone().into_bytes());
            descriptions.insert(info.protocol.clone(), text);
            files.insert(info.protocol, of_split);
        }
        Ok(Self { files, name: name_of(&descriptions) })
    }

    /// The SHA-256 that names its folder.
    pub fn name(&self) -> Sha {
        self.name
    }

    /// Writes it under its name into `folder`, unless it is there already, whole.
    ///
    /// # Errors
    /// When writing fails; what stands under its name is then as it was.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let target = folder.join(self.name.to_string());
        if self.is_at(&target) {
            return Ok(());
        }
        let scratch = folder.join(format!("{SCRATCH_PREFIX}{}", std::process::id()));
        let damaged = folder.join(format!("{SCRATCH_PREFIX}{}-damaged", std::process::id()));
        let written = self.write_into(&scratch).and_then(|()| {
            if target.exists() {
                std::fs::rename(&target, &damaged)
                    .map_err(|e| Error::io("cannot be moved away", &target, e))?;
            }
            std::fs::rename(&scratch, &target)
                .map_err(|error| Error::io("cannot be put in place", &target, error))
        });
        // What stays under a scratch name is nobody's; the error that led here says more.
        let _ = std::fs::remove_dir_all(&damaged);
        if written.is_err() {
            let _ = std::fs::remove_dir_all(&scratch);
        }
        written?;
        storage::sync_folder(folder)
    }

    fn is_at(&self, target: &Path) -> bool {
        let same = |path: PathBuf, content: &[u8]| std::fs::read(path).is_ok_and(|found| found == content);
        generation_name(target).is_ok_and(|name| name == self.name)
            && (self.files.iter()).all(|(protocol, files)| {
                files.iter().all(|(name, content)| same(target.join(protocol).join(name), content))
            })
    }

    fn write_into(&self, scratch: &Path) -> Result<()> {
        for (protocol, files) in &self.files {
            let folder = scratch.join(protocol);
            storage::make_folder(&folder)?;
            for (name, content) in files {
                storage::replace_file(&folder.join(name), &[content])?;
            }
        }
        Ok(())
    }
}

/// The file that describes a split. It holds the digests of the other three.
const DESCRIPTION: &str = "split.toml";

/// The SHA-256 over each protocol and its `split.toml`, in the order of their names, each preceded by its length.
/// Through the digests in them it stands for every byte of the generation.
fn name_of(descriptions: &BTreeMap<String, String>) -> Sha {
    let texts = descriptions.iter().flat_map(|(protocol, text)| [protocol, text]);
    let framed: Vec<([u8; 8], &[u8])> =
        texts.map(|text| ((text.len() as u64).to_le_bytes(), text.as_bytes())).collect();
    let parts: Vec<&[u8]> = framed.iter().flat_map(|(length, text)| [&length[..], text]).collect();
    Sha::of(&parts)
}

/// The name that the generation in `folder` should have, by what its `split.toml` files say now.
///
/// # Errors
/// When one cannot be read.
pub fn generation_name(folder: &Path) -> Result<Sha> {
    let listing = std::fs::read_dir(folder)
        .map_err(|error| Error::io("cannot be listed", folder, error).mend("run ser-prep again"))?;
    let mut descriptions = BTreeMap::new();
    for entry in listing {
        let path = entry.map_err(|error| Error::io("cannot be listed", folder, error))?.path();
        if let Some(protocol) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_dir()) {
            descriptions.insert(protocol.to_owned(), read_text(&path.join(DESCRIPTION))?);
        }
    }
    Ok(name_of(&descriptions))
}

fn json_lines(utterances: &[Utterance]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for utterance in utterances {
        serde_json::to_writer(&mut lines, utterance).map_err(|error| unwritable(&error.to_string()))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

fn unwritable(why: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("a manifest cannot be written: {why}"))
}

/// Checks that `splits` in the cache in `root` is ours to replace: nothing, a link, or what a copy of the cache
/// that followed its links made of it.
///
/// # Errors
/// When something else stands there.
pub fn check_splits_place(root: &Path) -> Result<()> {
    let place = root.join("splits");
    let names_in = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let is_manifest = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name == DESCRIPTION || Part::ALL.iter().any(|part| name == format!("{part}.jsonl"))
    };
    let is_split = |path: &PathBuf| path.is_dir() && names_in(path).iter().all(is_manifest);
    if place.is_symlink() || !place.exists() || place.is_dir() && names_in(&place).iter().all(is_split) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Mismatch,
        "stands where the link to the split manifests belongs, and is something else",
    )
    .at(place)
    .mend("move it away, or name another folder with --out"))
}

/// Points the link `splits` of the cache at a generation. What stands there is replaced: see
/// [`check_splits_place`].
///
/// # Errors
/// When the file system knows no links.
pub fn point_splits_at(root: &Path, generation: &Sha) -> Result<()> {
    let link = root.join("splits");
    let target = PathBuf::from("manifests").join(generation.to_string());
    if std::fs::read_link(&link).is_ok_and(|old| old == target) {
        return Ok(());
    }
    let scratch = root.join(format!("{SCRATCH_PREFIX}splits-{}", std::process::id()));
    let _ = std::fs::remove_file(&scratch);
    make_link(&target, &scratch).map_err(|error| {
        Error::io("cannot be made a link", &link, error)
            .mend("put the cache on a file system that knows symbolic links")
    })?;
    if link.is_dir() && !link.is_symlink() {
        // A copy of the cache that followed its links: what the folder holds stands in `manifests` as well.
        std::fs::remove_dir_all(&link).map_err(|error| Error::io("cannot be replaced", &link, error))?;
    }
    std::fs::rename(&scratch, &link).map_err(|error| {
        let _ = std::fs::remove_file(&scratch);
        Error::io("cannot be put in place", &link, error)
    })?;
    storage::sync_folder(root)
}

#[cfg(unix)]
fn make_link(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn make_link(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_dir(target, link)
}

/// A split read back.
#[derive(Debug, Clone)]
pub struct StoredSplit {
    /// What `split.toml` says.
    pub info: SplitInfo,
    /// SHA-256 of `split.toml`, and so, through the digests in it, of the whole split.
    pub digest: Sha,
    /// The utterances of each side.
    pub parts: BTreeMap<Part, Vec<Utterance>>,
}

impl StoredSplit {
    /// Reads the split in `folder` (`manifests/<generation>/<protocol>`), comparing digests.
    ///
    /// # Errors
    /// When a file is missing or is not what was written.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(DESCRIPTION);
        let text = read_text(&path)?;
        let info: SplitInfo =
            toml::from_str(&text).map_err(|error| damaged(&path, error.message().to_owned()))?;
        let mut parts = BTreeMap::new();
        for part in Part::ALL {
            let path = folder.join(format!("{part}.jsonl"));
            let lines = read_text(&path)?;
            if info.manifests.get(&part) != Some(&Sha::of(&[lines.as_bytes()])) {
                return Err(damaged(&path, "its checksum differs from split.toml".to_owned()));
            }
            let utterances: Result<Vec<Utterance>> = (lines.lines().enumerate())
                .map(|(number, line)| {
                    serde_json::from_str(line)
                        .map_err(|error| damaged(&path, format!("line {}: {error}", number + 1)))
                })
                .collect();
            parts.insert(part, utterances?);
        }
        Ok(Self { info, digest: Sha::of(&[text.as_bytes()]), parts })
    }

    /// The utterances of one side.
    pub fn part(&self, part: Part) -> &[Utterance] {
        self.parts.get(&part).map_or(&[], Vec::as_slice)
    }
}

fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| Error::io("cannot be read", path, error).mend("run ser-prep again"))
}

fn damaged(path: &Path, why: String) -> Error {
    Error::new(ErrorKind::Damaged, format!("is no whole manifest: {why}"))
        .at(path)
        .mend("run ser-prep again: it makes anew what is damaged")
}
