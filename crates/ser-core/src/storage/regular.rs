//! Opening files that anybody may have put there, without ever waiting for something that is not a file.

use std::fs::{File, FileType, OpenOptions};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::{Error, ErrorKind, Result};

/// Opens the regular file at `path` to read it; `cannot` says in an error what was wanted ("cannot be read").
///
/// # Errors
/// `Unsupported` for a folder, a FIFO or a device, `Io` where the system refuses. Both name the file.
pub fn open_regular(path: &Path, cannot: &str) -> Result<File> {
    open_as(path, cannot, true).map_err(|error| match error.kind() {
        ErrorKind::Unsupported => error.help("name a regular file"),
        _ => error,
    })
}

/// As [`open_regular`], for a file that a program named and not a person: a symbolic link is refused as well.
///
/// # Errors
/// `Unsupported` for a folder, a symbolic link, a FIFO or a device, `Io` where the system refuses. Both name the file.
pub fn open_regular_no_follow(path: &Path, cannot: &str) -> Result<File> {
    open_as(path, cannot, false)
}

fn open_as(path: &Path, cannot: &str, follow: bool) -> Result<File> {
    let refused = |error| Error::io(cannot, path, error);
    // Asked before opening as well, since opening some devices has effects of its own.
    let metadata = if follow { std::fs::metadata(path) } else { std::fs::symlink_metadata(path) };
    refuse_special(path, metadata.map_err(refused)?.file_type())?;
    let file = open_without_waiting(path, follow).map_err(refused)?;
    refuse_special(path, file.metadata().map_err(refused)?.file_type())?;
    Ok(file)
}

/// Opens without waiting for a writer, in case the path has become a FIFO meanwhile.
fn open_without_waiting(path: &Path, follow: bool) -> std::io::Result<File> {
    let links = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = (OFlags::NONBLOCK | links).bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn refuse_special(path: &Path, kind: FileType) -> Result<()> {
    if kind.is_file() {
        return Ok(());
    }
    let name = match kind {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_symlink() => "a symbolic link",
        kind => special_name(kind),
    };
    Err(Error::new(ErrorKind::Unsupported, format!("is {name}, not a file")).at(path))
}

fn special_name(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "something special",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbolic_link_is_followed_only_where_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        std::fs::write(&file, "a").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        open_regular(&link, "cannot be read").unwrap();
        open_regular_no_follow(&file, "cannot be read").unwrap();
        let error = open_regular_no_follow(&link, "cannot be read").unwrap_err();
        assert!(error.to_string().ends_with("link: is a symbolic link, not a file"), "{error}");
        let error = open_regular(folder.path(), "cannot be read").unwrap_err();
        assert!(error.to_string().ends_with("is a folder, not a file; name a regular file"), "{error}");
    }
}
