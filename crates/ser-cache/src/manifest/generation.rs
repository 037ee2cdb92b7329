//! Generations of split manifests: a folder named by a SHA-256 over its content and never changed; `splits` is a link to
//! the newest. So whoever reads `splits/random/train.jsonl` sees all files of one generation, also while another is
//! being written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ser_core::remedy::{Action, Setting};
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::split::Side;
use sha2::{Digest, Sha256};

use crate::manifest::{DESCRIPTION, read_text};
use crate::{CopySettings, FeatureSet, Hex, ManifestLine, Sha, SplitInfo, SplitManifest, generation_place};

/// How much of a manifest is in memory at a time, bytes.
const PIECE: usize = 1 << 16;

/// A generation of manifests: what each `split.toml` says and, through the digests in them, every byte of the others.
/// These are rendered when they are written, a piece at a time: together they are many times as large as the corpus's
/// list of files.
#[derive(Debug)]
pub struct Generation {
    /// By protocol.
    splits: BTreeMap<String, Description>,
    name: Sha,
}

#[derive(Debug)]
struct Description {
    /// The text of `split.toml`.
    text: String,
    /// The digests in it.
    manifests: BTreeMap<Side, Sha>,
}

impl Generation {
    /// Digests `splits`, which are asked for one at a time.
    ///
    /// # Errors
    /// When one cannot be rendered.
    pub fn of<L: ManifestLine>(splits: impl IntoIterator<Item = SplitManifest<L>>) -> Result<Self> {
        let mut described = BTreeMap::new();
        for SplitManifest { mut info, sides } in splits {
            for (side, utterances) in &sides {
                let mut hasher = Sha256::new();
                render(utterances, &mut |piece| {
                    hasher.update(piece);
                    Ok(())
                })?;
                info.manifests.insert(*side, Hex(hasher.finalize().into()));
            }
            let text = toml::to_string(&info).map_err(|error| unwritable(&error.to_string()))?;
            described.insert(info.protocol, Description { text, manifests: info.manifests });
        }
        let name =
            name_of(described.iter().map(|(protocol, split)| (protocol.as_str(), split.text.as_str())));
        Ok(Self { splits: described, name })
    }

    /// The SHA-256 that names its folder.
    pub fn name(&self) -> Sha {
        self.name
    }

    /// Writes it under its name into `folder`, unless it is there already, whole. `splits` are those it was made of,
    /// asked for once more, one at a time.
    ///
    /// # Errors
    /// When writing fails; what has its name is then unchanged.
    pub fn write<L: ManifestLine>(
        &self,
        storage: &Storage,
        folder: &Path,
        splits: impl IntoIterator<Item = SplitManifest<L>>,
    ) -> Result<()> {
        let target = folder.join(self.name.to_string());
        if self.is_at(&target) {
            // The process that wrote it may have been killed before its name was durable.
            return storage.sync_folder(folder);
        }
        storage.replace_folder(&target, |scratch| {
            splits.into_iter().try_for_each(|split| self.write_split(storage, scratch, &split))
        })
    }

    fn is_at(&self, target: &Path) -> bool {
        generation_name(target).is_ok_and(|name| name == self.name)
            && self.splits.iter().all(|(protocol, split)| {
                let folder = target.join(protocol);
                split.manifests.iter().all(|(side, digest)| {
                    sha_of_file(&folder.join(manifest_name(*side))).is_ok_and(|found| found == *digest)
                })
            })
    }

    fn write_split<L: ManifestLine>(
        &self,
        storage: &Storage,
        scratch: &Path,
        split: &SplitManifest<L>,
    ) -> Result<()> {
        let SplitManifest { info, sides } = split;
        let text = self.splits.get(&info.protocol).map_or("", |description| description.text.as_str());
        let folder = scratch.join(&info.protocol);
        storage.make_folder(&folder)?;
        storage.replace_file(&folder.join(DESCRIPTION), &[text.as_bytes()])?;
        for (side, utterances) in sides {
            let path = folder.join(manifest_name(*side));
            storage.replace_file_with(&path, |write| render(utterances, write))?;
        }
        Ok(())
    }
}

fn manifest_name(side: Side) -> String {
    format!("{side}.jsonl")
}

fn sha_of_file(path: &Path) -> std::io::Result<Sha> {
    Ok(Sha::of_reader(&mut std::fs::File::open(path)?, |_| {})?.0)
}

/// The SHA-256 over each protocol and its `split.toml`, in the order of their names, each preceded by its length.
/// Through the digests in them it stands for every byte of the generation.
pub(crate) fn name_of<'a>(descriptions: impl Iterator<Item = (&'a str, &'a str)>) -> Sha {
    let mut hasher = Sha256::new();
    for text in descriptions.flat_map(|(protocol, text)| [protocol, text]) {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    Hex(hasher.finalize().into())
}

/// The name that the generation in `folder` should have, by what its `split.toml` files say now.
///
/// # Errors
/// When one cannot be read.
pub fn generation_name(folder: &Path) -> Result<Sha> {
    let listing = std::fs::read_dir(folder).map_err(|error| {
        Error::io("cannot be listed", folder, error).help(remedy![Action::Prepare, " again"])
    })?;
    let mut descriptions: BTreeMap<String, String> = BTreeMap::new();
    for entry in listing {
        let path = entry.map_err(|error| Error::io("cannot be listed", folder, error))?.path();
        if let Some(protocol) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_dir()) {
            descriptions.insert(protocol.to_owned(), read_text(&path.join(DESCRIPTION))?);
        }
    }
    Ok(name_of(descriptions.iter().map(|(protocol, text)| (protocol.as_str(), text.as_str()))))
}

/// Hands the lines of a manifest to `write`, many at a time.
fn render<L: ManifestLine>(utterances: &[L], write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut lines = Vec::with_capacity(2 * PIECE);
    for utterance in utterances {
        serde_json::to_writer(&mut lines, &utterance.line())
            .map_err(|error| unwritable(&error.to_string()))?;
        lines.push(b'\n');
        if lines.len() >= PIECE {
            write(&lines)?;
            lines.clear();
        }
    }
    if lines.is_empty() { Ok(()) } else { write(&lines) }
}

fn unwritable(why: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("a manifest cannot be written: {why}"))
}

/// Checks that `splits` in the cache in `root` is ours to replace: nothing, a link, or what a copy of the cache
/// that followed its links made of it.
///
/// # Errors
/// When something else is there.
pub fn check_splits_place(root: &Path) -> Result<()> {
    let place = root.join("splits");
    let names_in = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let is_manifest = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name == DESCRIPTION || Side::ALL.iter().any(|side| name == manifest_name(*side))
    };
    let is_split = |path: &PathBuf| path.is_dir() && names_in(path).iter().all(is_manifest);
    if place.is_symlink() || !place.exists() || place.is_dir() && names_in(&place).iter().all(is_split) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Mismatch,
        "is where the link to the split manifests belongs, and is something else",
    )
    .at(place)
    .help(remedy!["move it away, or name another folder with ", Setting::Out]))
}

/// Points the link `splits` of the cache at a generation. What is there is replaced: see
/// [`check_splits_place`].
///
/// # Errors
/// When the file system has no links.
pub fn point_splits_at(storage: &Storage, root: &Path, generation: &Sha) -> Result<()> {
    let link = root.join("splits");
    let target = generation_place(generation);
    if std::fs::read_link(&link).is_ok_and(|old| old == target) {
        return storage.sync_folder(root);
    }
    storage.replace_link(&target, &link)
}

/// What the copies of `set` in the cache in `root` were made by, as its manifests say; `None` if it has none.
pub fn copies_of(root: &Path, set: &FeatureSet) -> Option<CopySettings> {
    let generation = root.join(generation_place(&set.manifests));
    split_folders(&generation).iter().find_map(|folder| read_description(folder).ok()?.0.augmentation)
}

/// The folders of the generation in `folder`, sorted: one for each protocol.
pub(crate) fn split_folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// What `split.toml` in `folder` says, and its size in bytes.
pub(crate) fn read_description(folder: &Path) -> Result<(SplitInfo, u64)> {
    let text = read_text(&folder.join(DESCRIPTION))?;
    let info = toml::from_str(&text).map_err(|error: toml::de::Error| {
        Error::new(ErrorKind::Damaged, format!("has changed since it was written: {}", error.message()))
    })?;
    Ok((info, text.len() as u64))
}
