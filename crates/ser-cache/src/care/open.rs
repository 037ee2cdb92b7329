//! Opens files of a cache defensively.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use ser_core::{Error, ErrorKind, Result};

/// Opens a regular file of the cache, which must not be a symbolic link, without blocking on a FIFO.
pub(super) fn open_regular(path: &Path) -> Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = file.map_err(|error| Error::io("cannot be opened", path, error))?;
    let metadata = file.metadata().map_err(|error| Error::io("cannot be accessed", path, error))?;
    match metadata.is_file() {
        true => Ok(file),
        false => Err(Error::new(ErrorKind::Damaged, "is not a regular file").at(path)),
    }
}
