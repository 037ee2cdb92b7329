//! The bytes of one file, without ever waiting for something that is not a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ser_core::storage::open_regular;
use ser_core::{Error, ErrorKind, Result};

use crate::Limits;

/// Reads the whole of a regular file into `bytes`, replacing what was there.
///
/// Only regular files are read: a FIFO or a device could block the caller forever.
///
/// # Errors
/// `Unsupported` for anything but a regular file, `Unusable` for an empty one, `Limit` for one above
/// [`Limits::max_bytes`], `Io` where the system refuses or where the size changes while the file is read. The
/// error names the file.
pub fn read_file(path: &Path, limits: &Limits, bytes: &mut Vec<u8>) -> Result<()> {
    bytes.clear();
    let file = open_regular(path, "cannot read")?;
    read_open(file, limits, bytes).map_err(|error| error.at(path))
}

fn read_open(file: File, limits: &Limits, bytes: &mut Vec<u8>) -> Result<()> {
    let cannot_read = |error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("cannot be read: {error}")).caused_by(error)
    };
    let size = file.metadata().map_err(cannot_read)?.len();
    if size == 0 {
        return Err(
            Error::new(ErrorKind::Unusable, "is empty (0 bytes)").help("copy it again from its source")
        );
    }
    if size > limits.max_bytes {
        let what = format!("has {size} bytes, more than the limit of {}", limits.max_bytes);
        return Err(Error::new(ErrorKind::Limit, what).help("cut it into utterances"));
    }
    let too_large = || Error::new(ErrorKind::Limit, format!("has {size} bytes, more than fit in memory now"));
    // One byte more than expected, so that growth is noticed and the end is seen without a second allocation.
    let room = usize::try_from(size).ok().and_then(|size| size.checked_add(1)).ok_or_else(too_large)?;
    bytes.try_reserve_exact(room).map_err(|_| too_large())?;
    let read = file.take(size.saturating_add(1)).read_to_end(bytes).map_err(cannot_read)?;
    if read as u64 != size {
        bytes.clear();
        let how = if (read as u64) < size { "shrank" } else { "grew" };
        let what = format!("{how} while it was read (it had {size} bytes at first)");
        return Err(Error::new(ErrorKind::Io, what).help("wait until it is complete, then run again"));
    }
    Ok(())
}
