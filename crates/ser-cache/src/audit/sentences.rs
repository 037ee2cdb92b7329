//! An audit in words.

use crate::Audit;
use crate::audit::{Cue, Shortcut};

/// Names that are listed rather than counted.
const NAMED: usize = 4;

/// What a finding means for figures measured on the test side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leakage {
    /// Nothing of this kind helps the model.
    Apart,
    /// The model can profit from it: its figures say less than they seem to.
    Shared,
    /// It is not known.
    Unknown,
}

/// A finding of an audit in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFinding {
    /// What it means.
    pub verdict: Leakage,
    /// A sentence without its full stop.
    pub text: String,
}

/// For a line of text: what is shared begins with `leak: `, what cannot be told with `unknown: `.
impl std::fmt::Display for AuditFinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mark = match self.verdict {
            Leakage::Apart => "",
            Leakage::Shared => "leak: ",
            Leakage::Unknown => "unknown: ",
        };
        write!(f, "{mark}{}", self.text)
    }
}

impl Audit {
    /// What leaks, what does not, and what is unknown.
    pub fn findings(&self) -> Vec<AuditFinding> {
        let mut findings = Vec::new();
        let mut add = |verdict, text: String| findings.push(AuditFinding { verdict, text });
        let mut shared =
            |noun: &str, known: bool, shared: usize, all: usize, names: &str| match (known, shared) {
                (false, _) => add(
                    Leakage::Unknown,
                    format!("not every recording names its {noun}, so the same one may be on both sides"),
                ),
                (true, 0) => {
                    add(Leakage::Apart, format!("no {noun} of the test side in training or validation"));
                }
                (true, _) => add(
                    Leakage::Shared,
                    format!(
                        "{shared} of {all} {noun}s of the test side also in training or validation{names}"
                    ),
                ),
            };
        let names = first_names(&self.shared_speakers);
        let speakers = self.shared_speakers.len();
        shared("speaker", self.speakers_known, speakers, self.test_speakers.len(), &names);
        shared("word", self.words_known, self.shared_words, self.test_words, "");
        if self.sessions_known && self.test_sessions > 0 {
            shared("session", true, self.shared_sessions, self.test_sessions, "");
        }
        match self.identical_sounds_across_sides {
            0 => add(Leakage::Apart, "no identical sound on both sides of the test".to_owned()),
            count => add(
                Leakage::Shared,
                format!("{} on both sides of the test", counted(count, "identical sound")),
            ),
        }
        match (self.near_duplicates_across_sides, self.near_duplicates_list.first()) {
            (None, _) => add(Leakage::Unknown, "near-duplicates, which were not searched for".to_owned()),
            (Some(0), _) => add(Leakage::Apart, "no near-duplicate on both sides of the test".to_owned()),
            (Some(count), first) => {
                let example = first.map(|pair| format!(", such as {} and {}", pair.test, pair.other));
                let pairs = counted(count, "pair");
                add(
                    Leakage::Shared,
                    format!(
                        "{pairs} of near-duplicates on both sides of the test{}",
                        example.unwrap_or_default()
                    ),
                );
            }
        }
        if self.overlapping_segments > 0 {
            let segments = counted(self.overlapping_segments, "segment");
            add(
                Leakage::Shared,
                format!("{segments} of the test side overlap one in training or validation"),
            );
        }
        if let Some(count) = self.copies_apart.filter(|count| *count > 0) {
            let first = self.copies_apart_list.first();
            let example = first.map(|copy| format!(", such as {} of {}", copy.path, copy.parent));
            let copies = count_with_plural(count, "augmented copy", "augmented copies");
            add(
                Leakage::Shared,
                format!("{copies} on a different side from the original{}", example.unwrap_or_default()),
            );
        }
        findings
    }

    /// "duration alone: UAR 0.3100 (chance 0.1429)", for each cue.
    pub fn shortcuts_in_words(&self) -> Vec<String> {
        self.shortcuts.iter().map(Shortcut::to_string).collect()
    }

    /// The audit in one short line: what leaks, and what duration alone achieves.
    pub fn in_short(&self) -> String {
        let duration = self.duration_alone().map(|uar| format!("; duration alone {uar:.2}"));
        format!("{}{}", self.shared_in_short(), duration.unwrap_or_default())
    }

    /// UAR of a classifier that knows only how long a recording is.
    pub fn duration_alone(&self) -> Option<f64> {
        self.shortcuts.iter().find(|shortcut| shortcut.cue == Cue::Duration).map(|shortcut| shortcut.uar)
    }

    /// What leaks, in one short line.
    pub fn shared_in_short(&self) -> String {
        let mut parts = Vec::new();
        let mut shared = |noun: &str, known: bool, shared: usize, all: usize| {
            if !known {
                parts.push(format!("{noun}s unknown"));
            } else if shared > 0 {
                parts.push(format!("shares {shared} of {all} {noun}s"));
            }
        };
        shared("speaker", self.speakers_known, self.shared_speakers.len(), self.test_speakers.len());
        shared("word", self.words_known, self.shared_words, self.test_words);
        shared("session", true, self.shared_sessions, self.test_sessions);
        if self.identical_sounds_across_sides > 0 {
            parts.push(counted(self.identical_sounds_across_sides, "identical sound"));
        }
        match self.near_duplicates_across_sides {
            None => parts.push("near-duplicates not searched for".to_owned()),
            Some(0) => {}
            Some(count) => parts.push(counted(count, "near-duplicate")),
        }
        if self.overlapping_segments > 0 {
            parts.push(counted(self.overlapping_segments, "overlapping segment"));
        }
        if let Some(count) = self.copies_apart.filter(|count| *count > 0) {
            parts.push(count_with_plural(count, "copy apart", "copies apart"));
        }
        if parts.is_empty() {
            parts.push("shares nothing".to_owned());
        }
        parts.join(", ")
    }
}

impl std::fmt::Display for Shortcut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.cue {
            Cue::Duration => "duration",
            Cue::Silence => "share of silence",
            Cue::Level => "level",
        };
        write!(f, "{name} alone: UAR {:.4} (chance {:.4})", self.uar, self.chance)
    }
}

/// ": OAF, YAF", or the first few and how many more.
pub(super) fn first_names(names: &[String]) -> String {
    let first = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => String::new(),
        count if count > NAMED => format!(": {first} and {} more", count - NAMED),
        _ => format!(": {first}"),
    }
}

fn counted(count: usize, noun: &str) -> String {
    count_with_plural(count, noun, &format!("{noun}s"))
}

fn count_with_plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
