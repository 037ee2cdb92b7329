//! Which recordings become utterances: each sound once, with one label.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU32;
use std::path::Path;

use ser_audio::Limits;
use ser_cache::TensorKey;
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::Segment;

use crate::prepare::PrepareReport;
use crate::prepare::selection::{CandidateTensors, Place, Selected, Selection};

/// Keeps one recording of each sound, the one in the fewest folders and no augmented copy if there is another, and notes
/// what is odd about those kept. Sorted by path. `stored` are the positions of the candidates whose tensors are there, and the
/// keys of these.
///
/// # Errors
/// When one sound has two labels: one of them is wrong, and only a person can tell which; and those of `stored`.
pub(super) fn select<'a>(
    of: CandidateTensors<'a>,
    stored: impl Iterator<Item = Result<(u32, TensorKey)>>,
    limits: &Limits,
    report: &mut PrepareReport,
) -> Result<Selection<'a>> {
    let mut usable: Vec<Place> = Vec::with_capacity(of.candidates.len());
    let entries = of.set.by_key();
    for known in stored {
        let (candidate, key) = known?;
        let Some(entry) = entries.position(&key) else { continue };
        let place = Place { candidate, entry: entry as u32, kept_parent: None };
        let Selected { candidate, entry, .. } = of.at(&place);
        // A tensor may be there from a run with wider limits.
        let source = &entry.row.source;
        // A copy may be longer or shorter than any recording.
        match limits.check_duration(source.samples, source.sample_rate) {
            Err(error) if candidate.copy.is_none() => report.fail(candidate.path.to_owned(), &error),
            _ => usable.push(place),
        }
    }
    drop(entries);
    let (places, repeated) = one_of_each_sound(of, usable);
    let mut selection = Selection::new(of, places);
    let mut kept_for: HashMap<&'a str, u32> = HashMap::new();
    let mut conflicts = Vec::new();
    for Repeated { kept: place, other } in repeated {
        let (kept, other) = (of.at(&place), of.at(&other));
        // Remarks about a copy were already made about its parent.
        if other.is_copy() {
            continue;
        }
        if kept.annotation().label == other.annotation().label {
            note_same_sound(&kept, &other, report);
            kept_for.insert(other.path(), place.candidate);
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
    follow_parents(&mut selection, &kept_for, report);
    selection.places.sort_unstable_by_key(|place| of.at(place).path());
    note_oddities(&selection, report);
    Ok(selection)
}

/// A recording whose sound another one has, which is kept.
struct Repeated {
    kept: Place,
    other: Place,
}

/// Of each sound the recording in the fewest folders, originals before copies; and all the others, in that order.
fn one_of_each_sound(of: CandidateTensors<'_>, mut usable: Vec<Place>) -> (Vec<Place>, Vec<Repeated>) {
    fn rank<'s>(selected: &Selected<'s>) -> (bool, usize, &'s str) {
        let path = selected.path();
        (selected.parent.is_some(), path.matches('/').count(), path)
    }
    let sound = |place: &Place| &of.set.entries[place.entry as usize].row.source.sound;
    usable
        .sort_unstable_by(|a, b| sound(a).cmp(sound(b)).then_with(|| rank(&of.at(a)).cmp(&rank(&of.at(b)))));
    let mut repeated = Vec::new();
    usable.dedup_by(|other, kept| {
        let is_same = sound(other) == sound(kept);
        if is_same {
            repeated.push(Repeated { kept: *kept, other: *other });
        }
        is_same
    });
    repeated.sort_unstable_by(|a, b| rank(&of.at(&a.other)).cmp(&rank(&of.at(&b.other))));
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
fn follow_parents(selection: &mut Selection<'_>, kept_for: &HashMap<&str, u32>, report: &mut PrepareReport) {
    if selection.iter().all(|selected| selected.parent.is_none()) {
        return;
    }
    let of = selection.tensors;
    let originals: HashSet<&str> = selection
        .iter()
        .filter(|selected| selected.parent.is_none())
        .map(|selected| selected.path())
        .collect();
    selection.places.retain_mut(|place| {
        let selected = of.at(place);
        let Some(parent) = selected.parent else { return true };
        if originals.contains(parent) {
            return true;
        }
        let is_used = |kept: &u32| originals.contains(of.candidates.at(*kept as usize).path);
        place.kept_parent =
            kept_for.get(parent).copied().filter(is_used).and_then(|kept| NonZeroU32::new(kept + 1));
        if place.kept_parent.is_none() && !selected.is_copy() {
            let what = format!("is a copy of {parent}, which cannot be used");
            report.fail(selected.path().to_owned(), &Error::new(ErrorKind::Unusable, what));
        }
        place.kept_parent.is_some()
    });
}

fn note_oddities(kept: &Selection<'_>, report: &mut PrepareReport) {
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
