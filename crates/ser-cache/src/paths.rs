//! Where things are in a cache, and that they are in it.

use std::path::{Path, PathBuf};

use ser_core::remedy::Action;
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::Sha;

/// The index of the cache in `root`.
pub fn index_path(root: &Path) -> PathBuf {
    root.join("index.bin")
}

/// The folder of its shards.
pub fn shards_folder(root: &Path) -> PathBuf {
    root.join("shards")
}

/// The folder of its generations of split manifests.
pub fn manifests_folder(root: &Path) -> PathBuf {
    root.join("manifests")
}

/// The folder of what was measured for audits.
pub fn audit_folder(root: &Path) -> PathBuf {
    root.join("audit")
}

/// The file of the shard `name` in `folder`.
pub fn shard_path(folder: &Path, name: &Sha) -> PathBuf {
    folder.join(format!("{name}.safetensors"))
}

/// How a manifest names a shard: relative to the cache.
pub fn manifest_shard(name: &Sha) -> String {
    format!("shards/{name}.safetensors")
}

/// The folder of the generation called `name`, relative to the cache.
pub fn generation_place(name: &Sha) -> PathBuf {
    Path::new("manifests").join(name.to_string())
}

/// Refuses a `path` in the cache in `root` that leads, through links, to something outside: a cache may describe only its
/// own files. What is not there passes: opening it gives a better error.
///
/// # Errors
/// `Mismatch`, naming the path and where it leads.
pub fn check_inside(root: &Path, path: &Path) -> Result<()> {
    let (Ok(root), Ok(target)) = (root.canonicalize(), path.canonicalize()) else { return Ok(()) };
    if target.starts_with(&root) {
        return Ok(());
    }
    let what = format!("is or lies behind a link that leads out of the cache, to {}", target.display());
    Err(Error::new(ErrorKind::Mismatch, what).at(path).help(remedy![
        "put what it points at in its place, or delete it and ",
        Action::Prepare,
        " again"
    ]))
}
