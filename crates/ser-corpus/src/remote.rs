//! Corpora in object stores: to everything else here a folder whose path is a URL.
//!
//! A corpus is listed when it is scanned, and until it is scanned again what was listed is what is there: a recording is read
//! as the object that was listed, or not at all.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use ser_audio::Limits;
use ser_core::storage::objects::{Object, ObjectFolder, is_url, open_folder};
use ser_core::{Error, ErrorKind, Result};

/// The objects of a corpus.
#[derive(Debug)]
pub(crate) struct Listed {
    folder: Arc<dyn ObjectFolder>,
    objects: BTreeMap<String, Arc<Object>>,
    /// What could not be read of its tables and archives, where labels may come from.
    failure: Mutex<Option<Error>>,
}

/// Corpora that were listed, by their paths.
static LISTED: LazyLock<Mutex<HashMap<PathBuf, Arc<Listed>>>> = LazyLock::new(Mutex::default);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lists the corpus at the URL `root` anew.
///
/// # Errors
/// When it cannot be listed, or when nothing is there.
pub(crate) fn list(root: &Path) -> Result<Arc<Listed>> {
    let folder = open_folder(root)?;
    let objects: BTreeMap<String, Arc<Object>> = (folder.list()?.into_iter())
        // Consoles of stores make folders of objects without content.
        .filter(|object| !(object.path.ends_with('/') && object.size == 0))
        .map(|object| (object.path.clone(), Arc::new(object)))
        .collect();
    if objects.is_empty() {
        return Err(Error::new(ErrorKind::Missing, "holds nothing: there is no such folder in the store")
            .at(root)
            .help("check the bucket and the folder in it"));
    }
    let listed = Arc::new(Listed { folder, objects, failure: Mutex::new(None) });
    locked(&LISTED).insert(root.to_owned(), listed.clone());
    Ok(listed)
}

/// The corpus that holds `path`, and the path in it; of several the innermost.
fn corpus_of(path: &Path) -> Option<(Arc<Listed>, String)> {
    if !is_url(path) {
        return None;
    }
    let listed = locked(&LISTED);
    let root = path.ancestors().find(|above| listed.contains_key(*above))?;
    let names: Option<Vec<&str>> =
        path.strip_prefix(root).ok()?.iter().map(std::ffi::OsStr::to_str).collect();
    Some((listed.get(root)?.clone(), names?.join("/")))
}

/// The object at `path`: as it was listed or, where no corpus around it was, as it is now.
///
/// # Errors
/// `Missing` where there is none, and when the store cannot be reached.
pub(crate) fn object(path: &Path) -> Result<RemoteFile> {
    let missing = || {
        Error::new(ErrorKind::Missing, "is not there").at(path).help("check the bucket and the folder in it")
    };
    if let Some((corpus, inside)) = corpus_of(path) {
        let object = corpus.objects.get(&inside).cloned().ok_or_else(missing)?;
        return Ok(RemoteFile { folder: corpus.folder.clone(), object });
    }
    let (Some(above), Some(name)) = (path.parent(), path.file_name().and_then(std::ffi::OsStr::to_str))
    else {
        return Err(missing());
    };
    let folder = open_folder(above)?;
    let object = folder.find(name)?.ok_or_else(missing)?;
    Ok(RemoteFile { folder, object: Arc::new(object) })
}

/// Whether `path`, which may be a URL, is a file.
pub(crate) fn is_file(path: &Path) -> bool {
    match is_url(path) {
        true => corpus_of(path).is_some_and(|(corpus, inside)| corpus.objects.contains_key(&inside)),
        false => path.is_file(),
    }
}

/// The files and folders in `folder`, which may be a URL; nothing where it cannot be listed.
pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    if !is_url(folder) {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        return entries.map(|entry| entry.path()).collect();
    }
    let Some((corpus, inside)) = corpus_of(folder) else { return Vec::new() };
    let before = if inside.is_empty() { inside } else { inside + "/" };
    let names: BTreeSet<&str> = (corpus.objects.range(before.clone()..))
        .map_while(|(path, _)| path.strip_prefix(&before))
        .filter_map(|inside| inside.split('/').next())
        .collect();
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// Whether `path`, which may be a URL, is a folder.
pub(crate) fn is_folder(path: &Path) -> bool {
    match is_url(path) {
        true => !entries(path).is_empty(),
        false => path.is_dir(),
    }
}

/// Lists the corpus at the URL `data` if that has not been done. A failure is left to who scans it.
pub(crate) fn list_once(data: &Path) {
    if is_url(data) && corpus_of(data).is_none() {
        let _ = list(data);
    }
}

/// What could not be read of the object at `path`, if something was.
pub(crate) fn failure_of(path: &Path) -> Option<Error> {
    check_tables(path).err().filter(|error| error.path().is_some_and(|of| of.starts_with(path)))
}

/// Fails where something of the corpus in `data` could not be read that labels may come from: what it says is not known then,
/// and guessing instead would give other labels.
///
/// # Errors
/// What went wrong.
pub(crate) fn check_tables(data: &Path) -> Result<()> {
    let Some((corpus, _)) = corpus_of(data) else { return Ok(()) };
    let failure = locked(&corpus.failure);
    failure.as_ref().map_or(Ok(()), |error| Err(error.repeated()))
}

/// The whole object at `path`, of at most `limits` bytes, into `bytes`, replacing what was there.
///
/// # Errors
/// When it cannot be read, is empty, or is larger.
pub(crate) fn read_recording(path: &Path, limits: &Limits, bytes: &mut Vec<u8>) -> Result<()> {
    let file = object(path)?;
    limits.check_bytes(file.object.size).map_err(|error| error.at(path))?;
    *bytes = file.folder.read(&file.object, 0..file.object.size)?;
    Ok(())
}

/// The whole table at `path`, of at most `most` bytes.
///
/// # Errors
/// When it cannot be read, or is larger.
pub(crate) fn read_table(path: &Path, most: u64) -> Result<Vec<u8>> {
    let read = || {
        let file = object(path)?;
        if file.object.size > most {
            let what = format!("is larger than {} MiB, too large for a table of labels", most >> 20);
            return Err(Error::new(ErrorKind::Limit, what).at(path));
        }
        file.folder.read(&file.object, 0..file.object.size)
    };
    read().inspect_err(|error| note_failure(path, error))
}

/// Keeps in mind that something of a corpus could not be read that labels may come from.
pub(crate) fn note_failure(path: &Path, error: &Error) {
    if let Some((corpus, _)) = corpus_of(path) {
        locked(&corpus.failure).get_or_insert_with(|| error.repeated());
    }
}

/// Begins to read recordings that are asked for soon, where they lie in object stores.
pub fn read_ahead(locations: impl Iterator<Item = PathBuf>) {
    let mut of_corpora: Vec<(Arc<Listed>, Vec<Arc<Object>>)> = Vec::new();
    for location in locations {
        let Some((corpus, inside)) = corpus_of(&location) else { continue };
        let Some(object) = corpus.objects.get(&inside).cloned() else { continue };
        match of_corpora.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &corpus)) {
            Some((_, objects)) => objects.push(object),
            None => of_corpora.push((corpus, vec![object])),
        }
    }
    for (corpus, objects) in of_corpora {
        let objects: Vec<&Object> = objects.iter().map(|object| &**object).collect();
        corpus.folder.read_ahead(&objects);
    }
}

/// An object, and where to read it.
#[derive(Debug, Clone)]
pub(crate) struct RemoteFile {
    pub(crate) folder: Arc<dyn ObjectFolder>,
    pub(crate) object: Arc<Object>,
}

impl Listed {
    /// Every object, sorted by path.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values().map(|object| &**object)
    }

    /// The first bytes of each of `objects`.
    pub(crate) fn beginnings(&self, objects: &[&Object], most: u64) -> Vec<Result<Vec<u8>>> {
        self.folder.beginnings(objects, most)
    }
}
