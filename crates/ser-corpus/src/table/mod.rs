//! Labels from a table: a row says which class a recording, or a segment of one, is of, and what else is known of it.
//!
//! ```text
//! bytes ──▶ text ──▶ RawTable ──▶ LabelTable
//!           (UTF-8,  (header,     (path → annotations)
//!           UTF-16)  rows)
//! ```
//!
//! The formats in [`formats`] come to a `RawTable` in their own ways.

mod column;
pub mod formats;
mod raw;
mod rows;
mod text;
mod time;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use ser_core::remedy::{Piece, Remedy, Setting};
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::Annotation;
use crate::conventions::CONVENTIONS;
use crate::names::composed;
use crate::table::formats::FORMATS;

pub use column::{Column, ColumnNames};
pub use formats::TableFormat;
pub use raw::RawTable;
pub(crate) use raw::{read as read_table_bytes, read_text};

/// What a table says of the recordings of a corpus.
///
/// A row names a recording and its label, and optionally its speaker, word, session, parent (for an augmented copy: the
/// recording it was made from), the start and end of a segment of it, and its side or fold of a published split;
/// [`Column`] lists the names of columns.
///
/// A speaker, word or session that a copy's row leaves out is its parent's.
#[derive(Debug)]
pub struct LabelTable {
    file: PathBuf,
    rows: HashMap<String, Vec<Annotation>>,
    unused: Vec<String>,
    lacked: ColumnNames,
    notes: Vec<String>,
}

impl LabelTable {
    /// Reads the table at `file` for the corpus in the folder `data`, with the columns named in `columns`.
    ///
    /// # Errors
    /// When it cannot be read, lacks a column, has a row without path or label, with a speaker that cannot name a
    /// folder, or with a time or side that is none, names the same sound twice, or has a copy of nothing, of a copy, or
    /// with another label than its parent's.
    pub fn read(file: &Path, columns: &ColumnNames, data: &Path) -> Result<Self> {
        let table = RawTable::read_delimited(file).map_err(|error| match error.kind() {
            // Most probably no table was meant.
            ErrorKind::Io | ErrorKind::Missing => {
                let known = CONVENTIONS.iter().map(|convention| convention.name());
                let known: Vec<&str> = known.chain(FORMATS.iter().map(|format| format.name())).collect();
                let known = format!("auto, {}", known.join(", "));
                error.help(remedy!["give ", Setting::Labels.to(known), ", or a CSV file"])
            }
            _ => error,
        })?;
        Self::of(vec![table], file, columns, data)
    }

    /// Reads the tables that the corpus in the folder `data` keeps in `format`.
    ///
    /// # Errors
    /// When the corpus is not in that format, and those of [`LabelTable::read`].
    pub fn read_format(format: &dyn TableFormat, columns: &ColumnNames, data: &Path) -> Result<Self> {
        let tables = format.read(data, columns)?;
        let file = format.main_file(data).unwrap_or_else(|| data.to_owned());
        // What a format has put together has columns of the usual names.
        let header: Vec<String> = tables.iter().flat_map(|table| table.header.clone()).collect();
        let lacked =
            columns.missing_in(tables.iter().flat_map(|table| [&table.header[..], &table.renamed[..]]));
        Ok(Self { lacked, ..Self::of(tables, &file, &columns.among(&header), data)? })
    }

    /// What several tables say together; `file` is what they are called.
    fn of(tables: Vec<RawTable>, file: &Path, columns: &ColumnNames, data: &Path) -> Result<Self> {
        let mut all = Vec::new();
        let mut unused: Vec<String> = Vec::new();
        let mut notes = Vec::new();
        for table in tables {
            let of_table = rows::annotations(&table, columns, data)?;
            all.extend(of_table.annotations);
            unused.extend(of_table.unused.into_iter().chain(table.passed_over));
            notes.extend(table.notes);
        }
        unused.sort_unstable();
        unused.dedup();
        let damaged = |what| Error::new(ErrorKind::Damaged, what).at(file);
        rows::check_folds(&all).map_err(|what| damaged(what).help("write the names of folds in one way"))?;
        let rows = rows::by_recording(all).map_err(damaged)?;
        Ok(Self { file: file.to_owned(), rows, unused, lacked: ColumnNames::default(), notes })
    }

    /// The file it was read from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The columns that say nothing that is used.
    pub fn unused_columns(&self) -> &[String] {
        &self.unused
    }

    /// Those of the columns that were named which it lacks.
    pub fn lacked_columns(&self) -> &ColumnNames {
        &self.lacked
    }

    /// What else it says that is not used.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How many recordings it names.
    pub fn recordings(&self) -> usize {
        self.rows.len()
    }

    /// The paths of the rows that name none of `recordings`, sorted.
    ///
    /// # Errors
    /// When there is no row for any of them: then its paths are meant in another way.
    pub fn rows_without<'a>(
        &self,
        recordings: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Result<Vec<&str>> {
        let there: HashSet<String> =
            recordings.clone().into_iter().map(|path| composed(path.to_owned())).collect();
        let mut rows: Vec<&str> = self.rows.keys().map(String::as_str).collect();
        rows.retain(|path| !there.contains(*path));
        rows.sort_unstable();
        match rows.first() {
            Some(first) if rows.len() == self.rows.len() => {
                let recordings: Vec<&str> = recordings.into_iter().collect();
                Err(self.without_any_match(first, &recordings))
            }
            _ => Ok(rows),
        }
    }

    /// Says how the paths of the table differ from those of the corpus, as far as that can be seen.
    fn without_any_match(&self, first: &str, recordings: &[&str]) -> Error {
        let what = format!(
            "0 of {} rows match a recording: paths are relative to the folder of the corpus, and here they are such as \
             {first:?}, there {:?}",
            self.rows.len(),
            recordings.iter().min().copied().unwrap_or("(nothing)"),
        );
        let last = |path: &str| path.rsplit_once('/').map_or(path, |(_, name)| name).to_owned();
        let names: HashSet<String> =
            recordings.iter().map(|path| last(&composed((*path).to_owned()))).collect();
        let by_name = self.rows.keys().filter(|path| names.contains(&last(path))).count();
        let common = first.split_once('/').map(|(folder, _)| folder).filter(|folder| {
            self.rows.keys().all(|path| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
        });
        let help: Remedy = match (common, by_name) {
            (Some(folder), _) if self.rows.keys().any(|path| has_without(path, folder, recordings)) => {
                remedy![
                    format!("all begin with {folder}/: give the folder that holds {folder}/ with "),
                    Setting::Data
                ]
            }
            (_, 0) => remedy![
                "correct the column of paths, or choose another with ",
                Setting::Columns.to("path=NAME")
            ],
            (_, count) => remedy![
                format!("{count} have the file name of a recording: give its folders as well, as seen from "),
                Piece::from(Setting::Data)
            ],
        };
        Error::new(ErrorKind::Mismatch, what).at(&self.file).help(help)
    }

    /// What the table says of the recording at `path`, relative to the corpus: of all of it, or of each segment.
    ///
    /// # Errors
    /// When it does not name that path.
    pub fn annotations(&self, path: &str) -> Result<Vec<Annotation>> {
        self.rows.get(&composed(path.to_owned())).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Missing, format!("is not in the table {}", self.file.display()))
                .at(path)
                .help("add a row for it, or move it out of the corpus")
        })
    }
}

fn has_without(path: &str, folder: &str, recordings: &[&str]) -> bool {
    let rest = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    rest.is_some_and(|rest| recordings.iter().any(|recording| composed((*recording).to_owned()) == rest))
}
