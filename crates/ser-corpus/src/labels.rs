//! Where labels come from: a convention that names follow, or a table.

use std::fmt;
use std::path::{Path, PathBuf};

use ser_core::Result;

use crate::conventions::{self, CorpusConvention, Folder, Recognised};
use crate::table::{ColumnNames, TableFormat, formats};
use crate::{Annotation, LabelTable};

/// Where the label of an utterance comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LabelSource {
    /// The convention that the names follow, if it is one that is known; otherwise folders.
    #[default]
    Auto,
    /// This convention.
    Convention(&'static dyn CorpusConvention),
    /// The tables that the corpus itself keeps in this format.
    Format(&'static dyn TableFormat),
    /// A table, as [`LabelTable`] reads it.
    Table(PathBuf),
}

impl std::str::FromStr for LabelSource {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match (text, conventions::named(text), formats::named(text)) {
            ("auto", ..) => Self::Auto,
            (_, Some(convention), _) => Self::Convention(convention),
            (_, _, Some(format)) => Self::Format(format),
            (path, None, None) => Self::Table(PathBuf::from(path)),
        })
    }
}

impl fmt::Display for LabelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Convention(convention) => f.write_str(convention.name()),
            Self::Format(format) => f.write_str(format.name()),
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
    Table {
        /// What it says.
        table: LabelTable,
        /// The format that the corpus keeps it in, if it is the corpus's own.
        format: Option<&'static dyn TableFormat>,
    },
}

impl Annotator {
    /// Reads what `source` needs of the corpus in the folder `data`. `paths` are all recordings of the corpus, relative
    /// to it; `columns` says what the columns of a table mean whose names do not.
    ///
    /// # Errors
    /// When the table cannot be read or is not a table of labels.
    pub fn new<'a>(
        source: &LabelSource,
        columns: &ColumnNames,
        data: &Path,
        paths: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self> {
        let of_format = |format: &'static dyn TableFormat| {
            let table = LabelTable::read_format(format, columns, data)?;
            Ok(Self::Table { table, format: Some(format) })
        };
        match source {
            LabelSource::Auto => match formats::recognise(data) {
                Some(format) => of_format(format),
                None => Ok(Self::Recognised(conventions::recognise(paths))),
            },
            LabelSource::Convention(convention) => Ok(Self::Convention(Box::new(*convention))),
            LabelSource::Format(format) => of_format(*format),
            LabelSource::Table(path) => {
                Ok(Self::Table { table: LabelTable::read(path, columns, data)?, format: None })
            }
        }
    }

    /// What the recording at `path` (relative to the corpus, `/` between folders) is labelled: one annotation, or one for
    /// each segment of it.
    ///
    /// # Errors
    /// When its names or the table do not say.
    pub fn annotations(&self, path: &str) -> Result<Vec<Annotation>> {
        match self {
            Self::Convention(convention) => convention.annotate(path).map(|annotation| vec![annotation]),
            Self::Recognised(recognised) => {
                recognised.convention.annotate(path).map(|annotation| vec![annotation])
            }
            Self::Table { table, .. } => table.annotations(path),
        }
    }

    /// The table that labels come from, if it is one.
    pub fn table(&self) -> Option<&LabelTable> {
        match self {
            Self::Table { table, .. } => Some(table),
            _ => None,
        }
    }
}

/// For people: `tess`, `tess, as 2798 of 2798 names say`, `labels.csv`.
impl fmt::Display for Annotator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Convention(convention) => f.write_str(convention.name()),
            Self::Table { table, format: None } => table.file().display().fmt(f),
            Self::Table { table, format: Some(format) } => {
                write!(f, "{}, as {} says", format.name(), table.file().display())
            }
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
