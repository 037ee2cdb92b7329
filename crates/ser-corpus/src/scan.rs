//! Lists the recordings of a corpus.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;

use ser_audio::Container;
use ser_core::remedy::Setting;
use ser_core::storage::objects::{Object, is_url};
use ser_core::{Error, ErrorKind, Result, remedy};
use walkdir::WalkDir;

use crate::audio_file::{BEGINNING, has_audio_extension, not_decoded};
use crate::{archive, check_relative, remote};

pub use crate::audio_file::{AudioFile, EXTENSIONS, FileStat, is_hidden};

/// What a walk through the corpus found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Recordings, sorted by path.
    pub files: Vec<AudioFile>,
    /// How many files with other extensions were ignored. Hidden files, hidden folders and `__MACOSX` are not
    /// even counted.
    pub ignored: usize,
    /// What could not be accessed, each error naming its path.
    pub unusable: Vec<(String, Error)>,
}

/// What a walk meets that is not a recording.
#[derive(Debug, Clone, Copy)]
pub enum OtherEntry<'a> {
    /// A folder below the corpus.
    Folder(&'a Path),
    /// A file that is not named as a recording, or a broken link.
    Other(&'a Path),
}

/// Whether a walk takes this entry for a recording: a file that is named as one, or whose content begins like audio.
/// Hidden files are none.
pub fn is_recording(entry: &walkdir::DirEntry) -> bool {
    !entry.file_type().is_dir()
        && !is_hidden(entry.file_name())
        && (has_audio_extension(entry.path()) || what_it_is(entry).is_some())
}

/// Walks through the folder `root` and everything under it. Symbolic links are followed, loops refused.
///
/// # Errors
/// When `root` is not a folder that can be listed. Errors further down are listed in [`Scan::unusable`].
pub fn scan(root: &Path) -> Result<Scan> {
    scan_noting(root, |_| ())
}

/// As [`scan()`], telling `note` of everything else on the way. Hidden files are not reported.
///
/// # Errors
/// As [`scan()`].
pub fn scan_noting(root: &Path, mut note: impl FnMut(OtherEntry<'_>)) -> Result<Scan> {
    if is_url(root) {
        return scan_remote(root, note);
    }
    let metadata = std::fs::metadata(root).map_err(|source| {
        Error::io("cannot open the corpus", root, source)
            .help(remedy!["give the folder of recordings with ", Setting::Data])
    })?;
    if !metadata.is_dir() {
        return Err(Error::new(ErrorKind::Usage, "is not a folder")
            .at(root)
            .help("give the folder that holds one folder of recordings for each class"));
    }
    let mut found = Scan::default();
    let walk = WalkDir::new(root).follow_links(true).into_iter();
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.file_name())) {
        match entry {
            Err(error) if error.path().is_some_and(is_stray_link) => {
                found.ignored += 1;
                error.path().into_iter().for_each(|path| note(OtherEntry::Other(path)));
            }
            Err(error) => found.note_walk_error(root, &error),
            Ok(entry) if entry.file_type().is_dir() => note(OtherEntry::Folder(entry.path())),
            Ok(entry) if archive::is_named_as_one(entry.path()) => match describe(root, &entry) {
                Err(error) => found.unusable.push((relative_lossy(root, entry.path()), error)),
                Ok(file) => {
                    if !found.add_archive(root, entry.path(), file.path, file.stat)? {
                        found.ignored += 1;
                        note(OtherEntry::Other(entry.path()));
                    }
                }
            },
            Ok(entry) if !has_audio_extension(entry.path()) => match what_it_is(&entry) {
                None => {
                    found.ignored += 1;
                    note(OtherEntry::Other(entry.path()));
                }
                Some(Err(kind)) => {
                    let error = not_decoded(kind).at(entry.path());
                    found.unusable.push((relative_lossy(root, entry.path()), error));
                }
                Some(Ok(_)) => found.add(root, &entry),
            },
            Ok(entry) => found.add(root, &entry),
        }
    }
    found.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    found.unusable.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// The same of a corpus in an object store.
fn scan_remote(root: &Path, mut note: impl FnMut(OtherEntry<'_>)) -> Result<Scan> {
    let listed = remote::list(root)?;
    let mut found = Scan::default();
    let mut folders = BTreeSet::new();
    let mut unnamed = Vec::new();
    let is_visible = |object: &&Object| !object.path.split('/').any(|part| is_hidden(part.as_ref()));
    for object in listed.objects().filter(is_visible) {
        let location = root.join(&object.path);
        folders.extend(
            Path::new(&object.path).ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()),
        );
        if let Err(error) = check_relative(&object.path) {
            found.unusable.push((object.path.clone(), error.at(location)));
        } else if archive::is_named_as_one(&location) {
            if !found.add_archive(root, &location, object.path.clone(), FileStat::of_object(object))? {
                found.ignored += 1;
                note(OtherEntry::Other(&location));
            }
        } else if has_audio_extension(&location) {
            found.files.push(AudioFile { path: object.path.clone(), stat: FileStat::of_object(object) });
        } else {
            unnamed.push(object);
        }
    }
    folders.into_iter().for_each(|folder| note(OtherEntry::Folder(&root.join(folder))));
    for (object, beginning) in unnamed.iter().zip(listed.beginnings(&unnamed, BEGINNING)) {
        match ser_audio::sniff(&beginning?) {
            None => {
                found.ignored += 1;
                note(OtherEntry::Other(&root.join(&object.path)));
            }
            Some(Err(kind)) => {
                found.unusable.push((object.path.clone(), not_decoded(kind).at(root.join(&object.path))));
            }
            Some(Ok(_)) => {
                found.files.push(AudioFile { path: object.path.clone(), stat: FileStat::of_object(object) });
            }
        }
    }
    found.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    found.unusable.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// What a file is that is not named as audio, by its first bytes, if it is audio all the same: a container, or the name of
/// a kind that is not decoded.
fn what_it_is(entry: &walkdir::DirEntry) -> Option<Result<Container, &'static str>> {
    // Only of a regular file: a pipe could wait forever. One that cannot be read is nobody's recording as far as is known.
    let file = entry.file_type().is_file().then(|| std::fs::File::open(entry.path()).ok()).flatten()?;
    let mut bytes = Vec::new();
    file.take(BEGINNING).read_to_end(&mut bytes).ok()?;
    ser_audio::sniff(&bytes)
}

impl Scan {
    fn add(&mut self, root: &Path, entry: &walkdir::DirEntry) {
        match describe(root, entry) {
            Ok(file) => self.files.push(file),
            Err(error) => self.unusable.push((relative_lossy(root, entry.path()), error)),
        }
    }
}

impl Scan {
    /// Adds the recordings of the archive at `location`, which is at `path` in the corpus; false if it has none.
    ///
    /// # Errors
    /// When it lies in a store that cannot be reached: what is in it is not known then.
    fn add_archive(&mut self, root: &Path, location: &Path, path: String, stat: FileStat) -> Result<bool> {
        let opened = match archive::open(location) {
            Ok(opened) => opened,
            Err(error) if error.kind() == ErrorKind::Unreachable => return Err(error),
            Err(error) => {
                self.unusable.push((relative_lossy(root, location), error));
                return Ok(true);
            }
        };
        if let Some(damage) = opened.archive().damage() {
            let what = format!("cannot be read to its end: {damage}; what is before that is used");
            let error =
                Error::new(ErrorKind::Damaged, what).at(location).help("copy it again from its source");
            self.unusable.push((path.clone(), error));
        }
        let passed_over = opened.archive().passed_over();
        for (name, error) in &passed_over.unusable {
            let error = error.repeated().at(location.join(name));
            self.unusable.push((format!("{path}/{name}"), error));
        }
        let members = opened.archive().members();
        if !members.is_empty() {
            self.ignored += passed_over.ignored;
        }
        self.files.extend(members.iter().map(|member| AudioFile {
            path: format!("{path}/{}", member.name),
            // It has changed when its archive has.
            stat: FileStat { size: member.size, ..stat },
        }));
        Ok(!members.is_empty() || !passed_over.unusable.is_empty())
    }

    fn note_walk_error(&mut self, root: &Path, error: &walkdir::Error) {
        let path = error.path().unwrap_or(root);
        let problem = match (error.loop_ancestor(), error.io_error()) {
            (Some(ancestor), _) => Error::new(
                ErrorKind::Unusable,
                format!("is a link back to {}, a folder that holds it", ancestor.display()),
            ),
            (None, Some(io)) => Error::new(ErrorKind::Io, format!("cannot be accessed: {io}")),
            (None, None) => Error::new(ErrorKind::Io, "cannot be accessed"),
        };
        self.unusable.push((relative_lossy(root, path), problem.at(path)));
    }
}

fn describe(root: &Path, entry: &walkdir::DirEntry) -> Result<AudioFile> {
    let location = entry.path();
    let inside = location.strip_prefix(root).unwrap_or(location);
    let parts: Option<Vec<&str>> = inside.iter().map(OsStr::to_str).collect();
    let Some(parts) = parts else {
        return Err(Error::new(ErrorKind::Unusable, "has a name that is not UTF-8")
            .at(location)
            .help("rename it, since manifests are UTF-8"));
    };
    let path = parts.join("/");
    check_relative(&path).map_err(|error| error.at(location))?;
    let metadata = entry
        .metadata()
        .map_err(|error| Error::new(ErrorKind::Io, format!("cannot be accessed: {error}")).at(location))?;
    Ok(AudioFile { path, stat: FileStat::of(&metadata) })
}

/// A broken link that would not have been a recording anyway.
fn is_stray_link(path: &Path) -> bool {
    let leads_nowhere = |path| {
        std::fs::metadata(path)
            .is_err_and(|error: std::io::Error| error.kind() == std::io::ErrorKind::NotFound)
    };
    !has_audio_extension(path) && path.is_symlink() && leads_nowhere(path)
}

fn relative_lossy(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}
