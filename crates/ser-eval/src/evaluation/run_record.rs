//! What is known about the run behind an evaluation: what a reader needs to judge and reproduce the numbers.

use std::collections::BTreeMap;
use std::path::Path;

use ser_cache::audit::Audit;
use ser_core::text::printable;
use ser_corpus::Corpora;
use ser_corpus::split::Side;
use ser_model::FitConfig;

use crate::evaluation::{History, SplitSide};

/// The run behind an evaluation.
#[derive(Debug, Clone)]
pub struct RunRecord {
    /// Version of ser that trained.
    pub version: String,
    /// SHA-256 of the checkpoint's file, hexadecimal.
    pub checkpoint_digest: String,
    /// Weights that were learnt.
    pub n_parameters: u64,
    /// Shape of the network.
    pub model: serde_json::Value,
    /// The feature configuration.
    pub features: serde_json::Value,
    /// Name of the feature set.
    pub feature_set: String,
    /// Shape of an utterance's tensor.
    pub input_shape: Vec<usize>,
    /// The recipe of the training.
    pub fit: FitConfig,
    /// Seed of the split.
    pub split_seed: u64,
    /// SHA-256 of the split, hexadecimal.
    pub split_digest: String,
    /// Who says what on each side.
    pub sides: BTreeMap<Side, SplitSide>,
    /// Utterances of each class on each side.
    pub counts_by_label: BTreeMap<String, BTreeMap<Side, usize>>,
    /// What the sides share.
    pub audit: Audit,
    /// The epochs of the training.
    pub history: History,
    /// Where recordings are searched for, if anywhere.
    pub corpora: Option<Corpora>,
    /// The commands that reproduce it, in order.
    pub commands: Vec<CommandLine>,
}

/// A command to run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// What it does.
    pub purpose: String,
    /// The command and its arguments.
    pub words: Vec<String>,
}

impl CommandLine {
    /// As a POSIX shell (with `$'…'` for control characters) takes it.
    pub fn quoted(&self) -> String {
        self.words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
    }
}

fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    // What a terminal or a page would not show as it is.
    if printable(word) == word {
        return format!("'{}'", word.replace('\'', "'\\''"));
    }
    let mut quoted = "$'".to_owned();
    for c in word.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            c if printable(&c.to_string()) != c.to_string() => {
                quoted.extend(c.to_string().bytes().map(|byte| format!("\\x{byte:02x}")));
            }
            c => quoted.push(c),
        }
    }
    quoted + "'"
}

/// Where the preparation found the recordings of the cache at `root`, if any of the folders is still there.
pub fn corpora_of(root: &Path) -> Option<Corpora> {
    ser_cache::corpora_of(root).filter(|corpora| corpora.iter().any(|corpus| corpus.data.is_dir()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_command_is_quoted_for_a_shell() {
        let quoted = |word: &str| shell_word(word);
        assert_eq!(quoted("--seed"), "--seed");
        assert_eq!(quoted("my corpus"), "'my corpus'");
        assert_eq!(quoted("it's; rm -rf $HOME"), "'it'\\''s; rm -rf $HOME'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a\nb'"), "$'a\\x0ab\\''");
        assert_eq!(quoted("\u{202e}"), "$'\\xe2\\x80\\xae'");
    }

    #[test]
    fn recordings_are_looked_for_where_they_were_prepared() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        std::fs::create_dir_all(&cache).unwrap();
        let folders = |root| -> Vec<PathBuf> {
            corpora_of(root).iter().flat_map(Corpora::iter).map(|corpus| corpus.data.clone()).collect()
        };
        assert_eq!(corpora_of(&cache), None);
        std::fs::write(cache.join("prep-report.json"), "{\"data\": \"a\"}").unwrap();
        assert_eq!(corpora_of(&cache), None);
        std::fs::create_dir(folder.path().join("a")).unwrap();
        assert_eq!(folders(&cache), [folder.path().join("a")]);
        // Another folder of the same name does not stand for the one that was prepared.
        let was = folder.path().join("elsewhere/a");
        std::fs::create_dir_all(&was).unwrap();
        let report =
            serde_json::json!({"data": "a", "corpora": [{"name": "a", "data": "a", "location": was}]});
        std::fs::write(cache.join("prep-report.json"), report.to_string()).unwrap();
        assert_eq!(folders(&cache), std::slice::from_ref(&was));
        std::fs::remove_dir(&was).unwrap();
        assert_eq!(folders(&cache), [folder.path().join("a")]);
        let corpora = r#"[{"name": "a", "data": "a"}, {"name": "b", "data": "b"}]"#;
        let report = format!(r#"{{"data": ["a", "b"], "corpora": {corpora}}}"#);
        std::fs::write(cache.join("prep-report.json"), report).unwrap();
        assert_eq!(folders(&cache), [folder.path().join("a"), PathBuf::from("b")]);
    }
}
