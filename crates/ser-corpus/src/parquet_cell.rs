//! A value in a Parquet file as text.

use parquet::record::Field;

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
