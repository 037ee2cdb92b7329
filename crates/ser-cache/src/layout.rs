//! Where things are in a cache.

use std::path::{Path, PathBuf};

use crate::{FeatureSet, Sha, ShardLayout};

/// How a manifest names a shard: relative to the cache.
pub fn manifest_shard(name: &Sha) -> String {
    format!("shards/{name}.safetensors")
}

pub fn layout_of(set: &FeatureSet) -> ShardLayout {
    ShardLayout { shape: set.shape.map(|size| size as usize), configuration: set.configuration.clone() }
}

pub fn index_path(root: &Path) -> PathBuf {
    root.join("index.bin")
}

pub fn manifests_folder(root: &Path) -> PathBuf {
    root.join("manifests")
}

pub fn shards_folder(root: &Path) -> PathBuf {
    root.join("shards")
}
