//! The index: which tensor lies in which shard and row, and which file was seen with which content.
//!
//! The only folder that knows bincode. Layout:
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
mod read;
mod write;

use ser_corpus::FileStat;
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
