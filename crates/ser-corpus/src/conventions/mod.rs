//! How corpora name their files: what a path says of label, speaker and word.
//!
//! A corpus is one file here, with one type that is a [`CorpusConvention`], and one line in [`CONVENTIONS`]. None of
//! these corpora names its recording sessions, so a session is only known from a table.

mod crema_d;
mod emo_db;
mod layout;
mod pattern;
mod plain;
mod published_audio;
mod ravdess;
mod savee;
mod suggestion;
mod tess;

use std::fmt;

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::Annotation;
use crate::finding::FindingKind;

pub use layout::FolderLayout;
pub use pattern::NamePattern;
pub(crate) use pattern::PREFIX as PATTERN_PREFIX;
pub use plain::{Filename, Folder};
pub use published_audio::PublishedAudio;
pub use suggestion::Suggestion;
pub(crate) use suggestion::suggest;

/// Every convention, by which a corpus can be labelled; those of a published corpus first.
pub static CONVENTIONS: [&dyn CorpusConvention; 7] = [
    &tess::Tess,
    &ravdess::Ravdess,
    &crema_d::CremaD,
    &emo_db::EmoDb,
    &savee::Savee,
    &plain::Folder,
    &plain::Filename,
];

/// The convention of this name, such as `crema-d`.
pub fn named(name: &str) -> Option<&'static dyn CorpusConvention> {
    CONVENTIONS.into_iter().find(|convention| convention.name() == name)
}

/// Labels, so that an emotion has the same one whatever corpus it is from.
///
/// What TESS calls *pleasant surprise* is a label of its own, since nothing says that the others' surprise is pleasant;
/// a label map can merge them.
#[expect(missing_docs, reason = "each is its own name")]
pub mod emotion {
    pub const ANGRY: &str = "angry";
    pub const BOREDOM: &str = "boredom";
    pub const CALM: &str = "calm";
    pub const DISGUST: &str = "disgust";
    pub const FEAR: &str = "fear";
    pub const HAPPY: &str = "happy";
    pub const NEUTRAL: &str = "neutral";
    pub const PLEASANT_SURPRISE: &str = "pleasant_surprise";
    pub const SAD: &str = "sad";
    pub const SURPRISE: &str = "surprise";
}

/// A way in which the files of a corpus are named, or otherwise say what they hold.
///
/// ```
/// use ser_corpus::Annotation;
/// use ser_corpus::conventions::{CorpusConvention, PathName, emotion};
///
/// /// `sad_07.wav`
/// #[derive(Debug)]
/// struct Short;
///
/// impl CorpusConvention for Short {
///     fn name(&self) -> &str {
///         "short"
///     }
///
///     fn annotate(&self, path: &str) -> ser_core::Result<Annotation> {
///         match PathName::of(path).stem.split_once('_') {
///             Some(("sad", _)) => Ok(Annotation::labelled(emotion::SAD)),
///             _ => Err(self.misnamed(path, "its name is not <emotion>_<number>")),
///         }
///     }
/// }
///
/// assert_eq!(Short.annotate("x/sad_07.wav")?.label, "sad");
/// assert_eq!(Short.following(&["x/sad_07.wav", "x/1.wav"]), 1);
/// # Ok::<(), ser_core::Error>(())
/// ```
pub trait CorpusConvention: fmt::Debug + Send + Sync {
    /// Its name where labels are chosen, in lower case with hyphens: `crema-d`.
    fn name(&self) -> &str;

    /// What the recording at `path` (relative to the corpus, `/` between folders) is labelled, and who says what.
    ///
    /// # Errors
    /// When its names do not follow the convention, with what is wrong with them; [`misnamed`](Self::misnamed) makes
    /// the error.
    fn annotate(&self, path: &str) -> Result<Annotation>;

    /// How many of `paths`, the recordings of a corpus, follow this convention: the corpus is recognised by it where
    /// nearly all do. By default those that can be annotated; 0 for a convention that is only followed when asked for.
    fn following(&self, paths: &[&str]) -> usize {
        paths.iter().filter(|path| self.annotate(path).is_ok()).count()
    }

    /// What the corpus holds as it was published, so that missing recordings of a copy can be reported.
    fn published(&self) -> Option<&'static PublishedCorpus> {
        None
    }

    /// The error about a path that does not follow the convention; `why` completes the sentence.
    fn misnamed(&self, path: &str, why: &str) -> Error {
        Error::new(ErrorKind::Unusable, format!("is not named as in {}: {why}", self.name())).at(path).help(
            remedy![
                "rename it or move it out of the corpus, or use ",
                Setting::Labels.to("folder"),
                " or a CSV file"
            ],
        )
    }
}

impl<T: CorpusConvention + ?Sized> CorpusConvention for &T {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn annotate(&self, path: &str) -> Result<Annotation> {
        (**self).annotate(path)
    }

    fn following(&self, paths: &[&str]) -> usize {
        (**self).following(paths)
    }

    fn published(&self) -> Option<&'static PublishedCorpus> {
        (**self).published()
    }

    fn misnamed(&self, path: &str, why: &str) -> Error {
        (**self).misnamed(path, why)
    }
}

/// Conventions are told apart by their names.
impl PartialEq for dyn CorpusConvention {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for dyn CorpusConvention {}

/// A path, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathName<'a> {
    /// The name of the folder the file lies in, unless that is the corpus itself.
    pub folder: Option<&'a str>,
    /// The name of the file without its extension.
    pub stem: &'a str,
}

impl<'a> PathName<'a> {
    /// The names in `path`, which has `/` between folders.
    pub fn of(path: &'a str) -> Self {
        let (folders, file) =
            path.rsplit_once('/').map_or((None, path), |(folders, file)| (Some(folders), file));
        let folder = folders.map(|folders| folders.rsplit_once('/').map_or(folders, |(_, last)| last));
        Self { folder, stem: file.rsplit_once('.').map_or(file, |(stem, _)| stem) }
    }
}

/// What a published corpus holds.
///
/// Checksums of the files are not published with the corpora, so a recording is identified by its name alone. Whether its
/// sound is the original one is unknown, but where [`audio`](Self::audio) is known, many a processed copy gives itself
/// away.
#[derive(Debug)]
pub struct PublishedCorpus {
    /// The name it is known by.
    pub name: &'static str,
    /// How many recordings it has.
    pub recordings: usize,
    /// How many speakers it has.
    pub speakers: usize,
    /// Who says what, in a few words.
    pub contents: &'static str,
    /// Which recording the file at a path (relative to the corpus) is, by its name; nothing where it is not one of them.
    pub identify: fn(&str) -> Option<PublishedRecording>,
    /// Every recording, where the names follow from a rule.
    pub all: Option<fn() -> Vec<PublishedRecording>>,
    /// What its recordings are like as files; nothing where that is not known.
    pub audio: Option<PublishedAudio>,
    /// What is known to be odd about it: the name of a recording and what is to be found about it.
    pub known: &'static [(&'static str, FindingKind)],
}

/// A recording of a published corpus.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublishedRecording {
    /// Who speaks, as the corpus calls them.
    pub speaker: String,
    /// The class, as the corpus calls it.
    pub class: &'static str,
    /// What tells it from all others, such as `OAF back angry`.
    pub name: String,
}

/// Which convention the names of a corpus follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recognised {
    /// The convention; [`Folder`] where nearly all names follow no one of the others.
    pub convention: &'static dyn CorpusConvention,
    /// How many names follow it. All, by definition, where it is the folder's.
    pub following: usize,
    /// How many names there are.
    pub names: usize,
    /// Of a corpus whose names are mixed: the convention that most of those follow that follow any, and how many.
    pub almost: Option<(&'static dyn CorpusConvention, usize)>,
}

impl Recognised {
    /// Whether no published convention was recognised, so that folders are all there is to go by.
    pub fn is_by_folder(&self) -> bool {
        self.convention.name() == Folder.name()
    }
}

/// Recognises a corpus by the names of its recordings: nineteen of twenty must follow one convention.
pub fn recognise<'a>(paths: impl IntoIterator<Item = &'a str>) -> Recognised {
    let paths: Vec<&str> = paths.into_iter().collect();
    let names = paths.len();
    let most = CONVENTIONS
        .into_iter()
        .map(|convention| (convention, convention.following(&paths)))
        .filter(|(_, count)| *count > 0)
        .max_by_key(|(_, count)| *count);
    match most {
        Some((convention, following)) if 20 * following >= 19 * names => {
            Recognised { convention, following, names, almost: None }
        }
        almost => Recognised { convention: &Folder, following: names, names, almost },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_convention_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = CONVENTIONS.iter().map(|convention| convention.name()).collect();
        assert_eq!(names.len(), CONVENTIONS.len());
        assert_eq!(named("emo-db").unwrap().name(), "emo-db");
        assert_eq!(named("auto"), None);
    }

    #[test]
    fn a_published_corpus_has_as_many_recordings_as_its_rule_gives() {
        for corpus in CONVENTIONS.iter().filter_map(|convention| convention.published()) {
            let Some(all) = corpus.all else { continue };
            let all = all();
            assert_eq!(all.len(), corpus.recordings, "{}", corpus.name);
            let names: BTreeSet<&str> = all.iter().map(|recording| recording.name.as_str()).collect();
            assert_eq!(names.len(), all.len(), "{}", corpus.name);
            let speakers: BTreeSet<&str> = all.iter().map(|recording| recording.speaker.as_str()).collect();
            assert_eq!(speakers.len(), corpus.speakers, "{}", corpus.name);
            for (name, _) in corpus.known {
                assert!(names.contains(name), "{name}");
            }
        }
    }
}
