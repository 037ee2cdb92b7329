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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::data_type::ByteArrayType;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    /// A file with this schema, of bytes in every column, and so many rows of nothing.
    fn nothing(schema: &str, rows: usize) -> tempfile::TempPath {
        let file = tempfile::Builder::new().suffix(".parquet").tempfile().unwrap();
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer = SerializedFileWriter::new(file.reopen().unwrap(), schema, properties).unwrap();
        let mut group = writer.next_row_group().unwrap();
        while let Some(mut column) = group.next_column().unwrap() {
            column.typed::<ByteArrayType>().write_batch(&[], Some(&vec![0; rows]), None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
        file.into_temp_path()
    }

    #[test]
    fn rows_of_nothing_take_no_memory() {
        let file = nothing("message m { optional binary file; optional binary emotion; }", 9_000_000);
        assert!(std::fs::metadata(&file).unwrap().len() < 1 << 20);
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains("it has 9000000 rows of 2 columns, more than"), "{error}");
        let file = nothing("message m { optional group audio { optional binary bytes; } }", 2_000_000);
        let error = crate::archive::open(&file).unwrap_err().to_string();
        assert!(error.contains("it has 2000000 rows in"), "{error}");
        let file = nothing("message m { optional binary file; }", 3);
        assert_eq!(read(&file).unwrap().rows.len(), 3);
    }
}
