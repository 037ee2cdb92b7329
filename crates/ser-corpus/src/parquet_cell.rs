//! A value in a Parquet file as text, and how much of it is read: a small file can stand for very much, since equal values and
//! none take hardly any room in it.

use parquet::file::metadata::ParquetMetaData;
use parquet::record::Field;

/// No more cells are read of a file: as many as a table of text of the largest size has.
const MOST_CELLS: usize = 1 << 24;

/// Nor more bytes of text.
const MOST_TEXT: usize = 1 << 28;

/// How many rows a file says it has, where with so many `columns` they are few enough to be read.
///
/// # Errors
/// In words, without the name of the file.
pub(crate) fn check_size(metadata: &ParquetMetaData, columns: usize) -> Result<usize, String> {
    let mut all: usize = 0;
    for group in metadata.row_groups() {
        let rows = usize::try_from(group.num_rows()).map_err(|_| "a group of rows has less than none")?;
        all = all.saturating_add(rows);
    }
    match all.saturating_mul(columns) <= MOST_CELLS {
        true => Ok(all),
        false => Err(format!("it has {all} rows of {columns} columns, more than {MOST_CELLS} cells")),
    }
}

/// How much text of a file may still be read, bytes.
pub(crate) struct TextBudget(usize);

impl Default for TextBudget {
    fn default() -> Self {
        Self(MOST_TEXT)
    }
}

impl TextBudget {
    /// Takes `bytes` of it.
    ///
    /// # Errors
    /// Where there is no more, in words, without the name of the file.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), String> {
        let left = self.0.checked_sub(bytes);
        self.0 = left.ok_or_else(|| format!("it holds more than {} MiB of text", MOST_TEXT >> 20))?;
        Ok(())
    }
}

/// The value of the column `name` as a cell of a table. Times in nanoseconds, as audformat writes `start` and `end`, become
/// seconds.
pub(crate) fn cell(name: &str, field: &Field) -> String {
    match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        // NaT is the smallest number.
        Field::Long(i64::MIN) => String::new(),
        Field::Long(nanoseconds) if matches!(name, "start" | "end") => seconds(*nanoseconds),
        Field::Double(value) => value.to_string(),
        Field::Float(value) => value.to_string(),
        other => other.to_string(),
    }
}

fn seconds(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let nanoseconds = nanoseconds.unsigned_abs();
    format!("{sign}{}.{:09}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000)
}
