//! Folders that an export makes or replaces.

use std::path::Path;

use ser_core::storage::{Storage, folder_of};
use ser_core::{Error, ErrorKind, Result};

use crate::mark::{Kind, MARK, Mark};

/// Makes the folder `path` of these files, whole or not at all; one that an earlier export of the same kind made is
/// replaced.
///
/// # Errors
/// Those of [`refuse_foreign`], and when writing fails.
pub(crate) fn replace(storage: &Storage, path: &Path, kind: Kind, files: &[(&str, &[u8])]) -> Result<()> {
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    refuse_foreign(path, kind, &names)?;
    let mark = Mark::new(kind, &names).to_json()?;
    storage.make_folder(&folder_of(path))?;
    storage.replace_folder(path, |folder| {
        storage.replace_file(&folder.join(MARK), &[mark.as_bytes()])?;
        files.iter().try_for_each(|(name, bytes)| {
            let file = folder.join(name);
            storage.make_folder(&folder_of(&file))?;
            storage.replace_file(&file, &[bytes])
        })
    })
}

/// Refuses a folder that an export of `kind`, which has these `files`, cannot replace without taking something away.
///
/// # Errors
/// [`ErrorKind::Usage`] where there is something else than a folder, one that no export made, one of another kind of
/// export, or one that holds more than the export wrote; and when it cannot be read.
pub(crate) fn refuse_foreign(path: &Path, kind: Kind, files: &[&str]) -> Result<()> {
    let refuse = |what: String| {
        Err(Error::new(ErrorKind::Usage, what).at(path).help(
            "give a folder that does not exist yet, is empty, or holds an earlier export of the same kind and nothing else",
        ))
    };
    match std::fs::read_dir(path).map(Iterator::count) {
        Ok(0) => return Ok(()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            return refuse("is not a folder".to_owned());
        }
        Err(error) => return Err(Error::io("cannot be read", path, error)),
    }
    let Some(mark) = Mark::read(path, kind, files)? else {
        return refuse("is a folder that holds something else".to_owned());
    };
    if mark.kind != kind {
        return refuse(format!("holds an earlier export of another kind: {}", mark.kind));
    }
    match first_foreign(path, "", &mark)? {
        Some(name) => refuse(format!("holds something that the earlier export did not write: {name}")),
        None => Ok(()),
    }
}

/// The first name below the folder `path` that `mark` does not list; `within` is its place in the export, `""` or such as
/// `runtime/`.
fn first_foreign(path: &Path, within: &str, mark: &Mark) -> Result<Option<String>> {
    let cannot = |error| Error::io("cannot be read", path, error);
    let mut entries: Vec<_> =
        std::fs::read_dir(path).map_err(cannot)?.collect::<std::io::Result<_>>().map_err(cannot)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{within}{}", entry.file_name().to_string_lossy());
        // Of a link the kind is that of the link, which no export makes.
        let kind = entry.file_type().map_err(cannot)?;
        let inside = format!("{name}/");
        let foreign = if kind.is_dir() && mark.files.iter().any(|file| file.starts_with(&inside)) {
            first_foreign(&entry.path(), &inside, mark)?
        } else {
            let known = kind.is_file() && (name == MARK || mark.files.contains(&name));
            (!known).then_some(name)
        };
        if foreign.is_some() {
            return Ok(foreign);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mark::EARLIER;

    const FILES: [(&str, &[u8]); 2] = [("model.safetensors", b"weights"), ("config.json", b"{}")];

    fn write(path: &Path) -> Result<()> {
        replace(&Storage::native(), path, Kind::Safetensors, &FILES)
    }

    fn refused(path: &Path) -> String {
        let error = write(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        error.to_string()
    }

    #[test]
    fn only_what_an_export_wrote_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        write(&path).unwrap();
        write(&path).unwrap();
        std::fs::write(path.join("notes.txt"), "mine").unwrap();
        let text = refused(&path);
        assert!(text.contains("did not write: notes.txt"), "{text}");
        assert_eq!(std::fs::read_to_string(path.join("notes.txt")).unwrap(), "mine");

        std::fs::remove_file(path.join("notes.txt")).unwrap();
        std::fs::create_dir(path.join("runtime")).unwrap();
        let text = refused(&path);
        assert!(text.contains("did not write: runtime"), "{text}");
    }

    #[test]
    fn an_export_of_another_kind_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export");
        write(&path).unwrap();
        let files: [(&str, &[u8]); 2] = [("index.html", b"page"), ("runtime/LICENSE", b"MIT")];
        let error = replace(&Storage::native(), &path, Kind::Page, &files).unwrap_err();
        assert!(error.to_string().contains("of another kind: safetensors"), "{error}");
        assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), b"weights");

        let page = folder.path().join("page");
        replace(&Storage::native(), &page, Kind::Page, &files).unwrap();
        replace(&Storage::native(), &page, Kind::Page, &files).unwrap();
        std::fs::write(page.join("runtime/more"), "mine").unwrap();
        let error = replace(&Storage::native(), &page, Kind::Page, &files).unwrap_err();
        assert!(error.to_string().contains("did not write: runtime/more"), "{error}");
    }

    #[test]
    fn a_mark_without_a_list_stands_for_the_files_of_the_kind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join(MARK), EARLIER).unwrap();
        std::fs::write(path.join("config.json"), "{}").unwrap();
        refuse_foreign(&path, Kind::Safetensors, &FILES.map(|(name, _)| name)).unwrap();
        let error = refuse_foreign(&path, Kind::Page, &["index.html"]).unwrap_err();
        assert!(error.to_string().contains("did not write: config.json"), "{error}");
        std::fs::write(path.join("notes.txt"), "mine").unwrap();
        let text = refused(&path);
        assert!(text.contains("did not write: notes.txt"), "{text}");
    }

    #[test]
    fn a_mark_that_says_something_else_is_none() {
        let folder = tempfile::tempdir().unwrap();
        for mark in ["", "mine\n", "{\"about\":\"\",\"kind\":\"of another version\",\"files\":[]}"] {
            std::fs::write(folder.path().join(MARK), mark).unwrap();
            let text = refused(folder.path());
            assert!(text.contains("is a folder that holds something else"), "{text}");
        }
    }
}
