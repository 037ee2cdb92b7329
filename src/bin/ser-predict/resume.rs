//! Goes on with the CSV file of a run that was stopped.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;

use ser_core::{Error, ErrorKind, Result};
use ser_predict::Inputs;

/// Whether the file at `path` has any line.
pub(crate) fn has_head(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
}

/// Opens the CSV file at `path`, whose rows are the answers for the first of `inputs`, behind as many of them as a run that was
/// not stopped would have written with the same digits: recordings are answered `at_once` so many together, and those of the
/// last, unfinished lot are answered again. Cuts off what comes after. Returns how many rows stay.
///
/// # Errors
/// When it is none of this program's, is of other labels (`head`) or another model (`digest`), or its rows are not the first
/// recordings of `inputs`.
pub(crate) fn open(
    path: &Path,
    head: &[String],
    digest: &str,
    mut inputs: Inputs,
    at_once: u64,
) -> Result<(File, u64)> {
    let cannot = |error: std::io::Error| Error::io("cannot be continued", path, error);
    let mismatch = |what: String| {
        Error::new(ErrorKind::Mismatch, what).at(path).help("name another file, or remove this one")
    };
    let file = File::options().read(true).write(true).open(path).map_err(cannot)?;
    let whole = whole_rows(&file).map_err(cannot)?;
    file.set_len(whole).map_err(cannot)?;
    let mut rows = csv::ReaderBuilder::new().has_headers(false).from_reader(BufReader::new(&file));
    let (mut n, mut row) = (0, csv::StringRecord::new());
    let unreadable = |error: csv::Error| mismatch(format!("is not a CSV file of this program's: {error}"));
    if rows.read_record(&mut row).map_err(unreadable)? && row.iter().ne(head.iter().map(String::as_str)) {
        return Err(mismatch("has other columns: it was written for a model with other labels".to_owned()));
    }
    let mut kept = (0, rows.position().byte());
    while rows.read_record(&mut row).map_err(unreadable)? {
        if n % at_once == 0 {
            kept = (n, row.position().map_or(whole, csv::Position::byte));
        }
        let model = row.get(head.len().saturating_sub(2)).unwrap_or_default();
        if model != digest {
            return Err(mismatch(format!("holds answers of another model, {model}")));
        }
        let name = row.get(0).unwrap_or_default();
        let expected = match inputs.next() {
            Some(Ok(input)) => input.to_string(),
            Some(Err(error)) => error.path().map(|path| path.display().to_string()).unwrap_or_default(),
            None => return Err(mismatch(format!("has an answer for {name}, which is not asked for now"))),
        };
        if expected != name {
            let what = format!("has an answer for {name} where {expected} is asked for now");
            return Err(mismatch(format!("{what}: the recordings have changed since")));
        }
        n += 1;
    }
    drop(rows);
    if n % at_once == 0 || inputs.next().is_none() {
        kept = (n, whole);
    }
    let (n, end) = kept;
    let mut file = file;
    file.set_len(end).map_err(cannot)?;
    file.seek(SeekFrom::End(0)).map_err(cannot)?;
    Ok((file, n))
}

/// Bytes of `file` up to the end of its last whole row: a line end outside of quotes.
fn whole_rows(file: &File) -> std::io::Result<u64> {
    let mut bytes = BufReader::new(file);
    bytes.seek(SeekFrom::Start(0))?;
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
    bytes.seek(SeekFrom::Start(0))?;
    Ok(whole)
}
