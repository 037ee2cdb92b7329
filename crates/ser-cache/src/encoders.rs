//! Where the pretrained encoders of a cache's feature sets were when it was prepared: a hint, on which nothing rests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result};

/// Its file in a cache.
const NAME: &str = "encoders.json";

/// No such file is read that is larger than this, bytes.
const LARGEST: u64 = 1 << 20;

/// Keeps in the cache in `root` that the encoder with this SHA-256 was found in `folder`.
///
/// # Errors
/// When it cannot be written.
pub fn note_encoder(storage: &Storage, root: &Path, digest: &str, folder: &Path) -> Result<()> {
    let folder = std::path::absolute(folder)
        .map_err(|error| Error::io("cannot be made an absolute path", folder, error))?;
    let mut folders = noted(root);
    if encoder_folder(root, digest).as_ref() == Some(&folder) {
        return Ok(());
    }
    folders.insert(digest.to_owned(), folder.to_string_lossy().into_owned());
    let text = serde_json::to_string_pretty(&folders)
        .map_err(|error| Error::new(ErrorKind::Unsupported, format!("cannot be written as JSON: {error}")))?;
    storage.replace_file(&root.join(NAME), &[text.as_bytes(), b"\n"])
}

/// Where the encoder with this SHA-256 was when the cache in `root` was prepared, if that is known.
pub fn encoder_folder(root: &Path, digest: &str) -> Option<PathBuf> {
    noted(root).remove(digest).map(PathBuf::from)
}

/// Folders by digest; none where the file is missing or cannot be understood.
fn noted(root: &Path) -> BTreeMap<String, String> {
    let path = root.join(NAME);
    let size = std::fs::metadata(&path).map_or(u64::MAX, |metadata| metadata.len());
    let bytes = if size <= LARGEST { std::fs::read(&path).unwrap_or_default() } else { Vec::new() };
    serde_json::from_slice(&bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_kept_by_digest_and_what_is_damaged_is_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let (root, storage) = (root.path(), Storage::native());
        assert_eq!(encoder_folder(root, "ab"), None);
        for (digest, folder) in [("ab", "/a"), ("cd", "/c"), ("ab", "/b")] {
            note_encoder(&storage, root, digest, Path::new(folder)).unwrap();
        }
        assert_eq!(encoder_folder(root, "ab"), Some("/b".into()));
        assert_eq!(encoder_folder(root, "cd"), Some("/c".into()));
        std::fs::write(root.join(NAME), "[").unwrap();
        assert_eq!(encoder_folder(root, "ab"), None);
        note_encoder(&storage, root, "ab", Path::new("/a")).unwrap();
        assert_eq!(encoder_folder(root, "ab"), Some("/a".into()));
    }
}
