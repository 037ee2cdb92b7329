//! The bytes of an immutable file, mapped into memory or read piece by piece.

use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use ser_core::remedy::Setting;
use ser_core::storage::open_regular;
use ser_core::{Error, ErrorKind, Result, remedy};

/// How the tensors of a cache are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions {
    /// Whether files are mapped into memory, which copies nothing. Without, they are read piece by piece.
    ///
    /// A program that cuts a mapped file short, or a network file system that loses it, can end this process with
    /// the signal SIGBUS. The length is checked before each batch is used, so only what happens within that batch
    /// does; where files are read, it is always an error.
    pub map: bool,
    /// Whether each tensor is compared with its checksum the first time it is used; each time, if it is not mapped.
    pub verify: bool,
}

impl Default for ReadOptions {
    /// Mapped and verified.
    fn default() -> Self {
        Self { map: true, verify: true }
    }
}

/// A file of which it is known how long it was when it was opened.
#[derive(Debug)]
pub(crate) struct FileBytes {
    path: PathBuf,
    file: File,
    len: usize,
    map: Option<Mmap>,
}

impl FileBytes {
    /// Opens the regular file at `path`.
    pub(crate) fn open(path: &Path, map: bool) -> Result<Self> {
        let file = open_regular(path, "cannot be opened").map_err(|error| match error.kind() {
            ErrorKind::Unsupported => damaged(path, "is not a regular file"),
            _ => error,
        })?;
        let metadata = file.metadata().map_err(|error| Error::io("cannot be accessed", path, error))?;
        let len = usize::try_from(metadata.len()).map_err(|_| damaged(path, "is too large for memory"))?;
        let map = if map { Some(map_file(&file, path)?) } else { None };
        Ok(Self { path: path.to_owned(), file, len, map })
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// `len` bytes from the byte `at` on.
    ///
    /// # Errors
    /// When it ends before that, or has been cut short since it was opened.
    pub(crate) fn bytes(&self, at: usize, len: usize) -> Result<Cow<'_, [u8]>> {
        if let Some(mapped) = self.mapped(at, len)? {
            return Ok(Cow::Borrowed(mapped));
        }
        let mut bytes = vec![0; len];
        self.read(at, &mut bytes)?;
        Ok(Cow::Owned(bytes))
    }

    /// `count` little-endian values of 32 bits from the byte `at` on.
    ///
    /// # Errors
    /// As [`FileBytes::bytes`], and when mapped values are not aligned.
    pub(crate) fn floats(&self, at: usize, count: usize) -> Result<Cow<'_, [f32]>> {
        let len = count.checked_mul(size_of::<f32>()).ok_or_else(|| self.too_short())?;
        if let Some(mapped) = self.mapped(at, len)? {
            let values = bytemuck::try_cast_slice(mapped);
            return values
                .map(Cow::Borrowed)
                .map_err(|error| damaged(&self.path, &format!("cannot be read in place: {error}")));
        }
        let mut values = vec![0.0; count];
        self.read(at, bytemuck::cast_slice_mut(&mut values))?;
        Ok(Cow::Owned(values))
    }

    /// Hands all bytes to `take`, in order, in pieces.
    ///
    /// # Errors
    /// When it has been cut short since it was opened.
    pub(crate) fn for_each_piece(&self, mut take: impl FnMut(&[u8])) -> Result<()> {
        const PIECE: usize = 1 << 20;
        for at in (0..self.len).step_by(PIECE) {
            take(&self.bytes(at, PIECE.min(self.len - at))?);
        }
        Ok(())
    }

    /// Lets the operating system fetch `len` bytes from the byte `at` on, while the caller does something else. They may
    /// be in memory by the time they are read; if not, reading waits for them as usual.
    pub(crate) fn prefetch(&self, at: usize, len: usize) {
        // It is only a hint: if it fails, nothing is lost.
        let _ = match &self.map {
            Some(map) if at.checked_add(len).is_some_and(|end| end <= self.len) => {
                map.advise_range(memmap2::Advice::WillNeed, at, len)
            }
            #[cfg(target_vendor = "apple")]
            _ => Ok(()),
            #[cfg(not(target_vendor = "apple"))]
            _ => {
                let len = std::num::NonZeroU64::new(len as u64);
                rustix::fs::fadvise(&self.file, at as u64, len, rustix::fs::Advice::WillNeed)
                    .map_err(std::io::Error::from)
            }
        };
    }

    fn mapped(&self, at: usize, len: usize) -> Result<Option<&[u8]>> {
        let end = at.checked_add(len).filter(|end| *end <= self.len).ok_or_else(|| self.too_short())?;
        let Some(map) = &self.map else { return Ok(None) };
        // Touching mapped pages beyond the end of a truncated file would end the process.
        let now = self.file.metadata().map_err(|error| Error::io("cannot be accessed", &self.path, error))?;
        if now.len() != self.len as u64 {
            return Err(self.cut_short());
        }
        map.get(at..end).map(Some).ok_or_else(|| self.too_short())
    }

    fn read(&self, at: usize, into: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(into, at as u64).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.cut_short(),
            _ => Error::io("cannot be read", &self.path, error),
        })
    }

    fn too_short(&self) -> Error {
        damaged(&self.path, &format!("has {} bytes, fewer than it declares", self.len))
    }

    fn cut_short(&self) -> Error {
        damaged(&self.path, "was changed while it was being read")
    }
}

fn map_file(file: &File, path: &Path) -> Result<Mmap> {
    // SAFETY: the mapping is read-only, and what we map is never changed or truncated once it has its name: it is
    // written under another name and renamed, and a name is the SHA-256 of the content. A foreign program that
    // changes the file under us breaks this promise, as it would for every program that maps files; its length is
    // compared before each use.
    #[expect(unsafe_code, reason = "a mapped file is memory that others could change")]
    let map = unsafe { Mmap::map(file) };
    map.map_err(|error| {
        Error::io("cannot be mapped into memory", path, error)
            .help(remedy!["read it without mapping: ", Setting::Mmap])
    })
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Damaged, what).at(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &tempfile::TempDir) -> PathBuf {
        let path = folder.path().join("values");
        let values: Vec<f32> = (0..5000).map(|value| value as f32).collect();
        std::fs::write(&path, bytemuck::cast_slice(&values)).unwrap();
        path
    }

    #[test]
    fn mapped_and_read_files_give_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder);
        for map in [true, false] {
            let bytes = FileBytes::open(&path, map).unwrap();
            assert_eq!(bytes.len(), 20_000);
            assert_eq!(*bytes.floats(4096, 2).unwrap(), [1024.0, 1025.0], "{map}");
            assert_eq!(*bytes.bytes(4, 4).unwrap(), 1.0f32.to_le_bytes(), "{map}");
            assert_eq!(matches!(bytes.floats(0, 1).unwrap(), Cow::Borrowed(_)), map);
            let mut all = Vec::new();
            bytes.for_each_piece(|piece| all.extend_from_slice(piece)).unwrap();
            assert!(all == std::fs::read(&path).unwrap());
            for (at, count) in [(0, 5001), (20_000, 1), (usize::MAX, 1), (4, usize::MAX)] {
                assert!(bytes.floats(at, count).is_err(), "{map} {at} {count}");
            }
        }
        assert!(FileBytes::open(&path, true).unwrap().floats(2, 1).is_err());
    }

    #[test]
    fn a_file_cut_short_under_its_reader_is_an_error_and_no_signal() {
        let folder = tempfile::tempdir().unwrap();
        for map in [true, false] {
            let path = file(&folder);
            let bytes = FileBytes::open(&path, map).unwrap();
            bytes.floats(16_384, 900).unwrap();
            std::fs::File::options().write(true).open(&path).unwrap().set_len(8192).unwrap();
            let error = bytes.floats(16_384, 900).unwrap_err();
            assert_eq!(error.to_string(), format!("{}: was changed while it was being read", path.display()));
        }
    }

    #[test]
    fn files_that_are_not_regular_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(FileBytes::open(folder.path(), true).unwrap_err().to_string().contains("not a regular file"));
    }
}
