//! What a preparation did.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ser_cache::audit::Audit;
use ser_cache::{CopySettings, CutFrames, parse_copy_path};
use ser_core::storage::Storage;
use ser_core::{Error, Result};
use ser_corpus::split::{Side, ValidationBy};
use serde::{Serialize, Serializer};

use crate::prepare::PrepareOptions;
use crate::prepare::candidates::{Candidates, SharedAnnotation};

/// What a preparation found and did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PrepareReport {
    /// The corpus, or where there are several, all of them; a bundle is several.
    #[serde(serialize_with = "serialize_one_or_many")]
    pub data: Vec<PathBuf>,
    /// The corpora: what each is called, and how its labels were found.
    pub corpora: Vec<CorpusReport>,
    /// The cache.
    pub out: PathBuf,
    /// The feature set that was brought up to date.
    pub feature_set: String,
    /// The words of the command, for reproduction.
    pub arguments: Vec<String>,
    /// Which portion of them was prepared, as `2/8`; none where all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portion: Option<String>,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Recordings found.
    pub found: usize,
    /// Other files, ignored.
    pub ignored: usize,
    /// Recordings of classes that were to be left out.
    pub excluded: usize,
    /// Recordings of labels that the label map leaves out.
    pub dropped: usize,
    /// The label map.
    pub map: Option<String>,
    /// Recordings that are utterances of the cache now.
    pub used: usize,
    /// Augmented copies of them.
    #[serde(skip_serializing_if = "is_zero")]
    pub copies: usize,
    /// How copies were made, if they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub augmentation: Option<CopySettings>,
    /// Recordings and copies whose tensor was computed (dry run: whose content would be read).
    pub computed: usize,
    /// Recordings and copies whose tensor was there already.
    pub reused: usize,
    /// Frames of a tensor: longer recordings are cut at the end.
    pub max_frames: usize,
    /// Whether these were chosen by the recordings.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub max_frames_chosen: bool,
    /// What that cuts off, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_frames: Option<CutFrames>,
    /// Utterances with more frames than a tensor holds, cut at the end.
    pub cut: usize,
    /// Utterances with several channels, mixed down.
    pub mixed_down: usize,
    /// Recordings of a sound that another recording holds as well.
    pub duplicates: Vec<Duplicate>,
    /// Pairs of recordings that are copies of each other without being the same sound.
    pub near_duplicates: Vec<NearDuplicatePair>,
    /// Recordings that cannot be used, and why.
    pub failed: Vec<Remark>,
    /// Classes, each as the path of a remark, that look like speakers or corpora, and recordings whose speaker or label another
    /// of the same sound contradicts.
    pub doubts: Vec<Remark>,
    /// What is odd about recordings that are used, or about the names of classes.
    pub notes: Vec<Remark>,
    /// Utterances of each class.
    pub labels: BTreeMap<String, usize>,
    /// Speakers, where every file names one.
    pub speakers: Vec<String>,
    /// The splits, with their numbers of utterances.
    pub splits: BTreeMap<String, BTreeMap<Side, usize>>,
    /// What keeps validation apart from training, of each split whose protocol leaves that open.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub validation: BTreeMap<String, ValidationBy>,
    /// What the sides of each split share.
    pub audits: BTreeMap<String, Audit>,
    /// Splits that could not be made, and why.
    pub left_out: Vec<String>,
    /// Length of all utterances, seconds.
    pub audio_seconds: f64,
    /// Time taken, seconds.
    pub seconds: f64,
    /// Time taken for each second of audio.
    pub real_time_factor: f64,
    /// Bytes of recordings read.
    pub bytes_read: u64,
    /// Shards written.
    pub shards_written: usize,
    /// Bytes of shards written.
    pub bytes_written: u64,
}

/// A corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CorpusReport {
    /// What it is called, and where there are several also the first folder of its paths.
    pub name: String,
    /// Where it is.
    pub data: PathBuf,
    /// The same from the root of the file system, by which it is found from any folder.
    pub location: PathBuf,
    /// Recordings found in it.
    pub found: usize,
    /// By what they are labelled, and what was concluded from how many names: a convention, the arrangement of folders,
    /// a pattern or a table.
    pub labels_by: String,
    /// What to try where names do not say their class by any of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn serialize_one_or_many<S: Serializer>(data: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    match data {
        [only] => only.serialize(serializer),
        several => several.serialize(serializer),
    }
}

/// A recording left out because its sound is there already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// The recording left out.
    pub path: String,
    /// The recording kept.
    pub kept: String,
}

/// Two recordings that are copies of each other: encoded again, trimmed, or otherwise altered a little.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NearDuplicatePair {
    /// One of them.
    pub path: String,
    /// The other, with the shorter path.
    pub of: String,
    /// How well their waveforms correlate from 150 to 3,400 Hz at the best lag, at most 1.
    pub similarity: f64,
    /// Whether they have two labels: one of these is probably wrong.
    pub labels_differ: bool,
}

/// A sentence about a recording, a folder or a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// What it is about.
    pub path: String,
    /// The remark.
    pub text: String,
}

impl PrepareReport {
    pub(super) fn new(options: &PrepareOptions, feature_set: String) -> Self {
        let data = options.data.iter().map(|corpus| corpus.folder.clone()).collect();
        let (out, map) = (options.out.clone(), options.map.as_ref().map(ToString::to_string));
        Self {
            data,
            out,
            feature_set,
            portion: options.portion.map(|portion| portion.to_string()),
            dry_run: options.dry_run,
            arguments: options.arguments.clone(),
            max_frames: options.features.max_frames,
            max_frames_chosen: options.choose_max_frames,
            map,
            augmentation: options.augment.clone(),
            ..Self::default()
        }
    }

    pub(super) fn fail(&mut self, path: String, error: &Error) {
        self.failed.push(Remark { path, text: error.reason() });
    }

    pub(super) fn note(&mut self, path: &str, text: String) {
        self.notes.push(Remark { path: path.to_owned(), text });
    }

    /// Whether something is left for a person to look at: recordings that cannot be used, or doubtful labels or speakers.
    pub fn needs_attention(&self) -> bool {
        !self.failed.is_empty() || !self.doubts.is_empty()
    }

    pub(super) fn doubt(&mut self, path: &str, text: String) {
        self.doubts.push(Remark { path: path.to_owned(), text });
    }

    pub(super) fn duplicate(&mut self, path: &str, kept: &str) {
        self.duplicates.push(Duplicate { path: path.to_owned(), kept: kept.to_owned() });
    }

    /// Says what would be done, from names and stats alone; the tensors of `reused` candidates are there.
    pub(super) fn plan(&mut self, candidates: &Candidates, reused: usize) {
        (self.reused, self.computed) = (reused, candidates.len() - reused);
        for candidate in candidates.iter() {
            if candidate.copy.is_some() {
                self.copies += 1;
                continue;
            }
            *self.labels.entry(candidate.annotation.label.to_string()).or_default() += 1;
            for note in &candidate.annotation.notes {
                self.note(candidate.path, note.clone());
            }
        }
        self.used = candidates.len() - self.copies;
        self.sort();
    }

    /// What is wrong with a recording need not be repeated for each of its copies.
    pub(super) fn forget_copies_of_failures(&mut self) {
        let failed: BTreeSet<String> = self.failed.iter().map(|remark| remark.path.clone()).collect();
        let parent_failed =
            |path: &str| parse_copy_path(path).is_some_and(|(parent, _)| failed.contains(parent));
        self.failed.retain(|remark| !parent_failed(&remark.path));
    }

    fn sort(&mut self) {
        self.failed.sort_by(|a, b| a.path.cmp(&b.path));
        self.notes.sort_by(|a, b| a.path.cmp(&b.path));
        self.near_duplicates.sort_by(|a, b| (&a.path, &a.of).cmp(&(&b.path, &b.of)));
        self.duplicates.sort_by(|a, b| a.path.cmp(&b.path));
    }

    /// The recordings that cannot be used, each on its own line after a line break; at most `most`.
    pub(super) fn failed_lines(&self, most: usize) -> String {
        let line = |remark: &Remark| format!("\n  {}: {}", remark.path, remark.text);
        let mut lines: String = self.failed.iter().take(most).map(line).collect();
        if let Some(rest) = self.failed.len().checked_sub(most).filter(|rest| *rest > 0) {
            lines.push_str(&format!("\n  and {rest} more"));
        }
        lines
    }

    /// Takes in the utterances, each with its length in seconds.
    pub(super) fn summarise<'a>(&mut self, utterances: impl Iterator<Item = (&'a SharedAnnotation, f64)>) {
        let mut speakers: Option<BTreeSet<&str>> = Some(BTreeSet::new());
        let mut labels: BTreeMap<&str, usize> = BTreeMap::new();
        for (annotation, duration_s) in utterances {
            self.used += 1;
            *labels.entry(&annotation.label).or_default() += 1;
            self.audio_seconds += duration_s;
            match (&mut speakers, &annotation.speaker) {
                (Some(speakers), Some(speaker)) => {
                    speakers.insert(speaker);
                }
                _ => speakers = None,
            }
        }
        self.labels = labels.into_iter().map(|(label, count)| (label.to_owned(), count)).collect();
        self.speakers = speakers.into_iter().flatten().map(str::to_owned).collect();
        self.sort();
    }

    /// Writes the report as JSON.
    pub(super) fn write(&self, storage: &Storage, path: &Path) -> Result<()> {
        storage.replace_file(path, &[self.to_json().as_bytes(), b"\n"])
    }

    /// The report as one JSON object.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self)
            .unwrap_or_else(|error| format!("{{\"error\": {:?}}}", error.to_string()))
    }
}
