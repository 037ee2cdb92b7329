//! What is known of the files of all candidates, which for a million of them is more than should be in memory: then it lies in
//! a file.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ser_cache::{Hex, Sha};
use ser_core::{Error, Result};
use ser_corpus::FileStat;

/// So many records are in memory at a time; as many or fewer candidates have no file.
const BLOCK: usize = 1 << 10;

/// What is known of the file of a candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FileRecord {
    /// What the file system says of it.
    pub(super) stat: FileStat,
    /// The SHA-256 of its bytes, once known.
    pub(super) content: Option<Sha>,
}

/// A record of each candidate's file, by the candidate's position.
pub(super) struct FileRecords {
    count: usize,
    block: usize,
    place: Place,
}

enum Place {
    Memory(Vec<FileRecord>),
    File(RecordFile),
}

/// Records in a file.
struct RecordFile {
    /// It has no name, and is gone with the process.
    file: File,
    folder: PathBuf,
    /// The blocks that are in memory, the one that was asked for last at the end: recordings and copies of them are each asked for
    /// one after the other, but in turns.
    held: Vec<HeldBlock>,
}

/// Blocks in memory at a time.
const HELD: usize = 2;

struct HeldBlock {
    /// The position of its first record.
    start: usize,
    records: Vec<FileRecord>,
    /// Whether it differs from what is in the file.
    is_changed: bool,
}

impl FileRecords {
    /// Those of candidates whose files have these stats and contents that are not known; in `folder`, which is on a disk, if they
    /// are many and there is one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn new(stats: Vec<FileStat>, folder: Option<&Path>) -> Result<Self> {
        Self::in_blocks_of(BLOCK, stats, folder)
    }

    fn in_blocks_of(block: usize, stats: Vec<FileStat>, folder: Option<&Path>) -> Result<Self> {
        let count = stats.len();
        let records = stats.into_iter().map(|stat| FileRecord { stat, content: None });
        let place = match folder.filter(|_| count > block) {
            None => Place::Memory(records.collect()),
            Some(folder) => Place::File(RecordFile::new(records, folder)?),
        };
        Ok(Self { count, block, place })
    }

    /// All, in the order of their positions.
    pub(super) fn iter(&self) -> impl Iterator<Item = Result<FileRecord>> {
        let blocks = (0..self.count).step_by(self.block);
        blocks.flat_map(|start| match self.block_at(start) {
            Ok(records) => records.into_owned().into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    /// The record at a position, to be changed. One after the other is fast, and one here and one there is not.
    ///
    /// # Errors
    /// When it cannot be read, or another that was changed cannot be written.
    pub(super) fn at_mut(&mut self, position: usize) -> Result<&mut FileRecord> {
        match &mut self.place {
            Place::Memory(records) => Ok(&mut records[position]),
            Place::File(file) => {
                let start = position / self.block * self.block;
                let block = file.block_mut(start..self.count.min(start + self.block))?;
                block.is_changed = true;
                Ok(&mut block.records[position - start])
            }
        }
    }

    /// The block that begins at a position.
    fn block_at(&self, start: usize) -> Result<Cow<'_, [FileRecord]>> {
        let range = start..self.count.min(start + self.block);
        match &self.place {
            Place::Memory(records) => Ok(Cow::Borrowed(&records[range])),
            Place::File(file) => match file.held.iter().find(|block| block.start == start) {
                Some(block) => Ok(Cow::Borrowed(&block.records)),
                None => file.read(range).map(Cow::Owned),
            },
        }
    }
}

impl RecordFile {
    fn new(mut records: impl Iterator<Item = FileRecord>, folder: &Path) -> Result<Self> {
        let cannot = |error| cannot_write(folder, error);
        let mut file = BufWriter::new(tempfile::tempfile_in(folder).map_err(cannot)?);
        records.try_for_each(|record| file.write_all(&record.to_bytes())).map_err(cannot)?;
        let file = file.into_inner().map_err(|error| cannot(error.into_error()))?;
        Ok(Self { file, folder: folder.to_owned(), held: Vec::with_capacity(HELD) })
    }

    /// A block of the records at these positions.
    fn block_mut(&mut self, range: Range<usize>) -> Result<&mut HeldBlock> {
        match self.held.iter().position(|block| block.start == range.start) {
            Some(place) => self.held[place..].rotate_left(1),
            None => {
                let start = range.start;
                let records = self.read(range)?;
                if self.held.len() == HELD {
                    self.write_back()?;
                    self.held.remove(0);
                }
                self.held.push(HeldBlock { start, records, is_changed: false });
            }
        }
        let last = self.held.len() - 1;
        Ok(&mut self.held[last])
    }

    fn read(&self, range: Range<usize>) -> Result<Vec<FileRecord>> {
        let mut bytes = vec![0; range.len() * FileRecord::BYTES];
        self.file.read_exact_at(&mut bytes, (range.start * FileRecord::BYTES) as u64).map_err(|error| {
            Error::io("cannot read back what is known of recordings", &self.folder, error)
        })?;
        Ok(bytes.as_chunks().0.iter().map(FileRecord::from_bytes).collect())
    }

    /// Writes the block that was asked for the longest ago, if it was changed.
    fn write_back(&mut self) -> Result<()> {
        let Some(HeldBlock { start, records, is_changed: true }) = self.held.first() else { return Ok(()) };
        let bytes: Vec<u8> = records.iter().copied().flat_map(FileRecord::to_bytes).collect();
        let place = (start * FileRecord::BYTES) as u64;
        self.file.write_all_at(&bytes, place).map_err(|error| cannot_write(&self.folder, error))
    }
}

fn cannot_write(folder: &Path, error: std::io::Error) -> Error {
    Error::io("cannot hold a file for what is known of recordings", folder, error)
}

/// 1 and the SHA-256, or zeros where it is not known.
fn bytes_of_content(content: Option<Sha>) -> [u8; 33] {
    let mut bytes = [0; 33];
    if let (Some(Hex(digest)), [is_known, of_digest @ ..]) = (content, &mut bytes) {
        *is_known = 1;
        *of_digest = digest;
    }
    bytes
}

impl FileRecord {
    /// Where the content begins: after size, both times and inode.
    const CONTENT: usize = 8 + 16 + 16 + 8;
    const BYTES: usize = Self::CONTENT + 33;

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let FileStat { size, modified_ns, changed_ns, inode } = self.stat;
        let (size, inode) = (size.to_ne_bytes(), inode.to_ne_bytes());
        let [modified, changed] = [modified_ns, changed_ns].map(i128::to_ne_bytes);
        let content = bytes_of_content(self.content);
        let parts = [size.as_slice(), &modified, &changed, &inode, &content];
        let mut bytes = [0; Self::BYTES];
        bytes.iter_mut().zip(parts.into_iter().flatten()).for_each(|(byte, value)| *byte = *value);
        bytes
    }

    fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
            let (taken, left) = rest.split_first_chunk().unwrap_or((&[0; N], &[]));
            *rest = left;
            *taken
        }
        let mut rest = bytes.as_slice();
        let stat = FileStat {
            size: u64::from_ne_bytes(take(&mut rest)),
            modified_ns: i128::from_ne_bytes(take(&mut rest)),
            changed_ns: i128::from_ne_bytes(take(&mut rest)),
            inode: u64::from_ne_bytes(take(&mut rest)),
        };
        let [is_known] = take(&mut rest);
        Self { stat, content: (is_known == 1).then(|| Hex(take(&mut rest))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_in_a_file_are_those_that_would_be_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let stat = |number: usize| FileStat {
            size: number as u64,
            modified_ns: -(number as i128) << 70,
            changed_ns: i128::MAX - number as i128,
            inode: u64::MAX - number as u64,
        };
        let stats: Vec<FileStat> = (0..10).map(stat).collect();
        let of = |place: Option<&Path>, block: usize| {
            let mut records = FileRecords::in_blocks_of(block, stats.clone(), place).unwrap();
            for position in [1, 4, 9, 4, 7, 1, 8, 1, 9, 0, 9] {
                let record = records.at_mut(position).unwrap();
                record.content = record.content.is_none().then(|| Sha::of(&[&[position as u8]]));
            }
            records.iter().map(Result::unwrap).collect::<Vec<_>>()
        };
        let in_memory = of(None, 3);
        let known: Vec<usize> = (0..10).filter(|&position| in_memory[position].content.is_some()).collect();
        assert_eq!(known, [0, 1, 7, 8, 9]);
        assert_eq!(in_memory.iter().map(|record| record.stat).collect::<Vec<_>>(), stats);
        for block in [1, 3, 9, 10] {
            assert_eq!(of(Some(folder.path()), block), in_memory, "{block}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
