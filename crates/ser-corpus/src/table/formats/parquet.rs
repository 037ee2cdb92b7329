//! A Parquet table to text.

use std::path::Path;

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use ser_core::{Error, ErrorKind, Result, caught};

use crate::parquet_cell::{TextBudget, cell, check_size};
use crate::table::{RawTable, read_table_bytes};

/// Reads a Parquet file. Columns of times in nanoseconds, as audformat writes `start` and `end`, become seconds.
///
/// # Errors
/// When the file cannot be read, or is damaged; also where its reader panics, which it may on hostile bytes.
pub(super) fn read(file: &Path) -> Result<RawTable> {
    let bytes = Bytes::from(read_table_bytes(file)?);
    let damaged = |what: String| {
        Error::new(ErrorKind::Damaged, format!("cannot be read as a Parquet table: {what}"))
            .at(file)
            .help("write it again, or save it as CSV")
    };
    caught(|| parse(bytes, file)).unwrap_or_else(Err).map_err(damaged)
}

fn parse(bytes: Bytes, file: &Path) -> std::result::Result<RawTable, String> {
    let text = |error: parquet::errors::ParquetError| error.to_string();
    let reader = SerializedFileReader::new(bytes).map_err(text)?;
    let schema = reader.metadata().file_metadata().schema().clone();
    let header: Vec<String> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
    check_size(reader.metadata(), header.len())?;
    let mut budget = TextBudget::default();
    let mut rows = Vec::new();
    for (number, row) in (1..).zip(reader.get_row_iter(None).map_err(text)?) {
        let row = row.map_err(text)?;
        let cells: Vec<String> = row.get_column_iter().map(|(name, field)| cell(name, field)).collect();
        budget.spend(cells.iter().map(String::len).sum())?;
        rows.push((number, cells));
    }
    Ok(RawTable::new(file, header, rows))
}
