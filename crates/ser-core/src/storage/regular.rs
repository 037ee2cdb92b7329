//! Opening files that anybody may have put there, without ever waiting for something that is not a file.

use std::fs::{File, FileType, OpenOptions};
use std::path::Path;

use crate::{Error, ErrorKind, Result};

/// Opens the regular file at `path` to read it; `cannot` says in an error what was wanted ("cannot be read").
///
/// # Errors
/// `Unsupported` for a folder, a FIFO or a device, `Io` where the system refuses. Both name the file.
pub fn open_regular(path: &Path, cannot: &str) -> Result<File> {
    let refused = |error| Error::io(cannot, path, error);
    // Asked before opening as well, since opening some devices has effects of its own.
    refuse_special(path, std::fs::metadata(path).map_err(refused)?.file_type())?;
    let file = open(path).map_err(refused)?;
    refuse_special(path, file.metadata().map_err(refused)?.file_type())?;
    Ok(file)
}

/// Opens without waiting for a writer, in case the path has become a FIFO meanwhile.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    options.open(path)
}

fn refuse_special(path: &Path, kind: FileType) -> Result<()> {
    if kind.is_file() {
        return Ok(());
    }
    let name = if kind.is_dir() { "a folder" } else { special_name(kind) };
    let what = format!("is {name}, not a file");
    Err(Error::new(ErrorKind::Unsupported, what).at(path).help("name a regular file"))
}

#[cfg(unix)]
fn special_name(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "something special",
    }
}

#[cfg(not(unix))]
fn special_name(_: FileType) -> &'static str {
    "something special"
}
