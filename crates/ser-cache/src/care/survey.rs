//! What is in a cache's folder, and what each piece is according to its name.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use ser_core::remedy::Action;
use ser_core::storage::SCRATCH_PREFIX;
use ser_core::storage::objects::{is_url, printable_url};
use ser_core::{Error, ErrorKind, Result};
use walkdir::WalkDir;

use crate::{Hex, Index, Sha, audit_folder, index_path, manifests_folder, shards_folder};

/// Ending of the names of damaged files that were set aside.
pub const SET_ASIDE: &str = "damaged";

/// What something in a cache's folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `index.bin`.
    Index,
    /// A shard.
    Shard(Sha),
    /// A generation of manifests.
    Generation(Sha),
    /// The link `splits`, or what is in its place.
    Splits,
    /// What was measured for the audit of a feature set, whose name it is.
    Audit(Hex<6>),
    /// `prep-report.json`, `encoders.json`, `portion.json` and `.lock`.
    Record,
    /// Being written, or left behind by a killed process.
    Scratch,
    /// Damaged, and kept out of the way by a repair.
    SetAside,
    /// Not ours.
    Foreign,
}

/// A file, link or folder of the cache.
#[derive(Debug, Clone)]
pub struct CachePiece {
    /// Where it is.
    pub path: PathBuf,
    /// Relative to the cache, for people.
    pub name: String,
    /// Its size with everything in it, bytes; links count nothing.
    pub bytes: u64,
    /// What it is.
    pub role: Role,
}

/// Lists the pieces of the cache in `root`, sorted by name.
///
/// # Errors
/// When `root` is not a folder, or a folder in it cannot be listed.
pub fn survey(root: &Path) -> Result<Vec<CachePiece>> {
    open_folder(root)?;
    let mut pieces = Vec::new();
    let folders = [
        (root.to_owned(), role_in_root as fn(&OsStr) -> Option<Role>),
        (shards_folder(root), role_in_shards),
        (manifests_folder(root), role_in_manifests),
        (audit_folder(root), role_in_audit),
    ];
    for (folder, role_of) in folders {
        let io = |error| Error::io("cannot be listed", &folder, error);
        let listing = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            listing => listing.map_err(io)?,
        };
        for entry in listing {
            let path = entry.map_err(io)?.path();
            let Some(role) = path.file_name().and_then(role_of) else { continue };
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            pieces.push(CachePiece { bytes: bytes_below(&path), name, role, path });
        }
    }
    pieces.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(pieces)
}

/// Reads the index of the cache in `root`, which must have one.
///
/// # Errors
/// When there is no folder or no index, or it is damaged.
pub(crate) fn read_index(root: &Path) -> Result<Index> {
    open_folder(root)?;
    Index::read(&index_path(root))?.ok_or_else(|| no_cache(root))
}

/// There is no cache in `root`, or none that was finished.
pub fn no_cache(root: &Path) -> Error {
    Error::new(ErrorKind::Missing, "holds no cache").at(root).help(Action::PrepareInto(root.to_owned()))
}

fn open_folder(root: &Path) -> Result<()> {
    if is_url(root) {
        return Err(Error::new(ErrorKind::Usage, "lies in an object store, where a cache cannot be used")
            .at(printable_url(root))
            .help(Action::PullCache));
    }
    let metadata = std::fs::metadata(root).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::new(ErrorKind::Missing, "there is no such folder").at(root).help("name the cache's folder")
        }
        _ => Error::io("cannot be opened", root, error),
    })?;
    if metadata.is_dir() {
        return Ok(());
    }
    Err(not_a_folder(root))
}

/// A cache is a folder, and what is at `root` is not.
pub(crate) fn not_a_folder(root: &Path) -> Error {
    Error::new(ErrorKind::Mismatch, "is not a folder, so not a cache")
        .at(root)
        .help("name the cache's folder")
}

fn role_in_root(name: &OsStr) -> Option<Role> {
    Some(match name.to_str() {
        Some("shards" | "manifests" | "audit") => return None,
        Some("index.bin") => Role::Index,
        Some("splits") => Role::Splits,
        Some("prep-report.json" | "encoders.json" | "portion.json" | ".lock") => Role::Record,
        Some("index.bin.damaged") => Role::SetAside,
        _ => scratch_or_foreign(name),
    })
}

fn role_in_shards(name: &OsStr) -> Option<Role> {
    let (stem, extension) = name.to_str().and_then(|name| name.split_once('.')).unwrap_or_default();
    Some(match (stem.parse::<Sha>(), extension) {
        (Ok(sha), "safetensors") => Role::Shard(sha),
        (Ok(_), SET_ASIDE) => Role::SetAside,
        _ => scratch_or_foreign(name),
    })
}

fn role_in_manifests(name: &OsStr) -> Option<Role> {
    let sha = name.to_str().and_then(|name| name.parse::<Sha>().ok());
    Some(sha.map_or_else(|| scratch_or_foreign(name), Role::Generation))
}

fn role_in_audit(name: &OsStr) -> Option<Role> {
    let id = name.to_str().and_then(|name| name.strip_suffix(".jsonl")).and_then(|id| id.parse().ok());
    Some(id.map_or_else(|| scratch_or_foreign(name), Role::Audit))
}

fn scratch_or_foreign(name: &OsStr) -> Role {
    match name.as_encoded_bytes().starts_with(SCRATCH_PREFIX.as_bytes()) {
        true => Role::Scratch,
        false => Role::Foreign,
    }
}

fn bytes_below(path: &Path) -> u64 {
    let files = WalkDir::new(path).follow_root_links(false).into_iter().flatten();
    let bytes = |entry: walkdir::DirEntry| entry.metadata().ok().filter(|metadata| metadata.is_file());
    files.filter_map(bytes).map(|metadata| metadata.len()).sum()
}
