//! Which recordings become utterances: each sound once, with one label.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use ser_audio::Limits;
use ser_cache::{Checksum, CopySettings, FeatureSet, TensorEntry};
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::Segment;

use crate::prepare::PrepareReport;
use crate::prepare::candidate::{Candidate, SharedAnnotation};

/// Candidates and the tensors of a feature set, where these are to be found by their keys.
pub(super) struct CandidateTensors<'a> {
    pub(super) candidates: &'a [Candidate],
    pub(super) set: &'a FeatureSet,
    /// The canonical feature configuration, part of every key.
    pub(super) configuration: &'a str,
    /// How copies were made, if there are any.
    pub(super) copies: Option<&'a CopySettings>,
}

impl<'a> CandidateTensors<'a> {
    /// Every candidate whose tensor is there, with what is known of that.
    fn usable(&self) -> impl Iterator<Item = (&'a Candidate, &'a TensorEntry)> {
        let entries = self.set.by_key();
        let stored = self.candidates.iter().filter(|candidate| candidate.is_stored);
        stored.filter_map(move |candidate| {
            let key = candidate.key_under(self.configuration, self.copies)?;
            Some((candidate, entries.get(&key)?))
        })
    }
}

/// A recording that is used.
#[derive(Clone, Copy)]
pub(super) struct Selected<'a> {
    candidate: &'a Candidate,
    /// For an augmented copy: the recording it was made from, or the one that is kept of its sound.
    pub(super) parent: Option<&'a str>,
    pub(super) entry: &'a TensorEntry,
}

impl<'a> Selected<'a> {
    /// Its path in manifests.
    pub(super) fn path(&self) -> &'a str {
        &self.candidate.path
    }

    /// What is known about it.
    pub(super) fn annotation(&self) -> &'a SharedAnnotation {
        &self.candidate.annotation
    }

    /// The part of its file that it is, if it is not all.
    pub(super) fn segment(&self) -> Option<Segment> {
        self.candidate.segment()
    }

    /// The checksum of its decoded samples.
    fn sound(&self) -> &'a Checksum {
        &self.entry.row.source.sound
    }

    /// Whether it is a copy that was made here.
    pub(super) fn is_copy(&self) -> bool {
        self.candidate.copy.is_some()
    }
}

/// Keeps one recording of each sound, the one in the fewest folders and no augmented copy if there is another, and notes
/// what is odd about those kept. Sorted by path.
///
/// # Errors
/// When one sound has two labels: one of them is wrong, and only a person can tell which.
pub(super) fn select<'a>(
    tensors: &CandidateTensors<'a>,
    limits: &Limits,
    report: &mut PrepareReport,
) -> Result<Vec<Selected<'a>>> {
    let mut usable: Vec<Selected<'a>> = Vec::with_capacity(tensors.candidates.len());
    for (candidate, entry) in tensors.usable() {
        // A tensor may be there from a run with wider limits.
        let source = &entry.row.source;
        // A copy may be longer or shorter than any recording.
        match limits.check_duration(source.samples, source.sample_rate) {
            Err(error) if candidate.copy.is_none() => report.fail(candidate.path.to_string(), &error),
            _ => {
                let parent = candidate.annotation.parent.as_deref();
                usable.push(Selected { candidate, parent, entry });
            }
        }
    }
    let (mut kept, repeated) = one_of_each_sound(usable);
    let mut kept_for: HashMap<&'a str, &'a str> = HashMap::new();
    let mut conflicts = Vec::new();
    for Repeated { kept, other } in repeated {
        // Remarks about a copy were already made about its parent.
        if other.is_copy() {
            continue;
        }
        if kept.annotation().label == other.annotation().label {
            note_same_sound(&kept, &other, report);
            kept_for.insert(other.path(), kept.path());
        } else {
            conflicts.push(format!(
                "{} ({}) and {} ({})",
                kept.path(),
                kept.annotation().label,
                other.path(),
                other.annotation().label
            ));
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
    kept.sort_unstable_by_key(|selected| selected.path());
    note_oddities(&kept, report);
    Ok(kept)
}

/// A recording whose sound another one has, which is kept.
struct Repeated<'a> {
    kept: Selected<'a>,
    other: Selected<'a>,
}

/// Of each sound the recording in the fewest folders, originals before copies; and all the others, in that order.
fn one_of_each_sound(mut usable: Vec<Selected<'_>>) -> (Vec<Selected<'_>>, Vec<Repeated<'_>>) {
    fn rank<'s>(selected: &Selected<'s>) -> (bool, usize, &'s str) {
        let path = selected.path();
        (selected.parent.is_some(), path.matches('/').count(), path)
    }
    usable.sort_unstable_by(|a, b| a.sound().cmp(b.sound()).then_with(|| rank(a).cmp(&rank(b))));
    let mut repeated = Vec::new();
    usable.dedup_by(|other, kept| {
        let is_same = other.sound() == kept.sound();
        if is_same {
            repeated.push(Repeated { kept: *kept, other: *other });
        }
        is_same
    });
    repeated.sort_unstable_by(|a, b| rank(&a.other).cmp(&rank(&b.other)));
    (usable, repeated)
}

/// Notes that a recording is left out, and what its names say that those of the one that is kept do not.
fn note_same_sound(kept: &Selected<'_>, other: &Selected<'_>, report: &mut PrepareReport) {
    if let (Some(of_kept), Some(of_other)) = (kept.annotation().split, other.annotation().split)
        && of_kept != of_other
    {
        let what = format!(
            "is on the side {of_kept} of the published split, and as {} on its side {of_other}; it is used on the first \
             alone",
            other.path()
        );
        report.note(kept.path(), what);
    }
    if let (Some(of_kept), Some(of_other)) = (&kept.annotation().speaker, &other.annotation().speaker)
        && of_kept != of_other
    {
        report.doubt(other.path(), same_sound_of_two(kept.path(), of_kept, of_other));
    }
    report.duplicate(other.path(), kept.path());
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
        kept.iter().filter(|selected| selected.parent.is_none()).map(|selected| selected.path()).collect();
    kept.retain_mut(|selected| {
        let Some(parent) = selected.parent else { return true };
        let there = originals.get(parent).or_else(|| originals.get(kept_for.get(parent)?));
        if there.is_none() && !selected.is_copy() {
            let what = format!("is a copy of {parent}, which cannot be used");
            report.fail(selected.path().to_owned(), &Error::new(ErrorKind::Unusable, what));
        }
        selected.parent = there.copied();
        there.is_some()
    });
}

fn note_oddities(kept: &[Selected<'_>], report: &mut PrepareReport) {
    let mut rates: BTreeMap<u32, usize> = BTreeMap::new();
    let recordings = || kept.iter().filter(|selected| !selected.is_copy());
    for selected in recordings() {
        *rates.entry(selected.entry.row.source.sample_rate).or_default() += 1;
    }
    let usual = rates.iter().max_by_key(|(_, count)| **count).map(|(rate, _)| *rate);
    for selected in recordings() {
        let source = &selected.entry.row.source;
        let (file, _) = Segment::parse_path(selected.path());
        let extension = Path::new(file).extension().and_then(|extension| extension.to_str());
        let usual_extensions = source.container.extensions();
        let belongs =
            |extension: &&str| usual_extensions.iter().any(|usual| usual.eq_ignore_ascii_case(extension));
        for note in &selected.annotation().notes {
            report.note(selected.path(), note.clone());
        }
        if let Some(extension) = extension.filter(|extension| !belongs(extension)) {
            report.note(selected.path(), format!("is {} inside .{extension}", source.container));
        }
        // A single odd file is worth a line; a corpus of many rates is not.
        if let Some(usual) =
            usual.filter(|usual| *usual != source.sample_rate && 10 * rates[usual] > 9 * recordings().count())
        {
            report.note(
                selected.path(),
                format!("has {} Hz where most have {usual} Hz; resampled like the rest", source.sample_rate),
            );
        }
        match (source.channels.count(), source.channels.only()) {
            (_, Some(only)) => report.note(
                selected.path(),
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
