//! Files that hold many recordings: tar files, as WebDataset has them, and Parquet files, as Hugging Face's `datasets` does.
//!
//! A recording in one is at `<file>/<name>`, as if the file were a folder: that is its path in manifests, and it is read
//! without unpacking anything. What such a file says of its recordings is a table beside them.

mod parquet;
mod source;
mod tar;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use ser_audio::Limits;
use ser_core::storage::objects::is_url;
use ser_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use crate::archive::source::Source;
use crate::audio_file::FileStat;
use crate::remote;

/// A file that holds recordings.
pub(crate) trait Archive: Debug + Send + Sync {
    /// The recordings in it, in the order in which they lie there.
    fn members(&self) -> &[Member];

    /// What is wrong with the rest of it, if something is.
    fn damage(&self) -> Option<&str>;

    /// What else is in it.
    fn passed_over(&self) -> &PassedOver;

    /// What it says of its recordings; `file` is where it is.
    ///
    /// # Errors
    /// When what it says cannot be read.
    fn descriptions(&self, file: &Path) -> Result<Vec<Description>>;

    /// Puts the bytes of the recording at `position` of [`Self::members`] into `bytes`, which are empty.
    ///
    /// # Errors
    /// When it cannot be read or is larger than `limits` allow, or empty; none names it.
    fn read(&self, file: &Path, position: usize, limits: &Limits, bytes: &mut Vec<u8>) -> Result<()>;
}

/// A recording in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name there, a path with `/` between folders.
    pub(crate) name: String,
    /// How many bytes it has, as far as that is known without reading it.
    pub(crate) size: u64,
}

/// What is in an archive and is no recording that is used.
#[derive(Debug, Default)]
pub(crate) struct PassedOver {
    /// How many files there are that are no recordings.
    pub(crate) ignored: usize,
    /// What seems to be a recording and cannot be used: its name, and why.
    pub(crate) unusable: Vec<(String, Error)>,
}

/// What an archive says of a recording in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Description {
    /// The recording's name there.
    pub(crate) name: String,
    /// By the names of columns or keys.
    pub(crate) fields: Map<String, Value>,
    /// Its class, unless the fields name one.
    pub(crate) class: Option<String>,
}

/// An archive, and where in it each recording is.
#[derive(Debug)]
pub(crate) struct Opened {
    archive: Box<dyn Archive>,
    positions: HashMap<String, usize>,
}

impl Opened {
    fn new(archive: Box<dyn Archive>) -> Self {
        let names = archive.members().iter().map(|member| member.name.clone());
        let positions = names.enumerate().map(|(position, name)| (name, position)).collect();
        Self { archive, positions }
    }

    /// The archive.
    pub(crate) fn archive(&self) -> &dyn Archive {
        &*self.archive
    }
}

/// Archives by their places, each as it was when it was opened.
type Known = HashMap<PathBuf, (FileStat, Arc<Opened>)>;

/// The archives that were opened: finding out what is in one takes as long as reading through its headers.
static OPENED: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// Whether a file is called as an archive.
pub(crate) fn is_named_as_one(file: &Path) -> bool {
    let extension = file.extension().unwrap_or_default();
    ["tar", "parquet"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// `path` without the archives on it: one is no folder that a person has named for a class or a speaker.
pub(crate) fn without_archives(path: &str) -> Cow<'_, str> {
    let Some((folders, file)) = path.rsplit_once('/') else { return Cow::Borrowed(path) };
    let is_archive = |name: &&str| is_named_as_one(Path::new(name));
    if !folders.split('/').any(|name| is_archive(&name)) {
        return Cow::Borrowed(path);
    }
    let others = folders.split('/').filter(|name| !is_archive(name));
    Cow::Owned(others.chain([file]).collect::<Vec<_>>().join("/"))
}

/// The archive at `file`, which must be called as one. A file that has not changed is looked through once.
///
/// # Errors
/// When it cannot be read, or is no archive of its kind.
pub(crate) fn open(file: &Path) -> Result<Arc<Opened>> {
    let opened = Source::open(file)?;
    let stat = opened.stat().map_err(|error| Error::io("cannot be read", file, error))?;
    let mut known = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, archive)) = known.get(file).filter(|(then, _)| *then == stat) {
        return Ok(archive.clone());
    }
    let is_tar = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tar"));
    let archive: Result<Box<dyn Archive>> = match is_tar {
        true => tar::Tar::index(opened).map(|tar| Box::new(tar) as Box<dyn Archive>),
        false => parquet::Parquet::index(opened).map(|parquet| Box::new(parquet) as Box<dyn Archive>),
    };
    let archive = archive.map_err(|error| remote::failure_of(file).unwrap_or(error).at(file))?;
    let archive = Arc::new(Opened::new(archive));
    known.insert(file.to_owned(), (stat, archive.clone()));
    Ok(archive)
}

/// The archive that `location` lies in, and its name there.
fn split(location: &Path) -> Option<(&Path, String)> {
    let file = location.ancestors().skip(1).find(|above| is_named_as_one(above) && remote::is_file(above))?;
    let names: Option<Vec<&str>> =
        location.strip_prefix(file).ok()?.iter().map(std::ffi::OsStr::to_str).collect();
    Some((file, names?.join("/")))
}

/// Whether a recording lies in an archive, where other programs do not find it.
pub fn is_in_archive(location: &Path) -> bool {
    split(location).is_some()
}

/// Reads the whole recording at `location`, a regular file, an object, or one in an archive, of at most `max_bytes`, into `bytes`,
/// replacing what was there.
///
/// # Errors
/// Those of [`ser_audio::read_file`]; `Missing` where an archive has no such recording. Each names the recording.
pub fn read_recording(location: &Path, max_bytes: u64, bytes: &mut Vec<u8>) -> Result<()> {
    let limits = Limits { max_bytes, ..Limits::default() };
    let Some((file, name)) = split(location) else {
        return match is_url(location) {
            true => remote::read_recording(location, &limits, bytes),
            false => ser_audio::read_file(location, &limits, bytes),
        };
    };
    bytes.clear();
    let opened = open(file)?;
    let read = match opened.positions.get(&name) {
        Some(position) => opened.archive.read(file, *position, &limits, bytes),
        None => Err(Error::new(ErrorKind::Missing, "is not in its archive")
            .help("put the archive back as it was when it was prepared, or prepare it again")),
    };
    read.map_err(|error| remote::failure_of(file).unwrap_or(error).at(location))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_no_folder_of_a_path() {
        for (path, inside) in [
            ("data/train-0.parquet/1.wav", "data/1.wav"),
            ("shard-0.tar/angry/1.wav", "angry/1.wav"),
            ("angry/x.TAR/1.wav", "angry/1.wav"),
            ("x.tar/1.wav", "1.wav"),
            ("angry/1.wav", "angry/1.wav"),
            ("x.tar", "x.tar"),
        ] {
            assert_eq!(without_archives(path), inside, "{path}");
        }
    }
}
