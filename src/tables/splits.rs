//! The splits of a preparation, as a table: each by itself, or those of a kind in one line.

use std::collections::BTreeMap;
use std::fmt::Write;

use ser_cache::audit::Audit;
use ser_corpus::split::{Side, ValidationBy};
use ser_prepare::PrepareReport;

/// How splits are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listed {
    /// One line for all of a kind, with ranges, where there are more than three.
    #[default]
    Kinds,
    /// One line each.
    Each,
}

/// The most splits of a kind that have a line each anyway.
const EACH: usize = 3;

/// The most different audits of a kind that are told apart.
const AUDITS: usize = 3;

/// A line of the table.
struct Line<'a> {
    /// The protocol, or the kind and how many are of it.
    name: String,
    protocols: Vec<&'a str>,
}

/// The counts of every side, what keeps validation apart, and what the test sides share with the others.
pub(super) fn write_splits(report: &PrepareReport, listed: Listed, out: &mut String) -> std::fmt::Result {
    let lines = lines(report, listed);
    let cells: Vec<[String; 3]> =
        lines.iter().map(|line| Side::ALL.map(|part| counts(report, line, part))).collect();
    let width = cells.iter().flatten().map(|cell| cell.chars().count()).max().unwrap_or(0).max(7);
    writeln!(out, "\nsplit                {:>width$} {:>width$} {:>width$}", "train", "val", "test")?;
    for (line, [train, val, test]) in lines.iter().zip(&cells) {
        writeln!(out, "  {:<18} {train:>width$} {val:>width$} {test:>width$}", line.name)?;
    }
    if lines.iter().any(|line| line.protocols.len() > 1) {
        writeln!(out, "  (--splits lists each)")?;
    }
    write_validation(report, &lines, out)?;
    writeln!(out, "\ntest and training       (duration alone: UAR of a classifier that knows nothing else)")?;
    for line in &lines {
        writeln!(out, "  {:<18} {}", line.name, audits(report, line))?;
    }
    Ok(())
}

fn lines(report: &PrepareReport, listed: Listed) -> Vec<Line<'_>> {
    let mut kinds: Vec<(&str, Vec<&str>)> = Vec::new();
    for protocol in report.splits.keys() {
        let kind = protocol.split_once('-').map_or(protocol.as_str(), |(kind, _)| kind);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, protocols)) => protocols.push(protocol),
            None => kinds.push((kind, vec![protocol])),
        }
    }
    let mut lines = Vec::new();
    for (kind, protocols) in kinds {
        if listed == Listed::Kinds && protocols.len() > EACH {
            lines.push(Line { name: format!("{kind}-* ({})", protocols.len()), protocols });
            continue;
        }
        lines.extend(
            protocols
                .into_iter()
                .map(|protocol| Line { name: protocol.to_owned(), protocols: vec![protocol] }),
        );
    }
    lines
}

/// "1320", or "1319–1320" where they differ.
fn counts(report: &PrepareReport, line: &Line<'_>, part: Side) -> String {
    let counts =
        line.protocols.iter().filter_map(|protocol| report.splits.get(*protocol)?.get(&part).copied());
    match (counts.clone().min(), counts.max()) {
        (Some(least), Some(most)) if least < most => format!("{least}–{most}"),
        (least, _) => least.unwrap_or(0).to_string(),
    }
}

fn write_validation(report: &PrepareReport, lines: &[Line<'_>], out: &mut String) -> std::fmt::Result {
    let mut ways: BTreeMap<ValidationBy, Vec<String>> = BTreeMap::new();
    for Line { name, protocols } in lines {
        let mut of_line: BTreeMap<ValidationBy, usize> = BTreeMap::new();
        // That the word split goes by words need not be said.
        let ways_of_line = protocols.iter().filter_map(|protocol| {
            report.validation.get(*protocol).filter(|by| (**by, *protocol) != (ValidationBy::Words, "word"))
        });
        ways_of_line.for_each(|by| *of_line.entry(*by).or_default() += 1);
        for (by, count) in of_line {
            let name = match count == protocols.len() {
                true => name.clone(),
                false => format!("{count} of {name}"),
            };
            ways.entry(by).or_default().push(name);
        }
    }
    for (by, names) in ways {
        writeln!(out, "  validation {by}: {}", names.join(", "))?;
    }
    Ok(())
}

/// What the test sides share with training and validation, and what duration alone achieves on them.
fn audits(report: &PrepareReport, line: &Line<'_>) -> String {
    let audits: Vec<&Audit> =
        line.protocols.iter().filter_map(|protocol| report.audits.get(*protocol)).collect();
    let mut shared: BTreeMap<String, usize> = BTreeMap::new();
    audits.iter().for_each(|audit| *shared.entry(audit.shared_in_short()).or_default() += 1);
    let mut texts: Vec<(String, usize)> = shared.into_iter().collect();
    texts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let others: usize = texts.iter().skip(AUDITS).map(|(_, count)| count).sum();
    let alone = texts.len() == 1;
    let mut parts: Vec<String> = texts
        .into_iter()
        .take(AUDITS)
        .map(|(text, count)| if alone { text } else { format!("{count}: {text}") })
        .collect();
    if others > 0 {
        parts.push(format!("{others} others"));
    }
    let durations = || audits.iter().filter_map(|audit| audit.duration_alone());
    let least = durations().min_by(f64::total_cmp).map(|uar| format!("{uar:.2}"));
    let most = durations().max_by(f64::total_cmp).map(|uar| format!("{uar:.2}"));
    let duration = match (least, most) {
        (Some(least), Some(most)) if least != most => format!("; duration alone {least}–{most}"),
        (Some(same), _) => format!("; duration alone {same}"),
        _ => String::new(),
    };
    format!("{}{duration}", parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(speakers: usize) -> PrepareReport {
        let mut report = PrepareReport::default();
        let mut add = |name: String, counts: [usize; 3]| {
            report.splits.insert(name.clone(), Side::ALL.into_iter().zip(counts).collect());
            report.audits.insert(name, Audit::default());
        };
        add("random".to_owned(), [70, 15, 15]);
        for speaker in 0..speakers {
            add(format!("speaker-{speaker:02}"), [77 + speaker % 2, 12, 11]);
            report.validation.insert(format!("speaker-{speaker:02}"), ValidationBy::Speakers);
        }
        report
    }

    fn table(speakers: usize, listed: Listed) -> String {
        let mut text = String::new();
        write_splits(&report(speakers), listed, &mut text).unwrap();
        text
    }

    #[test]
    fn many_splits_of_a_kind_are_one_line_with_ranges_and_few_or_all_of_them_have_one_each() {
        let kinds = table(24, Listed::Kinds);
        let line = kinds.lines().find(|line| line.contains("speaker-* (24)")).unwrap();
        assert_eq!(line.split_whitespace().skip(2).collect::<Vec<_>>(), ["77–78", "12", "11"], "{kinds}");
        assert!(!kinds.contains("speaker-07") && kinds.contains("  random "), "{kinds}");
        assert!(kinds.contains("validation has speakers of its own: speaker-* (24)"), "{kinds}");
        let each = table(24, Listed::Each);
        assert!((0..24).all(|speaker| each.contains(&format!("  speaker-{speaker:02} "))), "{each}");
        assert!(table(3, Listed::Kinds).contains("  speaker-02 "));
    }
}
