//! The index: which tensor lies in which shard and row, and which file was seen with which content.
//!
//! The only file that knows bincode. Layout:
//!
//! ```text
//! 8 bytes   "SERINDEX"
//! u32 LE    version
//! u64 LE    length of the payload, bytes
//! 32 bytes  SHA-256 of the payload
//! payload   the index in bincode 2, standard configuration
//! ```

pub(crate) mod entries_by_key;
pub(crate) mod feature_set;
mod write;

use std::path::Path;

use rayon::prelude::*;
use ser_core::remedy::Action;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::{FileStat, check_relative};
use serde::{Deserialize, Serialize};

use crate::{FeatureSet, Sha};

const MAGIC: &[u8; 8] = b"SERINDEX";
const VERSION: u32 = 1;
const HEADER: usize = 8 + 4 + 8 + 32;

/// Everything the cache knows. Whoever writes one may hold its files in another way, as long as they serialise alike.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Index<F = Vec<SeenFile>> {
    /// Feature sets, the newest last.
    pub feature_sets: Vec<FeatureSet>,
    /// Files of the corpus as they were when last read, in the order of the corpora and then of their paths.
    pub files: F,
}

/// A file whose content is known as long as its stat stays the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeenFile<T = String> {
    /// Path relative to the corpus.
    pub path: T,
    /// What the file system said of it.
    pub stat: FileStat,
    /// SHA-256 of its bytes.
    pub content: Sha,
}

impl Index {
    /// No index is read that claims to be larger than this, bytes: about four million utterances.
    pub(crate) const LARGEST: usize = 1 << 30;

    /// Reads the index at `path`; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or of another version.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let bytes = match std::fs::File::open(path).and_then(|file| read_bounded(&file)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("cannot be read", path, error)),
        };
        let index = Self::decode(&bytes).map_err(|error| error.at(path))?;
        Ok(Some(index))
    }

    /// Decodes what [`Index::write`] wrote. The checksum is verified before anything is trusted.
    ///
    /// # Errors
    /// When a bit is wrong, missing or too much.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let damaged = |what: &str| {
            Error::new(ErrorKind::Damaged, format!("is not a valid index: {what}")).help(remedy![
                "delete it and ",
                Action::Prepare,
                " again: tensors in whole shards are found again"
            ])
        };
        let (magic, rest) = bytes.split_first_chunk::<8>().ok_or_else(|| damaged("it is too short"))?;
        let (version, rest) = rest.split_first_chunk::<4>().ok_or_else(|| damaged("it is too short"))?;
        let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(|| damaged("it is too short"))?;
        let (sha, payload) = rest.split_first_chunk::<32>().ok_or_else(|| damaged("it is too short"))?;
        if magic != MAGIC {
            return Err(damaged("it starts differently"));
        }
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("is an index of version {version}; this program reads version {VERSION}"),
            )
            .help(remedy![
                "use the version that made it, or ",
                Action::PrepareInto("<another folder>".into())
            ]));
        }
        if u64::from_le_bytes(*length) != payload.len() as u64 {
            return Err(damaged("its length is wrong"));
        }
        if Sha::of(&[payload]).0 != *sha {
            return Err(damaged("its checksum is wrong"));
        }
        let (index, used) =
            decode_payload(payload).map_err(|error| damaged(&format!("it cannot be decoded ({error})")))?;
        if used != payload.len() {
            return Err(damaged("there is data after its end"));
        }
        index.validate().map_err(damaged)?;
        Ok(index)
    }

    fn validate(&self) -> Result<(), &'static str> {
        if self.files.par_iter().any(|file| check_relative(&file.path).is_err()) {
            return Err("it names a file outside the corpus folder");
        }
        for set in &self.feature_sets {
            let values = set.shape.iter().try_fold(1u32, |product, &size| product.checked_mul(size));
            if values.is_none_or(|values| values == 0) {
                return Err("a tensor has an impossible shape");
            }
            if !set.entries.is_sorted_by(|a, b| a.row.key < b.row.key) {
                return Err("its entries are not sorted");
            }
            for entry in &set.entries {
                if entry.shard as usize >= set.shards.len() {
                    return Err("an entry names a shard that is not listed");
                }
                if entry.row.frames > set.shape[2] {
                    return Err("an entry has more frames than its tensor");
                }
            }
            let mut rows: Vec<(u32, u32)> =
                set.entries.iter().map(|entry| (entry.shard, entry.position)).collect();
            rows.par_sort_unstable();
            if rows.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
                return Err("two entries share a row");
            }
        }
        Ok(())
    }
}

/// A length in the payload may claim no more than a multiple of the payload: bincode makes room for a text before it
/// looks whether the text is there. The limit is part of bincode's types, so there are few.
fn decode_payload(payload: &[u8]) -> Result<(Index, usize), bincode::error::DecodeError> {
    fn within<const LIMIT: usize>(payload: &[u8]) -> Result<(Index, usize), bincode::error::DecodeError> {
        bincode::serde::decode_from_slice(payload, bincode::config::standard().with_limit::<LIMIT>())
    }
    // A number of 16 bytes may be written in one, and counts as 16.
    match payload.len() {
        0..0x1_0000 => within::<0x10_0000>(payload),
        0x1_0000..0x10_0000 => within::<0x100_0000>(payload),
        0x10_0000..0x100_0000 => within::<0x1000_0000>(payload),
        _ => within::<0x4_0000_0000>(payload),
    }
}

fn read_bounded(file: &std::fs::File) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let limit = (Index::LARGEST + HEADER) as u64;
    // Room for all of it at once: growing step by step it would take up to twice as much.
    let mut bytes = Vec::with_capacity(file.metadata()?.len().min(limit + 1) as usize + 1);
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(std::io::Error::other("it is larger than any index"));
    }
    Ok(bytes)
}
