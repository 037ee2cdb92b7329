//! The few operations that change a file system, as a trait, so that a test can record them, let them fail, or
//! work out what a crash between two of them leaves.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{Result, Write};
use std::path::Path;

/// Where files are written. Reading bypasses it.
///
/// Paths are taken as they come; an error needs no path in it, [`crate::storage::Storage`] adds that.
pub trait Disk: Debug + Send + Sync {
    /// Makes a file for writing; fails with `AlreadyExists` where there is one.
    ///
    /// # Errors
    /// Those of the operating system, here and below.
    fn create(&self, path: &Path) -> Result<Box<dyn WritableFile>>;

    /// Gives a file or folder another name in the same file system, replacing a file that has it.
    ///
    /// # Errors
    /// Those of the operating system.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Gives a file a second name.
    ///
    /// # Errors
    /// Those of the operating system; `Unsupported` or `PermissionDenied` where files have only one name.
    fn hard_link(&self, file: &Path, name: &Path) -> Result<()>;

    /// Makes a symbolic link at `link` that says `target`.
    ///
    /// # Errors
    /// Those of the operating system.
    fn symbolic_link(&self, target: &Path, link: &Path) -> Result<()>;

    /// Removes a file or a symbolic link.
    ///
    /// # Errors
    /// Those of the operating system.
    fn remove_file(&self, path: &Path) -> Result<()>;

    /// Removes a folder with everything in it.
    ///
    /// # Errors
    /// Those of the operating system.
    fn remove_folder(&self, path: &Path) -> Result<()>;

    /// Makes a folder in one that exists.
    ///
    /// # Errors
    /// Those of the operating system.
    fn make_folder(&self, path: &Path) -> Result<()>;

    /// Makes the names in a folder durable: when this returns, they outlast a loss of power.
    ///
    /// # Errors
    /// Those of the operating system.
    fn sync_folder(&self, path: &Path) -> Result<()>;
}

/// A file being written, from its beginning to its end.
pub trait WritableFile: Debug + Send {
    /// Appends `bytes`, all of them.
    ///
    /// # Errors
    /// Those of the operating system; part of `bytes` may have been written.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;

    /// Makes the content durable, though not the file's name: that is up to its folder.
    ///
    /// # Errors
    /// Those of the operating system.
    fn sync(&mut self) -> Result<()>;
}

/// The operating system's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct NativeDisk;

impl Disk for NativeDisk {
    fn create(&self, path: &Path) -> Result<Box<dyn WritableFile>> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(Box::new(NativeFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        std::fs::rename(from, to)
    }

    fn hard_link(&self, file: &Path, name: &Path) -> Result<()> {
        std::fs::hard_link(file, name)
    }

    fn symbolic_link(&self, target: &Path, link: &Path) -> Result<()> {
        std::os::unix::fs::symlink(target, link)
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        std::fs::remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> Result<()> {
        std::fs::remove_dir_all(path)
    }

    fn make_folder(&self, path: &Path) -> Result<()> {
        std::fs::create_dir(path)
    }

    fn sync_folder(&self, path: &Path) -> Result<()> {
        File::open(path)?.sync_all()
    }
}

#[derive(Debug)]
struct NativeFile(File);

impl WritableFile for NativeFile {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> Result<()> {
        self.0.sync_all()
    }
}
