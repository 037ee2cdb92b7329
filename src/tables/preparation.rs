//! What a preparation did, as a table.

use std::collections::BTreeMap;
use std::fmt::Write;

use ser_corpus::split::Part;
use ser_prepare::{CorpusReport, PrepareReport};

/// How many remarks of a kind the table shows; the JSON has them all.
const SHOWN: usize = 20;

/// The report for people.
pub fn preparation(report: &PrepareReport) -> String {
    let mut text = String::new();
    write_table(report, &mut text).map_or_else(|_| String::new(), |()| text)
}

fn write_table(report: &PrepareReport, out: &mut String) -> std::fmt::Result {
    let files = |count: usize| format!("{count:>7}");
    match &report.corpora[..] {
        [only] => {
            writeln!(out, "recordings found   {}   in {}", files(report.found), only.data.display())?;
            writeln!(out, "  labels by                  {}", only.labels_by)?;
        }
        several => {
            writeln!(out, "recordings found   {}   in {} corpora", files(report.found), several.len())?;
            for CorpusReport { name, data, found, labels_by, .. } in several {
                let (found, data) = (files(*found), data.display());
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
        writeln!(out, "  left out         {}   by the label map {map}", files(report.dropped))?;
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
            "  doubtful         {}   classes that look like something else",
            files(report.doubts.len())
        )?;
    }
    writeln!(out, "utterances         {}", files(report.used))?;
    if let Some(augmentation) = &report.augmentation {
        let each = augmentation.copies;
        writeln!(out, "  augmented copies {}   {each} of each, for training only", files(report.copies))?;
    }
    if report.cut > 0 {
        writeln!(out, "  cut at the end   {}   longer than a tensor", files(report.cut))?;
    }
    if report.mixed_down > 0 {
        writeln!(out, "  mixed down       {}   from several channels", files(report.mixed_down))?;
    }
    let labels: Vec<String> = report.labels.iter().map(|(label, count)| format!("{label} {count}")).collect();
    writeln!(out, "classes            {}   {}", files(report.labels.len()), labels.join(", "))?;
    if !report.speakers.is_empty() {
        writeln!(out, "speakers           {}   {}", files(report.speakers.len()), shorten(&report.speakers))?;
    }
    write_remarks(report, out)?;
    if report.dry_run {
        writeln!(out, "\nnothing was done: this was a dry run for feature set {}", report.feature_set)?;
        return Ok(());
    }
    writeln!(out, "\nsplit                  train     val    test")?;
    for (protocol, counts) in report.splits.iter().take(SHOWN) {
        let count = |part: Part| counts.get(&part).copied().unwrap_or(0);
        let (train, val, test) = (count(Part::Train), count(Part::Val), count(Part::Test));
        writeln!(out, "  {protocol:<18} {train:>7} {val:>7} {test:>7}")?;
    }
    more(out, report.splits.len())?;
    write_audits(report, out)?;
    for line in &report.left_out {
        writeln!(out, "  {line}")?;
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
    writeln!(out, "feature set {} in {}", report.feature_set, report.out.display())
}

/// What each test side shares with training and validation, in a line.
fn write_audits(report: &PrepareReport, out: &mut String) -> std::fmt::Result {
    writeln!(out, "\ntest and training       (duration alone: UAR of a classifier that knows nothing else)")?;
    for (protocol, audit) in report.audits.iter().take(SHOWN) {
        writeln!(out, "  {protocol:<18} {}", audit.in_short())?;
    }
    more(out, report.audits.len())
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
            writeln!(out, "  {count} {of}: {text}")?;
        }
        let others = || remarks.iter().filter(|remark| !alike.contains_key(remark.text.as_str()));
        for remark in others().take(SHOWN) {
            writeln!(out, "  {}: {}", remark.path, remark.text)?;
        }
        more(out, others().count())?;
    }
    if !report.duplicates.is_empty() {
        writeln!(out, "\nduplicates:")?;
        for duplicate in report.duplicates.iter().take(SHOWN) {
            writeln!(out, "  {} sounds as {}", duplicate.path, duplicate.kept)?;
        }
        more(out, report.duplicates.len())?;
    }
    if !report.near_duplicates.is_empty() {
        writeln!(out, "\nnear-duplicates:")?;
        for pair in report.near_duplicates.iter().take(SHOWN) {
            let labels = if pair.labels_differ { ", under another label" } else { "" };
            writeln!(out, "  {} is a copy of {}{labels} ({:.3})", pair.path, pair.of, pair.similarity)?;
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
