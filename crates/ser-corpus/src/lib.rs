//! Folders of recordings: which files there are, what each is labelled, and how they are split.
//!
//! Nothing here reads audio. [`scan()`] lists files, [`conventions`] and [`table`] say what an utterance is labelled
//! and who speaks which word, [`label_map`] gives labels other names, [`corpora`] keeps several corpora apart, and
//! [`split`] assigns utterances to train, validation and test.

mod annotation;
pub mod conventions;
mod corpora;
pub mod doctor;
mod label_map;
mod protocol;
mod relative;
pub mod scan;
pub mod split;
mod table;

pub use table::LabelTable;

pub use annotation::{Annotation, is_speaker_id, names_a_folder};
pub use conventions::{Convention, Recognised, recognise};
pub use corpora::{Corpora, Corpus, CorpusFolder};
pub use label_map::{LabelMap, MapSource, Mapped};
pub use protocol::Protocol;
pub use relative::check_relative;
pub use scan::{AudioFile, FileStat, OtherEntry, Scan, scan, scan_noting};
pub use split::{Fractions, Part, Split, SplitPlan, SplitPlanner, Unassigned, UtteranceInfo, plan_splits};

use std::fmt;
use std::path::PathBuf;

use ser_core::Result;

/// Where the label of an utterance comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LabelSource {
    /// The convention that the names follow, if it is one that is known; otherwise folders.
    #[default]
    Auto,
    /// This convention.
    Convention(Convention),
    /// A CSV file, as [`table::LabelTable`] reads it.
    Table(PathBuf),
}

impl std::str::FromStr for LabelSource {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let convention = Convention::ALL.into_iter().find(|convention| convention.name() == text);
        Ok(match (text, convention) {
            ("auto", _) => Self::Auto,
            (_, Some(convention)) => Self::Convention(convention),
            (path, None) => Self::Table(PathBuf::from(path)),
        })
    }
}

impl fmt::Display for LabelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Convention(convention) => convention.fmt(f),
            Self::Table(path) => path.display().fmt(f),
        }
    }
}

/// Says what each file of a corpus is labelled.
#[derive(Debug)]
pub enum Annotator {
    /// By names.
    Convention(Convention),
    /// By the names, whose convention was recognised.
    Recognised(Recognised),
    /// By a table.
    Table(table::LabelTable),
}

impl Annotator {
    /// Reads what `source` needs. `paths` are all recordings of the corpus, relative to it.
    ///
    /// # Errors
    /// When the table cannot be read or is not a table of labels.
    pub fn new<'a>(source: &LabelSource, paths: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        Ok(match source {
            LabelSource::Auto => Self::Recognised(recognise(paths)),
            LabelSource::Convention(convention) => Self::Convention(*convention),
            LabelSource::Table(path) => Self::Table(table::LabelTable::read(path)?),
        })
    }

    /// What the file at `path` (relative to the corpus, `/` between folders) is labelled.
    ///
    /// # Errors
    /// When its names or the table do not say.
    pub fn annotate(&self, path: &str) -> Result<Annotation> {
        match self {
            Self::Convention(convention) => convention.annotate(path),
            Self::Recognised(recognised) => recognised.convention.annotate(path),
            Self::Table(table) => table.annotate(path),
        }
    }
}

/// For people: `tess`, `tess, as 2798 of 2798 names say`, `labels.csv`.
impl fmt::Display for Annotator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Convention(convention) => convention.fmt(f),
            Self::Table(table) => table.file().display().fmt(f),
            Self::Recognised(Recognised { convention, following, names, almost }) => match almost {
                None if *convention == Convention::Folder => convention.fmt(f),
                None => write!(f, "{convention}, as {following} of {names} names say"),
                Some((other, count)) => {
                    write!(f, "{convention}, though {count} of {names} names are as in {other}")
                }
            },
        }
    }
}
