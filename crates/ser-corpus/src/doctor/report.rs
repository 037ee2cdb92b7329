//! What the doctor says: a verdict, findings, numbers.

use std::path::PathBuf;

use ser_core::text::thousands;
use serde::Serialize;

use crate::doctor::as_published::Deviation;
use crate::doctor::published::Recognition;
use crate::doctor::{CorpusFinding, CorpusStatistics, FindingKind, Severity};

/// A diagnosis. In JSON, one object with these fields.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DoctorReport {
    /// The corpus.
    pub data: PathBuf,
    /// What it is and how it is, in two or three sentences.
    pub verdict: String,
    /// Whether there are no problems, only remarks or nothing at all.
    pub healthy: bool,
    /// By what the recordings are labelled, and what was concluded from how many names, as a preparation says it.
    pub labels_by: String,
    /// The published corpus that it is by its names, if it is one.
    pub corpus: Option<KnownCorpus>,
    /// The findings, the most important first.
    pub findings: Vec<CorpusFinding>,
    /// The corpus in numbers.
    pub numbers: CorpusStatistics,
    /// Time taken, seconds.
    pub seconds: f64,
}

/// A published corpus and how much of it is there, by the names of the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownCorpus {
    /// Its name.
    pub name: &'static str,
    /// How many recordings it has.
    pub expected: usize,
    /// How many of them are there, each counted once.
    pub present: usize,
}

/// So many missing recordings are named in the verdict.
const NAMED: usize = 5;

impl DoctorReport {
    pub(super) fn new(
        data: PathBuf,
        labels_by: String,
        recognition: Option<&Recognition>,
        deviations: &[Deviation],
        findings: Vec<CorpusFinding>,
        numbers: CorpusStatistics,
        seconds: f64,
    ) -> Self {
        let corpus = recognition.map(|recognition| KnownCorpus {
            name: recognition.corpus.name,
            expected: recognition.corpus.recordings,
            present: recognition.present,
        });
        let verdict = [
            subject(recognition, deviations, &findings, &numbers),
            doubling(&findings, &numbers),
            troubles(recognition, &findings),
        ];
        Self {
            data,
            labels_by,
            verdict: verdict.into_iter().flatten().collect::<Vec<_>>().join(" "),
            healthy: findings.iter().all(|finding| finding.severity == Severity::Remark),
            corpus,
            findings,
            numbers,
            seconds,
        }
    }

    /// The finding of `kind`, if there is one.
    pub fn finding(&self, kind: FindingKind) -> Option<&CorpusFinding> {
        find(&self.findings, kind)
    }
}

fn find(findings: &[CorpusFinding], kind: FindingKind) -> Option<&CorpusFinding> {
    findings.iter().find(|finding| finding.kind == kind)
}

/// What it is.
fn subject(
    recognition: Option<&Recognition>,
    deviations: &[Deviation],
    findings: &[CorpusFinding],
    numbers: &CorpusStatistics,
) -> Option<String> {
    let Some(recognition) = recognition else {
        let mut text = format!(
            "{} in {}",
            counted(numbers.recordings, "recording", "recordings"),
            counted(numbers.classes.len(), "class", "classes")
        );
        if !numbers.speakers.is_empty() {
            text += &format!(" by {}", counted(numbers.speakers.len(), "speaker", "speakers"));
        }
        return Some(text + ".");
    };
    let corpus = recognition.corpus;
    let (name, expected, present) = (corpus.name, thousands(corpus.recordings as u64), recognition.present);
    let missing = recognition.missing();
    let names: Vec<&str> = find(findings, FindingKind::Missing)
        .map(|finding| {
            finding.items.iter().map(|item| item.path.as_str()).filter(|path| !path.is_empty()).collect()
        })
        .unwrap_or_default();
    let deviations: Vec<String> = deviations.iter().map(Deviation::in_words).collect();
    let deviations = (!deviations.is_empty()).then(|| deviations.join("; "));
    if missing == 0 {
        return Some(match deviations {
            None => format!("This is {name}, complete: {expected} recordings, {}.", corpus.contents),
            Some(how) => format!("This is {name}, complete by its names, but not as published: {how}."),
        });
    }
    let mut text = if missing <= NAMED && names.len() == missing {
        let count = counted(missing, "recording", "recordings");
        format!("This is {name}, complete but for {count}: {}.", names.join(", "))
    } else if present.saturating_mul(2) >= corpus.recordings {
        format!("This is {name} without {} of its {expected} recordings.", thousands(missing as u64))
    } else {
        format!("This is a part of {name}: {} of its {expected} recordings.", thousands(present as u64))
    };
    if recognition.speakers < corpus.speakers {
        text += &format!(" It has {} of its {} speakers.", recognition.speakers, corpus.speakers);
    }
    if let Some(how) = deviations {
        text += &format!(" It is not as published: {how}.");
    }
    Some(text)
}

/// How much of it is there more than once.
fn doubling(findings: &[CorpusFinding], numbers: &CorpusStatistics) -> Option<String> {
    let doubled = find(findings, FindingKind::Doubled)?.count;
    let all_twice = doubled.saturating_mul(2) == numbers.usable;
    let what =
        if all_twice { "Every sound is".to_owned() } else { counted(doubled, "sound is", "sounds are") };
    Some(format!("{what} there {}.", if all_twice { "twice" } else { "more than once" }))
}

/// What is wrong or odd, as counts.
fn troubles(recognition: Option<&Recognition>, findings: &[CorpusFinding]) -> Option<String> {
    let unusable: usize = findings.iter().filter(|f| f.kind.is_unusable()).map(|f| f.count).sum();
    let mut problems = Vec::new();
    let mut remarks = Vec::new();
    if unusable > 0 {
        problems.push(format!("{} unusable", thousands(unusable as u64)));
    }
    let mut known = 0;
    for finding in findings {
        let known_here = finding.items.iter().filter(|item| item.known).count();
        known += known_here;
        let count = finding.count.saturating_sub(known_here);
        // Said already, with what was published.
        let is_said = finding.kind == FindingKind::EqualLengths
            && recognition.is_some_and(|recognition| recognition.corpus.audio.is_some());
        if let Some(phrase) = finding.kind.in_verdict(count).filter(|_| count > 0 && !is_said) {
            let list = if finding.severity == Severity::Problem { &mut problems } else { &mut remarks };
            list.push(format!("{} {phrase}", thousands(count as u64)));
        }
    }
    let mut sentences = Vec::new();
    if !problems.is_empty() {
        sentences.push(format!("To fix: {}.", problems.join(", ")));
    }
    if let Some(recognition) = recognition.filter(|_| known > 0) {
        let all = recognition.corpus.known.len();
        sentences.push(match known == all {
            true => format!("Its {all} known oddities are there."),
            false => format!(
                "{known} of its {all} known oddities {} there.",
                if known == 1 { "is" } else { "are" }
            ),
        });
    }
    if !remarks.is_empty() {
        sentences.push(format!("Worth knowing: {}.", remarks.join(", ")));
    }
    if findings.is_empty() {
        sentences.push("Nothing is wrong with it.".to_owned());
    }
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", thousands(count as u64), if count == 1 { one } else { many })
}
