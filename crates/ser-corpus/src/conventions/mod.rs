//! How corpora name their files: what a path says of label, speaker, word and session.
//!
//! Each convention is a file of its own, and `spelling` says which label each of them gives to which emotion. None of
//! these corpora names its recording sessions, so a session is only known from a table.

mod crema_d;
mod emo_db;
mod plain;
mod ravdess;
mod savee;
pub mod spelling;
mod tess;

use std::fmt;

use ser_core::{Error, ErrorKind, Result};

use crate::Annotation;

pub use spelling::tess_emotion;

/// A way of naming folders and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// `OAF_fear/OAF_back_fear.wav`
    Tess,
    /// `Actor_12/03-01-06-01-02-01-12.wav`
    Ravdess,
    /// `1001_DFA_ANG_XX.wav`
    CremaD,
    /// `03a01Fa.wav`
    EmoDb,
    /// `DC/a01.wav` or `DC_a01.wav`
    Savee,
    /// A folder for each class, or for each speaker and class as in TESS.
    Folder,
    /// `<speaker>_<word>_<emotion>.wav` in any folder.
    Filename,
}

/// A path, taken apart.
struct Name<'a> {
    /// The name of the folder the file lies in, unless that is the corpus itself.
    folder: Option<&'a str>,
    /// The name of the file without its extension.
    stem: &'a str,
}

impl Convention {
    /// All of them, those of a corpus first.
    pub const ALL: [Self; 7] =
        [Self::Tess, Self::Ravdess, Self::CremaD, Self::EmoDb, Self::Savee, Self::Folder, Self::Filename];

    /// Those by which a corpus can be recognised.
    const OF_CORPORA: [Self; 5] = [Self::Tess, Self::Ravdess, Self::CremaD, Self::EmoDb, Self::Savee];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tess => "tess",
            Self::Ravdess => "ravdess",
            Self::CremaD => "crema-d",
            Self::EmoDb => "emo-db",
            Self::Savee => "savee",
            Self::Folder => "folder",
            Self::Filename => "filename",
        }
    }

    /// What the file at `path` (relative to the corpus, `/` between folders) is labelled.
    ///
    /// # Errors
    /// When its names do not follow the convention, with what is wrong with them.
    pub fn annotate(self, path: &str) -> Result<Annotation> {
        let name = Name::of(path);
        let (annotation, help) = match self {
            Self::Folder => (
                plain::by_folder(&name),
                "put it into a folder named for its class, or use --labels filename or a CSV file",
            ),
            Self::Filename => (plain::by_filename(&name), "rename it, or use --labels folder or a CSV file"),
            Self::Tess => (tess::annotate(&name), OF_A_CORPUS),
            Self::Ravdess => (ravdess::annotate(&name), OF_A_CORPUS),
            Self::CremaD => (crema_d::annotate(&name), OF_A_CORPUS),
            Self::EmoDb => (emo_db::annotate(&name), OF_A_CORPUS),
            Self::Savee => (savee::annotate(&name), OF_A_CORPUS),
        };
        annotation.map_err(|why| {
            let what = match self {
                Self::Folder | Self::Filename => why,
                _ => format!("is not named as in {self}: {why}"),
            };
            Error::new(ErrorKind::Unusable, what).at(path).help(help)
        })
    }
}

const OF_A_CORPUS: &str = "rename it or move it out of the corpus, or use --labels folder or a CSV file";

impl fmt::Display for Convention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<'a> Name<'a> {
    fn of(path: &'a str) -> Self {
        let (folders, file) =
            path.rsplit_once('/').map_or((None, path), |(folders, file)| (Some(folders), file));
        let folder = folders.map(|folders| folders.rsplit_once('/').map_or(folders, |(_, last)| last));
        Self { folder, stem: file.rsplit_once('.').map_or(file, |(stem, _)| stem) }
    }
}

/// Which convention the names of a corpus follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recognised {
    /// The convention; [`Convention::Folder`] where nearly all names follow no one of the others.
    pub convention: Convention,
    /// How many names follow it. All, by definition, where it is the folder's.
    pub following: usize,
    /// How many names there are.
    pub names: usize,
    /// Of a corpus whose names are mixed: the convention that most of those follow that follow any, and how many.
    pub almost: Option<(Convention, usize)>,
}

/// Recognises a corpus by the names of its recordings: nineteen of twenty must follow one convention.
///
/// Names as in TESS count only in folders as in TESS, unless all files lie in one folder: in any other
/// arrangement folders name classes.
pub fn recognise<'a>(paths: impl IntoIterator<Item = &'a str>) -> Recognised {
    let mut following = Convention::OF_CORPORA.map(|convention| (convention, 0));
    let (mut names, mut tess_files) = (0, 0);
    let mut only_folder = None;
    let mut several_folders = false;
    for path in paths {
        names += 1;
        let folders = path.rsplit_once('/').map(|(folders, _)| folders);
        several_folders |= *only_folder.get_or_insert(folders) != folders;
        let name = Name::of(path);
        for (convention, count) in &mut following {
            let follows = match convention {
                Convention::Tess => {
                    let (file, folder) = tess::follows(&name);
                    tess_files += usize::from(file);
                    folder
                }
                Convention::Ravdess => ravdess::follows(&name),
                Convention::CremaD => crema_d::follows(&name),
                Convention::EmoDb => emo_db::follows(&name),
                Convention::Savee => savee::follows(&name),
                Convention::Folder | Convention::Filename => false,
            };
            *count += usize::from(follows);
        }
    }
    if !several_folders {
        following[0].1 = tess_files;
    }
    let most = following.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| *count > 0);
    match most {
        Some((convention, following)) if 20 * following >= 19 * names => {
            Recognised { convention, following, names, almost: None }
        }
        almost => Recognised { convention: Convention::Folder, following: names, names, almost },
    }
}
