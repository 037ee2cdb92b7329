//! Links inside a cache may not lead out of it: a cache may describe only its own files.

use std::path::Path;

use ser_core::{Error, ErrorKind, Result};

/// Refuses a `path` in the cache in `root` that leads, through links, to something outside. What is not there
/// passes: opening it gives a better error.
///
/// # Errors
/// `Mismatch`, naming the path and where it leads.
pub fn check_inside(root: &Path, path: &Path) -> Result<()> {
    let (Ok(root), Ok(target)) = (root.canonicalize(), path.canonicalize()) else { return Ok(()) };
    if target.starts_with(&root) {
        return Ok(());
    }
    let what = format!("is or lies behind a link that leads out of the cache, to {}", target.display());
    Err(Error::new(ErrorKind::Mismatch, what)
        .at(path)
        .help("put what it points at in its place, or delete it and run ser-prep again"))
}
