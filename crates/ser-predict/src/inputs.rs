//! What a person names: files, folders, lists of files, standard input.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use ser_core::storage::open_regular;
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::scan::{is_hidden, is_recording};
use walkdir::WalkDir;

/// The longest line of a list, bytes; paths end at 4,096 on Linux.
const LONGEST_LINE: usize = 64 << 10;

/// One recording to answer for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// As in results: [`name_of`] its path, or `-`.
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(&name_of(path)),
            Self::Stdin => f.write_str("-"),
        }
    }
}

/// How a path is named in results, such that no two have the same name: as it is, but that a byte which is no UTF-8 becomes
/// `\xff`, and so that this can be undone, a backslash before what would look like such a byte becomes `\x5c`.
pub fn name_of(path: &Path) -> String {
    let mut name = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        let valid = chunk.valid();
        for (at, c) in valid.char_indices() {
            let looks_escaped = || {
                let mut after = valid[at + 1..].bytes();
                after.next() == Some(b'x') && after.take(2).filter(u8::is_ascii_hexdigit).count() == 2
            };
            match c {
                '\\' if looks_escaped() => name.push_str("\\x5c"),
                c => name.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| name.push_str(&format!("\\x{byte:02x}")));
    }
    name
}

/// The recordings behind some names, one after another, in memory that does not grow with their number.
///
/// `-` is standard input; a folder is every recording below it, sorted by name in each folder; a file whose name ends in
/// `.txt` is a list of paths, one a line, those that are not absolute being relative to the list's folder; everything else
/// is a recording.
pub struct Inputs {
    names: std::vec::IntoIter<PathBuf>,
    current: Option<Box<dyn Iterator<Item = Result<Input>> + Send>>,
}

impl fmt::Debug for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Inputs {
    /// The recordings behind `names`, in that order.
    pub fn new(names: Vec<PathBuf>) -> Self {
        Self { names: names.into_iter(), current: None }
    }
}

/// An item is an error where a folder or a list, or a part of it, cannot be read, or names no recording; it names the path, and
/// the others follow.
impl Iterator for Inputs {
    type Item = Result<Input>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(next) = self.current.as_mut().and_then(Iterator::next) {
                return Some(next);
            }
            self.current = Some(recordings_behind(self.names.next()?));
        }
    }
}

/// The recordings that `name` stands for.
fn recordings_behind(name: PathBuf) -> Box<dyn Iterator<Item = Result<Input>> + Send> {
    if name.as_os_str() == "-" {
        return Box::new(std::iter::once(Ok(Input::Stdin)));
    }
    if name.is_dir() {
        return Box::new(recordings_below(name));
    }
    let is_list = name.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("txt"));
    match is_list {
        true => match list(&name) {
            Ok(listed) => Box::new(or_nothing(listed, move || {
                let nothing = Error::new(ErrorKind::Missing, "names no recording").at(&name);
                nothing.help("give a list of paths, one a line")
            })),
            Err(error) => Box::new(std::iter::once(Err(error))),
        },
        false => Box::new(std::iter::once(Ok(Input::File(name)))),
    }
}

fn recordings_below(folder: PathBuf) -> impl Iterator<Item = Result<Input>> + Send {
    let walk = WalkDir::new(&folder).follow_links(true).sort_by_file_name().into_iter();
    let visible = walk.filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.file_name()));
    let recordings = visible.filter_map(|entry| match entry {
        Ok(entry) => is_recording(&entry).then(|| Ok(Input::File(entry.into_path()))),
        Err(error) => Some(Err(cannot_list(&error))),
    });
    or_nothing(recordings, move || {
        let nothing = Error::new(ErrorKind::Missing, "holds no recording").at(&folder);
        nothing.help("name a folder of recordings")
    })
}

/// `recordings`, or an error where there is none: the wrong folder or list is more likely than nothing to do.
fn or_nothing(
    mut recordings: impl Iterator<Item = Result<Input>> + Send,
    nothing: impl FnOnce() -> Error + Send,
) -> impl Iterator<Item = Result<Input>> + Send {
    let mut nothing = Some(nothing);
    std::iter::from_fn(move || {
        let nothing = nothing.take();
        recordings.next().or_else(|| nothing.map(|error| Err(error())))
    })
}

fn cannot_list(error: &walkdir::Error) -> Error {
    let path = error.path().map(Path::to_owned).unwrap_or_default();
    match error.loop_ancestor() {
        Some(ancestor) => {
            let what = format!("is a link back to {}, a folder that holds it", ancestor.display());
            Error::new(ErrorKind::Unusable, what).at(path)
        }
        None => {
            let why = error.io_error().map_or_else(|| "unknown".to_owned(), ToString::to_string);
            Error::new(ErrorKind::Io, format!("cannot be accessed: {why}")).at(path)
        }
    }
}

fn list(path: &Path) -> Result<impl Iterator<Item = Result<Input>> + Send + use<>> {
    let file = open_regular(path, "cannot read")?;
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let (mut lines, mut number) = (BufReader::new(file), 0_u64);
    let path = path.to_owned();
    let mut failed = false;
    Ok(std::iter::from_fn(move || {
        while !failed {
            number += 1;
            match line(&mut lines) {
                Ok(None) => return None,
                Ok(Some(line)) => {
                    let line = line.strip_prefix(BYTE_ORDER_MARK).filter(|_| number == 1).unwrap_or(&line);
                    if !line.trim().is_empty() {
                        // Joining leaves an absolute path as it is.
                        return Some(Ok(Input::File(folder.join(line.trim_end_matches('\r')))));
                    }
                }
                Err(why) => {
                    failed = true;
                    let what = format!("line {number} {why}, so the list is read no further");
                    let error = Error::new(ErrorKind::Damaged, what).at(&path);
                    return Some(Err(error.help("give a list of paths, one a line, in UTF-8")));
                }
            }
        }
        None
    }))
}

/// What some editors begin a file in UTF-8 with; no part of the first path.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The next line without its end; `None` after the last.
fn line(lines: &mut BufReader<File>) -> Result<Option<String>, String> {
    let mut bytes = Vec::new();
    let limit = LONGEST_LINE as u64 + 1;
    std::io::Read::take(&mut *lines, limit)
        .read_until(b'\n', &mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() > LONGEST_LINE {
        return Err(format!("is longer than {LONGEST_LINE} bytes"));
    }
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    String::from_utf8(bytes).map(Some).map_err(|_| "is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, bytes: &[u8]) {
        std::fs::write(path, bytes).unwrap();
    }

    fn named(names: &[&Path]) -> Vec<Result<Input, String>> {
        let names = names.iter().map(|name| name.to_path_buf()).collect();
        Inputs::new(names).map(|input| input.map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn folders_lists_files_and_stdin_come_in_the_order_given() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        std::fs::create_dir_all(at("folder/inner")).unwrap();
        for name in ["folder/b.wav", "folder/inner/a.mp3", "folder/.hidden.wav", "folder/notes.md"] {
            write(&at(name), b"");
        }
        write(&at("list.txt"), "x.wav\r\n\n/absolute/y.wav\nname with space.wav".as_bytes());
        let found = named(&[Path::new("-"), &at("folder"), &at("list.txt"), &at("missing.wav")]);
        let expected = [
            Input::Stdin,
            Input::File(at("folder/b.wav")),
            Input::File(at("folder/inner/a.mp3")),
            Input::File(at("x.wav")),
            Input::File(PathBuf::from("/absolute/y.wav")),
            Input::File(at("name with space.wav")),
            Input::File(at("missing.wav")),
        ];
        assert_eq!(found, expected.map(Ok));
    }

    #[test]
    fn a_list_may_begin_with_a_byte_order_mark_and_must_name_a_recording() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        write(&at("marked.txt"), "\u{feff}a.wav\r\nb.wav\n".as_bytes());
        let [a, b] = ["a.wav", "b.wav"].map(|name| Ok(Input::File(at(name))));
        assert_eq!(named(&[&at("marked.txt")]), [a, b]);
        for nothing in ["", "\n\r\n  \n", "\u{feff}", "\u{feff}\n"] {
            write(&at("empty.txt"), nothing.as_bytes());
            let found = named(&[&at("empty.txt")]);
            let [Err(error)] = &found[..] else { panic!("{nothing:?}: {found:?}") };
            assert!(error.contains("empty.txt: names no recording"), "{error}");
        }
    }

    #[test]
    fn paths_that_are_not_utf_8_have_names_of_their_own() {
        use std::os::unix::ffi::OsStrExt;

        let name = |bytes: &[u8]| name_of(Path::new(std::ffi::OsStr::from_bytes(bytes)));
        assert_eq!(name("a/ü b\\c.wav".as_bytes()), "a/ü b\\c.wav");
        assert_eq!(name(b"a\xff.wav"), "a\\xff.wav");
        assert_eq!(name(b"a\xfe\xc3.wav"), "a\\xfe\\xc3.wav");
        assert_eq!(name(b"a\\xff.wav"), "a\\x5cxff.wav");
        assert_eq!(name(b"a\\xf\xff"), "a\\xf\\xff");
        assert_eq!(name(b"\\\xff"), "\\\\xff");
    }

    #[test]
    fn what_cannot_be_listed_is_named_and_the_rest_follows() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        std::fs::create_dir(at("empty")).unwrap();
        write(&at("binary.txt"), b"a.wav\n\xff\xfe\nb.wav\n");
        write(&at("long.txt"), &vec![b'x'; LONGEST_LINE + 1]);
        let found =
            named(&[&at("empty"), &at("binary.txt"), &at("long.txt"), &at("missing.txt"), &at("c.wav")]);
        let errors: Vec<&String> = found.iter().filter_map(|input| input.as_ref().err()).collect();
        assert_eq!(found.len(), 6, "{found:?}");
        for (error, part) in errors.iter().zip(["holds no recording", "line 2", "line 1", "missing.txt"]) {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(found.last(), Some(&Ok(Input::File(at("c.wav")))));
    }
}
