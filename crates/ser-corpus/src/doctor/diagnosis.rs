//! From what was seen of each recording to findings about the corpus.

use crate::Labelling;
use crate::doctor::as_published::Deviation;
use crate::doctor::collector::FindingCollector;
use crate::doctor::published::Recognition;
use crate::doctor::recording::Examined;
use crate::doctor::{
    CorpusFinding, CorpusStatistics, FindingItem, FindingKind, audio_findings, copy_findings, label_findings,
    published_findings,
};

/// What a walk through the corpus showed, besides the recordings.
pub(super) struct NonRecordings {
    /// Files that are not named as recordings.
    pub(super) foreign: Vec<String>,
    /// Folders without a recording in them or below.
    pub(super) empty_folders: Vec<String>,
    /// Recordings that the table of labels names and that are not there.
    pub(super) missing_rows: Vec<String>,
}

/// All findings, the most important first.
pub(super) fn diagnose(
    examined: &[Examined],
    labelling: &Labelling,
    recognition: Option<&Recognition>,
    deviations: &[Deviation],
    non_recordings: NonRecordings,
    numbers: &CorpusStatistics,
) -> Vec<CorpusFinding> {
    let mut findings = FindingCollector::new(examined, recognition);
    audio_findings::find(&mut findings, numbers);
    label_findings::find(&mut findings, labelling, numbers);
    copy_findings::find(&mut findings);
    published_findings::find(&mut findings, deviations);
    let mut add = |kind, paths: Vec<String>| {
        paths.into_iter().for_each(|path| findings.add(kind, FindingItem::new(path, "")));
    };
    add(FindingKind::Foreign, non_recordings.foreign);
    add(FindingKind::EmptyFolder, non_recordings.empty_folders);
    add(FindingKind::MissingRows, non_recordings.missing_rows);
    findings.into_findings()
}
