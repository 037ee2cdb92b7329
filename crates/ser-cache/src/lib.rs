//! The tensor cache: keyed by content, checksummed, mapped into memory, readable without us.
//!
//! The format is specified in `cache/README.md`.
//!
//! ```text
//! <cache>/index.bin                       what the cache knows                      (index)
//!         shards/<sha256>.safetensors     tensors, immutable                        (shard)
//!         manifests/<sha256>/<protocol>/  split.toml, train|val|test.jsonl          (manifest, generation)
//!         splits -> manifests/<sha256>    the newest feature set's
//!         prep-report.json                what the last run did                     (prepare)
//! ```
//!
//! [`care`] maintains an existing cache: verifies, repairs, lists, cleans up, exports and compares.

pub mod audit;
mod bytes;
mod cache;
pub mod care;
mod copies;
mod corpora;
mod dataset;
mod digest;
mod feature_set;
pub mod generation;
mod index;
mod inside;
mod layout;
mod lock;
mod manifest;
mod readers;
mod row;
mod shard;

pub use audit::Audit;
pub use bytes::ReadOptions;
pub use cache::Cache;
pub use copies::{CopySettings, copies_of, copy_path, parse_copy_path};
pub use corpora::{corpora_of, prep_report};
pub use dataset::Dataset;
pub use digest::{Checksum, Hex, Sha};
pub use feature_set::{augmented_set_id, feature_set_id};
pub use index::{FeatureSet, Index, SeenFile, TensorEntry};
pub use inside::check_inside;
pub use layout::{index_path, layout_of, manifest_shard, manifests_folder, shards_folder};
pub use lock::WriterLock;
pub use manifest::{SplitInfo, SplitManifest, StoredSplit, Utterance};
pub use row::{RowInfo, TensorKey, TensorSource, key_of};
pub use shard::{ALIGNMENT, Shard, ShardBuffer, ShardLayout, rows_per_shard, shard_path};
