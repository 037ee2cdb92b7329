//! The journal of a study: a file in the format of Optuna's `JournalFileBackend`, a line of JSON for each operation.
//!
//! Several processes may write at the same time, Optuna among them. Who writes holds Optuna's lock, the symbolic link
//! `<journal>.lock`, and before it a lock of the operating system on `<journal>.flock`. The second tells a link that a
//! killed search left behind, which is removed at once, from one that is held.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind as IoErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FlockOperation, flock};
use rustix::io::retry_on_intr;
use ser_core::remedy::Setting;
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::{Operation, Replay};

/// After what time a lock is taken from a holder that has written nothing; Optuna's default.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest journal that is read, bytes.
const MAX_BYTES: u64 = 1 << 30;
/// Where our link points to: the journal, in a spelling that only we use.
const OUR_LINK: &str = "./././journal.log";
/// Name of the journal in the folder of a study.
const NAME: &str = "journal.log";

/// A journal and what it says so far.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    flock: File,
    replay: Replay,
    /// How much of the file has been replayed, bytes and lines.
    read: u64,
    lines: u64,
}

impl Journal {
    /// Opens the journal in the folder of a study, or begins one.
    ///
    /// # Errors
    /// When it cannot be read or written, or is damaged.
    pub fn open(folder: &Path) -> Result<Self> {
        let storage = Storage::native();
        storage.make_folder(folder)?;
        let path = folder.join(NAME);
        let open = |path: &Path| {
            let file = OpenOptions::new().read(true).append(true).create(true).open(path);
            file.map_err(|error| Error::io("cannot be opened", path, error))
        };
        open(&path)?;
        let flock = open(&folder.join("journal.log.flock"))?;
        storage.sync_folder(folder)?;
        let mut journal = Self { path, flock, replay: Replay::default(), read: 0, lines: 0 };
        journal.transact("", |_| Ok((Vec::new(), ())))?;
        Ok(journal)
    }

    /// Reads the journal in the folder of a study without changing anything.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn read(folder: &Path) -> Result<Replay> {
        let path = folder.join(NAME);
        if !path.is_file() {
            return Err(Error::new(ErrorKind::Missing, "holds no study")
                .at(folder)
                .help("give the folder of a search, which holds journal.log"));
        }
        let flock = File::open(&path).map_err(|error| Error::io("cannot be opened", &path, error))?;
        let mut journal = Self { path, flock, replay: Replay::default(), read: 0, lines: 0 };
        journal.catch_up(false)?;
        Ok(journal.replay)
    }

    /// What it says, as of the last transaction.
    pub fn replay(&self) -> &Replay {
        &self.replay
    }

    /// Lets `decide` see the current journal and return what to add to it, under the lock. What is
    /// added is on disk when this returns.
    ///
    /// # Errors
    /// Those of `decide`, and when the journal cannot be locked, read or written.
    pub fn transact<T>(
        &mut self,
        worker: &str,
        decide: impl FnOnce(&Replay) -> Result<(Vec<Operation>, T)>,
    ) -> Result<T> {
        let locked = self.lock()?;
        self.catch_up(true)?;
        let (operations, decided) = decide(&self.replay)?;
        if !operations.is_empty() {
            self.append(&operations, worker)?;
            self.catch_up(true)?;
        }
        drop(locked);
        Ok(decided)
    }

    /// One write and a sync, so that a crash leaves whole lines, or one torn one at the end.
    fn append(&self, operations: &[Operation], worker: &str) -> Result<()> {
        let io = |error| {
            Error::io("cannot be written", &self.path, error).help("make room; what it holds stays as it is")
        };
        let mut lines = String::new();
        for operation in operations {
            lines += &operation.to_line(worker);
            lines.push('\n');
        }
        let mut file = OpenOptions::new().append(true).open(&self.path).map_err(io)?;
        let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
        written.map_err(|error| {
            // Others must not find half a line.
            let _ = file.set_len(self.read);
            io(error)
        })
    }

    /// Replays what has been added since. Whoever is `locked` also removes a last line that a killed or crashed writer
    /// left torn, which Optuna would stumble over.
    fn catch_up(&mut self, locked: bool) -> Result<()> {
        let io = |error| Error::io("cannot be read", &self.path, error);
        let mut file = File::open(&self.path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let unusable = |error: Error| {
            error.at(&self.path).help(remedy![
                "give another ",
                Setting::Study,
                " folder, or put the journal back as it was"
            ])
        };
        if size > MAX_BYTES || size < self.read {
            let what = if size < self.read { "has become shorter" } else { "is too large for a journal" };
            return Err(unusable(Error::new(ErrorKind::Damaged, what)));
        }
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(self.read)).map_err(io)?;
        file.take(size - self.read).read_to_end(&mut text).map_err(io)?;
        let mut rest = text.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end + 1);
            let applied = match std::str::from_utf8(line) {
                Ok(line) => self.replay.apply(line.trim_end()),
                Err(_) => Err(Error::new(ErrorKind::Damaged, "is not text")),
            };
            if let Err(error) = applied {
                if after.is_empty() && error.kind() == ErrorKind::Damaged {
                    break;
                }
                let what = format!("line {} {}", self.lines + 1, error.reason());
                let error = Error::new(error.kind(), what).at(&self.path);
                return Err(if error.kind() == ErrorKind::Damaged { unusable(error) } else { error });
            }
            self.read += line.len() as u64;
            self.lines += 1;
            rest = after;
        }
        if locked && !rest.is_empty() {
            let file = OpenOptions::new().write(true).open(&self.path).map_err(io)?;
            file.set_len(self.read).and_then(|()| file.sync_data()).map_err(io)?;
        }
        Ok(())
    }

    fn lock(&self) -> Result<Locked> {
        let io = |error| Error::io("cannot be locked", &self.path, error);
        let flock_file = self.flock.try_clone().map_err(io)?;
        retry_on_intr(|| flock(&flock_file, FlockOperation::LockExclusive))
            .map_err(|error| io(error.into()))?;
        // Released even if what follows fails.
        let mut locked =
            Locked { link: self.path.with_extension("log.lock"), flock: flock_file, linked: false };
        let mut seen: (Option<SystemTime>, Instant) = (None, Instant::now());
        let mut pause = Duration::from_millis(1);
        loop {
            match symlink(&locked.link) {
                Ok(()) => break,
                Err(error) if error.kind() == IoErrorKind::AlreadyExists => {}
                Err(error) => return Err(io(error)),
            }
            let changed = std::fs::metadata(&self.path).and_then(|metadata| metadata.modified()).ok();
            if changed != seen.0 {
                seen = (changed, Instant::now());
            }
            let left_behind =
                std::fs::read_link(&locked.link).is_ok_and(|target| target == Path::new(OUR_LINK));
            if left_behind || seen.1.elapsed() > LOCK_TIMEOUT {
                remove_link(&locked.link);
                continue;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(250));
        }
        locked.linked = true;
        Ok(locked)
    }
}

/// Both locks, until it is dropped.
#[derive(Debug)]
struct Locked {
    link: PathBuf,
    flock: File,
    linked: bool,
}

impl Drop for Locked {
    fn drop(&mut self) {
        if self.linked {
            remove_link(&self.link);
        }
        let _ = flock(&self.flock, FlockOperation::Unlock);
    }
}

/// As Optuna removes it: under another name first, so that no one removes a link that others have made meanwhile.
fn remove_link(link: &Path) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut aside = link.as_os_str().to_owned();
    aside.push(format!("{}-{number}.rename", std::process::id()));
    if std::fs::rename(link, &aside).is_ok() {
        let _ = std::fs::remove_file(&aside);
    }
}

fn symlink(link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(OUR_LINK, link)
}
