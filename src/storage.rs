//! Every write that must survive a crash goes through here: scratch file, sync, rename, sync of the folder.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind as IoErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// Prefix of the names of files that are still being written. What a killed process leaves under such a name
/// belongs to nobody.
pub const SCRATCH_PREFIX: &str = ".scratch-";

/// Replaces the file at `path` by `content`, or makes it. Whoever opens it sees the old content or the new one,
/// whole, also after a crash; when this returns, the new one is on disk.
///
/// # Errors
/// When writing fails; the old file is then as it was and no scratch file stays.
pub fn replace_file(path: &Path, content: &[&[u8]]) -> Result<()> {
    let scratch = Scratch::create(path)?;
    scratch.write(content)?;
    scratch.publish(path)
}

/// A file under a scratch name, removed again unless it is published.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    file: File,
    published: bool,
}

impl Scratch {
    /// Opens a new file in the folder of `target`, so that a rename can bring it there.
    ///
    /// # Errors
    /// When the folder does not let itself be written to.
    pub fn create(target: &Path) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let folder = folder_of(target);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{SCRATCH_PREFIX}{}-{number}", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { path, file, published: false }),
                // A killed process of the same number left it behind.
                Err(error) if error.kind() == IoErrorKind::AlreadyExists => continue,
                Err(error) => return Err(Error::io("cannot be written", target, error)),
            }
        }
    }

    /// Writes `content`, piece after piece.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write(&self, content: &[&[u8]]) -> Result<()> {
        for piece in content {
            (&self.file).write_all(piece).map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// Brings the file to `target`, replacing what is there, once its content is on disk.
    ///
    /// # Errors
    /// When syncing or renaming fails; what is at `target` is then as it was, or already the new file whole.
    pub fn publish(mut self, target: &Path) -> Result<()> {
        self.file.sync_all().map_err(|error| self.failed(error))?;
        std::fs::rename(&self.path, target)
            .map_err(|error| Error::io("cannot be put in place", target, error))?;
        self.published = true;
        sync_folder(&folder_of(target))
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::io("cannot be written", &self.path, error).mend("make room, or write somewhere else")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.published {
            // Nothing can be done about a failure, and the name says that the file is nobody's.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Makes the folder `path` and those above it, and makes that durable.
///
/// # Errors
/// When it cannot be made, or is something else.
pub fn make_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = folder_of(path);
    if parent != path {
        make_folder(&parent)?;
    }
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == IoErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(Error::io("cannot be made a folder", path, error)),
        Ok(()) => sync_folder(&parent),
    }
}

/// Makes renames and new names in the folder `path` durable.
///
/// # Errors
/// When the operating system cannot.
pub fn sync_folder(path: &Path) -> Result<()> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|error| Error::io("cannot be synced", path, error))
}

/// The folder that holds `path`; `.` for a bare name.
pub fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) => PathBuf::from("."),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_no_scratch_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        replace_file(&path, &[b"old"]).unwrap();
        replace_file(&path, &[b"new ", b"content"]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new content");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_replacement_leaves_the_target_and_no_scratch() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("occupied");
        std::fs::create_dir(&target).unwrap();
        std::fs::write(target.join("kept"), b"kept").unwrap();
        let error = replace_file(&target, &[b"new"]).unwrap_err();
        assert!(error.to_string().contains("occupied"), "{error}");
        assert_eq!(std::fs::read(target.join("kept")).unwrap(), b"kept");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = replace_file(&folder.path().join("none/a"), &[b"x"]).unwrap_err();
        assert!(error.to_string().contains("none/a"), "{error}");
    }
}
