//! Replacing a file so that every reader, and every crash, sees the old one or the new one whole.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind as IoErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, ErrorKind, Result};

/// Puts `bytes` at `path`: written and synced under a name of its own in the same folder, renamed over `path`,
/// and the folder synced, so that the rename outlasts a power cut. A failure leaves `path` as it was and no
/// scratch file behind.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let name =
        path.file_name().ok_or_else(|| Error::new(ErrorKind::Usage, "is not the name of a file").at(path))?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let cannot_write = |source| Error::io("cannot write", path, source);

    let (mut file, scratch) = create_scratch(folder, name).map_err(cannot_write)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(cannot_write)?;
    drop(file);
    fs::rename(&scratch.path, path).map_err(cannot_write)?;
    scratch.keep();
    sync_folder(folder).map_err(|source| Error::io("cannot sync the folder", folder, source))
}

/// A file under a temporary name, removed when dropped unless it is to be kept.
struct Scratch {
    path: PathBuf,
    kept: bool,
}

impl Scratch {
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.kept {
            // The write has failed already, and its error is the one to report.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn create_scratch(folder: &Path, name: &OsStr) -> std::io::Result<(File, Scratch)> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    loop {
        let mut scratch_name = OsString::from(".");
        scratch_name.push(name);
        scratch_name.push(format!(".{}-{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
        let path = folder.join(scratch_name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, Scratch { path, kept: false })),
            // Left by a killed process that had our number: the next name is free.
            Err(error) if error.kind() == IoErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> std::io::Result<()> {
    Ok(()) // only Unix lets a program open a folder
}
