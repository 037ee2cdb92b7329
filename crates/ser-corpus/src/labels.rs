//! Where labels come from: a convention that names follow, a pattern, or a table.

use std::fmt;
use std::path::PathBuf;

use ser_core::{Error, ErrorKind, Result};

use crate::conventions::{
    self, CorpusConvention, Folder, FolderLayout, NamePattern, PATTERN_PREFIX, Recognised,
};
use crate::sides::{side_of, without_sides};
use crate::{Annotation, LabelTable};

/// Where the label of an utterance comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LabelSource {
    /// The convention that the names follow, if it is one that is known; otherwise folders, by how they are arranged.
    #[default]
    Auto,
    /// This convention.
    Convention(&'static dyn CorpusConvention),
    /// This pattern, as [`NamePattern::parse`] reads it.
    Pattern(String),
    /// A CSV file, as [`LabelTable`] reads it.
    Table(PathBuf),
}

impl std::str::FromStr for LabelSource {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match (text, conventions::named(text)) {
            ("auto", _) => Self::Auto,
            (_, Some(convention)) => Self::Convention(convention),
            (pattern, None) if pattern.starts_with(PATTERN_PREFIX) => Self::Pattern(pattern.to_owned()),
            (path, None) => Self::Table(PathBuf::from(path)),
        })
    }
}

impl fmt::Display for LabelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Convention(convention) => f.write_str(convention.name()),
            Self::Pattern(pattern) => f.write_str(pattern),
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
    /// By the folders of an unknown corpus, whose arrangement says which of them name speakers.
    Folders(FolderLayout),
    /// By a table.
    Table(LabelTable),
}

impl Annotator {
    /// Reads what `source` needs. `paths` are all recordings of the corpus, relative to it.
    ///
    /// # Errors
    /// When the table cannot be read or is not a table of labels, when the pattern is none, or when no name fits it.
    pub fn new<'a>(source: &LabelSource, paths: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        Ok(match source {
            LabelSource::Auto => {
                let paths: Vec<_> = paths.into_iter().map(|path| without_sides(path).0).collect();
                let paths: Vec<&str> = paths.iter().map(AsRef::as_ref).collect();
                let recognised = conventions::recognise(paths.iter().copied());
                match recognised.is_by_folder().then(|| FolderLayout::of(&paths)).flatten() {
                    Some(layout) => Self::Folders(layout),
                    None => Self::Recognised(recognised),
                }
            }
            LabelSource::Convention(convention) => Self::Convention(Box::new(*convention)),
            LabelSource::Pattern(pattern) => {
                let pattern = NamePattern::parse(pattern)?;
                check_pattern(&pattern, &paths.into_iter().collect::<Vec<_>>())?;
                Self::Convention(Box::new(pattern))
            }
            LabelSource::Table(path) => Self::Table(LabelTable::read(path)?),
        })
    }

    /// Whether nobody said what the names mean, and they follow no published convention.
    pub(crate) fn is_guessed(&self) -> bool {
        match self {
            Self::Recognised(recognised) => recognised.is_by_folder(),
            Self::Folders(_) => true,
            Self::Convention(_) | Self::Table(_) => false,
        }
    }

    /// What the file at `path` (relative to the corpus, `/` between folders) is labelled.
    ///
    /// # Errors
    /// When its names or the table do not say.
    pub fn annotate(&self, path: &str) -> Result<Annotation> {
        match self {
            Self::Convention(convention) => {
                let annotation = convention.annotate(path)?;
                let split = annotation.split.or_else(|| {
                    let folders = path.rsplit_once('/')?.0;
                    // The folder that a file lies in is its class where a person says that folders are.
                    let is_class = convention.name() == Folder.name();
                    side_of(if is_class { folders.rsplit_once('/')?.0 } else { folders })
                });
                Ok(Annotation { split, ..annotation })
            }
            Self::Recognised(recognised) => in_sides(recognised.convention, path),
            Self::Folders(layout) => in_sides(layout, path),
            Self::Table(table) => table.annotate(path),
        }
    }
}

/// What `convention` says of `path` without the folders that name sides of a split, and the side.
fn in_sides(convention: &dyn CorpusConvention, path: &str) -> Result<Annotation> {
    let (inside, split) = without_sides(path);
    match convention.annotate(&inside) {
        Ok(annotation) => Ok(Annotation { split, ..annotation }),
        Err(_) if split.is_some() && !inside.contains('/') => {
            let what = "lies in a folder that names a side of a split, and in none that names its class";
            Err(Error::new(ErrorKind::Unusable, what)
                .at(path)
                .help("put it into a folder named for its class within that folder"))
        }
        Err(error) => Err(error),
    }
}

/// Refuses a pattern that no name fits.
fn check_pattern(pattern: &NamePattern, paths: &[&str]) -> Result<()> {
    let Some((first, why)) = paths.first().and_then(|path| Some((path, pattern.misfit_of(path)?))) else {
        return Ok(());
    };
    if paths.iter().any(|path| pattern.misfit_of(path).is_none()) {
        return Ok(());
    }
    let (text, names) = (pattern.name(), paths.len());
    Err(Error::new(
        ErrorKind::Usage,
        format!("{text} fits none of the {names} names, such as {first}: {why}"),
    )
    .help("count the parts of that name; the pattern is about the name without its extension"))
}

/// For people: `tess`, `tess, as 2798 of 2798 names say`, `labels.csv`.
impl fmt::Display for Annotator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Convention(convention) => f.write_str(convention.name()),
            Self::Table(table) => table.file().display().fmt(f),
            Self::Folders(layout) => layout.fmt(f),
            Self::Recognised(Recognised { convention, following, names, almost }) => {
                let name = convention.name();
                match almost {
                    None if name == Folder.name() => {
                        write!(f, "{name}: the one a recording lies in names its class")
                    }
                    None => write!(f, "{name}, as {following} of {names} names say"),
                    Some((other, count)) => {
                        write!(f, "{name}, though {count} of {names} names are as in {}", other.name())
                    }
                }
            }
        }
    }
}
