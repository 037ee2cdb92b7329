//! A folder of recordings: which files there are, what each is labelled, and how they are split.
//!
//! Nothing here reads audio. [`scan()`] lists files, [`naming`] and [`table`] say what an utterance is labelled
//! and who speaks which word, [`split`] deals utterances to train, validation and test.

pub mod naming;
mod relative;
pub mod scan;
pub mod split;
pub mod table;

pub use naming::Annotation;
pub use relative::check_relative;
pub use scan::{AudioFile, FileStat, PassedBy, Scan, scan, scan_noting};
pub use split::{Fractions, Part, Protocol, Split, SplitPlan, SplitPlanner, plan_splits};

use crate::Result;
use std::path::PathBuf;

/// Where the label of an utterance comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LabelSource {
    /// The name of the folder the file lies in.
    #[default]
    Folder,
    /// The emotion in the file's name, `<speaker>_<word>_<emotion>.wav`.
    Filename,
    /// A CSV file with the columns `path` and `label` and, if known, `speaker` and `word`.
    Table(PathBuf),
}

impl std::str::FromStr for LabelSource {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "folder" => Self::Folder,
            "filename" => Self::Filename,
            path => Self::Table(PathBuf::from(path)),
        })
    }
}

/// Says what each file of a corpus is labelled.
#[derive(Debug)]
pub enum Annotator {
    /// By the names of folders.
    Folder,
    /// By the names of files.
    Filename,
    /// By a table.
    Table(table::LabelTable),
}

impl Annotator {
    /// Reads what `source` needs.
    ///
    /// # Errors
    /// When the table cannot be read or is not a table of labels.
    pub fn new(source: &LabelSource) -> Result<Self> {
        Ok(match source {
            LabelSource::Folder => Self::Folder,
            LabelSource::Filename => Self::Filename,
            LabelSource::Table(path) => Self::Table(table::LabelTable::read(path)?),
        })
    }

    /// What the file at `path` (relative to the corpus, `/` between folders) is labelled.
    ///
    /// # Errors
    /// When its names or the table do not say.
    pub fn annotate(&self, path: &str) -> Result<Annotation> {
        match self {
            Self::Folder => naming::by_folder(path),
            Self::Filename => naming::by_filename(path),
            Self::Table(table) => table.annotate(path),
        }
    }
}
