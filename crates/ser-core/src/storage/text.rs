//! Small text files that people write: recipes, maps, tables.

use std::io::Read;
use std::path::Path;

use crate::storage::open_regular;
use crate::{Error, ErrorKind, Result};

/// The text of the file at `path`, which is to be `what` ("a label map") and to have at most `limit` bytes.
///
/// Only regular files are read, so that it never waits, and never more than `limit` bytes of them, however they grow.
///
/// # Errors
/// `Io` where the system refuses, `Unsupported` for a folder, a FIFO or a device, `Limit` above `limit`, `Damaged` for
/// bytes that are not UTF-8. All name the file.
pub fn read_text(path: &Path, what: &str, limit: u64) -> Result<String> {
    let cannot = format!("cannot be read as {what}");
    let file = open_regular(path, &cannot)?;
    let mut text = Vec::new();
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut text);
    read.map_err(|error| Error::io(&cannot, path, error))?;
    if text.len() as u64 > limit {
        let size = format!("is larger than {what} may be ({limit} bytes)");
        return Err(Error::new(ErrorKind::Limit, size).at(path).help("name another file"));
    }
    String::from_utf8(text).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::new(ErrorKind::Damaged, format!("{cannot}: byte {at} is not UTF-8"))
            .at(path)
            .help("save it as UTF-8")
            .caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_whole_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.toml");
        std::fs::write(&path, "Größe").unwrap();
        assert_eq!(read_text(&path, "a map", 7).unwrap(), "Größe");
        let error = read_text(&path, "a map", 6).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(error.to_string().contains("map.toml: is larger than a map may be (6 bytes)"), "{error}");
    }

    #[test]
    fn files_that_are_not_text_are_refused_by_name_without_blocking() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .unwrap();
        let latin = folder.path().join("latin");
        std::fs::write(&latin, b"Gr\xf6\xdfe").unwrap();
        for (path, kind, says) in [
            (fifo.as_path(), ErrorKind::Unsupported, "fifo: is a FIFO, not a file"),
            (folder.path(), ErrorKind::Unsupported, "is a folder, not a file"),
            (Path::new("/dev/zero"), ErrorKind::Unsupported, "/dev/zero: is a device, not a file"),
            (&latin, ErrorKind::Damaged, "latin: cannot be read as a map: byte 2 is not UTF-8"),
            (&folder.path().join("none"), ErrorKind::Io, "none: cannot be read as a map: No such file"),
        ] {
            let error = read_text(path, "a map", 1 << 20).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
