//! What is found in labels: names and folders that disagree, classes that look like something else, and how recordings are
//! spread over classes and speakers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::conventions::{CorpusConvention, Filename, Folder};
use crate::doctor::collector::FindingCollector;
use crate::doctor::{CorpusStatistics, FindingItem, FindingKind};
use crate::{Annotation, LabelTable, Labelling};

/// How many times as large as the smallest class the largest may be.
const IMBALANCE: f64 = 2.0;

/// Adds all that is found in labels.
pub(super) fn find(findings: &mut FindingCollector<'_>, labelling: &Labelling, numbers: &CorpusStatistics) {
    find_in_names(findings, labelling);
    find_in_classes(findings, labelling);
    find_unclear(findings, labelling);
    let annotations: Vec<&Annotation<Arc<str>>> = (findings.examined.iter())
        .filter(|examined| examined.sound.is_ok())
        .filter_map(|examined| examined.annotation.as_ref().ok())
        .collect();
    if let Err(error) = crate::split::check_classes(annotations.iter().map(|annotation| &*annotation.label)) {
        findings.add_about_all(FindingKind::Classes, error.reason());
    }
    find_imbalance(findings, numbers);
    // What a speaker of a published corpus lacks is reported as missing.
    if findings.recognition.is_none() {
        find_absent_classes(findings, &annotations);
    }
}

/// Recordings whose names, folders or table say different things.
fn find_in_names(findings: &mut FindingCollector<'_>, labelling: &Labelling) {
    let speakers: BTreeSet<&str> = (findings.examined.iter())
        .filter_map(|examined| examined.annotation.as_ref().ok()?.speaker.as_deref())
        .collect();
    for (index, examined) in findings.examined.iter().enumerate() {
        let Ok(annotation) = &examined.annotation else { continue };
        if annotation.notes.is_empty() {
            continue;
        }
        let contradicting = || labelling.annotator().contradicting_folder(&examined.path, &annotation.label);
        let kind = if annotation.segment.is_some() {
            FindingKind::Overlapping
        } else if contradicting().is_some() {
            FindingKind::Mislabelled
        } else if let Some(kind) = disagreement(&examined.path, &speakers) {
            kind
        } else {
            continue;
        };
        findings.add_about(index, kind, annotation.notes.join("; "));
    }
}

/// How the name of the file at `path` disagrees with its folder; nothing where remarks on it are about something else.
fn disagreement(path: &str, speakers: &BTreeSet<&str>) -> Option<FindingKind> {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let named = Filename.annotate(name).ok()?;
    let is_grave = Folder.annotate(path).is_ok_and(|folder| {
        let is_other_speaker = named.speaker != folder.speaker
            && named.speaker.is_some_and(|speaker| speakers.contains(speaker.as_str()));
        named.label != folder.label || is_other_speaker
    });
    Some(if is_grave { FindingKind::Mislabelled } else { FindingKind::Misnamed })
}

/// Classes that look like something else, or are written in several ways.
fn find_in_classes(findings: &mut FindingCollector<'_>, labelling: &Labelling) {
    for doubt in labelling.doubts() {
        findings.add_about_all(FindingKind::Doubtful, format!("{:?} {}", doubt.label, doubt.text));
    }
    for merged in labelling.merged() {
        findings.add_about_all(FindingKind::Spelling, format!("{:?} {}", merged.name, merged.text));
    }
    if let (Some(suggestion), true) = (labelling.suggestion(), findings.has(FindingKind::Unlabelled)) {
        findings.summarise(FindingKind::Unlabelled, ser_core::text::sentence(&suggestion));
    }
}

/// What tables and folders do not make clear, and columns that are not used.
fn find_unclear(findings: &mut FindingCollector<'_>, labelling: &Labelling) {
    let table = labelling.annotator().table();
    for column in table.map(LabelTable::unused_columns).unwrap_or_default() {
        findings.add(FindingKind::UnusedColumns, FindingItem::new(column, ""));
    }
    for note in table.map(LabelTable::notes).unwrap_or_default() {
        findings.add_about_all(FindingKind::Unclear, note);
    }
    if let Some((folder, why)) = labelling.unclear() {
        findings.add_about_all(FindingKind::Unclear, format!("{folder:?} {why}"));
    }
    for doubt in labelling.speaker_doubts() {
        findings.add_about_all(FindingKind::Unclear, format!("{:?} {}", doubt.speaker, doubt.text));
    }
}

/// Classes of very different size.
fn find_imbalance(findings: &mut FindingCollector<'_>, numbers: &CorpusStatistics) {
    let ratio = numbers.largest_to_smallest;
    if ratio < IMBALANCE {
        return;
    }
    let sizes = numbers.classes.iter().map(|class| (class.recordings, &class.label));
    if let (Some((most, largest)), Some((fewest, smallest))) = (sizes.clone().max(), sizes.min()) {
        let text = format!("{largest} has {most}, {smallest} {fewest}: {ratio:.1} times as many");
        findings.add_about_all(FindingKind::Imbalance, text);
    }
}

/// Speakers without a recording of some class.
fn find_absent_classes(findings: &mut FindingCollector<'_>, annotations: &[&Annotation<Arc<str>>]) {
    let mut classes_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for annotation in annotations {
        if let Some(speaker) = &annotation.speaker {
            classes_of.entry(speaker).or_default().insert(&annotation.label);
        }
    }
    let all: BTreeSet<&str> = classes_of.values().flatten().copied().collect();
    for (speaker, classes) in classes_of {
        let absent: Vec<&str> = all.difference(&classes).copied().collect();
        if !absent.is_empty() {
            let text = format!("speaker {speaker} has no {}", absent.join(", "));
            findings.add_about_all(FindingKind::AbsentClass, text);
        }
    }
}
