//! The bytes of one file, without ever waiting for something that is not a file.

use std::fs::{File, FileType, OpenOptions};
use std::io::Read;
use std::path::Path;

use crate::{Error, ErrorKind, Result};

use super::Limits;

/// Reads the whole of a regular file into `bytes`, replacing what was there.
///
/// Only regular files are read: a FIFO or a device could keep the caller waiting for ever.
///
/// # Errors
/// `Unsupported` for anything but a regular file, `Unusable` for an empty one, `Limit` for one above
/// [`Limits::max_bytes`], `Io` where the system refuses or where the size changes while the file is read. The
/// error names the file.
pub fn read_file(path: &Path, limits: &Limits, bytes: &mut Vec<u8>) -> Result<()> {
    bytes.clear();
    // Asked before opening as well, since opening some devices has effects of its own.
    let metadata = std::fs::metadata(path).map_err(|error| Error::io("cannot read", path, error))?;
    refuse_special(metadata.file_type()).map_err(|error| error.at(path))?;
    let file = open(path).map_err(|error| Error::io("cannot read", path, error))?;
    read_open(file, limits, bytes).map_err(|error| error.at(path))
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

fn read_open(file: File, limits: &Limits, bytes: &mut Vec<u8>) -> Result<()> {
    let cannot_read = |error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("cannot be read: {error}")).caused_by(error)
    };
    let metadata = file.metadata().map_err(cannot_read)?;
    refuse_special(metadata.file_type())?;
    let size = metadata.len();
    if size == 0 {
        return Err(
            Error::new(ErrorKind::Unusable, "is empty (0 bytes)").mend("copy it again from its source")
        );
    }
    if size > limits.max_bytes {
        let what = format!("has {size} bytes, more than the limit of {}", limits.max_bytes);
        return Err(Error::new(ErrorKind::Limit, what).mend("cut it into utterances"));
    }
    let too_large = || Error::new(ErrorKind::Limit, format!("has {size} bytes, more than fit in memory now"));
    // One byte more than expected, so that growth shows and no second allocation is needed to see the end.
    let room = usize::try_from(size).ok().and_then(|size| size.checked_add(1)).ok_or_else(too_large)?;
    bytes.try_reserve_exact(room).map_err(|_| too_large())?;
    let read = file.take(size.saturating_add(1)).read_to_end(bytes).map_err(cannot_read)?;
    if read as u64 != size {
        bytes.clear();
        let how = if (read as u64) < size { "shrank" } else { "grew" };
        let what = format!("{how} while it was read (it had {size} bytes at first)");
        return Err(Error::new(ErrorKind::Io, what).mend("wait until it is complete, then run again"));
    }
    Ok(())
}

fn refuse_special(kind: FileType) -> Result<()> {
    if kind.is_file() {
        return Ok(());
    }
    let name = if kind.is_dir() { "a directory" } else { special_name(kind) };
    Err(Error::new(ErrorKind::Unsupported, format!("is {name}, not a file")).mend("name a regular file"))
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
