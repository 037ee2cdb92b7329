//! A table as it is written: a header, and rows of text.

use std::path::{Path, PathBuf};

use ser_core::storage::objects::is_url;
use ser_core::storage::open_regular;
use ser_core::{Error, ErrorKind, Result};

use crate::remote;
use crate::table::text;

/// No table is read that is larger than this, bytes: some four million rows.
const LARGEST: u64 = 1 << 28;

/// A table of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawTable {
    /// The file it is from, for messages.
    pub file: PathBuf,
    /// The names of its columns.
    pub header: Vec<String>,
    /// Its rows, each with as many cells as there are columns, and the line it is on, for messages.
    pub rows: Vec<(usize, Vec<String>)>,
    /// Columns of the file that say nothing that is used, and are no longer among these.
    pub passed_over: Vec<String>,
    /// What else it says that is not used, for people.
    pub notes: Vec<String>,
    /// How columns are called in its files, where they have other names here.
    pub renamed: Vec<String>,
}

impl RawTable {
    /// A table with nothing to be said of it but what its rows say.
    pub fn new(file: impl Into<PathBuf>, header: Vec<String>, rows: Vec<(usize, Vec<String>)>) -> Self {
        let (passed_over, notes, renamed) = Default::default();
        Self { file: file.into(), header, rows, passed_over, notes, renamed }
    }

    /// Reads a table of text whose columns are separated by commas, semicolons or tabs.
    ///
    /// # Errors
    /// When the file cannot be read, or is not such a table.
    pub fn read_delimited(file: &Path) -> Result<Self> {
        Self::parse_delimited(&read(file)?, file)
    }

    /// Reads such a table from the bytes of `file`.
    ///
    /// # Errors
    /// When they are not such a table.
    pub fn parse_delimited(bytes: &[u8], file: &Path) -> Result<Self> {
        let damaged = |what: String| {
            Error::new(ErrorKind::Damaged, what)
                .at(file)
                .help("a table of labels is text with a header, its columns separated by , ; or a tab")
        };
        let text = text::decode(bytes).map_err(damaged)?;
        let separator = separator(text.lines().next().unwrap_or_default());
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let header = reader.headers().map_err(|error| damaged(format!("has no header: {error}")))?;
        let header: Vec<String> = header.iter().map(str::to_owned).collect();
        if header.iter().all(String::is_empty) {
            return Err(damaged("has no header".to_owned()));
        }
        let mut rows = Vec::new();
        let mut record = csv::StringRecord::new();
        let mut start = reader.position().byte();
        while reader
            .read_record(&mut record)
            .map_err(|error| damaged(format!("cannot be read as a table: {error}")))?
        {
            let line = record.position().map_or(0, |position| position.line() as usize);
            let end = reader.position().byte();
            // Quotation marks are plain text in many tables, and one in front would swallow the lines after it.
            if record.iter().any(|cell| cell.contains(['\n', '\r']))
                && (separator == b'\t' || swallows_rows(part(&text, start, end), separator, header.len()))
            {
                return Err(left_open(line, separator).at(file));
            }
            if record.len() != header.len() {
                let (cells, columns) = (record.len(), header.len());
                return Err(damaged(format!(
                    "has {cells} columns in line {line}, where its header has {columns}"
                )));
            }
            rows.push((line, record.iter().map(str::to_owned).collect()));
            start = end;
        }
        Ok(Self::new(file, header, rows))
    }

    /// Reads a table with a JSON object on each line.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is something else. Values that are lists or objects are no cells.
    pub fn read_json_lines(file: &Path) -> Result<Self> {
        let bytes = read(file)?;
        let damaged = |what: String| Error::new(ErrorKind::Damaged, what).at(file);
        let text = text::decode(&bytes).map_err(damaged)?;
        let objects = (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty());
        let objects = objects.map(|(line, text)| match serde_json::from_str(text) {
            Ok(object) => Ok((line, object)),
            Err(error) => Err(damaged(format!("line {line} is not a JSON object: {error}"))
                .help("write null where there is no number: NaN and Infinity are not JSON")),
        });
        Ok(Self::of_objects(file, objects.collect::<Result<Vec<_>>>()?))
    }

    /// The table of JSON objects, each with the line of `file` that it is on. Values that are lists or objects are no
    /// cells.
    pub(crate) fn of_objects(
        file: &Path,
        objects: impl IntoIterator<Item = (usize, serde_json::Map<String, serde_json::Value>)>,
    ) -> Self {
        let mut header: Vec<String> = Vec::new();
        let mut rows: Vec<(usize, Vec<String>)> = Vec::new();
        for (line, object) in objects {
            let mut row = vec![String::new(); header.len()];
            for (name, value) in object {
                let place = header.iter().position(|known| *known == name).unwrap_or_else(|| {
                    header.push(name);
                    row.push(String::new());
                    header.len() - 1
                });
                row[place] = match value {
                    serde_json::Value::String(text) => text,
                    serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                        continue;
                    }
                    plain => plain.to_string(),
                };
            }
            rows.push((line, row));
        }
        rows.iter_mut().for_each(|(_, row)| row.resize(header.len(), String::new()));
        Self::new(file, header, rows)
    }
}

/// Reads a file of text, whatever program saved it.
///
/// # Errors
/// When it cannot be read, or is in another encoding than UTF-8 or UTF-16.
pub(crate) fn read_text(file: &Path) -> Result<String> {
    let bytes = read(file)?;
    let text = text::decode(&bytes).map_err(|what| Error::new(ErrorKind::Damaged, what).at(file))?;
    Ok(text.into_owned())
}

/// Reads the whole file; only a regular one, since a pipe could wait forever.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    if is_url(file) {
        return remote::read_table(file, LARGEST);
    }
    let mut bytes = Vec::new();
    let opened = open_regular(file, "cannot be read as a table of labels")?;
    let read = opened.take(LARGEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::io("cannot be read", file, error))?;
    if bytes.len() as u64 > LARGEST {
        let what = format!("is larger than {} MiB, too large for a table of labels", LARGEST >> 20);
        return Err(Error::new(ErrorKind::Limit, what).at(file));
    }
    Ok(bytes)
}

/// The character that separates the columns of a table with this header: the one it has most of outside quotes.
fn separator(header: &str) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in header.bytes() {
        quoted ^= byte == b'"';
        counts
            .iter_mut()
            .filter(|(separator, _)| !quoted && *separator == byte)
            .for_each(|(_, count)| *count += 1);
    }
    // Of equals the first, a comma.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(separator, _)| *separator)
}

/// The bytes of `text` from `start` to `end`.
fn part(text: &str, start: u64, end: u64) -> &[u8] {
    let place = |byte: u64| usize::try_from(byte).unwrap_or(usize::MAX);
    text.as_bytes().get(place(start)..place(end)).unwrap_or_default()
}

fn left_open(line: usize, separator: u8) -> Error {
    let (what, help) = match separator {
        b'\t' => ("", ""),
        _ => (
            ", or a cell with a line that looks like a row of the table",
            "; and take line breaks out of cells of text",
        ),
    };
    let what = format!("has a quotation mark in line {line} that is not closed in that line{what}");
    Error::new(ErrorKind::Damaged, what).help(format!(
        "double the quotation marks in that cell and put it between two, or take them out{help}"
    ))
}

/// Whether a row of `columns` cells, as it is written, seems to hold others: within quotation marks it has a line with as many
/// separators as a row has, or the mark that ends a cell of several lines is in front of another cell.
fn swallows_rows(row: &[u8], separator: u8, columns: usize) -> bool {
    let is_end = |byte: u8| byte == separator || matches!(byte, b'\n' | b'\r');
    let (mut quoted, mut starts) = (false, true);
    // Of the line that began within quotation marks.
    let mut separators: Option<usize> = None;
    let is_a_row = |separators: Option<usize>| columns > 1 && separators == Some(columns - 1);
    let mut bytes = row.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (quoted, byte) {
            (false, b'"') if starts => (quoted, starts, separators) = (true, false, None),
            (false, byte) => starts = is_end(byte),
            (true, b'"') if bytes.next_if_eq(&b'"').is_some() => {}
            (true, b'"') => {
                quoted = false;
                while bytes.next_if_eq(&b' ').is_some() {}
                if separators.is_some() && bytes.peek().is_some_and(|next| !is_end(*next)) {
                    return true;
                }
            }
            (true, b'\n' | b'\r') if is_a_row(separators) => return true,
            (true, b'\n' | b'\r') => separators = Some(0),
            (true, byte) => {
                separators = separators.map(|count| count + usize::from(byte == separator));
            }
        }
    }
    // The table ends within the quotation marks.
    quoted && is_a_row(separators)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Vec<String>> {
        let table = RawTable::parse_delimited(text.as_bytes(), Path::new("x.csv")).unwrap();
        std::iter::once(table.header).chain(table.rows.into_iter().map(|(_, row)| row)).collect()
    }

    #[test]
    fn the_separator_is_what_the_header_is_separated_by() {
        let expected = [["path", "label"], ["a, b.wav", "x;y"]].map(|row| row.map(str::to_owned).to_vec());
        for text in [
            "path,label\n\"a, b.wav\",x;y\n",
            "path;label\r\na, b.wav;\"x;y\"\r\n",
            "path\tlabel\na, b.wav\tx;y",
            "\u{feff}path , label\n\n\"a, b.wav\" , x;y\n",
        ] {
            let quoted_with_space = text.replace("\"a, b.wav\" ,", "\"a, b.wav\",");
            assert_eq!(rows(&quoted_with_space), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_a_table() {
        let error = |text: &str| {
            RawTable::parse_delimited(text.as_bytes(), Path::new("x.csv")).unwrap_err().to_string()
        };
        let short = error("path,label\na.wav,sad\nb.wav\n");
        assert!(short.contains("has 1 columns in line 3, where its header has 2"), "{short}");
        assert!(error("").contains("has no header"));
    }

    #[test]
    fn a_quotation_mark_that_stays_open_joins_no_lines_of_a_table_with_tabs() {
        let error = |text: &str| {
            RawTable::parse_delimited(text.as_bytes(), Path::new("x.tsv")).unwrap_err().to_string()
        };
        let two = error("path\ttext\tlabel\na.wav\t\"Hi\tsad\nb.wav\t\"Hi\tjoy\nc.wav\thi\tsad\n");
        assert!(two.contains("x.tsv: has a quotation mark in line 2"), "{two}");
        let one = error("path\tlabel\ttext\na.wav\tsad\t\"Hi\nb.wav\tsad\tHi\n");
        assert!(one.contains("in line 2"), "{one}");
        let quoted =
            rows("path\ttext\tlabel\na.wav\t\"He said \"\"Hi\"\"\"\t\"sad\"\nb.wav\tsay \"Hi\"\tsad\n");
        assert_eq!((quoted[1][1].as_str(), quoted[2][1].as_str()), ("He said \"Hi\"", "say \"Hi\""));
    }

    #[test]
    fn a_quotation_mark_that_stays_open_joins_no_lines_of_any_table() {
        let read = |text: &str| RawTable::parse_delimited(text.as_bytes(), Path::new("x.csv"));
        let header = "path,text,label\n0.wav,x,sad\n";
        for rows in [
            // Closed by the mark in front of another cell.
            "1.wav,\"Hi ,angry\n2.wav,x,happy\n3.wav,\"Hi ,sad\n",
            "1.wav,\"Hi ,angry\n2.wav,\"Hi ,sad\n",
            "1.wav,\"Hi ,angry\r\n2.wav,\"Well, yes\",sad\r\n",
            // By an empty cell, and so not at all.
            "1.wav,\"Hi ,angry\n2.wav,\"\",happy\n3.wav,x,sad\n4.wav,\"y\",sad\n",
        ] {
            for text in [format!("{header}{rows}"), format!("{header}{rows}").replace(',', ";")] {
                let error = read(&text).unwrap_err().to_string();
                assert!(error.starts_with("x.csv: has a quotation mark in line 3"), "{text}: {error}");
                assert!(error.contains("double the quotation marks"), "{error}");
            }
        }
        // At the end of the table, where the last column is text.
        let last = read("path,label,text\n1.wav,sad,\"Hi\n2.wav,joy,x").unwrap_err().to_string();
        assert!(last.contains("in line 2"), "{last}");
        // A cell may have several lines, with separators and quotation marks in them.
        let several =
            rows("path,text,label\n1.wav,\"Hi,\nwell, \"\"you\"\"\nno\",\"sad\"\n2.wav,\"a\nb, c\" ,joy\n");
        assert_eq!(several[1][1..], ["Hi,\nwell, \"you\"\nno", "sad"]);
        assert_eq!((several.len(), several[2][2].as_str()), (3, "joy"));
    }

    #[test]
    fn json_lines_have_the_columns_that_any_of_them_has() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("metadata.jsonl");
        std::fs::write(&file, "{\"file_name\": \"a.wav\", \"label\": \"sad\"}\n\n{\"file_name\": \"b.wav\", \"n\": 3, \"o\": []}\n")
            .unwrap();
        let table = RawTable::read_json_lines(&file).unwrap();
        assert_eq!(table.header, ["file_name", "label", "n", "o"]);
        assert_eq!(table.rows[1], (3, ["b.wav", "", "3", ""].map(str::to_owned).to_vec()));
        std::fs::write(&file, "[1]\n").unwrap();
        assert!(
            RawTable::read_json_lines(&file).unwrap_err().to_string().contains("line 1 is not a JSON object")
        );
    }
}
