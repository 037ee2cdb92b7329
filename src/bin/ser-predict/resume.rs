//! Continues the CSV file of a run that was stopped.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use ser_audio::Limits;
use ser_core::{Error, ErrorKind, Result};
use ser_predict::{Inputs, name_of};

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
/// When another run is writing the file, this program did not write it, it has other labels, another model or another coverage, a row of it shows that it had
/// other limits, or its rows are not the first recordings of `inputs`; the file is then left as it is.
pub(crate) fn open(path: &Path, expected: &Expected<'_>, mut inputs: Inputs) -> Result<Resumed> {
    let cannot = |error: std::io::Error| Error::io("cannot be continued", path, error);
    let mismatch = |what: String| {
        Error::new(ErrorKind::Mismatch, what).at(path).help("name another file, or remove this one")
    };
    let not_ours = |why: &str| mismatch(format!("is not a CSV file of this program's: {why}"));
    let file = File::options().read(true).write(true).open(path).map_err(cannot)?;
    lock(&file, path)?;
    let whole = whole_rows(&file).map_err(cannot)?;
    if whole == 0 && !is_beginning_of(&file, expected.head).map_err(cannot)? {
        return Err(not_ours("it has no line"));
    }
    let mut rows =
        csv::ReaderBuilder::new().has_headers(false).from_reader(BufReader::new((&file).take(whole)));
    let unreadable = |error: csv::Error| not_ours(&error.to_string());
    let mut row = csv::StringRecord::new();
    if rows.read_record(&mut row).map_err(unreadable)?
        && row.iter().ne(expected.head.iter().map(String::as_str))
    {
        return Err(mismatch("has other columns: it was written for a model with other labels".to_owned()));
    }
    let column = |name: &str| expected.head.iter().position(|column| column == name).unwrap_or_default();
    let [coverage, model, seconds, error] = ["coverage", "model", "seconds", "error"].map(column);
    let (mut n, mut unusable) = (0, 0);
    let mut kept = (0, 0, rows.position().byte());
    while rows.read_record(&mut row).map_err(unreadable)? {
        if n % expected.at_once == 0 {
            kept = (n, unusable, row.position().map_or(whole, csv::Position::byte));
        }
        let cell = |column: usize| row.get(column).unwrap_or_default();
        if cell(model) != expected.model {
            return Err(mismatch(format!("holds answers of another model, {}", cell(model))));
        }
        if !cell(coverage).is_empty() && cell(coverage) != expected.coverage {
            let what = format!("holds prediction sets for a coverage of {}", cell(coverage));
            return Err(mismatch(format!("{what}, where {} is asked for now", expected.coverage)));
        }
        let name = cell(0);
        let wanted = match inputs.next() {
            Some(Ok(input)) => input.to_string(),
            Some(Err(error)) => error.path().map(name_of).unwrap_or_default(),
            None => return Err(mismatch(format!("has an answer for {name}, which is not asked for now"))),
        };
        if wanted != name {
            let what = format!("has an answer for {name} where {wanted} is asked for now");
            return Err(mismatch(format!("{what}: the recordings have changed since")));
        }
        if !could_be_of(&expected.limits, cell(seconds), cell(error)) {
            let what =
                format!("has a row for {name} that other limits on the length or size of recordings led to");
            return Err(mismatch(what).help("give the same limits as before, or name another file"));
        }
        n += 1;
        unusable += u64::from(!cell(error).is_empty());
    }
    drop(rows);
    if n % expected.at_once == 0 || inputs.next().is_none() {
        kept = (n, unusable, whole);
    }
    let (rows, unusable, end) = kept;
    let mut file = file;
    file.set_len(end).map_err(cannot)?;
    file.seek(SeekFrom::End(0)).map_err(cannot)?;
    Ok(Resumed { file, rows, unusable, is_empty: end == 0 })
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
