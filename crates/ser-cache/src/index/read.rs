//! Reading an index: compared with its digest before anything in it is believed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use bincode::de::read::Reader;
use bincode::error::DecodeError;
use bincode::serde::OwnedSerdeDecoder;
use ser_core::remedy::Action;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::check_relative;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, SeqAccess, Visitor};

use crate::index::{HEADER, Index, MAGIC, SeenFile, VERSION};
use crate::{FeatureSet, Sha};

impl Index {
    /// No index is read that claims to be larger than this, bytes: about four million utterances.
    pub(crate) const LARGEST: usize = 1 << 30;

    /// Reads the index at `path`; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or of another version.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let Some(file) = open(path)? else { return Ok(None) };
        let bytes = read_bounded(&file).map_err(|error| Error::io("cannot be read", path, error))?;
        let index = Self::decode(&bytes).map_err(|error| error.at(path))?;
        Ok(Some(index))
    }

    /// Decodes what [`Index::write`] wrote. The checksum is verified before anything is trusted.
    ///
    /// # Errors
    /// When a bit is wrong, missing or too much.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (header, payload) = bytes.split_first_chunk().ok_or_else(|| damaged("it is too short"))?;
        Header::parse(header)?.compare(payload.len() as u64, &Sha::of(&[payload]))?;
        let mut files = Vec::new();
        let feature_sets = decode_telling(payload, payload.len(), &mut |file| {
            files.push(file);
            Ok(())
        })?;
        Ok(Self { feature_sets, files })
    }
}

impl Index<()> {
    /// Reads the feature sets of the index at `path`; `None` where there is none. `told` gets its files one after the other: of a
    /// million they are more than should be in memory.
    ///
    /// # Errors
    /// Those of [`Index::read`] and of `told`.
    pub fn read_telling(
        path: &Path,
        mut told: impl FnMut(SeenFile) -> Result<()>,
    ) -> Result<Option<Vec<FeatureSet>>> {
        let Some(mut file) = open(path)? else { return Ok(None) };
        let cannot = |error| Error::io("cannot be read", path, error);
        let mut header = [0; HEADER];
        match file.read_exact(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(damaged("it is too short").at(path));
            }
            result => result.map_err(cannot)?,
        }
        let header = Header::parse(&header).map_err(|error| error.at(path))?;
        let (sha, length) = Sha::of_reader(&mut bounded(&file, Index::LARGEST), |_| {}).map_err(cannot)?;
        check_size(length, Index::LARGEST).map_err(cannot)?;
        header.compare(length, &sha).map_err(|error| error.at(path))?;
        file.seek(SeekFrom::Start(HEADER as u64)).map_err(cannot)?;

        let payload = BufReader::new(file).take(length);
        decode_telling(payload, length as usize, &mut told).map(Some).map_err(|error| error.at(path))
    }
}

fn open(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("cannot be read", path, error)),
    }
}

fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::Damaged, format!("is not a valid index: {what}")).help(remedy![
        "delete it and ",
        Action::Prepare,
        " again: tensors in whole shards are found again"
    ])
}

/// What an index says of its payload.
struct Header {
    length: u64,
    sha: Sha,
}

impl Header {
    fn parse(bytes: &[u8; HEADER]) -> Result<Self> {
        fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
            let (taken, left) = rest.split_first_chunk().unwrap_or((&[0; N], &[]));
            *rest = left;
            *taken
        }
        let rest = &mut bytes.as_slice();
        if take(rest) != *MAGIC {
            return Err(damaged("it starts differently"));
        }
        let version = u32::from_le_bytes(take(rest));
        if version != VERSION {
            let what = format!("is an index of version {version}; this program reads version {VERSION}");
            return Err(Error::new(ErrorKind::Unsupported, what).help(remedy![
                "use the version that made it, or ",
                Action::PrepareInto("<another folder>".into())
            ]));
        }
        Ok(Self { length: u64::from_le_bytes(take(rest)), sha: crate::Hex(take(rest)) })
    }

    /// Compares it with the payload that was found.
    fn compare(&self, length: u64, sha: &Sha) -> Result<()> {
        if self.length != length {
            return Err(damaged("its length is wrong"));
        }
        match self.sha == *sha {
            true => Ok(()),
            false => Err(damaged("its checksum is wrong")),
        }
    }
}

/// Decodes a payload of `length` bytes; `told` gets its files one after the other.
///
/// A length in it may claim no more than a multiple of the payload: bincode makes room for a text before it looks whether the
/// text is there. The limit is part of bincode's types, so there are few.
fn decode_telling(
    mut payload: impl BufRead,
    length: usize,
    told: &mut dyn FnMut(SeenFile) -> Result<()>,
) -> Result<Vec<FeatureSet>> {
    let mut failed = None;
    let (from, files) = (&mut payload, FilesInTurn { told, failed: &mut failed });
    // A number of 16 bytes may be written in one, and counts as 16.
    let sets = match length {
        0..0x1_0000 => within::<0x10_0000>(from, files),
        0x1_0000..0x10_0000 => within::<0x100_0000>(from, files),
        0x10_0000..0x100_0000 => within::<0x1000_0000>(from, files),
        _ => within::<0x4_0000_0000>(from, files),
    };
    if let Some(error) = failed {
        return Err(error);
    }
    let sets = sets.map_err(|error| match error {
        DecodeError::Io { inner, .. } if inner.kind() != io::ErrorKind::UnexpectedEof => {
            Error::new(ErrorKind::Io, format!("cannot be read: {inner}"))
        }
        error => damaged(&format!("it cannot be decoded ({error})")),
    })?;
    match payload.fill_buf() {
        Ok([]) => {}
        Ok(_) => return Err(damaged("there is data after its end")),
        Err(error) => return Err(Error::new(ErrorKind::Io, format!("cannot be read: {error}"))),
    }
    sets.iter().try_for_each(FeatureSet::validate).map_err(damaged)?;
    Ok(sets)
}

fn within<const LIMIT: usize>(
    payload: &mut impl BufRead,
    files: FilesInTurn<'_>,
) -> Result<Vec<FeatureSet>, DecodeError> {
    let config = bincode::config::standard().with_limit::<LIMIT>();
    let mut decoder = OwnedSerdeDecoder::from_reader(Payload(payload), config);
    decoder.as_deserializer().deserialize_tuple(2, IndexInTurn(files))
}

/// What bincode reads an index from.
struct Payload<R>(R);

impl<R: BufRead> Reader for Payload<R> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), DecodeError> {
        let additional = bytes.len();
        self.0.read_exact(bytes).map_err(|inner| DecodeError::Io { inner, additional })
    }

    fn peek_read(&mut self, count: usize) -> Option<&[u8]> {
        self.0.fill_buf().ok()?.get(..count)
    }

    fn consume(&mut self, count: usize) {
        self.0.consume(count);
    }
}

/// An index whose files are told, in the order in which it is encoded.
struct IndexInTurn<'a>(FilesInTurn<'a>);

impl<'de> Visitor<'de> for IndexInTurn<'_> {
    type Value = Vec<FeatureSet>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("feature sets and files")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let sets = parts.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        let files = parts.next_element_seed(self.0)?;
        files.map(|()| sets).ok_or_else(|| A::Error::custom("its files are missing"))
    }
}

/// The files of an index, each told as it is decoded.
struct FilesInTurn<'a> {
    told: &'a mut dyn FnMut(SeenFile) -> Result<()>,
    /// Why that has failed.
    failed: &'a mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for FilesInTurn<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, files: D) -> Result<(), D::Error> {
        files.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for FilesInTurn<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("files")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut files: A) -> Result<(), A::Error> {
        while let Some(file) = files.next_element::<SeenFile>()? {
            let told = match check_relative(&file.path) {
                Ok(()) => (self.told)(file),
                Err(_) => Err(damaged("it names a file outside the corpus folder")),
            };
            if let Err(error) = told {
                *self.failed = Some(error);
                return Err(A::Error::custom("a file cannot be used"));
            }
        }
        Ok(())
    }
}

/// What is left of a file, and a byte more than it may have.
fn bounded(file: &File, limit: usize) -> io::Take<&File> {
    file.take(limit as u64 + 1)
}

fn check_size(length: u64, limit: usize) -> io::Result<()> {
    match length <= limit as u64 {
        true => Ok(()),
        false => Err(io::Error::other("it is larger than any index")),
    }
}

fn read_bounded(file: &File) -> io::Result<Vec<u8>> {
    let limit = Index::LARGEST + HEADER;
    // Room for all of it at once: growing step by step it would take up to twice as much.
    let mut bytes = Vec::with_capacity(file.metadata()?.len().min(limit as u64 + 1) as usize + 1);
    bounded(file, limit).read_to_end(&mut bytes)?;
    check_size(bytes.len() as u64, limit)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use ser_core::storage::Storage;
    use ser_corpus::FileStat;

    use super::*;
    use crate::TensorKey;

    fn index(files: usize) -> Index {
        let file = |number: usize| SeenFile {
            path: format!("sad/{number}.wav"),
            stat: FileStat { size: number as u64 * 1_000, inode: u64::MAX, ..FileStat::default() },
            content: TensorKey::of(&[&number.to_le_bytes()]),
        };
        let set = FeatureSet {
            id: "a".repeat(12),
            configuration: "{}".to_owned(),
            shape: [3, 40, 200],
            manifests: FeatureSet::no_manifests(),
            shards: vec![Sha::of(&[b"shard"])],
            entries: Vec::new(),
        };
        Index { feature_sets: vec![set], files: (0..files).map(file).collect() }
    }

    /// What each way of reading the index at `path` says.
    fn both(path: &Path) -> [Result<Option<Index>>; 2] {
        let mut files = Vec::new();
        let sets = Index::read_telling(path, |file| {
            files.push(file);
            Ok(())
        });
        [Index::read(path), sets.map(|sets| sets.map(|feature_sets| Index { feature_sets, files }))]
    }

    #[test]
    fn an_index_is_the_same_read_at_once_and_file_by_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.bin");
        assert!(both(&path).into_iter().all(|read| read.unwrap().is_none()));
        // More than a buffer holds.
        for files in [0, 1, 2_000] {
            let index = index(files);
            index.write(&Storage::native(), &path).unwrap();
            assert!(both(&path).into_iter().all(|read| read.unwrap().as_ref() == Some(&index)), "{files}");
        }
    }

    #[test]
    fn a_damaged_index_is_the_same_error_read_at_once_and_file_by_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.bin");
        index(3).write(&Storage::native(), &path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let mut outside = index(3);
        outside.files[1].path = "../1.wav".to_owned();
        outside.write(&Storage::native(), &path).unwrap();
        let outside = std::fs::read(&path).unwrap();
        let mut shapeless = index(3);
        shapeless.feature_sets[0].shape[1] = 0;
        shapeless.write(&Storage::native(), &path).unwrap();
        let shapeless = std::fs::read(&path).unwrap();

        let cut = [0, 7, 30, HEADER - 1, HEADER, whole.len() - 1].map(|length| whole[..length].to_vec());
        let altered = [0, 8, 12, 25, HEADER + 5, whole.len() - 1].map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        });
        let longer = [whole.as_slice(), b"\0"].concat();
        for bytes in cut.into_iter().chain(altered).chain([longer, outside, shapeless]) {
            std::fs::write(&path, &bytes).unwrap();
            let [at_once, in_turn] = both(&path).map(|read| read.unwrap_err().to_string());
            assert!(at_once == in_turn && at_once.contains("index.bin"), "{at_once} / {in_turn}");
        }
    }

    #[test]
    fn reading_ends_with_the_error_of_who_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.bin");
        index(3).write(&Storage::native(), &path).unwrap();
        let mut told = 0;
        let read = Index::read_telling(&path, |_| {
            told += 1;
            if told < 2 { Ok(()) } else { Err(Error::new(ErrorKind::Io, "the disk is full")) }
        });
        assert!(read.unwrap_err().to_string().contains("the disk is full") && told == 2);
    }
}
