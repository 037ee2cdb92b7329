//! What the doctor finds in a corpus: findings, each of one [`FindingKind`], and the items that they consist of.

mod kind;

use serde::Serialize;

pub use kind::FindingKind;

/// How severe a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Recordings are lost, missing or wrongly labelled.
    Problem,
    /// Worth knowing; preparation copes with it.
    Remark,
}

/// All recordings with the same problem.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CorpusFinding {
    /// What kind of problem.
    pub kind: FindingKind,
    /// How severe.
    pub severity: Severity,
    /// The problem in a few words.
    pub title: &'static str,
    /// What to do, or why nothing needs doing.
    pub advice: String,
    /// What many of the items have in common, if anything.
    pub summary: Option<String>,
    /// How many there are.
    pub count: usize,
    /// Each of them, sorted by path.
    pub items: Vec<FindingItem>,
}

/// One instance of a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FindingItem {
    /// The file or folder, relative to the corpus; for what is missing its name in the corpus, such as
    /// `OAF back angry`; for what is about the whole corpus nothing.
    pub path: String,
    /// The remark; may be empty.
    pub text: String,
    /// Whether it is known of this corpus, so that it speaks for the copy rather than against it.
    pub known: bool,
}

impl FindingItem {
    pub(super) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), known: false }
    }
}
