//! Corpora that come with tables of their own: what they are recognised by, and how their tables are read.
//!
//! A format is one file here, with one type that is a [`TableFormat`], and one line in [`FORMATS`].

mod audformat;
mod huggingface;
mod kaldi;
mod parquet;
mod webdataset;

use std::fmt;
use std::path::{Path, PathBuf};

use ser_core::Result;

use crate::PublishedSide;
use crate::archive::{self, Description};
use crate::remote::{entries, is_file, is_folder, list_once};
use crate::table::{Column, ColumnNames, RawTable};

/// Every format; the first that a corpus is in is the one it is read by.
pub static FORMATS: [&dyn TableFormat; 4] =
    [&audformat::Audformat, &huggingface::HuggingFace, &kaldi::Kaldi, &webdataset::WebDataset];

/// The format of this name, such as `kaldi`.
pub fn named(name: &str) -> Option<&'static dyn TableFormat> {
    FORMATS.into_iter().find(|format| format.name() == name)
}

/// The format that the corpus in the folder `data` is in, if it is one of these.
pub fn recognise(data: &Path) -> Option<&'static dyn TableFormat> {
    list_once(data);
    FORMATS.into_iter().find(|format| format.main_file(data).is_some())
}

/// A way in which a corpus keeps tables beside its recordings.
pub trait TableFormat: fmt::Debug + Send + Sync {
    /// Its name where labels are chosen, in lower case.
    fn name(&self) -> &str;

    /// The file by which the corpus in the folder `data` is in this format, if it is.
    fn main_file(&self, data: &Path) -> Option<PathBuf>;

    /// Reads the tables of the corpus in the folder `data`; `columns` says what columns mean whose names do not.
    ///
    /// # Errors
    /// When the corpus is not in this format, or a table cannot be read.
    fn read(&self, data: &Path, columns: &ColumnNames) -> Result<Vec<RawTable>>;
}

/// Formats are told apart by their names.
impl PartialEq for dyn TableFormat {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for dyn TableFormat {}

/// `data` and the folders in it and in its `data` folder, sorted: where tables of a corpus or of its splits lie.
fn table_folders(data: &Path) -> Vec<PathBuf> {
    let below = |folder: PathBuf| entries(&folder).into_iter().filter(|path| is_folder(path));
    let mut folders: Vec<PathBuf> = std::iter::once(data.to_owned())
        .chain(below(data.to_owned()))
        .chain(below(data.join("data")))
        .collect();
    folders.sort_unstable();
    folders.dedup();
    folders
}

/// The archives with this extension in the folders of the corpus in `data`, sorted, that hold recordings and say something of
/// them.
fn archives(data: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        table_folders(data).into_iter().flat_map(|folder| entries(&folder)).collect();
    files.retain(|file| {
        let is_one = file.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension));
        is_one
            && is_file(file)
            && archive::open(file).is_ok_and(|opened| !opened.archive().members().is_empty())
    });
    files.sort_unstable();
    files
}

/// What the archive at `file` says of its recordings, with their paths as seen from `data`, and its side where its name or
/// its folder's is that of one; nothing if it says nothing.
///
/// # Errors
/// When it cannot be read.
fn archive_table(file: &Path, data: &Path) -> Result<Option<RawTable>> {
    let descriptions = archive::open(file)?.archive().descriptions(file)?;
    if descriptions.is_empty() {
        return Ok(None);
    }
    let (before, side) = (prefix(file, data), side_of(file));
    let row = |Description { name, mut fields, class }: Description| {
        let has = |fields: &serde_json::Map<_, _>, column| {
            fields.keys().any(|name: &String| Column::named(name) == Some(column))
        };
        // Its own name for the recording is of no use outside.
        fields.retain(|name, _| Column::named(name) != Some(Column::Path));
        if let Some(class) = class.filter(|_| !has(&fields, Column::Label)) {
            fields.insert(Column::Label.to_string(), class.into());
        }
        if let Some(side) = side.clone().filter(|_| !has(&fields, Column::Split)) {
            fields.insert(Column::Split.to_string(), side.into());
        }
        fields.insert(Column::Path.to_string(), format!("{before}{name}").into());
        fields
    };
    Ok(Some(RawTable::of_objects(file, (1..).zip(descriptions.into_iter().map(row)))))
}

/// The side of the published split that an archive is called by, as `train-00000-of-00001.parquet`, or its folder.
fn side_of(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let first = name.split(['-', '.', '_']).next()?;
    let folder = file.parent().and_then(Path::file_name).and_then(std::ffi::OsStr::to_str);
    [Some(first), folder]
        .into_iter()
        .flatten()
        .find(|name| PublishedSide::named(name).is_some())
        .map(str::to_owned)
}

/// The path of `folder` as seen from `data`, with a slash behind it; empty for `data` itself.
fn prefix(folder: &Path, data: &Path) -> String {
    let inside = folder.strip_prefix(data).unwrap_or(folder);
    inside.iter().map(|name| format!("{}/", name.to_string_lossy())).collect()
}

/// The name of a folder, by which it may be a split.
fn folder_name(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_told_by_the_name_of_the_file_or_of_its_folder() {
        let side = |path: &str| side_of(Path::new(path));
        assert_eq!(side("data/train-00000-of-00002.parquet").as_deref(), Some("train"));
        assert_eq!(side("dev/0000.parquet").as_deref(), Some("dev"));
        assert_eq!(side("data/0000.parquet"), None);
    }
}
