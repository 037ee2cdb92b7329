//! A disk that does what it is asked and remembers it.

use std::io::Result;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ser_core::storage::{Disk, NativeDisk, WritableFile};

/// Something that was done to a file system. A file is named by the number it was created as, since writing goes on
/// wherever its name has gone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operation {
    Create { file: usize, path: PathBuf },
    Write { file: usize, bytes: Arc<[u8]> },
    Sync { file: usize },
    Rename { from: PathBuf, to: PathBuf },
    HardLink { file: PathBuf, name: PathBuf },
    SymbolicLink { target: PathBuf, link: PathBuf },
    RemoveFile(PathBuf),
    RemoveFolder(PathBuf),
    MakeFolder(PathBuf),
    SyncFolder(PathBuf),
}

/// Delegates to the operating system and keeps a log of what succeeded, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recording {
    log: Arc<Mutex<Vec<Operation>>>,
}

impl Recording {
    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.log.lock().unwrap().clone()
    }

    /// The lock is held meanwhile, so that the log has the order in which things happened.
    fn note(&self, what: Operation, act: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut log = self.log.lock().unwrap();
        act()?;
        log.push(what);
        Ok(())
    }
}

impl Disk for Recording {
    fn create(&self, path: &Path) -> Result<Box<dyn WritableFile>> {
        let mut log = self.log.lock().unwrap();
        let inner = NativeDisk.create(path)?;
        let file = log.len();
        log.push(Operation::Create { file, path: path.to_owned() });
        Ok(Box::new(RecordedFile { disk: self.clone(), file, inner }))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let what = Operation::Rename { from: from.to_owned(), to: to.to_owned() };
        self.note(what, || NativeDisk.rename(from, to))
    }

    fn hard_link(&self, file: &Path, name: &Path) -> Result<()> {
        let what = Operation::HardLink { file: file.to_owned(), name: name.to_owned() };
        self.note(what, || NativeDisk.hard_link(file, name))
    }

    fn symbolic_link(&self, target: &Path, link: &Path) -> Result<()> {
        let what = Operation::SymbolicLink { target: target.to_owned(), link: link.to_owned() };
        self.note(what, || NativeDisk.symbolic_link(target, link))
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        self.note(Operation::RemoveFile(path.to_owned()), || NativeDisk.remove_file(path))
    }

    /// Piece by piece, as the operating system does it.
    fn remove_folder(&self, path: &Path) -> Result<()> {
        for entry in walkdir::WalkDir::new(path).contents_first(true) {
            let entry = entry?;
            if entry.file_type().is_dir() {
                let what = Operation::RemoveFolder(entry.path().to_owned());
                self.note(what, || NativeDisk.remove_folder(entry.path()))?;
            } else {
                self.remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn make_folder(&self, path: &Path) -> Result<()> {
        self.note(Operation::MakeFolder(path.to_owned()), || NativeDisk.make_folder(path))
    }

    fn sync_folder(&self, path: &Path) -> Result<()> {
        self.note(Operation::SyncFolder(path.to_owned()), || NativeDisk.sync_folder(path))
    }
}

#[derive(Debug)]
struct RecordedFile {
    disk: Recording,
    file: usize,
    inner: Box<dyn WritableFile>,
}

impl WritableFile for RecordedFile {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let what = Operation::Write { file: self.file, bytes: bytes.into() };
        self.disk.note(what, || self.inner.write(bytes))
    }

    fn sync(&mut self) -> Result<()> {
        self.disk.note(Operation::Sync { file: self.file }, || self.inner.sync())
    }
}
