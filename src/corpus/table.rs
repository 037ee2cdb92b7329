//! Labels from a CSV file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::naming::is_speaker_id;
use super::{Annotation, check_relative};
use crate::{Error, ErrorKind, Result};

/// A table of labels: columns `path` (relative to the corpus) and `label`, and optionally `speaker` and `word`;
/// other columns are passed over.
#[derive(Debug)]
pub struct LabelTable {
    file: PathBuf,
    rows: HashMap<String, Annotation>,
}

#[derive(Deserialize)]
struct Row {
    path: String,
    label: String,
    speaker: Option<String>,
    word: Option<String>,
}

impl LabelTable {
    /// Reads the table at `file`.
    ///
    /// # Errors
    /// When it cannot be read, lacks a column, has a row without path or label or with a speaker that cannot name
    /// a folder, or names a path twice.
    pub fn read(file: &Path) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(file).map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot be read as a table of labels: {error}"))
                .at(file)
                .mend("give --labels folder, filename, or a CSV file")
        })?;
        let damaged = |what: String| {
            Error::new(ErrorKind::Damaged, what)
                .at(file)
                .mend("a table of labels has the columns path,label and optionally speaker,word")
        };
        let columns = reader.headers().map_err(|error| damaged(format!("has no header: {error}")))?;
        if let Some(lacking) = ["path", "label"].into_iter().find(|name| !columns.iter().any(|c| c == *name))
        {
            let found: Vec<&str> = columns.iter().collect();
            return Err(damaged(format!("has no column {lacking:?}, only {found:?}")));
        }
        let mut rows = HashMap::new();
        for (number, row) in reader.deserialize::<Row>().enumerate() {
            let row = row.map_err(|error| damaged(format!("row {}: {error}", number + 1)))?;
            if row.path.is_empty() || row.label.is_empty() {
                return Err(damaged(format!("row {} lacks its path or its label", number + 1)));
            }
            let path = row.path.replace('\\', "/");
            let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
            check_relative(&path).map_err(|error| {
                Error::new(ErrorKind::Damaged, format!("row {}: {}", number + 1, error.reason())).at(file)
            })?;
            let known = |text: Option<String>| text.filter(|text| !text.is_empty());
            let word = known(row.word).map(|word| word.to_lowercase());
            let speaker = known(row.speaker);
            if let Some(speaker) = speaker.as_deref().filter(|speaker| !is_speaker_id(speaker)) {
                return Err(Error::new(
                    ErrorKind::Damaged,
                    format!(
                        "row {}: {speaker:?} cannot be a speaker's ID, since it names a folder",
                        number + 1
                    ),
                )
                .at(file)
                .mend("use 1 to 64 of the characters A-Z a-z 0-9 . _ - and no dot in front"));
            }
            let annotation = Annotation { speaker, word, ..Annotation::labelled(row.label) };
            if rows.insert(path.clone(), annotation).is_some() {
                return Err(damaged(format!("names {path} twice")));
            }
        }
        Ok(Self { file: file.to_owned(), rows })
    }

    /// What the table says of the file at `path`, relative to the corpus.
    ///
    /// # Errors
    /// When it does not name that path.
    pub fn annotate(&self, path: &str) -> Result<Annotation> {
        self.rows.get(path).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Missing, format!("is not in the table {}", self.file.display()))
                .at(path)
                .mend("add a row for it, or move it out of the corpus")
        })
    }
}
