//! What a preparation did, as a table. Names of classes, folders and files are other people's, and are made safe to print.

use std::collections::BTreeMap;
use std::fmt::Write;

use ser_cache::CutFrames;
use ser_core::text::printable;
use ser_prepare::{CorpusReport, PrepareReport};

use super::splits::{Listed, write_splits};

/// How many remarks of a kind the table shows; the JSON has them all.
const SHOWN: usize = 20;

/// The report for people.
pub fn preparation(report: &PrepareReport) -> String {
    preparation_listing(report, Listed::default())
}

/// The report for people, with the splits listed as wanted.
pub fn preparation_listing(report: &PrepareReport, listed: Listed) -> String {
    let mut text = String::new();
    write_table(report, listed, &mut text).map_or_else(|_| String::new(), |()| text)
}

fn write_table(report: &PrepareReport, listed: Listed, out: &mut String) -> std::fmt::Result {
    let files = |count: usize| format!("{count:>7}");
    match &report.corpora[..] {
        [only] => {
            let data = only.data.to_string_lossy();
            writeln!(out, "recordings found   {}   in {}", files(report.found), printable(&data))?;
            writeln!(out, "  labels by                  {}", printable(&only.labels_by))?;
        }
        several => {
            writeln!(out, "recordings found   {}   in {} corpora", files(report.found), several.len())?;
            for CorpusReport { name, data, found, labels_by, .. } in several {
                let (found, data) = (files(*found), data.to_string_lossy());
                let (data, labels_by) = (printable(&data), printable(labels_by));
                writeln!(out, "  {name:<16} {found}   in {data}; labels by {labels_by}")?;
            }
        }
    }
    if report.ignored > 0 {
        writeln!(out, "  other files      {}   ignored", files(report.ignored))?;
    }
    if report.excluded > 0 {
        writeln!(out, "  excluded         {}   by --exclude", files(report.excluded))?;
    }
    if let Some(map) = report.map.as_ref().filter(|_| report.dropped > 0) {
        writeln!(out, "  left out         {}   by the label map {}", files(report.dropped), printable(map))?;
    }
    if report.dry_run {
        writeln!(out, "  unchanged        {}   would be reused", files(report.reused))?;
        writeln!(out, "  new or changed   {}   would be read", files(report.computed))?;
    } else {
        writeln!(out, "  computed         {}", files(report.computed))?;
        writeln!(out, "  reused           {}", files(report.reused))?;
        writeln!(out, "  duplicates       {}   each sound is kept once", files(report.duplicates.len()))?;
    }
    writeln!(out, "  unusable         {}", files(report.failed.len()))?;
    if !report.doubts.is_empty() {
        writeln!(
            out,
            "  doubtful         {}   classes or recordings, as said below",
            files(report.doubts.len())
        )?;
    }
    if report.portion.is_none() {
        write_utterances(report, out)?;
    }
    write_remarks(report, out)?;
    if report.dry_run {
        writeln!(out, "\nnothing was done: this was a dry run for feature set {}", report.feature_set)?;
        return Ok(());
    }
    if report.portion.is_none() {
        write_splits(report, listed, out)?;
    }
    for line in &report.left_out {
        writeln!(out, "  {}", printable(line))?;
    }
    writeln!(
        out,
        "\n{:.1} minutes of audio in {:.2} s ({:.0} times faster than real time), {} read, {} written",
        report.audio_seconds / 60.0,
        report.seconds,
        report.audio_seconds / report.seconds.max(1e-9),
        mebibytes(report.bytes_read),
        mebibytes(report.bytes_written),
    )?;
    match &report.portion {
        None => writeln!(out, "feature set {} in {}", report.feature_set, report.out.display()),
        Some(portion) => writeln!(
            out,
            "portion {portion} of feature set {} in {}; when all are there: ser-prep --merge",
            report.feature_set,
            report.out.display()
        ),
    }
}

/// What became of the recordings: utterances, their classes and speakers.
fn write_utterances(report: &PrepareReport, out: &mut String) -> std::fmt::Result {
    let files = |count: usize| format!("{count:>7}");
    writeln!(out, "utterances         {}", files(report.used))?;
    if let Some(augmentation) = &report.augmentation {
        let each = augmentation.copies;
        writeln!(out, "  augmented copies {}   {each} of each, for training only", files(report.copies))?;
    }
    if report.max_frames_chosen {
        writeln!(out, "  frames of each   {}   which keep 99.5 % of all", files(report.max_frames))?;
    }
    if let Some(CutFrames { recordings, share, longest, .. }) = report.cut_frames {
        writeln!(
            out,
            "  cut at the end   {}   {:.1} % of all sound is lost at {} frames; --max-frames {longest} loses none",
            files(recordings),
            share * 100.0,
            report.max_frames,
        )?;
    }
    if report.mixed_down > 0 {
        writeln!(out, "  mixed down       {}   from several channels", files(report.mixed_down))?;
    }
    let label = |(label, count): (&String, &usize)| format!("{} {count}", printable(label));
    let labels: Vec<String> = report.labels.iter().map(label).collect();
    writeln!(out, "classes            {}   {}", files(report.labels.len()), labels.join(", "))?;
    if !report.speakers.is_empty() {
        writeln!(out, "speakers           {}   {}", files(report.speakers.len()), shorten(&report.speakers))?;
    }
    Ok(())
}

fn write_remarks(report: &PrepareReport, out: &mut String) -> std::fmt::Result {
    let kinds = [
        ("noted", "recordings", &report.notes),
        ("doubtful", "classes", &report.doubts),
        ("unusable", "recordings", &report.failed),
    ];
    for (title, of, remarks) in kinds {
        if remarks.is_empty() {
            continue;
        }
        writeln!(out, "\n{title}:")?;
        let mut alike: BTreeMap<&str, usize> = BTreeMap::new();
        remarks.iter().for_each(|remark| *alike.entry(&remark.text).or_default() += 1);
        // What holds for so many becomes one line, or it would hide the others.
        alike.retain(|_, count| *count > SHOWN);
        for (text, count) in &alike {
            writeln!(out, "  {count} {of}: {}", printable(text))?;
        }
        let others = || remarks.iter().filter(|remark| !alike.contains_key(remark.text.as_str()));
        for remark in others().take(SHOWN) {
            writeln!(out, "  {}: {}", printable(&remark.path), printable(&remark.text))?;
        }
        more(out, others().count())?;
    }
    if !report.duplicates.is_empty() {
        writeln!(out, "\nduplicates:")?;
        for duplicate in report.duplicates.iter().take(SHOWN) {
            writeln!(out, "  {} sounds as {}", printable(&duplicate.path), printable(&duplicate.kept))?;
        }
        more(out, report.duplicates.len())?;
    }
    if !report.near_duplicates.is_empty() {
        writeln!(out, "\nnear-duplicates:")?;
        for pair in report.near_duplicates.iter().take(SHOWN) {
            let labels = if pair.labels_differ { ", under another label" } else { "" };
            let (path, of) = (printable(&pair.path), printable(&pair.of));
            writeln!(out, "  {path} is a copy of {of}{labels} ({:.3})", pair.similarity)?;
        }
        more(out, report.near_duplicates.len())?;
    }
    Ok(())
}

fn more(out: &mut String, count: usize) -> std::fmt::Result {
    match count.checked_sub(SHOWN) {
        None | Some(0) => Ok(()),
        Some(rest) => writeln!(out, "  and {rest} more: prep-report.json has them all"),
    }
}

fn shorten(names: &[String]) -> String {
    match names.len() > SHOWN {
        true => format!("{}, …", names[..SHOWN].join(", ")),
        false => names.join(", "),
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
