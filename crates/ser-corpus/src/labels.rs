//! Where labels come from: a convention that names follow, a pattern, or a table.

use std::fmt;
use std::path::{Path, PathBuf};

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::archive::without_archives;
use crate::contradiction::folder_of_another_emotion;
use crate::conventions::{
    self, CorpusConvention, Folder, FolderLayout, NamePattern, PATTERN_PREFIX, Recognised,
};
use crate::remote;
use crate::sides::{folders_of_names, side_of};
use crate::table::{ColumnNames, TableFormat, formats};
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
            (pattern, None, None) if pattern.starts_with(PATTERN_PREFIX) => Self::Pattern(pattern.to_owned()),
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
    /// When the table cannot be read or is not a table of labels, when the pattern is none, or when no name fits it.
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
                None => remote::check_tables(data).map(|()| Self::guessed(paths)),
            },
            LabelSource::Convention(convention) => Ok(Self::Convention(Box::new(*convention))),
            LabelSource::Pattern(pattern) => {
                let pattern = NamePattern::parse(pattern)?;
                check_pattern(&pattern, &paths.into_iter().collect::<Vec<_>>())?;
                Ok(Self::Convention(Box::new(pattern)))
            }
            LabelSource::Format(format) => of_format(*format),
            LabelSource::Table(path) => {
                Ok(Self::Table { table: LabelTable::read(path, columns, data)?, format: None })
            }
        }
    }

    /// By what the names of recordings and folders look like.
    fn guessed<'a>(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let paths: Vec<_> = paths.into_iter().map(|path| folders_of_names(path).0).collect();
        let paths: Vec<&str> = paths.iter().map(AsRef::as_ref).collect();
        let recognised = conventions::recognise(paths.iter().copied());
        match recognised.is_by_folder().then(|| FolderLayout::of(&paths)).flatten() {
            Some(layout) => Self::Folders(layout),
            None => Self::Recognised(recognised),
        }
    }

    /// Whether nobody said what the names mean, and they follow no published convention.
    pub(crate) fn is_guessed(&self) -> bool {
        match self {
            Self::Recognised(recognised) => recognised.is_by_folder(),
            Self::Folders(_) => true,
            Self::Convention(_) | Self::Table { .. } => false,
        }
    }

    /// Whether names are read as those of a published corpus.
    pub fn is_published(&self) -> bool {
        match self {
            Self::Recognised(recognised) => recognised.convention.published().is_some(),
            Self::Convention(convention) => convention.published().is_some(),
            Self::Folders(_) | Self::Table { .. } => false,
        }
    }

    /// Whether the folder that a recording lies in names its class.
    pub(crate) fn is_by_folder(&self) -> bool {
        match self {
            Self::Recognised(recognised) => recognised.is_by_folder(),
            Self::Convention(convention) => convention.name() == Folder.name(),
            Self::Folders(_) | Self::Table { .. } => false,
        }
    }

    /// The table that labels come from, if it is one.
    pub fn table(&self) -> Option<&LabelTable> {
        match self {
            Self::Table { table, .. } => Some(table),
            _ => None,
        }
    }

    /// What the recording at `path` (relative to the corpus, `/` between folders) is labelled: one annotation, or one for
    /// each segment of it.
    ///
    /// # Errors
    /// When its names or the table do not say.
    pub fn annotations(&self, path: &str) -> Result<Vec<Annotation>> {
        match self {
            Self::Convention(convention) => {
                let named = if self.is_by_folder() { without_archives(path) } else { path.into() };
                let annotation = match convention.annotate(&named) {
                    Err(error) if self.is_by_folder() => return Err(of_archive(error, path)),
                    annotation => annotation?,
                };
                let split = annotation.split.or_else(|| {
                    let folders = named.rsplit_once('/')?.0;
                    // The folder that a file lies in is its class where a person says that folders are.
                    side_of(if self.is_by_folder() { folders.rsplit_once('/')?.0 } else { folders })
                });
                Ok(vec![self.with_contradiction(Annotation { split, ..annotation }, path)])
            }
            Self::Recognised(recognised) => match in_sides(recognised.convention, path) {
                Err(error) if self.is_by_folder() => Err(of_archive(error, path)),
                annotation => Ok(vec![self.with_contradiction(annotation?, path)]),
            },
            Self::Folders(layout) => {
                Ok(vec![in_sides(layout, path).map_err(|error| of_archive(error, path))?])
            }
            Self::Table { table, .. } => table.annotations(path),
        }
    }

    /// The folder of the recording at `path` that is named for another emotion than its own name says, which is `label`, in a
    /// published corpus.
    pub(crate) fn contradicting_folder(&self, path: &str, label: &str) -> Option<String> {
        if !self.is_published() {
            return None;
        }
        folder_of_another_emotion(&folders_of_names(path).0, label).map(str::to_owned)
    }

    fn with_contradiction(&self, mut annotation: Annotation, path: &str) -> Annotation {
        if let Some(folder) = self.contradicting_folder(path, &annotation.label) {
            let label = &annotation.label;
            annotation.notes.push(format!("its folder says {folder}, its name says {label}, which counts"));
        }
        annotation
    }
}

/// `error` about a recording at `path`; one that lies in an archive, and in no folder, is said to.
fn of_archive(error: Error, path: &str) -> Error {
    match without_archives(path) != path && !folders_of_names(path).0.contains('/') {
        true => Error::new(ErrorKind::Unusable, "lies in no folder but its archive, which names no class")
            .at(path)
            .help(remedy![
                "say its class in the archive, as a column or beside it, or in a CSV file with ",
                Setting::Labels
            ]),
        false => error,
    }
}

/// What `convention` says of `path` without archives and the folders that name sides of a split, and the side.
fn in_sides(convention: &dyn CorpusConvention, path: &str) -> Result<Annotation> {
    let (inside, split) = folders_of_names(path);
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
            Self::Table { table, format: None } => table.file().display().fmt(f),
            Self::Table { table, format: Some(format) } => {
                write!(f, "{}, as {} says", format.name(), table.file().display())
            }
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
