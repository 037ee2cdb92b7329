//! Which recordings become utterances: each sound once, with one label.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use ser_audio::Limits;
use ser_cache::{Checksum, FeatureSet, TensorEntry};
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::Segment;

use crate::prepare::{Candidate, PrepareReport, SharedAnnotation};

/// A recording that is used.
pub(super) struct Selected<'a> {
    pub(super) path: &'a str,
    pub(super) annotation: &'a SharedAnnotation,
    /// For an augmented copy: the recording it was made from, or the one that is kept of its sound.
    pub(super) parent: Option<&'a str>,
    pub(super) entry: &'a TensorEntry,
    /// Whether it is a copy that was made here.
    pub(super) copy: bool,
}

/// Keeps one recording of each sound, the one in the fewest folders and no augmented copy if there is another, and notes
/// what is odd about those kept. Sorted by path.
///
/// # Errors
/// When one sound has two labels: one of them is wrong, and only a person can tell which.
pub(super) fn select<'a>(
    candidates: &'a [Candidate],
    set: &'a FeatureSet,
    limits: &Limits,
    report: &mut PrepareReport,
) -> Result<Vec<Selected<'a>>> {
    let mut usable: Vec<Selected<'a>> = Vec::with_capacity(candidates.len());
    let entries = set.by_key();
    for Candidate { file, annotation, key, copy, .. } in candidates {
        let Some(entry) = key.and_then(|key| entries.get(&key)) else { continue };
        // A tensor may be there from a run with wider limits.
        let source = &entry.row.source;
        let copy = copy.is_some();
        // A copy may be longer or shorter than any recording.
        match limits.check_duration(source.samples, source.sample_rate) {
            Err(error) if !copy => report.fail(file.path.clone(), &error),
            _ => {
                let parent = annotation.parent.as_deref();
                usable.push(Selected { path: &file.path, annotation, parent, entry, copy });
            }
        }
    }
    let depth = |selected: &Selected<'_>| selected.path.matches('/').count();
    usable.sort_by_key(|selected| (selected.parent.is_some(), depth(selected), selected.path));

    let mut first_of: HashMap<Checksum, usize> = HashMap::new();
    let mut kept: Vec<Selected<'a>> = Vec::with_capacity(usable.len());
    let mut kept_for: HashMap<&'a str, &'a str> = HashMap::new();
    let mut conflicts = Vec::new();
    for selected in usable {
        match first_of.get(&selected.entry.row.source.sound).and_then(|&first| kept.get(first)) {
            None => {
                first_of.insert(selected.entry.row.source.sound, kept.len());
                kept.push(selected);
            }
            // Remarks about a copy were already made about its parent.
            Some(_) if selected.copy => {}
            Some(first) if first.annotation.label != selected.annotation.label => conflicts.push(format!(
                "{} ({}) and {} ({})",
                first.path, first.annotation.label, selected.path, selected.annotation.label
            )),
            Some(first) => {
                if let (Some(of_kept), Some(of_other)) = (first.annotation.split, selected.annotation.split)
                    && of_kept != of_other
                {
                    report.note(
                        first.path,
                        format!(
                            "is on the side {of_kept} of the published split, and as {} on its side {of_other}; it is \
                             used on the first alone",
                            selected.path
                        ),
                    );
                }
                if let (Some(of_kept), Some(of_other)) =
                    (&first.annotation.speaker, &selected.annotation.speaker)
                    && of_kept != of_other
                {
                    report.doubt(selected.path, same_sound_of_two(first.path, of_kept, of_other));
                }
                report.duplicate(selected.path, first.path);
                kept_for.insert(selected.path, first.path);
            }
        }
    }
    if !conflicts.is_empty() {
        return Err(Error::new(
            ErrorKind::Mismatch,
            format!("the same sound has two labels: {}", conflicts.join("; ")),
        )
        .help("remove the wrong one, since a network cannot learn from a contradiction"));
    }
    follow_parents(&mut kept, &kept_for, report);
    kept.sort_unstable_by_key(|selected| selected.path);
    note_oddities(&kept, report);
    Ok(kept)
}

/// What is doubtful about a sound that has the names of two speakers.
fn same_sound_of_two(kept: &str, speaker: &str, other: &str) -> String {
    format!(
        "is of speaker {other}, and sounds as {kept} of speaker {speaker}: one of the names is wrong, or both are one person, \
         whose voice is then on both sides of splits by speaker; correct the name, or take one of the recordings out"
    )
}

/// Lets each copy name the recording that is kept, and leaves out those whose parent cannot be used: it is unknown on
/// which side they may be.
fn follow_parents<'a>(
    kept: &mut Vec<Selected<'a>>,
    kept_for: &HashMap<&'a str, &'a str>,
    report: &mut PrepareReport,
) {
    if kept.iter().all(|selected| selected.parent.is_none()) {
        return;
    }
    let originals: HashSet<&'a str> =
        kept.iter().filter(|selected| selected.parent.is_none()).map(|selected| selected.path).collect();
    kept.retain_mut(|selected| {
        let Some(parent) = selected.parent else { return true };
        let there = originals.get(parent).or_else(|| originals.get(kept_for.get(parent)?));
        if there.is_none() && !selected.copy {
            let what = format!("is a copy of {parent}, which cannot be used");
            report.fail(selected.path.to_owned(), &Error::new(ErrorKind::Unusable, what));
        }
        selected.parent = there.copied();
        there.is_some()
    });
}

fn note_oddities(kept: &[Selected<'_>], report: &mut PrepareReport) {
    let mut rates: BTreeMap<u32, usize> = BTreeMap::new();
    let recordings = || kept.iter().filter(|selected| !selected.copy);
    for selected in recordings() {
        *rates.entry(selected.entry.row.source.sample_rate).or_default() += 1;
    }
    let usual = rates.iter().max_by_key(|(_, count)| **count).map(|(rate, _)| *rate);
    for selected in recordings() {
        let source = &selected.entry.row.source;
        let (file, _) = Segment::parse_path(selected.path);
        let extension = Path::new(file).extension().and_then(|extension| extension.to_str());
        let usual_extensions = source.container.extensions();
        let belongs =
            |extension: &&str| usual_extensions.iter().any(|usual| usual.eq_ignore_ascii_case(extension));
        for note in &selected.annotation.notes {
            report.note(selected.path, note.clone());
        }
        if let Some(extension) = extension.filter(|extension| !belongs(extension)) {
            report.note(selected.path, format!("is {} inside .{extension}", source.container));
        }
        // A single odd file is worth a line; a corpus of many rates is not.
        if let Some(usual) =
            usual.filter(|usual| *usual != source.sample_rate && 10 * rates[usual] > 9 * recordings().count())
        {
            report.note(
                selected.path,
                format!("has {} Hz where most have {usual} Hz; resampled like the rest", source.sample_rate),
            );
        }
        match (source.channels.count(), source.channels.only()) {
            (_, Some(only)) => report.note(
                selected.path,
                format!(
                    "has channels in opposite phase, whose mean is nearly nothing; channel {only} of {} is used",
                    source.channels.count()
                ),
            ),
            (2.., None) => report.mixed_down += 1,
            _ => {}
        }
        if selected.entry.row.frames_cut > 0 {
            report.cut += 1;
        }
    }
}
