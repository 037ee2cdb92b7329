//! Generations of split manifests: a folder named by a SHA-256 over its content and never changed; `splits` is a link to
//! the newest. So whoever reads `splits/random/train.jsonl` sees all files of one generation, also while another is
//! being written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::digest::Sha;
use super::manifest::{DESCRIPTION, SplitManifest, Utterance, read_text};
use crate::corpus::Part;
use crate::storage::Storage;
use crate::{Error, ErrorKind, Result};

/// A generation of manifests: all files of all protocols, in memory.
#[derive(Debug)]
pub struct Generation {
    /// By protocol, then by file name.
    files: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    name: Sha,
}

impl Generation {
    /// Renders `splits` into files.
    ///
    /// # Errors
    /// When one cannot be rendered.
    pub fn new(splits: &[SplitManifest]) -> Result<Self> {
        let mut files = BTreeMap::new();
        let mut descriptions = BTreeMap::new();
        for split in splits {
            let mut info = split.info.clone();
            let mut of_split = BTreeMap::new();
            for (part, utterances) in &split.parts {
                let lines = json_lines(utterances)?;
                info.manifests.insert(*part, Sha::of(&[&lines]));
                of_split.insert(format!("{part}.jsonl"), lines);
            }
            let text = toml::to_string(&info).map_err(|error| unwritable(&error.to_string()))?;
            of_split.insert(DESCRIPTION.to_owned(), text.clone().into_bytes());
            descriptions.insert(info.protocol.clone(), text);
            files.insert(info.protocol, of_split);
        }
        Ok(Self { files, name: name_of(&descriptions) })
    }

    /// The SHA-256 that names its folder.
    pub fn name(&self) -> Sha {
        self.name
    }

    /// Writes it under its name into `folder`, unless it is there already, whole.
    ///
    /// # Errors
    /// When writing fails; what stands under its name is then as it was.
    pub fn write(&self, storage: &Storage, folder: &Path) -> Result<()> {
        let target = folder.join(self.name.to_string());
        if self.is_at(&target) {
            // Whoever put it there may have been killed before its name was durable.
            return storage.sync_folder(folder);
        }
        storage.replace_folder(&target, |scratch| self.write_into(storage, scratch))
    }

    fn is_at(&self, target: &Path) -> bool {
        let same = |path: PathBuf, content: &[u8]| std::fs::read(path).is_ok_and(|found| found == content);
        generation_name(target).is_ok_and(|name| name == self.name)
            && (self.files.iter()).all(|(protocol, files)| {
                files.iter().all(|(name, content)| same(target.join(protocol).join(name), content))
            })
    }

    fn write_into(&self, storage: &Storage, scratch: &Path) -> Result<()> {
        for (protocol, files) in &self.files {
            let folder = scratch.join(protocol);
            storage.make_folder(&folder)?;
            for (name, content) in files {
                storage.replace_file(&folder.join(name), &[content])?;
            }
        }
        Ok(())
    }
}

/// The SHA-256 over each protocol and its `split.toml`, in the order of their names, each preceded by its length.
/// Through the digests in them it stands for every byte of the generation.
fn name_of(descriptions: &BTreeMap<String, String>) -> Sha {
    let texts = descriptions.iter().flat_map(|(protocol, text)| [protocol, text]);
    let framed: Vec<([u8; 8], &[u8])> =
        texts.map(|text| ((text.len() as u64).to_le_bytes(), text.as_bytes())).collect();
    let parts: Vec<&[u8]> = framed.iter().flat_map(|(length, text)| [&length[..], text]).collect();
    Sha::of(&parts)
}

/// The name that the generation in `folder` should have, by what its `split.toml` files say now.
///
/// # Errors
/// When one cannot be read.
pub fn generation_name(folder: &Path) -> Result<Sha> {
    let listing = std::fs::read_dir(folder)
        .map_err(|error| Error::io("cannot be listed", folder, error).mend("run ser-prep again"))?;
    let mut descriptions = BTreeMap::new();
    for entry in listing {
        let path = entry.map_err(|error| Error::io("cannot be listed", folder, error))?.path();
        if let Some(protocol) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_dir()) {
            descriptions.insert(protocol.to_owned(), read_text(&path.join(DESCRIPTION))?);
        }
    }
    Ok(name_of(&descriptions))
}

fn json_lines(utterances: &[Utterance]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for utterance in utterances {
        serde_json::to_writer(&mut lines, utterance).map_err(|error| unwritable(&error.to_string()))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

fn unwritable(why: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("a manifest cannot be written: {why}"))
}

/// Checks that `splits` in the cache in `root` is ours to replace: nothing, a link, or what a copy of the cache
/// that followed its links made of it.
///
/// # Errors
/// When something else stands there.
pub fn check_splits_place(root: &Path) -> Result<()> {
    let place = root.join("splits");
    let names_in = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let is_manifest = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name == DESCRIPTION || Part::ALL.iter().any(|part| name == format!("{part}.jsonl"))
    };
    let is_split = |path: &PathBuf| path.is_dir() && names_in(path).iter().all(is_manifest);
    if place.is_symlink() || !place.exists() || place.is_dir() && names_in(&place).iter().all(is_split) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Mismatch,
        "stands where the link to the split manifests belongs, and is something else",
    )
    .at(place)
    .mend("move it away, or name another folder with --out"))
}

/// Points the link `splits` of the cache at a generation. What stands there is replaced: see
/// [`check_splits_place`].
///
/// # Errors
/// When the file system knows no links.
pub fn point_splits_at(storage: &Storage, root: &Path, generation: &Sha) -> Result<()> {
    let link = root.join("splits");
    let target = PathBuf::from("manifests").join(generation.to_string());
    if std::fs::read_link(&link).is_ok_and(|old| old == target) {
        return storage.sync_folder(root);
    }
    storage.replace_link(&target, &link)
}
