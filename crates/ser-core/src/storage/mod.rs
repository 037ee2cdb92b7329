//! Every write that must survive a crash goes through here: scratch file, sync, rename, sync of the folder.
//!
//! What is promised rests on four assumptions about the file system: a synced file keeps its content, a synced
//! folder keeps its names, a rename is seen whole or not at all, and a lock ends with the process that holds it.
//!
//! Files that anybody may have put there are opened here too, and small texts that people write are read. What lies in an
//! object store is reached through [`objects`].

mod disk;
pub mod objects;
mod regular;
mod text;

use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::remedy::Action;
use crate::{Error, ErrorKind, Result};

pub use disk::{Disk, NativeDisk, WritableFile};
pub use regular::{open_regular, open_regular_no_follow};
pub use text::read_text;

/// Prefix of the names of files that are still being written. Files that a killed process leaves under such a name
/// may be removed.
pub const SCRATCH_PREFIX: &str = ".scratch-";

/// Writes so that a crash at any moment leaves the old state or the new one.
#[derive(Debug, Clone)]
pub struct Storage {
    disk: Arc<dyn Disk>,
}

impl Storage {
    /// On the operating system's file system.
    pub fn native() -> Self {
        Self::on(Arc::new(NativeDisk))
    }

    /// On another disk, such as one that fails on purpose.
    pub fn on(disk: Arc<dyn Disk>) -> Self {
        Self { disk }
    }

    /// Replaces the file at `path` by `content`, piece after piece, or makes it. Whoever opens it sees the old
    /// content or the new one, whole, also after a crash; when this returns, the new one is on disk.
    ///
    /// # Errors
    /// When writing fails; the old file is then as it was and no scratch file stays.
    pub fn replace_file(&self, path: &Path, content: &[&[u8]]) -> Result<()> {
        self.replace_file_with(path, |write| content.iter().try_for_each(|piece| write(piece)))
    }

    /// As [`Storage::replace_file`], for content that is not in memory at once: `fill` hands it over piece after
    /// piece.
    ///
    /// # Errors
    /// Those of `fill`, when a device or a pipe has the name, and when writing fails; the old file is then as it was and no
    /// scratch file stays.
    pub fn replace_file_with(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        refuse_device(path)?;
        let mut scratch = Scratch::for_place(self, path);
        let mut file = loop {
            match self.disk.create(&scratch.path) {
                Ok(file) => break file,
                // A killed process with the same ID left it behind.
                Err(error) if error.kind() == IoErrorKind::AlreadyExists => scratch.next_name(),
                Err(error) => {
                    scratch.is_there = false;
                    return Err(Error::io("cannot be written", path, error));
                }
            }
        };
        let failed =
            |error| Error::io("cannot be written", path, error).help("make room, or write somewhere else");
        fill(&mut |piece| file.write(piece).map_err(failed))?;
        file.sync().map_err(failed)?;
        drop(file);
        scratch.publish(path)
    }

    /// Gives the file at `path` the second name `copy`, replacing what has it. The two names mean one file until
    /// either is replaced.
    ///
    /// # Errors
    /// When the file system cannot; what was under `copy` is then as it was.
    pub fn keep_as(&self, path: &Path, copy: &Path) -> Result<()> {
        let io = |error| Error::io(format!("cannot be kept as {}", copy.display()), path, error);
        if is_one_file(path, copy) {
            // A rename from one name of a file to another does nothing: the scratch name would stay.
            return self.sync_folder(&folder_of(copy));
        }
        let mut scratch = Scratch::for_place(self, copy);
        loop {
            match self.disk.hard_link(path, &scratch.path) {
                Ok(()) => return scratch.publish(copy),
                Err(error) if error.kind() == IoErrorKind::AlreadyExists => scratch.next_name(),
                // File systems without hard links, such as FAT.
                Err(error)
                    if matches!(error.kind(), IoErrorKind::Unsupported | IoErrorKind::PermissionDenied) =>
                {
                    scratch.is_there = false;
                    return self.replace_file(copy, &[&std::fs::read(path).map_err(io)?]);
                }
                Err(error) => {
                    scratch.is_there = false;
                    return Err(io(error));
                }
            }
        }
    }

    /// Points the symbolic link at `link` to `target`, replacing what is there. A folder is removed just
    /// before: a crash just then leaves nothing, but never half of it.
    ///
    /// # Errors
    /// When the file system has no links; what was at `link` is then unchanged.
    pub fn replace_link(&self, target: &Path, link: &Path) -> Result<()> {
        let mut scratch = Scratch::for_place(self, link);
        loop {
            match self.disk.symbolic_link(target, &scratch.path) {
                Ok(()) if link.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) => {
                    return self.publish_over(scratch, link);
                }
                Ok(()) => return scratch.publish(link),
                Err(error) if error.kind() == IoErrorKind::AlreadyExists => scratch.next_name(),
                Err(error) => {
                    scratch.is_there = false;
                    return Err(Error::io("cannot be created as a link", link, error)
                        .help("put it on a file system that supports symbolic links"));
                }
            }
        }
    }

    /// Makes the folder `path` with what `fill` writes into it. It appears whole or not at all. A folder that
    /// is there already is removed just before: a crash just then leaves none.
    ///
    /// # Errors
    /// Those of `fill`, and when writing fails; what was at `path` is then unchanged.
    pub fn replace_folder(&self, path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let scratch = Scratch::for_place(self, path);
        self.make_folder(&scratch.path)?;
        fill(&scratch.path)?;
        if path.symlink_metadata().is_ok() { self.publish_over(scratch, path) } else { scratch.publish(path) }
    }

    /// Moves what is at `path` out of the way, since a rename cannot replace a non-empty folder.
    fn publish_over(&self, scratch: Scratch<'_>, path: &Path) -> Result<()> {
        let old = Scratch::for_place(self, path);
        self.rename(path, &old.path)?;
        scratch.publish(path).inspect_err(|_| _ = self.disk.rename(&old.path, path))
    }

    /// Makes the folder `path` and those above it, and makes that durable.
    ///
    /// # Errors
    /// When it cannot be made, or is something else.
    pub fn make_folder(&self, path: &Path) -> Result<()> {
        if objects::is_url(path) {
            let what = "lies in an object store, where nothing can be written in place";
            return Err(Error::new(ErrorKind::Usage, what)
                .at(objects::printable_url(path))
                .help(Action::PushCache));
        }
        let parent = folder_of(path);
        if path.is_dir() {
            // The process that made it may have been killed before its name was durable. Other users' folders may not
            // be readable.
            return match self.disk.sync_folder(&parent) {
                Err(error)
                    if !matches!(
                        error.kind(),
                        IoErrorKind::PermissionDenied | IoErrorKind::InvalidInput | IoErrorKind::Unsupported
                    ) =>
                {
                    Err(Error::io("cannot be synced", parent, error))
                }
                _ => Ok(()),
            };
        }
        if parent != path {
            self.make_folder(&parent)?;
        }
        match self.disk.make_folder(path) {
            Err(error) if error.kind() == IoErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            Err(error) => {
                let is_taken = error.kind() == IoErrorKind::AlreadyExists;
                let error = Error::io("cannot be created as a folder", path, error);
                Err(if is_taken { error.help("name another folder, or move that file away") } else { error })
            }
            Ok(()) => self.sync_folder(&parent),
        }
    }

    /// Gives a file or folder another name, which a later [`Storage::sync_folder`] makes durable.
    ///
    /// # Errors
    /// When the operating system cannot.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let renamed = self.disk.rename(from, to);
        renamed.map_err(|error| Error::io("cannot be put in place", to, error))
    }

    /// Removes a file, a link, or a folder with everything in it; a missing one is not an error.
    ///
    /// # Errors
    /// When the operating system cannot.
    pub fn remove(&self, path: &Path) -> Result<()> {
        let removed = match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => self.disk.remove_folder(path),
            Ok(_) => self.disk.remove_file(path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() != IoErrorKind::NotFound => {
                Err(Error::io("cannot be removed", path, error))
            }
            _ => Ok(()),
        }
    }

    /// Removes what killed writers left in `folder`. Only for a folder without other writers.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn clear_scratch(&self, folder: &Path) -> Result<()> {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(SCRATCH_PREFIX.as_bytes()) {
                self.remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Makes renames and new names in the folder `path` durable.
    ///
    /// # Errors
    /// When the operating system cannot.
    pub fn sync_folder(&self, path: &Path) -> Result<()> {
        let synced = self.disk.sync_folder(path);
        synced.map_err(|error| Error::io("cannot be synced", path, error))
    }
}

/// Something under a scratch name, removed again unless it is published.
#[derive(Debug)]
struct Scratch<'a> {
    storage: &'a Storage,
    folder: PathBuf,
    path: PathBuf,
    is_there: bool,
}

impl<'a> Scratch<'a> {
    /// A name in the folder of `place`, so that a rename can bring what has it there.
    fn for_place(storage: &'a Storage, place: &Path) -> Self {
        let folder = folder_of(place);
        let path = scratch_name(&folder);
        Self { storage, folder, path, is_there: true }
    }

    fn next_name(&mut self) {
        self.path = scratch_name(&self.folder);
    }

    fn publish(mut self, place: &Path) -> Result<()> {
        self.storage.rename(&self.path, place)?;
        self.is_there = false;
        self.storage.sync_folder(&self.folder)
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        if self.is_there {
            // Nothing can be done about a failure, and a scratch name may be left behind.
            let _ = self.storage.remove(&self.path);
        }
    }
}

fn scratch_name(folder: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("{SCRATCH_PREFIX}{}-{number}", std::process::id()))
}

/// Refuses to put a file in the place of a device or a pipe, such as `/dev/stdout`, which others use.
fn refuse_device(path: &Path) -> Result<()> {
    let is_other = |metadata: std::fs::Metadata| !metadata.is_file() && !metadata.is_dir();
    if std::fs::metadata(path).is_ok_and(is_other) {
        let what = "is a device or a pipe, and a file would take its place";
        return Err(Error::new(ErrorKind::Usage, what).at(path).help("give the name of a file"));
    }
    Ok(())
}

/// Whether two names mean one file.
fn is_one_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let number = |path: &Path| path.symlink_metadata().map(|metadata| (metadata.dev(), metadata.ino())).ok();
    number(a).is_some() && number(a) == number(b)
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
        Storage::native().replace_file(&path, &[b"old"]).unwrap();
        Storage::native().replace_file(&path, &[b"new ", b"content"]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new content");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_replacement_leaves_the_target_and_no_scratch() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("occupied");
        std::fs::create_dir(&target).unwrap();
        std::fs::write(target.join("kept"), b"kept").unwrap();
        let error = Storage::native().replace_file(&target, &[b"new"]).unwrap_err();
        assert!(error.to_string().contains("occupied"), "{error}");
        assert_eq!(std::fs::read(target.join("kept")).unwrap(), b"kept");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn no_file_takes_the_place_of_a_device() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let error = Storage::native().replace_file(&link, &[b"new"]).unwrap_err().to_string();
        assert!(error.contains("link: is a device or a pipe"), "{error}");
        assert!(link.is_symlink() && std::fs::read_dir(folder.path()).unwrap().count() == 1);
    }

    #[test]
    fn a_file_kept_twice_under_one_name_leaves_no_scratch() {
        let folder = tempfile::tempdir().unwrap();
        let [last, previous] = ["last", "previous"].map(|name| folder.path().join(name));
        Storage::native().replace_file(&last, &[b"1"]).unwrap();
        Storage::native().keep_as(&last, &previous).unwrap();
        Storage::native().keep_as(&last, &previous).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        Storage::native().replace_file(&last, &[b"2"]).unwrap();
        assert_eq!(std::fs::read(previous).unwrap(), b"1");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Storage::native().replace_file(&folder.path().join("none/a"), &[b"x"]).unwrap_err();
        assert!(error.to_string().contains("none/a"), "{error}");
    }
}
