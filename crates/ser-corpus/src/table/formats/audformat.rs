//! audformat databases: a header `db.yaml`, and tables in CSV or Parquet files beside it.
//!
//! A database may have several tables with labels (one for each split, say) and others with speakers. What they say of
//! one file, or of one segment of it, is put together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use serde::Deserialize;

use crate::remote::is_file;
use crate::table::column::Places;
use crate::table::formats::{TableFormat, parquet};
use crate::table::{Column, ColumnNames, RawTable, read_text, time};

/// The format of audEERING's databases.
#[derive(Debug, Clone, Copy)]
pub(super) struct Audformat;

/// What is used of `db.yaml`.
#[derive(Debug, Deserialize)]
struct Header {
    #[serde(default)]
    tables: BTreeMap<String, TableHeader>,
    #[serde(default)]
    splits: BTreeMap<String, SplitHeader>,
}

#[derive(Debug, Deserialize)]
struct TableHeader {
    #[serde(default)]
    split_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct SplitHeader {
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

impl TableFormat for Audformat {
    fn name(&self) -> &str {
        "audformat"
    }

    fn main_file(&self, data: &Path) -> Option<PathBuf> {
        Some(data.join("db.yaml")).filter(|file| is_file(file))
    }

    fn read(&self, data: &Path, columns: &ColumnNames) -> Result<Vec<RawTable>> {
        let file = data.join("db.yaml");
        let text = read_text(&file)?;
        let header: Header = serde_saphyr::from_str(&text).map_err(|error| {
            let what = format!("is not the header of an audformat database: {error}");
            Error::new(ErrorKind::Damaged, what).at(&file)
        })?;
        let mut database = Database::default();
        for (name, table) in &header.tables {
            let split = table.split_id.as_ref();
            let side = split
                .map(|id| header.splits.get(id).and_then(|split| split.kind.clone()).unwrap_or(id.clone()));
            database.add(name, &read_table(data, name)?, side.as_deref(), columns)?;
        }
        if database.labelled.is_empty() {
            return Err(Error::new(ErrorKind::Damaged, "has no table with a column of emotions")
                .at(&file)
                .help(remedy!["say which column it is with ", Setting::Columns.to("label=NAME")]));
        }
        Ok(vec![database.into_table(file)])
    }
}

/// The table of this name, in whichever file it is kept.
fn read_table(data: &Path, name: &str) -> Result<RawTable> {
    let file = |extension: &str| data.join(format!("db.{name}.{extension}"));
    match (is_file(&file("parquet")), is_file(&file("csv"))) {
        (true, _) => parquet::read(&file("parquet")),
        (false, true) => RawTable::read_delimited(&file("csv")),
        (false, false) if is_file(&file("pkl")) => {
            let what = "is a table kept as a pickle alone, which is not read: a pickle can run code";
            Err(Error::new(ErrorKind::Unsupported, what)
                .at(file("pkl"))
                .help("save the database with audformat as storage_format=\"csv\" or \"parquet\""))
        }
        (false, false) => {
            Err(Error::new(ErrorKind::Missing, "is not there, though db.yaml lists it").at(file("csv")))
        }
    }
}

/// A file, with start and end of its segment or without both.
type Place = (String, String, String);

/// The place of the part of `path` from `start` to `end`; one that is the whole file has neither. A time is the same however it
/// is written.
fn place(path: String, start: &str, end: &str) -> Place {
    let plain = |text: &str| match time::parse(text) {
        Some(time) => format!("{}.{:09}", time.as_secs(), time.subsec_nanos()),
        None if time::is_open(text) => String::new(),
        None => text.to_owned(),
    };
    let (start, end) = (plain(start), plain(end));
    match time::parse(&start).is_none_or(|start| start.is_zero()) && end.is_empty() && !is_wrong(&start) {
        true => (path, String::new(), String::new()),
        false => (path, start, end),
    }
}

/// Whether it is meant as a time, and is none.
fn is_wrong(text: &str) -> bool {
    !text.is_empty() && time::parse(text).is_none()
}

/// What the tables say together.
#[derive(Default)]
struct Database {
    /// The label of each utterance, and the table that gives it.
    labelled: BTreeMap<Place, (String, String)>,
    /// What else is known, and by which table: of an utterance, or where start and end are open of a whole file.
    known: BTreeMap<(Place, Column), (String, String)>,
    passed_over: BTreeSet<String>,
    /// The columns of all tables.
    columns: BTreeSet<String>,
}

/// What other tables than that of the labels may say.
const ATTRIBUTES: [Column; 6] =
    [Column::Speaker, Column::Word, Column::Session, Column::Split, Column::Fold, Column::ValFold];

impl Database {
    fn add(&mut self, name: &str, table: &RawTable, side: Option<&str>, columns: &ColumnNames) -> Result<()> {
        let damaged = |what: String| Error::new(ErrorKind::Damaged, what).at(&table.file);
        let places = Places::of(&table.header, &columns.among(&table.header)).map_err(damaged)?;
        if !places.has(Column::Path) {
            return Ok(());
        }
        self.passed_over.extend(places.unused.iter().cloned());
        self.columns.extend(table.header.iter().cloned());
        for (line, row) in &table.rows {
            let cell = |column| places.cell(row, column).unwrap_or_default().to_owned();
            let place = place(cell(Column::Path), &cell(Column::Start), &cell(Column::End));
            let said = ATTRIBUTES.into_iter().filter_map(|column| Some((column, places.cell(row, column)?)));
            for (column, text) in said {
                self.learn(&place, column, text, name)
                    .map_err(|what| damaged(format!("line {line}: {what}")))?;
            }
            // An utterance that nobody labelled is in the database, but not in the corpus.
            let Some(label) = places.cell(row, Column::Label) else { continue };
            if let Some(side) = side {
                let learnt = self.learn(&place, Column::Split, side, name);
                learnt.map_err(|what| damaged(format!("line {line}: {what}")))?;
            }
            let (first, of) =
                self.labelled.entry(place).or_insert_with(|| (label.to_owned(), name.to_owned()));
            if first != label {
                return Err(damaged(format!(
                    "line {line}: {} is labelled {label:?} here, but {first:?} in the table {of}",
                    cell(Column::Path)
                ))
                .help(remedy!["give the one that is meant with ", Setting::Labels.to("<its file>")]));
            }
        }
        Ok(())
    }

    /// Takes what the table called `name` says of an utterance.
    ///
    /// # Errors
    /// In words, where another table says something else.
    fn learn(&mut self, place: &Place, column: Column, text: &str, name: &str) -> Result<(), String> {
        let known = self.known.entry((place.clone(), column));
        let (first, of) = known.or_insert_with(|| (text.to_owned(), name.to_owned()));
        match first == text {
            true => Ok(()),
            false => {
                Err(format!("the {column} of {} is {text:?} here, but {first:?} in the table {of}", place.0))
            }
        }
    }

    fn into_table(self, file: PathBuf) -> RawTable {
        let columns = [Column::Path, Column::Start, Column::End, Column::Label];
        let header = columns.iter().chain(&ATTRIBUTES).map(ToString::to_string).collect();
        let rows = self.labelled.iter().map(|(place, (label, _))| {
            let whole: Place = (place.0.clone(), String::new(), String::new());
            let known = |column: Column| {
                let of = |place: &Place| Some(self.known.get(&(place.clone(), column))?.0.clone());
                of(place).or_else(|| of(&whole)).unwrap_or_default()
            };
            let (path, start, end) = place.clone();
            let row = [path, start, end, label.clone()].into_iter().chain(ATTRIBUTES.map(known));
            (0, row.collect())
        });
        let rows = rows.collect();
        let (passed_over, renamed) =
            (self.passed_over.into_iter().collect(), self.columns.into_iter().collect());
        RawTable { passed_over, renamed, ..RawTable::new(file, header, rows) }
    }
}
