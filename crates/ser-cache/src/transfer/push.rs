//! From a folder into an object store.

use std::path::Path;
use std::time::Instant;

use ser_core::progress::Progress;
use ser_core::remedy::Action;
use ser_core::storage::objects::{ObjectFolder, open_folder};
use ser_core::storage::open_regular_no_follow;
use ser_core::{Error, ErrorKind, Result};

use crate::care::survey::{no_cache, survey};
use crate::care::verify::check_generation;
use crate::lock::ReadersLock;
use crate::manifest::generation::split_folders;
use crate::transfer::{
    Counter, INDEX, Listing, RECORDS, Transfer, audits_of, check_nothing_lost, each, generations_of, listing,
    remote_index, shards_of,
};
use crate::{Index, Sha, StoredSplit, generation_place, index_path, shard_path, shards_folder};

/// Copies what the folder at the URL `url` lacks of the cache in `root`, the index last. Nothing is removed there.
///
/// # Errors
/// When there is no cache or it is damaged, which is then not copied; when the folder holds something else, or feature sets
/// that the cache does not have; when the store cannot be reached or refuses.
pub fn push(root: &Path, url: &Path, progress: &dyn Progress) -> Result<Transfer> {
    let started = Instant::now();
    // Says what is wrong with the folder itself.
    survey(root)?;
    let _readers = ReadersLock::share(root);
    let bytes = match std::fs::read(index_path(root)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(no_cache(root)),
        Err(error) => return Err(Error::io("cannot be read", index_path(root), error)),
    };
    let index = Index::decode(&bytes).map_err(|error| error.at(index_path(root)))?;
    let folder = open_folder(url)?;
    let there = listing(&*folder)?;
    check_target(&*folder, &there, &index)?;
    let push = Push { root, folder: &*folder, there: &there };

    let shards: Vec<Sha> = shards_of(&index).into_iter().collect();
    let generations: Vec<Sha> = generations_of(&index).into_iter().collect();
    let mut manifests = Vec::new();
    for name in &generations {
        manifests.extend(push.manifests(name)?);
    }
    let records: Vec<String> = (audits_of(&index).filter(|name| root.join(name).is_file()))
        .chain(RECORDS.iter().map(|name| (*name).to_owned()).filter(|name| root.join(name).is_file()))
        .collect();
    let counter = Counter::new(progress, shards.len() + manifests.len() + records.len() + 1);
    each(&shards, |name| push.shard(name, &counter))?;
    each(&manifests, |name| push.once(name, &counter))?;
    each(&records, |name| push.again(name, std::fs::read(root.join(name)), &counter))?;
    push.again(INDEX, Ok(bytes), &counter)?;
    Ok(counter.finish(root.to_owned(), folder.url(), &index, started.elapsed().as_secs_f64()))
}

/// Refuses a folder in a store that is not this cache's to write.
fn check_target(folder: &dyn ObjectFolder, there: &Listing, index: &Index) -> Result<()> {
    let another = "name another folder in the store";
    if let Some((_, old)) = remote_index(folder, there)? {
        return check_nothing_lost(&old, index).map_err(|what| {
            Error::new(ErrorKind::Mismatch, what)
                .at(folder.url())
                .help("pull it into a folder and prepare there, or name another folder in the store")
        });
    }
    let is_ours = |path: &str| {
        path.starts_with("shards/")
            || path.starts_with("manifests/")
            || path.starts_with("audit/")
            || RECORDS.contains(&path)
    };
    match there.keys().find(|path| !is_ours(path)) {
        None => Ok(()),
        Some(other) => {
            Err(Error::new(ErrorKind::Mismatch, format!("holds something that is no cache, such as {other}"))
                .at(folder.url())
                .help(another))
        }
    }
}

struct Push<'a> {
    root: &'a Path,
    folder: &'a dyn ObjectFolder,
    there: &'a Listing,
}

impl Push<'_> {
    /// Copies a shard that is not there, if its content is what its name says.
    fn shard(&self, name: &Sha, counter: &Counter<'_>) -> Result<()> {
        let path = shard_path(&shards_folder(self.root), name);
        let remote = format!("shards/{name}.safetensors");
        let file = open_regular_no_follow(&path, "cannot be read")?;
        let size = file.metadata().map_err(|error| Error::io("cannot be read", &path, error))?.len();
        if self.there.get(&remote).is_some_and(|object| object.size == size) {
            counter.already_there();
            return Ok(());
        }
        drop(file);
        let bytes = std::fs::read(&path).map_err(|error| Error::io("cannot be read", &path, error))?;
        if Sha::of(&[&bytes]) != *name {
            return Err(damaged(&path));
        }
        let length = bytes.len();
        self.folder.write(&remote, bytes)?;
        counter.copied(length);
        Ok(())
    }

    /// The files of a generation, relative to the cache, after each was compared with its digest.
    fn manifests(&self, name: &Sha) -> Result<Vec<String>> {
        let place = generation_place(name);
        let folder = self.root.join(&place);
        if let Some(damage) = check_generation(&folder, &place.to_string_lossy(), name, None).damage.first() {
            return Err(Error::new(ErrorKind::Damaged, damage.what.clone())
                .at(self.root.join(&damage.path))
                .help(Action::Repair));
        }
        let mut files = Vec::new();
        for split in split_folders(&folder) {
            let protocol = split.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.extend(
                StoredSplit::FILES.iter().map(|file| format!("{}/{protocol}/{file}", place.display())),
            );
        }
        Ok(files)
    }

    /// Copies a file whose place stands for its content, unless it is there.
    fn once(&self, name: &str, counter: &Counter<'_>) -> Result<()> {
        let path = self.root.join(name);
        let bytes = std::fs::read(&path).map_err(|error| Error::io("cannot be read", &path, error))?;
        if self.there.get(name).is_some_and(|object| object.size == bytes.len() as u64) {
            counter.already_there();
            return Ok(());
        }
        let length = bytes.len();
        self.folder.write(name, bytes)?;
        counter.copied(length);
        Ok(())
    }

    /// Copies a file that may have changed, unless what is there is the same.
    fn again(&self, name: &str, bytes: std::io::Result<Vec<u8>>, counter: &Counter<'_>) -> Result<()> {
        let bytes = bytes.map_err(|error| Error::io("cannot be read", self.root.join(name), error))?;
        if let Some(object) = self.there.get(name).filter(|object| object.size == bytes.len() as u64)
            && self.folder.read(object, 0..object.size)? == bytes
        {
            counter.already_there();
            return Ok(());
        }
        let length = bytes.len();
        self.folder.write(name, bytes)?;
        counter.copied(length);
        Ok(())
    }
}

fn damaged(path: &Path) -> Error {
    Error::new(ErrorKind::Damaged, "has changed since it was written, so it is not copied")
        .at(path)
        .help(Action::Repair)
}
