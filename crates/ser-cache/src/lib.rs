//! A tensor cache: keyed by content, checksummed, mapped into memory, and readable without this crate.
//!
//! A cache is a folder that any program with JSON and [safetensors](https://docs.rs/safetensors) can read on its own. The
//! specification, field by field, is `cache/README.md` at the root of the repository; this page is the way through the
//! crate.
//!
//! ```text
//! <cache>/
//! ├── index.bin                        what the cache knows                          Index
//! ├── shards/
//! │   └── <SHA-256>.safetensors        tensors of many utterances, never changed     Shard, ShardBuffer
//! ├── manifests/
//! │   └── <SHA-256>/<protocol>/        one generation of splits, never changed       Generation
//! │       ├── split.toml               what the split is, digests of the others      SplitInfo, audit::Audit
//! │       └── train|val|test.jsonl     an utterance in each line                     Utterance
//! ├── splits -> manifests/<SHA-256>    the newest generation
//! ├── audit/<feature set>.jsonl        measurements, which can be made again         audit::Measured
//! ├── prep-report.json                 what the last preparation found               prep_report
//! ├── encoders.json                    where pretrained encoders were                encoder_folder
//! ├── portion.json                     which portion it is, if it is one              FeatureSet::is_portion
//! └── .lock                            the one writer                                WriterLock
//! ```
//!
//! # From recordings to rows
//!
//! The key of a tensor is a SHA-256 over the recording's bytes, the feature configuration and the version of the
//! extractor ([`key_of`]): a recording that was renamed keeps its tensor, one that was changed gets another. All tensors of
//! one configuration are a [`FeatureSet`]; a cache holds any number of them, and the newest is the last. A training
//! opens the [`Cache`], picks a feature set and a protocol, and gets a [`Dataset`] for each side of the [`StoredSplit`].
//!
//! # A shard, byte by byte
//!
//! ```text
//!      0  ┌──────────────────────────────┐
//!         │ H: u64, little-endian        │  8 bytes
//!      8  ├──────────────────────────────┤
//!         │ header: JSON, then spaces    │  H bytes, at most 64 MiB
//!  8 + H  ├──────────────────────────────┤  a multiple of 4,096
//!         │ features: f32                │  4 · N · channel · n_mfcc · frame bytes
//!         ├──────────────────────────────┤
//!         │ frames: i32                  │  4 · N bytes
//!         └──────────────────────────────┘  the end of the file, and no byte after it
//! ```
//!
//! Data starts at a multiple of 4,096 bytes, the size of a memory page, so that mapped tensors are aligned and used in
//! place, whatever the length of the header. A shard has about 24 MiB, a few hundred utterances. Its header lists the key,
//! the checksum and the source of each row, so it explains itself without the index ([`Shard::verified_rows`]).
//!
//! # What is checked, and when
//!
//! | digest | of | compared |
//! |---|---|---|
//! | SHA-256 ([`Sha`]) | a shard, a manifest, the index: it is the name, or stands in a file whose digest is known | by [`verify`], and of index and manifests whenever they are read |
//! | XXH3-128 ([`Checksum`]) | a row: its tensor and its number of frames | the first time that a tensor is used ([`ReadOptions::verify`]) |
//!
//! Nothing that a file declares is believed before it is compared with the file: no more than 64 MiB are read as the header
//! of a shard and 1 GiB as an index, a length inside the index may claim no more than a multiple of the index's size,
//! tensors fill a shard exactly, and no path in a manifest and no link leads out of the cache ([`check_inside`]). A mapped
//! file that another program cuts short is an error too, unless that happens within a batch: see [`ReadOptions::map`].
//!
//! # Writers and readers
//!
//! Files are written under a scratch name, synced and renamed ([`ser_core::storage`]), shards first and the link `splits`
//! last, so a crash at any moment leaves the old cache or the new one. One process at a time writes ([`WriterLock`]);
//! any number read meanwhile, and [`collect`] removes nothing that somebody reads.
//!
//! # Reading a split
//!
//! ```
//! use std::path::Path;
//!
//! use ser_cache::Cache;
//! use ser_corpus::Protocol;
//! use ser_corpus::split::Side;
//!
//! # fn main() -> ser_core::Result<()> {
//! let cache = Cache::open(Path::new("../../tests/fixtures/cache/v1"))?;
//! let set = cache.feature_set(None)?;
//! let split = cache.split(set, &Protocol::Random)?;
//! let training = cache.side(set, &split, Side::Train)?;
//! let [channels, n_mfcc, frames] = training.shape();
//! for index in 0..training.len() {
//!     let tensors = training.stretches(&[index])?;
//!     let label = &split.info.labels[training.label(index)];
//!     println!("{label}: {channels} × {n_mfcc} × {frames}, the first value is {}", tensors[0][0]);
//! }
//! assert_eq!(split.info.labels, ["angry", "sad"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Looking after a cache
//!
//! | module | |
//! |---|---|
//! | [`listing`] | which feature sets there are |
//! | [`usage`] | what takes how many bytes |
//! | [`verify`] | reads everything and names all damage |
//! | [`collect`] | removes what no feature set names |
//! | [`export`] | a split as `.npy` files, or all utterances as CSV |
//! | [`difference`] | which utterances of two caches differ, and why |
//! | [`transfer`] | copies a cache into an object store, and back |
//! | [`survey`], [`SalvagedShard`], [`Sources`] | what a repair is made of |

pub mod audit;
mod cache;
mod care;
mod copies;
mod cut;
mod dataset;
mod digest;
mod encoders;
pub mod export;
mod index;
mod lock;
mod manifest;
mod paths;
mod recordings;
mod shard;
pub mod transfer;

pub use audit::Audit;
pub use cache::Cache;
pub use care::{collect, difference, listing, survey, usage, verify};
pub use copies::{CopySettings, copy_path, parse_copy_path};
pub use cut::CutFrames;
pub use dataset::Dataset;
pub use digest::{Checksum, Hex, Sha};
pub use encoders::{encoder_folder, note_encoder};
pub use index::entries_by_key::EntriesByKey;
pub use index::feature_set::{FeatureSet, TensorEntry, augmented_set_id, feature_set_id};
pub use index::{Index, SeenFile};
pub use lock::WriterLock;
pub use manifest::generation::{Generation, check_splits_place, copies_of, generation_name, point_splits_at};
pub use manifest::{ManifestLine, SplitInfo, SplitManifest, StoredSplit, Utterance};
pub use paths::{
    audit_folder, check_inside, generation_place, index_path, manifest_shard, manifests_folder, shard_path,
    shards_folder,
};
pub use recordings::{Sources, corpora_of, prep_report};
pub use shard::bytes::ReadOptions;
pub use shard::row::{RowInfo, SourceChannels, TensorKey, TensorSource, content_of_segment, key_of};
pub use shard::salvage::SalvagedShard;
pub use shard::{Shard, ShardBuffer, ShardLayout};
