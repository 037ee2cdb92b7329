//! The audit of a split as sentences.

use crate::cache::audit::Audit;
use crate::report::text::thousands;

/// What a finding means for the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Verdict {
    /// Nothing of this kind helps the model.
    Clear,
    /// The model can profit from it: its numbers say less than they seem to.
    Shared,
    /// It cannot be told.
    Unknown,
}

/// A finding in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::report) struct Finding {
    pub(in crate::report) verdict: Verdict,
    pub(in crate::report) text: String,
}

/// Everything the audit knows, the gravest questions first. A new field of [`Audit`] is one more call of `add`.
pub(in crate::report) fn findings(audit: &Audit) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |verdict, text: String| findings.push(Finding { verdict, text });

    match audit.identical_sounds_across_sides {
        0 => add(
            Verdict::Clear,
            "No sound of the test side is also, sample for sample, on another side.".to_owned(),
        ),
        n => add(
            Verdict::Shared,
            format!(
                "{} sounds of the test side are also, sample for sample, on another side.",
                thousands(n as u64)
            ),
        ),
    }
    let (all, shared) = (audit.test_speakers.len(), audit.shared_speakers.len());
    match (audit.speakers_known, shared) {
        (false, _) => add(
            Verdict::Unknown,
            "Not every recording names its speaker, so the same voice may be on both sides.".to_owned(),
        ),
        (true, 0) => add(
            Verdict::Clear,
            format!(
                "Speaker-independent: none of the test speakers ({}) was heard in training or validation.",
                names(&audit.test_speakers)
            ),
        ),
        (true, n) => add(
            Verdict::Shared,
            format!(
                "{n} of {all} test speakers ({}) were also heard in training or validation.",
                names(&audit.shared_speakers)
            ),
        ),
    }
    match (audit.words_known, audit.shared_words) {
        (false, _) => add(
            Verdict::Unknown,
            "Not every recording names its word, so the same words may be on both sides.".to_owned(),
        ),
        (true, 0) => {
            add(Verdict::Clear, "No word of the test side occurs in training or validation.".to_owned())
        }
        (true, n) => add(
            Verdict::Shared,
            format!(
                "{} of {} words of the test side also occur in training or validation.",
                thousands(n as u64),
                thousands(audit.test_words as u64)
            ),
        ),
    }
    findings
}

/// The first few of many.
fn names(all: &[String]) -> String {
    const NAMED: usize = 12;
    let mut text = all.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if all.len() > NAMED {
        text += &format!(" and {} more", all.len() - NAMED);
    }
    text
}
