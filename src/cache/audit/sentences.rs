//! An audit in words.

use super::{Audit, Cue, Shortcut};

/// Names that are listed rather than counted.
const NAMED: usize = 4;

impl Audit {
    /// What leaks, and what does not, one line each; the first word of a line is `leak`, `no` or `unknown`.
    pub fn findings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut shared = |noun: &str, known: bool, shared: usize, all: usize, names: &str| {
            lines.push(match (known, shared) {
                (false, _) => format!("unknown: {noun}s, which not every recording names"),
                (true, 0) => format!("no {noun} of the test side in training or validation"),
                (true, _) => {
                    format!("leak: {shared} of {all} {noun}s of the test side also in training or validation{names}")
                }
            });
        };
        let names = some_of(&self.shared_speakers);
        let speakers = self.shared_speakers.len();
        shared("speaker", self.speakers_known, speakers, self.test_speakers.len(), &names);
        shared("word", self.words_known, self.shared_words, self.test_words, "");
        if self.sessions_known && self.test_sessions > 0 {
            shared("session", true, self.shared_sessions, self.test_sessions, "");
        }
        lines.push(match self.identical_sounds_across_sides {
            0 => "no identical sound on both sides of the test".to_owned(),
            count => format!("leak: {} on both sides of the test", counted(count, "identical sound")),
        });
        lines.push(match (self.near_duplicates_across_sides, self.near_duplicates_list.first()) {
            (None, _) => "unknown: near-duplicates, which were not looked for".to_owned(),
            (Some(0), _) => "no near-duplicate on both sides of the test".to_owned(),
            (Some(count), first) => {
                let example = first.map(|pair| format!(", such as {} and {}", pair.test, pair.other));
                let pairs = counted(count, "pair");
                format!(
                    "leak: {pairs} of near-duplicates on both sides of the test{}",
                    example.unwrap_or_default()
                )
            }
        });
        if let Some(count) = self.copies_apart.filter(|count| *count > 0) {
            let first = self.copies_apart_list.first();
            let example = first.map(|copy| format!(", such as {} of {}", copy.path, copy.parent));
            let copies = counted_of(count, "augmented copy", "augmented copies");
            lines.push(format!(
                "leak: {copies} on another side than the original{}",
                example.unwrap_or_default()
            ));
        }
        lines
    }

    /// "duration alone: UAR 0.3100 (chance 0.1429)", for each cue.
    pub fn shortcuts_in_words(&self) -> Vec<String> {
        self.shortcuts.iter().map(Shortcut::to_string).collect()
    }

    /// The audit in one short line: what leaks, and what duration alone is worth.
    pub fn in_short(&self) -> String {
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
            None => parts.push("near-duplicates not looked for".to_owned()),
            Some(0) => {}
            Some(count) => parts.push(counted(count, "near-duplicate")),
        }
        if let Some(count) = self.copies_apart.filter(|count| *count > 0) {
            parts.push(counted_of(count, "copy apart", "copies apart"));
        }
        if parts.is_empty() {
            parts.push("shares nothing".to_owned());
        }
        let duration = self.shortcuts.iter().find(|shortcut| shortcut.cue == Cue::Duration);
        let duration = duration.map(|found| format!("; duration alone {:.2}", found.uar));
        format!("{}{}", parts.join(", "), duration.unwrap_or_default())
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
pub(super) fn some_of(names: &[String]) -> String {
    let first = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => String::new(),
        count if count > NAMED => format!(": {first} and {} more", count - NAMED),
        _ => format!(": {first}"),
    }
}

fn counted(count: usize, noun: &str) -> String {
    counted_of(count, noun, &format!("{noun}s"))
}

fn counted_of(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
