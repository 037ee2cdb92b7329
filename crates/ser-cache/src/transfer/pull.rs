//! From an object store into a folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use ser_core::progress::Progress;
use ser_core::storage::objects::{Object, ObjectFolder, open_folder};
use ser_core::storage::{Storage, open_regular_no_follow};
use ser_core::{Error, ErrorKind, Result};

use crate::audit::check_measured;
use crate::care::survey::{Role, not_a_folder, survey};
use crate::care::verify::check_generation;
use crate::manifest::generation::name_of;
use crate::transfer::{
    Counter, INDEX, Listing, RECORDS, Transfer, audits_of, check_nothing_lost, each, generations_of, listing,
    manifest_at, remote_index, shards_of,
};
use crate::{
    Index, Sha, SplitInfo, WriterLock, audit_folder, check_splits_place, generation_place, index_path,
    manifests_folder, point_splits_at, shard_path, shards_folder,
};

/// No manifest is read that is larger than this, bytes.
const LARGEST_MANIFEST: u64 = 1 << 30;

/// Copies what the folder `root` lacks of the cache at the URL `url`, the index last, as the only writer; with `wait`, once
/// another is done. Every shard and manifest in the folder is compared with its digest, those that were there as well.
///
/// # Errors
/// When there is no cache, or what is there is not what its names say; when the folder holds something else, or feature sets
/// that the cache there does not have; when the store cannot be reached or refuses. What was in the folder is then unchanged,
/// and what was copied is kept for the next time.
pub fn pull(
    url: &Path,
    root: &Path,
    wait: bool,
    storage: &Storage,
    progress: &dyn Progress,
) -> Result<Transfer> {
    let started = Instant::now();
    let folder = open_folder(url)?;
    let there = listing(&*folder)?;
    let Some((bytes, index)) = remote_index(&*folder, &there)? else {
        return Err(Error::new(ErrorKind::Missing, "holds no cache: there is no index.bin")
            .at(folder.url())
            .help("check the URL; a cache whose copying was stopped has no index yet, and is to be pushed again"));
    };
    check_target(root)?;
    storage.make_folder(root)?;
    let _lock = WriterLock::take(root, wait)?;
    if let Some(old) = Index::read(&index_path(root))? {
        check_nothing_lost(&old, &index)
            .map_err(|what| Error::new(ErrorKind::Mismatch, what).at(root).help("name another folder"))?;
    }
    check_splits_place(root)?;
    let folders = [root.to_owned(), shards_folder(root), manifests_folder(root), audit_folder(root)];
    for place in &folders {
        storage.make_folder(place)?;
        storage.clear_scratch(place)?;
    }

    let pull = Pull { root, folder: &*folder, there: &there, storage };
    let shards: Vec<Sha> = shards_of(&index).into_iter().collect();
    let generations: Vec<Sha> = generations_of(&index).into_iter().collect();
    let records: Vec<String> = (audits_of(&index).chain(RECORDS.iter().map(|name| (*name).to_owned())))
        .filter(|name| there.contains_key(name))
        .collect();
    let counter = Counter::new(progress, shards.len() + generations.len() + records.len() + 1);
    each(&shards, |name| pull.shard(name, &counter))?;
    generations.iter().try_for_each(|name| pull.generation(name, &counter))?;
    records.iter().try_for_each(|name| pull.record(name, &counter))?;
    pull.replace(INDEX, &bytes, &counter)?;
    if let Some(newest) = index.feature_sets.last().filter(|newest| !newest.is_portion()) {
        point_splits_at(storage, root, &newest.manifests)?;
    }
    Ok(counter.finish(root.to_owned(), folder.url(), &index, started.elapsed().as_secs_f64()))
}

/// Refuses a folder that holds something and is no cache, nor what a stopped copy left.
fn check_target(root: &Path) -> Result<()> {
    match std::fs::metadata(root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("cannot be opened", root, error)),
        Ok(metadata) if !metadata.is_dir() => return Err(not_a_folder(root)),
        Ok(_) => {}
    }
    let pieces = survey(root)?;
    let is_cache = pieces.iter().any(|piece| piece.role == Role::Index);
    match pieces.iter().find(|piece| piece.role == Role::Foreign).filter(|_| !is_cache) {
        None => Ok(()),
        Some(other) => Err(Error::new(
            ErrorKind::Mismatch,
            format!("holds something that is no cache, such as {}", other.name),
        )
        .at(root)
        .help("name another folder")),
    }
}

struct Pull<'a> {
    root: &'a Path,
    folder: &'a dyn ObjectFolder,
    there: &'a Listing,
    storage: &'a Storage,
}

impl Pull<'_> {
    fn object(&self, name: &str) -> Result<&Object> {
        self.there.get(name).ok_or_else(|| {
            Error::new(ErrorKind::Missing, "is named by the index there, but is not there")
                .at(format!("{}/{name}", self.folder.url()))
                .help("push the cache again from where it was made")
        })
    }

    fn differs(&self, name: &str) -> Error {
        Error::new(ErrorKind::Damaged, "is not what its SHA-256 says")
            .at(format!("{}/{name}", self.folder.url()))
            .help("delete it there, and push the cache again from where it was made")
    }

    /// Copies a shard, unless it is here and whole.
    fn shard(&self, name: &Sha, counter: &Counter<'_>) -> Result<()> {
        let path = shard_path(&shards_folder(self.root), name);
        if path.symlink_metadata().is_ok() {
            let mut file = open_regular_no_follow(&path, "cannot be read")?;
            let found = Sha::of_reader(&mut file, |_| {});
            if found.map_err(|error| Error::io("cannot be read", &path, error))?.0 == *name {
                counter.already_there();
                return Ok(());
            }
        }
        let remote = format!("shards/{name}.safetensors");
        let object = self.object(&remote)?;
        let bytes = self.folder.read(object, 0..object.size)?;
        if Sha::of(&[&bytes]) != *name {
            return Err(self.differs(&remote));
        }
        self.storage.replace_file(&path, &[&bytes])?;
        counter.copied(bytes.len());
        Ok(())
    }

    /// Copies a generation of manifests, unless it is here and whole.
    fn generation(&self, name: &Sha, counter: &Counter<'_>) -> Result<()> {
        let place = generation_place(name);
        let target = self.root.join(&place);
        let shown = place.to_string_lossy().into_owned();
        if target.is_dir() && check_generation(&target, &shown, name, None).damage.is_empty() {
            counter.already_there();
            return Ok(());
        }
        let before = format!("{shown}/");
        let files = self
            .there
            .range(before.clone()..)
            .map_while(|(path, object)| Some((path.strip_prefix(&before)?, object)));
        let mut splits: BTreeMap<&str, BTreeMap<&str, &Object>> = BTreeMap::new();
        for (inside, object) in files {
            if let Some((protocol, file)) = manifest_at(inside) {
                splits.entry(protocol).or_default().insert(file, object);
            }
        }
        if splits.is_empty() {
            self.object(&shown)?;
        }
        // Through the digests in them, the descriptions stand for every byte of the others.
        let mut descriptions: BTreeMap<&str, String> = BTreeMap::new();
        for (protocol, files) in &splits {
            let path = format!("{shown}/{protocol}/split.toml");
            let text = self.read(files.get("split.toml").copied().map_or_else(|| self.object(&path), Ok)?)?;
            descriptions.insert(protocol, String::from_utf8(text).map_err(|_| self.differs(&path))?);
        }
        if name_of(descriptions.iter().map(|(protocol, text)| (*protocol, text.as_str()))) != *name {
            return Err(self.differs(&shown));
        }
        let mut total = 0;
        self.storage.replace_folder(&target, |scratch| {
            for (protocol, files) in &splits {
                let folder = scratch.join(protocol);
                self.storage.make_folder(&folder)?;
                let text = descriptions.get(protocol).map_or("", String::as_str);
                let path = format!("{shown}/{protocol}/split.toml");
                let info: SplitInfo = toml::from_str(text).map_err(|_| self.differs(&path))?;
                self.storage.replace_file(&folder.join("split.toml"), &[text.as_bytes()])?;
                total += text.len();
                for (part, digest) in &info.manifests {
                    let file = format!("{part}.jsonl");
                    let path = format!("{shown}/{protocol}/{file}");
                    let object = files.get(file.as_str()).copied().map_or_else(|| self.object(&path), Ok)?;
                    let lines = self.read(object)?;
                    if Sha::of(&[&lines]) != *digest {
                        return Err(self.differs(&path));
                    }
                    self.storage.replace_file(&folder.join(file), &[&lines])?;
                    total += lines.len();
                }
            }
            Ok(())
        })?;
        counter.copied(total);
        Ok(())
    }

    fn read(&self, object: &Object) -> Result<Vec<u8>> {
        if object.size > LARGEST_MANIFEST {
            return Err(Error::new(ErrorKind::Limit, "is too large").at(format!(
                "{}/{}",
                self.folder.url(),
                object.path
            )));
        }
        self.folder.read(object, 0..object.size)
    }

    /// Copies a file that has no digest; of measurements for audits it is known whether they can be read.
    fn record(&self, name: &str, counter: &Counter<'_>) -> Result<()> {
        let bytes = self.read(self.object(name)?)?;
        self.replace(name, &bytes, counter)?;
        if name.starts_with("audit/") {
            let path = self.root.join(name);
            if let Err(error) = check_measured(&path) {
                // It can be made again, so nothing is kept that is damaged.
                self.storage.remove(&path)?;
                return Err(Error::new(ErrorKind::Damaged, error.reason())
                    .at(format!("{}/{name}", self.folder.url())));
            }
        }
        Ok(())
    }

    fn replace(&self, name: &str, bytes: &[u8], counter: &Counter<'_>) -> Result<()> {
        let path = self.root.join(name);
        if std::fs::read(&path).is_ok_and(|here| here == bytes) {
            counter.already_there();
            return Ok(());
        }
        self.storage.replace_file(&path, &[bytes])?;
        counter.copied(bytes.len());
        Ok(())
    }
}
