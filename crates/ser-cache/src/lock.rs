//! The two locks: one writer at a time, and nothing is removed while somebody reads.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::{Errno, retry_on_intr};
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};

/// How often, and at what interval, a holder that has not written its name yet is asked again.
const HOLDER_RETRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// Held by the process that writes the cache. The operating system releases it when the process ends, however it
/// ends.
#[derive(Debug)]
pub struct WriterLock {
    file: File,
}

impl WriterLock {
    /// Takes the lock of the cache in `root`; with `wait`, once the other writer is done.
    ///
    /// # Errors
    /// When another process holds it and `wait` is not set, naming that process.
    pub fn take(root: &Path, wait: bool) -> Result<Self> {
        let path = root.join(".lock");
        let io = |error| Error::io("cannot be locked", &path, error);
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(io)?;
        if wait {
            retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))
                .map_err(|error| io(error.into()))?;
        } else {
            let mut asked = 0;
            loop {
                match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) => break,
                    Err(Errno::WOULDBLOCK) => {
                        let holder = holder_of(&file);
                        if asked == HOLDER_RETRIES || process_may_exist(&holder) {
                            return Err(busy(root, &holder));
                        }
                        // The name is that of an earlier holder, which was killed: the present one is about to
                        // write its own.
                        asked += 1;
                        std::thread::sleep(PAUSE);
                    }
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(io(error.into())),
                }
            }
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        writeln!(file, "process {}", std::process::id()).map_err(io)?;
        Ok(Self { file })
    }
}

impl Drop for WriterLock {
    /// A leftover name would be mistaken for that of the next holder.
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
    }
}

fn holder_of(mut file: &File) -> String {
    let mut holder = Vec::new();
    let _ = file.rewind().and_then(|()| file.take(64).read_to_end(&mut holder));
    String::from_utf8_lossy(&holder).trim().to_owned()
}

/// Whether `process <number>` exists; true where that is not known.
fn process_may_exist(holder: &str) -> bool {
    let processes = Path::new("/proc");
    let number = holder.strip_prefix("process ").filter(|number| number.parse::<u32>().is_ok());
    number.is_some_and(|number| !processes.join("self").exists() || processes.join(number).exists())
}

fn busy(root: &Path, holder: &str) -> Error {
    let holder = if holder.is_empty() { String::new() } else { format!(" ({holder})") };
    Error::new(ErrorKind::Io, format!("is being written by another process{holder}"))
        .at(root)
        .help(remedy!["wait until it is done, or give ", Setting::Wait])
}

/// A `flock` on the cache's own folder: shared by readers, exclusive for a process that removes something. A folder can
/// be locked without being written, so this works on a read-only cache, and the operating system releases it
/// when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct ReadersLock {
    /// `None` where the file system cannot lock: a reader then continues without it.
    _folder: Option<OwnedFd>,
}

impl ReadersLock {
    /// Joins the readers of the cache in `root`; waits only while something is being removed.
    pub(crate) fn share(root: &Path) -> Self {
        let folder = open_folder(root).ok();
        let locks = |folder: &OwnedFd| retry_on_intr(|| flock(folder, FlockOperation::LockShared)).is_ok();
        Self { _folder: folder.filter(locks) }
    }

    /// Makes sure that no process reads the cache in `root`, and that none starts to; with `wait`, once the last
    /// reader is done.
    ///
    /// # Errors
    /// When it is being read and `wait` is not set, or the file system cannot say.
    pub(crate) fn exclude(root: &Path, wait: bool) -> Result<Self> {
        let cannot_lock = |error: Errno| {
            Error::io("cannot be locked, so whether it is being read is not known", root, error.into())
                .help("make sure that nothing reads the cache, then copy it to a local file system")
        };
        let folder = open_folder(root).map_err(cannot_lock)?;
        let operation = match wait {
            true => FlockOperation::LockExclusive,
            false => FlockOperation::NonBlockingLockExclusive,
        };
        match retry_on_intr(|| flock(&folder, operation)) {
            Ok(()) => Ok(Self { _folder: Some(folder) }),
            Err(Errno::WOULDBLOCK) => Err(Error::new(ErrorKind::Io, "is being read by another process")
                .at(root)
                .help(remedy!["wait until it is done, or give ", Setting::Wait])),
            Err(error) => Err(cannot_lock(error)),
        }
    }
}

fn open_folder(root: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}
