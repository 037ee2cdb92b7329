//! Hugging Face's `audiofolder`: a `metadata.csv` or `metadata.jsonl` beside the recordings, or one in the folder of
//! each split, whose column `file_name` is relative to it. And datasets as Parquet files, which hold the recordings.

use std::path::{Path, PathBuf};

use ser_core::{Error, ErrorKind, Result};

use crate::PublishedSide;
use crate::remote::is_file;
use crate::table::formats::{TableFormat, archive_table, archives, folder_name, prefix, table_folders};
use crate::table::{Column, ColumnNames, RawTable, read_table_bytes};

/// What the library `datasets` reads and writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct HuggingFace;

/// The column that the format asks for.
const FILE_NAME: &str = "file_name";

impl TableFormat for HuggingFace {
    fn name(&self) -> &str {
        "huggingface"
    }

    fn main_file(&self, data: &Path) -> Option<PathBuf> {
        // A table of that name with other columns is somebody's own. One that is meant is recognised whether it can be read or
        // not: labels are not guessed where a table has them.
        let beside = metadata(data).into_iter().find(|file| names_recordings(file));
        beside.or_else(|| archives(data, "parquet").into_iter().next())
    }

    fn read(&self, data: &Path, _: &ColumnNames) -> Result<Vec<RawTable>> {
        let files = metadata(data);
        let mut tables: Vec<RawTable> = files.iter().map(|file| table(file, data)).collect::<Result<_>>()?;
        for file in archives(data, "parquet") {
            tables.extend(archive_table(&file, data)?);
        }
        if tables.is_empty() {
            let what = "holds no metadata.csv, no metadata.jsonl and no Parquet file with recordings";
            return Err(Error::new(ErrorKind::Missing, what).at(data));
        }
        Ok(tables)
    }
}

/// The metadata of the corpus in `data`: a file, or one for each split.
fn metadata(data: &Path) -> Vec<PathBuf> {
    let of_folder = |folder: PathBuf| {
        ["metadata.csv", "metadata.jsonl"]
            .map(|name| folder.join(name))
            .into_iter()
            .find(|file| is_file(file))
    };
    table_folders(data).into_iter().filter_map(of_folder).collect()
}

/// Whether a file of metadata has the column that the format asks for, or cannot be read at all.
fn names_recordings(file: &Path) -> bool {
    let Ok(bytes) = read_table_bytes(file) else { return true };
    // Of a text in another encoding as well: these letters are the same in all.
    let text = String::from_utf8_lossy(&bytes).replace('\0', "");
    match is_json_lines(file) {
        true => text.contains(&format!("\"{FILE_NAME}\"")),
        false => {
            let header = text.trim_start_matches(['\u{feff}', '\u{fffd}']).lines().next().unwrap_or_default();
            header.split([',', ';', '\t']).any(|name| name.trim().trim_matches('"') == FILE_NAME)
        }
    }
}

fn is_json_lines(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "jsonl")
}

fn read(file: &Path) -> Result<RawTable> {
    match is_json_lines(file) {
        true => RawTable::read_json_lines(file),
        false => RawTable::read_delimited(file),
    }
}

/// One of the tables, with paths as seen from `data`, and its side where its folder or the path's first names one.
fn table(file: &Path, data: &Path) -> Result<RawTable> {
    let mut table = read(file)?;
    let Some(place) = table.header.iter().position(|name| name == FILE_NAME) else {
        let what = format!("has no column {FILE_NAME:?}, by which an audiofolder names its recordings");
        return Err(Error::new(ErrorKind::Damaged, what).at(file));
    };
    let folder = file.parent().unwrap_or(data);
    let before = prefix(folder, data);
    let sides: Vec<String> = (table.rows.iter_mut())
        .map(|(_, row)| {
            let path = format!("{before}{}", row[place]);
            let of_path = path.split('/').rev().skip(1).find(|name| PublishedSide::named(name).is_some());
            let side = of_path.unwrap_or_default().to_owned();
            row[place] = path;
            side
        })
        .collect();
    let has_split = table.header.iter().any(|name| Column::named(name) == Some(Column::Split));
    if !has_split
        && (PublishedSide::named(&folder_name(folder)).is_some() || sides.iter().any(|side| !side.is_empty()))
    {
        table.header.push(Column::Split.to_string());
        table.rows.iter_mut().zip(sides).for_each(|((_, row), side)| row.push(side));
    }
    Ok(table)
}
