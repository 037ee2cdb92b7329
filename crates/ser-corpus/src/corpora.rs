//! Several corpora side by side, each under its own name, so that nothing of one is mistaken for another's.
//!
//! With one corpus a path is relative to it, and names are as they are. With several a path is `<name>/<path>`, a
//! speaker `<name>-<ID>`, and words and sessions have the name in front as well. Corpora that are parts of one published
//! corpus have its speakers and words in common: these have the name of its convention in front instead.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ser_core::remedy::Setting;
use ser_core::storage::objects::check_url;
use ser_core::{Error, ErrorKind, Result, remedy};
use serde::{Deserialize, Serialize};

use crate::names::{check_relative, composed, is_allowed, is_speaker_id};
use crate::{Annotation, Segment};

/// A folder of recordings as a person names it: `FOLDER` or `NAME=FOLDER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorpusFolder {
    /// Name of the corpus; by default its folder's name.
    pub name: Option<String>,
    /// Where it is.
    pub folder: PathBuf,
}

/// The longest name of a corpus: with a speaker's ID it must still name a folder.
const LONGEST_NAME: usize = 32;

fn is_corpus_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME && is_speaker_id(name)
}

impl FromStr for CorpusFolder {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = text.split_once('=').map(|(name, folder)| (composed(name.to_owned()), folder));
        Ok(match named {
            // A folder may have such a name itself.
            Some((name, folder))
                if is_corpus_name(&name) && !folder.is_empty() && !Path::new(text).exists() =>
            {
                Self { name: Some(name), folder: PathBuf::from(folder) }
            }
            _ => Self::from(PathBuf::from(text)),
        })
    }
}

impl From<OsString> for CorpusFolder {
    /// As from a string, for folders whose names are not valid.
    fn from(text: OsString) -> Self {
        match text.to_str() {
            Some(text) => text.parse().unwrap_or_else(|never: std::convert::Infallible| match never {}),
            None => Self::from(PathBuf::from(text)),
        }
    }
}

impl From<PathBuf> for CorpusFolder {
    fn from(folder: PathBuf) -> Self {
        Self { name: None, folder }
    }
}

/// A folder of recordings and its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corpus {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub data: PathBuf,
}

/// One corpus or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corpora {
    members: Vec<Corpus>,
    /// What stands before the speakers and words of each that shares them with another.
    shared: Vec<Option<String>>,
}

impl Corpora {
    /// Names each of `folders`: as requested, or after the folder, made unique.
    ///
    /// # Errors
    /// When there are none, when one folder is given twice or lies in another, or when names that were asked for cannot
    /// be combined.
    pub fn new(folders: &[CorpusFolder]) -> Result<Self> {
        if folders.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "no folder of recordings is given").help(remedy![
                "give one with ",
                Setting::Data,
                ", or several with ",
                Setting::Data,
                " for each"
            ]));
        }
        folders.iter().try_for_each(|folder| check_url(&folder.folder))?;
        check_apart(folders)?;
        let mut members: Vec<Corpus> = Vec::with_capacity(folders.len());
        // Names that were asked for come first, so that the others yield.
        let asked = folders.iter().filter_map(|folder| folder.name.as_ref());
        let mut taken: Vec<String> = Vec::new();
        for name in asked {
            if let Some(other) = taken.iter().find(|other| clash(name, other)) {
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!(
                        "the corpora {other:?} and {name:?} cannot be told apart in the names of speakers"
                    ),
                )
                .help("give them different names, neither beginning with the other and a hyphen"));
            }
            taken.push(name.clone());
        }
        for CorpusFolder { name, folder } in folders {
            let name = name.clone().unwrap_or_else(|| {
                let name = unique(name_of(folder), &taken);
                taken.push(name.clone());
                name
            });
            members.push(Corpus { name, data: folder.clone() });
        }
        let shared = vec![None; members.len()];
        Ok(Self { members, shared })
    }

    /// The corpora as they were once named.
    ///
    /// # Errors
    /// When there are none, or their names are not such as [`Corpora::new`] gives.
    pub fn named(members: Vec<Corpus>) -> Result<Self> {
        let folders: Vec<CorpusFolder> = (members.into_iter())
            .map(|Corpus { name, data }| CorpusFolder { name: Some(name), folder: data })
            .collect();
        match folders.iter().all(|folder| folder.name.as_deref().is_some_and(is_corpus_name)) {
            true => Self::new(&folders),
            false => Err(Error::new(ErrorKind::Damaged, "a corpus has a name that is not allowed")),
        }
    }

    /// The same, where each follows the published convention in `conventions`, if it follows one: those of one convention are
    /// parts of one corpus, and the same people speak in them.
    #[must_use]
    pub fn with_conventions(self, conventions: &[Option<&str>]) -> Self {
        let mut taken: Vec<String> = self.members.iter().map(|corpus| corpus.name.clone()).collect();
        let mut names: BTreeMap<&str, Option<String>> = BTreeMap::new();
        for convention in conventions.iter().flatten() {
            let parts = conventions.iter().filter(|other| **other == Some(convention)).count();
            names.entry(convention).or_insert_with(|| {
                let own =
                    |(name, of): (&String, &Option<&str>)| (*of != Some(convention)).then(|| name.clone());
                let others: Vec<String> = taken.iter().zip(conventions).filter_map(own).collect();
                let more = taken.get(conventions.len()..).unwrap_or_default();
                let name =
                    (parts > 1).then(|| unique((*convention).to_owned(), &[&others, more].concat()))?;
                taken.push(name.clone());
                Some(name)
            });
        }
        let shared =
            conventions.iter().map(|convention| names.get((*convention)?).cloned().flatten()).collect();
        Self { shared, ..self }
    }

    /// Each corpus, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &Corpus> {
        self.members.iter()
    }

    /// Whether there are two or more, so that names need the corpus's in front.
    pub fn are_several(&self) -> bool {
        self.members.len() > 1
    }

    /// The folders as [`CorpusFolder`] reads them, each `FOLDER` or, where there are several, `NAME=FOLDER`.
    pub fn as_given(&self) -> Vec<String> {
        let given = |Corpus { name, data }: &Corpus| match self.are_several() {
            true => format!("{name}={}", data.display()),
            false => data.display().to_string(),
        };
        self.members.iter().map(given).collect()
    }

    /// Where the recording at `path` is to be opened, `path` being as in manifests; of a segment, where the recording is
    /// that it is a part of.
    ///
    /// # Errors
    /// `Missing` if it names none of these corpora, `Unusable` if it is not a plain path below one.
    pub fn location(&self, path: &str) -> Result<PathBuf> {
        let (corpus, inside) = match &self.members[..] {
            [only] => (only, path),
            several => {
                let (name, inside) = path.split_once('/').unwrap_or((path, ""));
                let named = several.iter().find(|corpus| corpus.name == name);
                (named.ok_or_else(|| self.no_such_corpus(path, name))?, inside)
            }
        };
        let (inside, _) = Segment::parse_path(inside);
        check_relative(inside)?;
        Ok(corpus.data.join(inside))
    }

    fn no_such_corpus(&self, path: &str, name: &str) -> Error {
        let known: Vec<&str> = self.members.iter().map(|corpus| corpus.name.as_str()).collect();
        let what = format!("is of a corpus {name:?}, but there is only {}", known.join(", "));
        Error::new(ErrorKind::Missing, what).at(path).help(remedy![
            "give ",
            Setting::Data.to(format!("{name}=FOLDER")),
            " for it"
        ])
    }

    /// The path in manifests of what lies at `inside` in `corpus`.
    pub fn path(&self, corpus: &Corpus, inside: String) -> String {
        match self.are_several() {
            true => format!("{}/{inside}", corpus.name),
            false => inside,
        }
    }

    /// What is known of an utterance of `corpus`, so that nothing is mistaken for another corpus's.
    pub fn annotation(&self, corpus: &Corpus, annotation: Annotation) -> Annotation {
        if !self.are_several() {
            return annotation;
        }
        let own = |name: String| format!("{}-{name}", corpus.name);
        let place = self.members.iter().position(|member| member.name == corpus.name);
        let shared = place.and_then(|place| self.shared.get(place)?.as_deref()).unwrap_or(&corpus.name);
        let common = |name: String| format!("{shared}-{name}");
        Annotation {
            speaker: annotation.speaker.map(common),
            word: annotation.word.map(common),
            session: annotation.session.map(own),
            fold: annotation.fold.map(own),
            val_fold: annotation.val_fold.map(own),
            parent: annotation.parent.map(|parent| self.path(corpus, parent)),
            corpus: Some(corpus.name.clone()),
            ..annotation
        }
    }
}

/// Whether `<a>-<ID>` could be `<b>-<other ID>`; names that differ in case alone are one on some systems.
fn clash(a: &str, b: &str) -> bool {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let begins = |long: &str, short: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with('-'));
    a == b || begins(&a, &b) || begins(&b, &a)
}

/// The folder's name as it is given, in the characters that a corpus's may have: a link is called as it is called, not
/// as what it leads to.
fn name_of(folder: &Path) -> String {
    // `.` and `data/..` are called something, too.
    let resolved = match folder.file_name() {
        Some(_) => folder.to_owned(),
        None => folder.canonicalize().unwrap_or_else(|_| folder.to_owned()),
    };
    let name = resolved.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let allowed = |letter: char| if is_allowed(letter) { letter } else { '_' };
    let name: String = composed(name).trim_start_matches(['.', ' ']).chars().map(allowed).collect();
    let name = shortened(&name, LONGEST_NAME).trim_end_matches(['.', ' ']);
    if name.is_empty() { "corpus".to_owned() } else { name.to_owned() }
}

/// As much of the beginning of `name` as `most` bytes hold.
fn shortened(name: &str, most: usize) -> &str {
    let ends = name.char_indices().map(|(start, letter)| start + letter.len_utf8());
    name.get(..ends.take_while(|end| *end <= most).last().unwrap_or(0)).unwrap_or_default()
}

fn unique(name: String, taken: &[String]) -> String {
    let is_free = |name: &String| !taken.iter().any(|other| clash(name, other));
    if is_free(&name) {
        return name;
    }
    let plain = name.replace('-', "_");
    let numbered = |number: usize| {
        let number = format!("_{number}");
        let kept = shortened(&plain, LONGEST_NAME.saturating_sub(number.len()));
        format!("{kept}{number}")
    };
    // One of so many must be free.
    let mut candidates = std::iter::once(plain.clone()).chain((2..).map(numbered));
    candidates.find(is_free).unwrap_or(name)
}

/// Refuses a folder that is given twice, or that lies in another: its recordings would be found twice.
fn check_apart(folders: &[CorpusFolder]) -> Result<()> {
    let resolved: Vec<PathBuf> = (folders.iter())
        .map(|CorpusFolder { folder, .. }| folder.canonicalize().unwrap_or_else(|_| folder.clone()))
        .collect();
    for (number, a) in resolved.iter().enumerate() {
        for (other, b) in resolved.iter().enumerate() {
            if number != other && b.starts_with(a) && (a != b || number < other) {
                let what = match a == b {
                    true => "is given twice".to_owned(),
                    false => format!("lies in {}, which is given as well", folders[number].folder.display()),
                };
                return Err(Error::new(ErrorKind::Usage, what)
                    .at(&folders[other].folder)
                    .help(remedy!["give each corpus once with ", Setting::Data]));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folders: &[&str]) -> Vec<String> {
        let folders: Vec<CorpusFolder> = folders.iter().map(|folder| folder.parse().unwrap()).collect();
        Corpora::new(&folders).unwrap().iter().map(|corpus| corpus.name.clone()).collect()
    }

    #[test]
    fn a_corpus_is_called_as_its_folder_unless_that_is_taken() {
        assert_eq!(names(&["/x/TESS", "/x/CREMA-D/"]), ["TESS", "CREMA-D"]);
        assert_eq!(names(&["/x/audio", "/y/audio", "/z/Audio"]), ["audio", "audio_2", "Audio_3"]);
        assert_eq!(names(&["/x/a-b", "/x/a", "/x/a-c"]), ["a-b", "a_2", "a-c"]);
        assert_eq!(names(&["/x/a", "/x/a-b", "/y/a-b"]), ["a", "a_b", "a_b_2"]);
        assert_eq!(names(&["/x/.hidden", "/x/große Stimmen"]), ["hidden", "große Stimmen"]);
        assert_eq!(names(&["/x/stimmen (alt).", "/x/Jose\u{301}"]), ["stimmen _alt_", "José"]);
        assert_eq!(names(&["/"]), ["corpus"]);
        assert_eq!(names(&["/y/audio", "audio=/x/data"]), ["audio_2", "audio"]);
        let long = "x".repeat(40);
        assert_eq!(
            names(&[&format!("/a/{long}"), &format!("/b/{long}")])[1],
            format!("{}_2", "x".repeat(30))
        );
    }

    #[test]
    fn a_link_is_called_as_it_is_given() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("disk7_backup")).unwrap();
        let link = folder.path().join("TESS");
        std::os::unix::fs::symlink("disk7_backup", &link).unwrap();
        assert_eq!(names(&[link.to_str().unwrap()]), ["TESS"]);
        assert_eq!(names(&[link.join(".").to_str().unwrap()]), ["TESS"]);
    }

    #[test]
    fn parts_of_one_published_corpus_have_the_same_speakers() {
        let folders = ["Speech=/s", "ravdess=/r", "Song=/g", "TESS=/t"].map(|folder| folder.parse().unwrap());
        let speaker = |conventions: [Option<&str>; 4]| -> Vec<String> {
            let corpora = Corpora::new(&folders).unwrap().with_conventions(&conventions);
            let said = Annotation { speaker: Some("01".to_owned()), ..Annotation::labelled("sad") };
            corpora.iter().filter_map(|corpus| corpora.annotation(corpus, said.clone()).speaker).collect()
        };
        let ravdess = Some("ravdess");
        assert_eq!(
            speaker([ravdess, ravdess, ravdess, Some("tess")]),
            ["ravdess-01", "ravdess-01", "ravdess-01", "TESS-01"]
        );
        // Another corpus that is called so keeps its name to itself.
        assert_eq!(
            speaker([ravdess, None, ravdess, None]),
            ["ravdess_2-01", "ravdess-01", "ravdess_2-01", "TESS-01"]
        );
        assert_eq!(speaker([ravdess, None, None, None])[0], "Speech-01");
    }

    #[test]
    fn names_that_cannot_be_combined_are_refused() {
        for folders in [["a=/x", "A=/y"], ["a=/x", "a-b=/y"], ["/x", "/x"], ["/x", "/x/y"], ["/x/y", "/x"]] {
            let folders = folders.map(|folder| folder.parse().unwrap());
            assert_eq!(Corpora::new(&folders).unwrap_err().kind(), ErrorKind::Usage, "{folders:?}");
        }
        assert!(Corpora::new(&[]).is_err());
    }

    #[test]
    fn a_path_leads_into_its_own_corpus_and_nowhere_else() {
        let corpora = Corpora::new(&["A=/x".parse().unwrap(), "B=/y".parse().unwrap()]).unwrap();
        assert_eq!(corpora.location("B/calm/1.wav").unwrap(), Path::new("/y/calm/1.wav"));
        for path in ["A/", "A/../secret.wav", "B//etc/passwd", "A"] {
            assert_eq!(corpora.location(path).unwrap_err().kind(), ErrorKind::Unusable, "{path}");
        }
        for path in ["C/calm/1.wav", "1.wav", ""] {
            assert_eq!(corpora.location(path).unwrap_err().kind(), ErrorKind::Missing, "{path}");
        }
        let text = corpora.location("C/calm/1.wav").unwrap_err().to_string();
        assert!(text.contains("only A, B") && text.contains("data = C=FOLDER"), "{text}");
        let only = Corpora::new(&["A=/x".parse().unwrap()]).unwrap();
        assert_eq!(only.location("calm/1.wav").unwrap(), Path::new("/x/calm/1.wav"));
        assert!(only.location("../1.wav").is_err());
    }
}
