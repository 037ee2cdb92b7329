//! Folders that an export makes or replaces.

use std::path::Path;

use ser_core::storage::{Storage, folder_of};
use ser_core::{Error, ErrorKind, Result};

/// The file by which an earlier export is told from a folder of someone else.
pub(crate) const MARK: &str = ".ser-export";

/// Makes the folder `path` of these files, whole or not at all; one that an earlier export made is replaced.
///
/// # Errors
/// When there is another folder with something in it, or a file, or writing fails.
pub(crate) fn replace(storage: &Storage, path: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    refuse_foreign(path)?;
    storage.make_folder(&folder_of(path))?;
    storage.replace_folder(path, |folder| {
        let mark = b"Made by ser-export, which replaces this folder when it is given it again.\n";
        storage.replace_file(&folder.join(MARK), &[mark])?;
        files.iter().try_for_each(|(name, bytes)| {
            let file = folder.join(name);
            storage.make_folder(&folder_of(&file))?;
            storage.replace_file(&file, &[bytes])
        })
    })
}

fn refuse_foreign(path: &Path) -> Result<()> {
    let refuse = |what: &str| {
        Err(Error::new(ErrorKind::Usage, what)
            .at(path)
            .help("give a folder that does not exist yet, is empty, or is of an earlier export"))
    };
    match std::fs::read_dir(path) {
        Ok(entries) => match path.join(MARK).is_file() || entries.count() == 0 {
            true => Ok(()),
            false => refuse("is a folder that holds something else"),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => refuse("is not a folder"),
        Err(error) => Err(Error::io("cannot be read", path, error)),
    }
}
