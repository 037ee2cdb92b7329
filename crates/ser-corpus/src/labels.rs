//! Where labels come from: a convention that names follow, or a table.

use std::fmt;
use std::path::PathBuf;

use ser_core::Result;

use crate::conventions::{self, CorpusConvention, Folder, Recognised};
use crate::{Annotation, LabelTable};

/// Where the label of an utterance comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LabelSource {
    /// The convention that the names follow, if it is one that is known; otherwise folders.
    #[default]
    Auto,
    /// This convention.
    Convention(&'static dyn CorpusConvention),
    /// A CSV file, as [`LabelTable`] reads it.
    Table(PathBuf),
}

impl std::str::FromStr for LabelSource {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match (text, conventions::named(text)) {
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
            Self::Convention(convention) => f.write_str(convention.name()),
            Self::Table(path) => path.display().fmt(f),
        }
    }
}

/// Says what each file of a corpus is labelled.
#[derive(Debug)]
pub enum Annotator {
    /// By this convention, which may be one of another crate.
    Convention(Box<dyn CorpusConvention>),
    /// By the names, whose convention was recognised.
    Recognised(Recognised),
    /// By a table.
    Table(LabelTable),
}

impl Annotator {
    /// Reads what `source` needs. `paths` are all recordings of the corpus, relative to it.
    ///
    /// # Errors
    /// When the table cannot be read or is not a table of labels.
    pub fn new<'a>(source: &LabelSource, paths: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        Ok(match source {
            LabelSource::Auto => Self::Recognised(conventions::recognise(paths)),
            LabelSource::Convention(convention) => Self::Convention(Box::new(*convention)),
            LabelSource::Table(path) => Self::Table(LabelTable::read(path)?),
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
            Self::Convention(convention) => f.write_str(convention.name()),
            Self::Table(table) => table.file().display().fmt(f),
            Self::Recognised(Recognised { convention, following, names, almost }) => {
                let name = convention.name();
                match almost {
                    None if name == Folder.name() => f.write_str(name),
                    None => write!(f, "{name}, as {following} of {names} names say"),
                    Some((other, count)) => {
                        write!(f, "{name}, though {count} of {names} names are as in {}", other.name())
                    }
                }
            }
        }
    }
}
