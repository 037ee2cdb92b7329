//! Continues the CSV file of a run that was stopped.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use ser_audio::Limits;
use ser_core::{Error, ErrorKind, Result};
use ser_predict::{Input, Inputs, name_of};

use crate::csv_lock::lock;

/// What the rows of this run look like.
pub(crate) struct Expected<'a> {
    /// The names of the columns.
    pub(crate) head: &'a [String],
    /// SHA-256 of the checkpoint, as in the column `model`.
    pub(crate) model: &'a str,
    /// The coverage asked for, as in the column `coverage`; that column is empty in rows without an answer.
    pub(crate) coverage: &'a str,
    /// Limits of recordings.
    pub(crate) limits: Limits,
    /// Number of recordings answered in one batch.
    pub(crate) at_once: u64,
}

/// A CSV file ready for its next rows.
pub(crate) struct Resumed {
    /// Positioned at its end.
    pub(crate) file: File,
    /// Number of rows kept.
    pub(crate) rows: u64,
    /// Number of kept rows whose recording could not be used.
    pub(crate) unusable: u64,
    /// Whether the header row has yet to be written.
    pub(crate) is_empty: bool,
}

/// Opens the CSV file at `path`, whose rows are the answers for the first of `inputs`, to append to it. Keeps the rows of whole
/// batches only: the last, unfinished batch is answered again, so that the digits are those of a run that was not stopped. Cuts
/// off the rest once all of it is known to be what this program wrote.
///
/// # Errors
/// When another run is writing the file, this program did not write it, it has other labels, another model or another
/// coverage, a row of it shows that it had other limits, or its rows are not the first recordings of `inputs`; the file is then
/// left as it is.
pub(crate) fn open(path: &Path, expected: &Expected<'_>, inputs: Inputs) -> Result<Resumed> {
    let cannot = |error: std::io::Error| Error::io("cannot be continued", path, error);
    let refused = |error: Error| error.at(path).help("name another file, or remove this one");
    let mut file = File::options().read(true).write(true).open(path).map_err(cannot)?;
    lock(&file, path)?;
    let whole = whole_rows(&file).map_err(cannot)?;
    if whole == 0 && !is_beginning_of(&file, expected.head).map_err(cannot)? {
        return Err(refused(not_ours("it has no line")));
    }
    let KeptRows { rows, unusable, end } = kept(&file, whole, expected, inputs).map_err(refused)?;
    file.set_len(end).map_err(cannot)?;
    file.seek(SeekFrom::End(0)).map_err(cannot)?;
    Ok(Resumed { file, rows, unusable, is_empty: end == 0 })
}

fn mismatch(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Mismatch, what)
}

fn not_ours(why: impl std::fmt::Display) -> Error {
    mismatch(format!("is not a CSV file of this program's: {why}"))
}

/// The rows of a file that are kept.
#[derive(Clone, Copy)]
struct KeptRows {
    rows: u64,
    /// How many of them are of recordings that could not be used.
    unusable: u64,
    /// Where they end, in bytes.
    end: u64,
}

/// What is kept of the `whole` first bytes of `file`, once all of its rows are checked.
fn kept(file: &File, whole: u64, expected: &Expected<'_>, mut inputs: Inputs) -> Result<KeptRows> {
    let mut rows = csv::ReaderBuilder::new().has_headers(false).from_reader(BufReader::new(file.take(whole)));
    let mut row = csv::StringRecord::new();
    if rows.read_record(&mut row).map_err(not_ours)?
        && row.iter().ne(expected.head.iter().map(String::as_str))
    {
        return Err(mismatch("has other columns: it was written for a model with other labels"));
    }
    let mut read = KeptRows { rows: 0, unusable: 0, end: rows.position().byte() };
    let mut kept = read;
    while rows.read_record(&mut row).map_err(not_ours)? {
        if read.rows.is_multiple_of(expected.at_once) {
            kept = KeptRows { end: row.position().map_or(whole, csv::Position::byte), ..read };
        }
        check(&row, expected, inputs.next())?;
        read.rows += 1;
        read.unusable += u64::from(!cell(&row, expected, "error").is_empty());
    }
    if read.rows.is_multiple_of(expected.at_once) || inputs.next().is_none() {
        kept = KeptRows { end: whole, ..read };
    }
    Ok(kept)
}

/// What `row` says in the column of that name.
fn cell<'a>(row: &'a csv::StringRecord, expected: &Expected<'_>, column: &str) -> &'a str {
    let position = expected.head.iter().position(|name| name == column);
    position.and_then(|position| row.get(position)).unwrap_or_default()
}

/// Refuses a row that this run would not have written for `input`.
fn check(row: &csv::StringRecord, expected: &Expected<'_>, input: Option<Result<Input>>) -> Result<()> {
    let cell = |column| cell(row, expected, column);
    let [name, model, coverage] = ["path", "model", "coverage"].map(cell);
    if model != expected.model {
        return Err(mismatch(format!("holds answers of another model, {model}")));
    }
    if !coverage.is_empty() && coverage != expected.coverage {
        let what = format!("holds prediction sets for a coverage of {coverage}");
        return Err(mismatch(format!("{what}, where {} is asked for now", expected.coverage)));
    }
    let wanted = match input {
        Some(Ok(input)) => input.to_string(),
        Some(Err(error)) => error.path().map(name_of).unwrap_or_default(),
        None => return Err(mismatch(format!("has an answer for {name}, which is not asked for now"))),
    };
    if wanted != name {
        let what = format!("has an answer for {name} where {wanted} is asked for now");
        return Err(mismatch(format!("{what}: the recordings have changed since")));
    }
    if !could_be_of(&expected.limits, cell("seconds"), cell("error")) {
        let what =
            format!("has a row for {name} that other limits on the length or size of recordings led to");
        return Err(mismatch(what).help("give the same limits as before, or name another file"));
    }
    Ok(())
}

/// Whether a recording of so many `seconds`, or with this `error`, can come of `limits`. Limits are not kept themselves: only what
/// they have led to can tell that they were others.
fn could_be_of(limits: &Limits, seconds: &str, error: &str) -> bool {
    let lengths = limits.min_duration_s..=limits.max_duration_s;
    if let Ok(seconds) = seconds.parse::<f64>() {
        return lengths.contains(&seconds);
    }
    let stated = |words: &str| error.split_once(words).map(|(_, after)| number_in_front(after));
    match (stated("more than the limit of "), stated("less than the minimum of ")) {
        (Some(most), _) if error.contains(" bytes, more than the limit of ") => {
            most == Some(limits.max_bytes as f64)
        }
        (Some(most), _) => most == Some(limits.max_duration_s),
        (_, Some(least)) => least == Some(limits.min_duration_s),
        (None, None) => true,
    }
}

/// The number that `text` begins with.
fn number_in_front(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text[..end].trim_end_matches('.').parse().ok()
}

/// Bytes of `file` up to the end of its last whole row: a line end outside of quotes.
fn whole_rows(mut file: &File) -> std::io::Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = BufReader::new(file);
    let (mut at, mut whole, mut quoted) = (0_u64, 0_u64, false);
    loop {
        let portion = bytes.fill_buf()?;
        if portion.is_empty() {
            break;
        }
        for byte in portion {
            at += 1;
            match byte {
                b'"' => quoted = !quoted,
                b'\n' if !quoted => whole = at,
                _ => {}
            }
        }
        let n = portion.len();
        bytes.consume(n);
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(whole)
}

/// Whether all that is in `file` is how a file of this program's begins, which was stopped while it wrote that.
fn is_beginning_of(mut file: &File, head: &[String]) -> std::io::Result<bool> {
    let mut line = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    line.write_record(head)?;
    let line = line.into_inner().map_err(|error| std::io::Error::other(error.to_string()))?;
    let mut found = Vec::new();
    file.take(line.len() as u64 + 1).read_to_end(&mut found)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(line.starts_with(&found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_that_limits_were_others_where_it_came_of_them() {
        let limits =
            Limits { max_duration_s: 20.0, min_duration_s: 0.5, max_bytes: 1_000, ..Limits::default() };
        for (seconds, error) in [
            ("19.9", ""),
            ("0.5", ""),
            ("", "lasts 25.000 s, more than the limit of 20 s; cut it into utterances"),
            ("", "lasts more than the limit of 20 s"),
            ("", "lasts only 0.1000 s (1600 samples), less than the minimum of 0.5 s; leave it out"),
            ("", "has 2000 bytes, more than the limit of 1000; cut it into utterances"),
            ("", "is empty (0 bytes)"),
        ] {
            assert!(could_be_of(&limits, seconds, error), "{seconds} {error}");
        }
        for (seconds, error) in [
            ("20.1", ""),
            ("0.49", ""),
            ("", "lasts 400.000 s, more than the limit of 300 s; cut it into utterances"),
            ("", "lasts only 0.0100 s (160 samples), less than the minimum of 0.05 s; leave it out"),
            ("", "has 2000 bytes, more than the limit of 1500; cut it into utterances"),
        ] {
            assert!(!could_be_of(&limits, seconds, error), "{seconds} {error}");
        }
    }
}
