//! Labels from a CSV file.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use serde::Deserialize;

use crate::Annotation;
use crate::conventions::{CONVENTIONS, CorpusConvention};
use crate::names::{SPEAKER_ID_RULE, check_relative, composed, is_speaker_id};

/// A table of labels: columns `path` (relative to the corpus) and `label`, and optionally `speaker`, `word`, `session`
/// and `parent` (for an augmented copy: the path of the recording it was made from); other columns are ignored.
///
/// A speaker, word or session that a copy's row leaves out is its parent's.
#[derive(Debug)]
pub struct LabelTable {
    file: PathBuf,
    rows: HashMap<String, Annotation>,
}

#[derive(Deserialize)]
struct TableRow {
    path: String,
    label: String,
    speaker: Option<String>,
    word: Option<String>,
    session: Option<String>,
    parent: Option<String>,
}

impl LabelTable {
    /// Reads the table at `file`.
    ///
    /// # Errors
    /// When it cannot be read, lacks a column, has a row without path or label or with a speaker that cannot name
    /// a folder, names a path twice, or has a copy of nothing, of a copy, or with another label than its parent's.
    pub fn read(file: &Path) -> Result<Self> {
        let conventions = CONVENTIONS.map(CorpusConvention::name);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(file).map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot be read as a table of labels: {error}")).at(file).help(
                remedy![
                    "give ",
                    Setting::Labels.to(format!("auto, {}", conventions.join(", "))),
                    ", or a CSV file"
                ],
            )
        })?;
        let damaged = |what: String| {
            Error::new(ErrorKind::Damaged, what).at(file).help(
                "a table of labels has the columns path,label and optionally speaker,word,session,parent",
            )
        };
        let columns = reader.headers().map_err(|error| damaged(format!("has no header: {error}")))?;
        if let Some(lacking) = ["path", "label"].into_iter().find(|name| !columns.iter().any(|c| c == *name))
        {
            let found: Vec<&str> = columns.iter().collect();
            return Err(damaged(format!("has no column {lacking:?}, only {found:?}")));
        }
        let mut rows = HashMap::new();
        for (number, row) in reader.deserialize::<TableRow>().enumerate() {
            let row = row.map_err(|error| damaged(format!("row {}: {error}", number + 1)))?;
            if row.path.is_empty() || row.label.is_empty() {
                return Err(damaged(format!("row {} lacks its path or its label", number + 1)));
            }
            let plain_path = |path: &str| -> Result<String> {
                let path = path.replace('\\', "/");
                let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
                check_relative(&path).map_err(|error| {
                    Error::new(ErrorKind::Damaged, format!("row {}: {}", number + 1, error.reason())).at(file)
                })?;
                Ok(path)
            };
            let path = plain_path(&row.path)?;
            let known = |text: Option<String>| text.filter(|text| !text.is_empty());
            let word = known(row.word).map(|word| word.to_lowercase());
            let speaker = known(row.speaker).map(composed);
            if let Some(speaker) = speaker.as_deref().filter(|speaker| !is_speaker_id(speaker)) {
                return Err(Error::new(
                    ErrorKind::Damaged,
                    format!(
                        "row {}: {speaker:?} cannot be a speaker's ID, since IDs name folders",
                        number + 1
                    ),
                )
                .at(file)
                .help(SPEAKER_ID_RULE));
            }
            let parent = known(row.parent).as_deref().map(plain_path).transpose()?;
            let session = known(row.session);
            let annotation = Annotation { speaker, word, session, parent, ..Annotation::labelled(row.label) };
            if rows.insert(path.clone(), annotation).is_some() {
                return Err(damaged(format!("names {path} twice")));
            }
        }
        for (copy, of_copy) in copies_completed(&rows).map_err(damaged)? {
            rows.insert(copy, of_copy);
        }
        Ok(Self { file: file.to_owned(), rows })
    }

    /// The file it was read from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The paths of the rows that name none of `recordings`, sorted.
    pub fn rows_without<'a>(&self, recordings: impl IntoIterator<Item = &'a str>) -> Vec<&str> {
        let recordings: HashSet<&str> = recordings.into_iter().collect();
        let mut rows: Vec<&str> = self.rows.keys().map(String::as_str).collect();
        rows.retain(|path| !recordings.contains(path));
        rows.sort_unstable();
        rows
    }

    /// What the table says of the file at `path`, relative to the corpus.
    ///
    /// # Errors
    /// When it does not name that path.
    pub fn annotate(&self, path: &str) -> Result<Annotation> {
        self.rows.get(path).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Missing, format!("is not in the table {}", self.file.display()))
                .at(path)
                .help("add a row for it, or move it out of the corpus")
        })
    }
}

/// The rows of augmented copies, with what they leave open from their parents' rows.
fn copies_completed(rows: &HashMap<String, Annotation>) -> Result<Vec<(String, Annotation)>, String> {
    let mut copies: Vec<(&String, &Annotation)> =
        rows.iter().filter(|(_, row)| row.parent.is_some()).collect();
    copies.sort_unstable_by_key(|(path, _)| *path);
    let complete = |(path, copy): (&String, &Annotation)| {
        let name = copy.parent.clone().unwrap_or_default();
        let parent =
            rows.get(&name).ok_or_else(|| format!("{path} is a copy of {name}, which has no row"))?;
        if parent.parent.is_some() {
            return Err(format!("{path} is a copy of {name}, which is a copy itself"));
        }
        if parent.label != copy.label {
            return Err(format!(
                "{path} is labelled {:?}, but the recording it copies, {name}, {:?}",
                copy.label, parent.label
            ));
        }
        let copy = copy.clone();
        Ok((
            path.clone(),
            Annotation {
                speaker: copy.speaker.or_else(|| parent.speaker.clone()),
                word: copy.word.or_else(|| parent.word.clone()),
                session: copy.session.or_else(|| parent.session.clone()),
                ..copy
            },
        ))
    };
    copies.into_iter().map(complete).collect()
}
