//! Continues the CSV file of a run that was stopped.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use ser_core::{Error, ErrorKind, Result};
use ser_predict::Inputs;

/// What the rows of this run look like.
pub(crate) struct Expected<'a> {
    /// The names of the columns.
    pub(crate) head: &'a [String],
    /// SHA-256 of the checkpoint, as in the column `model`.
    pub(crate) model: &'a str,
    /// The coverage asked for, as in the column `coverage`; that column is empty in rows without an answer.
    pub(crate) coverage: &'a str,
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
/// When this program did not write the file, it has other labels, another model or another coverage, or its rows are not the
/// first recordings of `inputs`; the file is then left as it is.
pub(crate) fn open(path: &Path, expected: &Expected<'_>, mut inputs: Inputs) -> Result<Resumed> {
    let cannot = |error: std::io::Error| Error::io("cannot be continued", path, error);
    let mismatch = |what: String| {
        Error::new(ErrorKind::Mismatch, what).at(path).help("name another file, or remove this one")
    };
    let not_ours = |why: &str| mismatch(format!("is not a CSV file of this program's: {why}"));
    let file = File::options().read(true).write(true).open(path).map_err(cannot)?;
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
    let [coverage, model, error] = ["coverage", "model", "error"].map(column);
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
            Some(Err(error)) => error.path().map(|path| path.display().to_string()).unwrap_or_default(),
            None => return Err(mismatch(format!("has an answer for {name}, which is not asked for now"))),
        };
        if wanted != name {
            let what = format!("has an answer for {name} where {wanted} is asked for now");
            return Err(mismatch(format!("{what}: the recordings have changed since")));
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
