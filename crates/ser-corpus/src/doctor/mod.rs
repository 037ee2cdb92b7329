//! What a corpus is, and what is wrong with it: an examination before anything is learnt.
//!
//! [`examine`] reads every recording of a folder once, writes nothing and needs no cache. It measures levels,
//! lengths, silence and clipping, finds identical sounds within and across labels, names that disagree, files that
//! cannot be used, lengths and speakers unlike all others, and compares with what is known of published corpora: whether
//! recordings are missing, and whether they are as they were published or processed since.
//!
//! ```text
//! scan ──▶ names ──▶ recordings ──▶ statistics ──┐
//!                      (in parallel)             ├──▶ findings ──▶ verdict
//!        published corpus: names and audio ──────┘
//! ```
//!
//! Samples are dropped as soon as they are measured, so memory grows by a few hundred bytes a recording.

mod as_published;
mod audio_findings;
mod collector;
mod copy_findings;
mod diagnosis;
mod label_findings;
mod levels;
mod outliers;
mod published;
mod published_findings;
mod recording;
mod report;
mod sameness;
mod statistics;

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use ser_audio::Limits;
use ser_core::progress::Progress;
use ser_core::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::doctor::diagnosis::NonRecordings;
use crate::doctor::recording::{ExamineCandidate, Examined, UnusableReason};
use crate::table::formats;
use crate::{Annotation, Bundle, ColumnNames, LabelSource, Labelling, OtherEntry, Scan};

pub use crate::finding::{CorpusFinding, FindingItem, FindingKind, Severity};
pub use levels::{Levels, dbfs};
pub use report::{DoctorReport, KnownCorpus};
pub use statistics::{ClassNumbers, CorpusStatistics, MinMedianMax};

/// What to examine, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct ExamineOptions {
    /// The corpus.
    pub data: PathBuf,
    /// Where labels come from.
    pub labels: LabelSource,
    /// What the columns of a table mean whose names do not say.
    pub columns: ColumnNames,
    /// Limits on the size and length of a recording.
    pub limits: Limits,
    /// Files examined at once; 0 for one per processor.
    pub jobs: usize,
}

impl ExamineOptions {
    /// The corpus in `data`, with all else as it is by default.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            labels: LabelSource::default(),
            columns: ColumnNames::default(),
            limits: Limits::default(),
            jobs: 0,
        }
    }
}

/// What a folder was found to be: a corpus, or a bundle of several.
#[derive(Debug, Serialize)]
pub struct Examination {
    /// The bundle, if it is one.
    pub bundle: Option<Bundle>,
    /// Of each corpus.
    pub reports: Vec<DoctorReport>,
}

impl Examination {
    /// Whether nothing needs to be fixed.
    pub fn is_healthy(&self) -> bool {
        self.reports.iter().all(|report| report.healthy)
            && self.bundle.as_ref().is_none_or(|bundle| bundle.outside.is_empty())
    }
}

/// Examines the corpus in a folder or, if that is a bundle, each of its corpora, as a preparation takes them.
///
/// # Errors
/// Those of [`examine`].
pub fn examine_each(options: &ExamineOptions, progress: &dyn Progress) -> Result<Examination> {
    let bundle = match options.labels {
        LabelSource::Auto if formats::recognise(&options.data).is_none() => {
            Bundle::of(&options.data, &crate::scan(&options.data)?)
        }
        _ => None,
    };
    let folders: Vec<PathBuf> = match &bundle {
        Some(bundle) => bundle.members.iter().map(|member| member.folder.clone()).collect(),
        None => vec![options.data.clone()],
    };
    // In a bundle, columns are those of the corpora that have tables.
    let have_tables = |folder: &PathBuf| formats::recognise(folder).is_some();
    let of_some = bundle.is_some() && folders.iter().any(have_tables);
    let examine = |data: PathBuf| {
        let columns = match of_some && !have_tables(&data) {
            true => ColumnNames::default(),
            false => options.columns.clone(),
        };
        examine(&ExamineOptions { data, columns, ..options.clone() }, progress)
    };
    Ok(Examination { reports: folders.into_iter().map(examine).collect::<Result<_>>()?, bundle })
}

/// Examines the corpus. Problems with single recordings are part of the report.
///
/// # Errors
/// When the corpus is not a folder that can be listed, when it holds no recordings, when the table of labels cannot be
/// read, or when nothing can be within the limits.
pub fn examine(options: &ExamineOptions, progress: &dyn Progress) -> Result<DoctorReport> {
    let started = Instant::now();
    options.limits.validate()?;
    let Walk { scan, folders, foreign } = walk(&options.data)?;
    let paths: Vec<&str> = scan.files.iter().map(|file| file.path.as_str()).collect();
    let labelling = Labelling::new(&options.labels, &options.columns, &options.data, &paths)?;
    let missing_rows = missing_rows(&labelling, options, &paths)?;
    let examined = examine_all(scan, &labelling, options, progress)?;

    let paths: Vec<&str> = examined.iter().map(|examined| examined.path.as_str()).collect();
    let recognition = published::recognise(&paths);
    let deviations = recognition.as_ref().map(|known| as_published::deviations(&examined, known));
    let deviations = deviations.unwrap_or_default();
    let non_recordings =
        NonRecordings { foreign, empty_folders: without_recordings(folders, &paths), missing_rows };
    let numbers = CorpusStatistics::of(&examined);
    let findings = diagnosis::diagnose(
        &examined,
        &labelling,
        recognition.as_ref(),
        &deviations,
        non_recordings,
        &numbers,
    );
    let seconds = started.elapsed().as_secs_f64();
    let (data, labels_by) = (options.data.clone(), labelling.labels_by());
    Ok(DoctorReport::new(data, labels_by, recognition.as_ref(), &deviations, findings, numbers, seconds))
}

/// What lies in the folder of a corpus.
struct Walk {
    scan: Scan,
    /// All folders, relative to the corpus.
    folders: Vec<String>,
    /// Files that are not named as recordings, sorted.
    foreign: Vec<String>,
}

fn walk(data: &Path) -> Result<Walk> {
    let mut folders = Vec::new();
    let mut foreign = Vec::new();
    let scan = crate::scan_noting(data, |passed| match passed {
        OtherEntry::Folder(path) => folders.push(relative(data, path)),
        OtherEntry::Other(path) => foreign.push(relative(data, path)),
    })?;
    if scan.files.is_empty() && scan.unusable.is_empty() {
        let what = format!("holds no recordings ({} other files)", scan.ignored);
        let help = format!("recordings are files named .{}", crate::scan::EXTENSIONS.join(" ."));
        return Err(Error::new(ErrorKind::Unusable, what).at(data).help(help));
    }
    foreign.sort_unstable();
    Ok(Walk { scan, folders, foreign })
}

/// The recordings that the table of labels names and that are not there; that table must have all columns that were named.
fn missing_rows(labelling: &Labelling, options: &ExamineOptions, paths: &[&str]) -> Result<Vec<String>> {
    let table = labelling.annotator().table();
    let lacked = table.map(|table| table.lacked_columns().clone());
    options.columns.check_used(lacked.as_slice())?;
    match table {
        Some(table) => {
            Ok(table.rows_without(paths.iter().copied())?.into_iter().map(str::to_owned).collect())
        }
        None => Ok(Vec::new()),
    }
}

/// Examines all recordings, also those that cannot be opened; sorted by path.
fn examine_all(
    scan: Scan,
    labelling: &Labelling,
    options: &ExamineOptions,
    progress: &dyn Progress,
) -> Result<Vec<Examined>> {
    let mut annotate = annotations_sharing_names(labelling);
    let candidates = (scan.files.into_iter())
        .map(|file| ExamineCandidate { annotations: annotate(&file.path), file })
        .collect();
    let ExamineOptions { data, limits, jobs, .. } = options;
    let mut examined = recording::examine_all(candidates, data, limits, *jobs, progress)?;
    examined.extend(scan.unusable.into_iter().map(|(path, error)| {
        let kind = match error.kind() {
            ErrorKind::Unsupported => FindingKind::NotAudio,
            _ => FindingKind::Unreadable,
        };
        Examined {
            annotation: annotate(&path).map(|mut annotations| annotations.swap_remove(0)),
            sound: Err(UnusableReason::new(kind, &error)),
            path,
        }
    }));
    examined.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(examined)
}

/// What recordings are labelled, or why that is not known. A corpus has few names and many utterances, so that each name is in
/// memory once.
fn annotations_sharing_names(
    labelling: &Labelling,
) -> impl FnMut(&str) -> Result<Vec<Annotation<Arc<str>>>, String> {
    let mut names: HashSet<Arc<str>> = HashSet::new();
    let mut share = move |name: String| match names.get(name.as_str()) {
        Some(shared) => shared.clone(),
        None => {
            let shared: Arc<str> = name.into();
            names.insert(shared.clone());
            shared
        }
    };
    move |path| {
        let annotations = labelling.annotations(path).map_err(|error| error.reason())?;
        Ok(annotations.into_iter().map(|annotation| annotation.map_names(&mut share)).collect())
    }
}

/// `path` as seen from the corpus, with `/` between folders.
fn relative(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    inside.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The folders that no recording lies in or below; of those within one another the outermost.
fn without_recordings(folders: Vec<String>, recordings: &[&str]) -> Vec<String> {
    let mut full: BTreeSet<&str> = BTreeSet::from([""]);
    for path in recordings {
        let mut path = *path;
        while let Some((folder, _)) = path.rsplit_once('/') {
            if !full.insert(folder) {
                break;
            }
            path = folder;
        }
    }
    let parent_is_full =
        |folder: &str| full.contains(folder.rsplit_once('/').map_or("", |(parent, _)| parent));
    let is_empty = |folder: &String| !full.contains(folder.as_str()) && parent_is_full(folder);
    let mut empty: Vec<String> = folders.into_iter().filter(is_empty).collect();
    empty.sort_unstable();
    empty
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_empty_when_nothing_below_it_is_a_recording() {
        let folders = ["", "a", "a/b", "c", "c/d", "e"].map(str::to_owned).to_vec();
        assert_eq!(without_recordings(folders, &["a/b/1.wav", "e/1.wav"]), ["c"]);
        assert!(without_recordings(vec![String::new()], &["1.wav"]).is_empty());
    }
}
