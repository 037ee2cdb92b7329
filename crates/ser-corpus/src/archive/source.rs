//! The bytes of an archive, a file or an object in a store: of an object only the blocks that are looked at, of which some
//! stay in memory for what is looked at next.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use ser_core::storage::objects::{Object, is_url};
use ser_core::storage::open_regular;
use ser_core::{Error, Result};

use crate::audio_file::FileStat;
use crate::remote::{self, RemoteFile};

/// Bytes of a block.
const BLOCK: u64 = 1 << 20;

/// Blocks of all archives in memory.
const MOST_BLOCKS: usize = 64;

/// An open archive.
#[derive(Debug)]
pub(super) enum Source {
    /// A regular file.
    File(File),
    /// An object.
    Object(ObjectReader),
}

/// A place in an object.
#[derive(Debug, Clone)]
pub(super) struct ObjectReader {
    path: PathBuf,
    file: RemoteFile,
    at: u64,
}

impl Source {
    /// The archive at `path`, which may be a URL.
    ///
    /// # Errors
    /// When it is no regular file and no object, or cannot be opened.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if is_url(path) {
            let file = remote::object(path).inspect_err(|error| remote::note_failure(path, error))?;
            return Ok(Self::Object(ObjectReader { path: path.to_owned(), file, at: 0 }));
        }
        // Only regular files are opened: a pipe could wait forever.
        open_regular(path, "cannot be read").map(Self::File)
    }

    /// What tells whether it has changed.
    pub(super) fn stat(&self) -> std::io::Result<FileStat> {
        match self {
            Self::File(file) => Ok(FileStat::of(&file.metadata()?)),
            Self::Object(reader) => Ok(FileStat::of_object(&reader.file.object)),
        }
    }

    /// The same once more, with a place of its own unless it is a file.
    pub(super) fn again(&self) -> std::io::Result<Self> {
        match self {
            Self::File(file) => file.try_clone().map(Self::File),
            Self::Object(reader) => Ok(Self::Object(reader.clone())),
        }
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read(into),
            Self::Object(reader) => reader.read(into),
        }
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Object(reader) => reader.seek(to),
        }
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        match self {
            Self::File(file) => Length::len(file),
            Self::Object(reader) => reader.file.object.size,
        }
    }
}

impl ChunkReader for Source {
    type T = BufReader<Self>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let mut source = self.again()?;
        source.seek(SeekFrom::Start(start))?;
        Ok(BufReader::new(source))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let mut source = self.again()?;
        source.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        source.take(length as u64).read_to_end(&mut bytes)?;
        match bytes.len() == length {
            true => Ok(bytes.into()),
            false => Err(ParquetError::EOF(format!("it ends {} bytes early", length - bytes.len()))),
        }
    }
}

impl ObjectReader {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.at >= self.file.object.size || into.is_empty() {
            return Ok(0);
        }
        let block = block(&self.file, self.at / BLOCK).map_err(|error| {
            remote::note_failure(&self.path, &error);
            std::io::Error::other(error.reason())
        })?;
        let from = usize::try_from(self.at % BLOCK).unwrap_or_default();
        let bytes = block.get(from..).unwrap_or_default();
        let count = bytes.len().min(into.len());
        into[..count].copy_from_slice(&bytes[..count]);
        self.at += count as u64;
        Ok(count)
    }

    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(offset) => self.file.object.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        self.at = place.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// A block, once it is there. Whoever finds it locked waits for who is fetching it.
type Slot = Arc<Mutex<Option<Bytes>>>;

/// A block in memory, by its object and its number.
struct Kept {
    url: String,
    object: Arc<Object>,
    number: u64,
    slot: Slot,
}

/// The blocks in memory, those that were used last at the end.
static BLOCKS: LazyLock<Mutex<VecDeque<Kept>>> = LazyLock::new(Mutex::default);

/// Block `number` of an object.
fn block(file: &RemoteFile, number: u64) -> Result<Bytes, Error> {
    let slot = {
        let mut blocks = BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
        let known = blocks.iter().position(|kept| {
            kept.number == number && kept.object == file.object && kept.url == file.folder.url()
        });
        let kept = known.and_then(|place| blocks.remove(place)).unwrap_or_else(|| Kept {
            url: file.folder.url().to_owned(),
            object: file.object.clone(),
            number,
            slot: Slot::default(),
        });
        let slot = kept.slot.clone();
        blocks.push_back(kept);
        if blocks.len() > MOST_BLOCKS {
            blocks.pop_front();
        }
        slot
    };
    let mut content = slot.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bytes) = &*content {
        return Ok(bytes.clone());
    }
    let start = number * BLOCK;
    let read = file.folder.read(&file.object, start..(start + BLOCK).min(file.object.size))?;
    Ok(content.insert(read.into()).clone())
}
