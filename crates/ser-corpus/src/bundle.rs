//! Several corpora in one folder, as archives of "speech emotion recognition data" hold them: `Crema/`, `Ravdess/`,
//! `Savee/`, `Tess/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ser_core::Result;
use serde::Serialize;

use crate::conventions::recognise;
use crate::lexicon::is_corpus;
use crate::remote;
use crate::sides::folders_of_names;
use crate::table::formats;
use crate::{Corpora, CorpusFolder, LabelSource, Scan, scan};

/// With fewer recordings a folder is not known as a corpus by its names.
const FEWEST_RECORDINGS: usize = 5;

/// So many folders that hold nothing but one another may lie around a bundle.
const MOST_WRAPPERS: usize = 3;

/// A folder whose subfolders are corpora.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bundle {
    /// The folder.
    pub folder: PathBuf,
    /// The corpora in it, by name.
    pub members: Vec<BundleMember>,
    /// Recordings that are in none of them, relative to the folder.
    pub outside: Vec<String>,
}

/// A corpus in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleMember {
    /// Its folder.
    pub folder: PathBuf,
    /// The convention that its names follow, if they follow one; otherwise by what it is known as a corpus, or nothing.
    pub known_by: Option<String>,
}

impl Bundle {
    /// The bundle in `root`, where `scan` found its recordings; nothing where fewer than two of its subfolders are known
    /// as corpora, each another one, or more than one of twenty recordings is in none of them.
    pub fn of(root: &Path, scan: &Scan) -> Option<Self> {
        let mut paths: Vec<&str> = scan.files.iter().map(|file| file.path.as_str()).collect();
        let mut folder = root.to_owned();
        let mut wrapper = String::new();
        for _ in 0..MOST_WRAPPERS {
            let first = paths.first().and_then(|path| Some(path.split_once('/')?.0.to_owned()));
            let Some(first) = first.map(|first| first + "/") else { break };
            let Some(inside) =
                paths.iter().map(|path| path.strip_prefix(first.as_str())).collect::<Option<Vec<_>>>()
            else {
                break;
            };
            paths = inside;
            folder.push(first.trim_end_matches('/'));
            wrapper += &first;
        }
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut outside: Vec<String> = Vec::new();
        for path in &paths {
            match path.split_once('/') {
                Some((group, inside)) => groups.entry(group).or_default().push(inside),
                None => outside.push(format!("{wrapper}{path}")),
            }
        }
        if 20 * outside.len() > paths.len() {
            return None;
        }
        let known: BTreeMap<&str, Option<String>> =
            groups.iter().map(|(name, paths)| (*name, known_by(name, paths))).collect();
        let different: BTreeSet<&String> = known.values().flatten().collect();
        if different.len() < 2 {
            return None;
        }
        let members = (known.into_iter())
            .map(|(name, known_by)| BundleMember { folder: folder.join(name), known_by })
            .collect();
        let in_a_member = |path: &str| {
            let inside = path.strip_prefix(wrapper.as_str()).and_then(|path| path.split_once('/'));
            inside.is_some_and(|(group, _)| groups.contains_key(group))
        };
        let unusable = scan.unusable.iter().map(|(path, _)| path).filter(|path| !in_a_member(path));
        outside.extend(unusable.cloned());
        Some(Self { folder: root.to_owned(), members, outside })
    }

    /// What was concluded, for people.
    pub fn in_words(&self) -> String {
        let member = |member: &BundleMember| {
            let name = member.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match &member.known_by {
                Some(known_by) => format!("{name} ({known_by})"),
                None => name,
            }
        };
        let members: Vec<String> = self.members.iter().map(member).collect();
        format!(
            "is a bundle of {} corpora, each taken as one of its own: {}",
            members.len(),
            members.join(", ")
        )
    }
}

/// By what a folder of this name, with recordings at `paths` in it, is known as a corpus of its own.
fn known_by(name: &str, paths: &[&str]) -> Option<String> {
    let inside: Vec<_> = paths.iter().map(|path| folders_of_names(path).0).collect();
    let recognised = recognise(inside.iter().map(AsRef::as_ref));
    if !recognised.is_by_folder() && paths.len() >= FEWEST_RECORDINGS {
        return Some(recognised.convention.name().to_owned());
    }
    let has_folders = paths.iter().any(|path| path.contains('/'));
    (is_corpus(name) && has_folders).then(|| format!("{} by its name", name.to_lowercase()))
}

/// The convention of a published corpus that the names in the corpus in `data` are read by, if it is one.
fn published_convention(source: &LabelSource, data: &Path, scan: &Scan) -> Option<&'static str> {
    let convention = match source {
        LabelSource::Convention(convention) => *convention,
        LabelSource::Auto if formats::recognise(data).is_none() => {
            let inside: Vec<_> = scan.files.iter().map(|file| folders_of_names(&file.path).0).collect();
            recognise(inside.iter().map(AsRef::as_ref)).convention
        }
        _ => return None,
    };
    convention.published().map(|_| convention.name())
}

/// The corpora that folders hold, with what lies in them.
#[derive(Debug)]
pub struct GivenCorpora {
    /// Each corpus; a bundle is several.
    pub corpora: Corpora,
    /// What was found in each.
    pub scans: Vec<Scan>,
    /// Where the labels of each come from.
    pub labels: Vec<LabelSource>,
    /// The folders that were bundles.
    pub bundles: Vec<Bundle>,
    /// Other files in bundles that are in none of their corpora.
    pub ignored: usize,
}

impl GivenCorpora {
    /// Looks into `folders`, each with where its labels come from.
    ///
    /// # Errors
    /// When folders cannot be combined, or one cannot be listed.
    pub fn find(folders: &[CorpusFolder], labels_of: impl Fn(usize) -> LabelSource) -> Result<Self> {
        // What is wrong with the folders themselves is said before any of them is looked into.
        let given = Corpora::new(folders)?;
        let (mut single, mut scans, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        let (mut bundles, mut ignored) = (Vec::new(), 0_usize);
        for (number, folder) in folders.iter().enumerate() {
            let found = scan(&folder.folder)?;
            let source = labels_of(number);
            let is_open = source == LabelSource::Auto && formats::recognise(&folder.folder).is_none();
            remote::check_tables(&folder.folder)?;
            let bundle = if is_open { Bundle::of(&folder.folder, &found) } else { None };
            let Some(bundle) = bundle else {
                single.push(folder.clone());
                scans.push(found);
                labels.push(source);
                continue;
            };
            ignored += found.ignored;
            for member in &bundle.members {
                let found = scan(&member.folder)?;
                ignored = ignored.saturating_sub(found.ignored);
                single.push(CorpusFolder::from(member.folder.clone()));
                scans.push(found);
                labels.push(LabelSource::Auto);
            }
            bundles.push(bundle);
        }
        let corpora = if bundles.is_empty() { given } else { Corpora::new(&single)? };
        let conventions: Vec<Option<&str>> = (corpora.iter().zip(&scans).zip(&labels))
            .map(|((corpus, scan), source)| {
                corpora.are_several().then(|| published_convention(source, &corpus.data, scan)).flatten()
            })
            .collect();
        let corpora = corpora.with_conventions(&conventions);
        Ok(Self { corpora, scans, labels, bundles, ignored })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AudioFile, FileStat};

    fn bundle(paths: &[String]) -> Option<Bundle> {
        let files =
            paths.iter().map(|path| AudioFile { path: path.clone(), stat: FileStat::default() }).collect();
        Bundle::of(Path::new("/x"), &Scan { files, ..Scan::default() })
    }

    fn members(paths: &[String]) -> Vec<(String, Option<String>)> {
        let members = bundle(paths).map(|bundle| bundle.members).unwrap_or_default();
        members.into_iter().map(|it| (it.folder.display().to_string(), it.known_by)).collect()
    }

    fn tess(folder: &str) -> Vec<String> {
        (0..10).map(|n| format!("{folder}/OAF_Fear/OAF_w{n}_fear.wav")).collect()
    }

    fn ravdess(folder: &str) -> Vec<String> {
        let actor = |n| format!("Actor_{n:02}/03-01-05-01-01-01-{n:02}.wav");
        let nested = |n| format!("{folder}/audio_speech_actors_01-24/{}", actor(n));
        (1..=10).map(nested).chain((1..=10).map(|n| format!("{folder}/{}", actor(n)))).collect()
    }

    fn savee(folder: &str) -> Vec<String> {
        (1..=10).map(|n| format!("{folder}/DC_a{n:02}.wav")).collect()
    }

    #[test]
    fn subfolders_of_several_corpora_are_corpora() {
        let paths = [ravdess("Ravdess"), savee("Savee"), tess("Tess/TESS set data")].concat();
        let known = |name: &str, by: &str| (name.to_owned(), Some(by.to_owned()));
        let expected = [known("/x/Ravdess", "ravdess"), known("/x/Savee", "savee"), known("/x/Tess", "tess")];
        assert_eq!(members(&paths), expected);
        let wrapped: Vec<String> = paths.iter().map(|path| format!("archive/all/{path}")).collect();
        assert_eq!(members(&wrapped)[2].0, "/x/archive/all/Tess");
        let stray = [paths, vec!["notes.wav".to_owned()]].concat();
        assert_eq!(bundle(&stray).unwrap().outside, ["notes.wav"]);
    }

    #[test]
    fn one_corpus_in_many_folders_is_no_bundle() {
        for paths in [ravdess("Ravdess"), tess("Tess"), [tess("a"), tess("b")].concat(), Vec::new()] {
            assert_eq!(bundle(&paths), None);
        }
        let classes = ["angry/1.wav", "sad/2.wav", "Tess/3.wav"].map(str::to_owned);
        assert_eq!(bundle(&classes), None);
        let half = [tess("Tess"), savee("Savee"), (0..20).map(|n| format!("{n}.wav")).collect()].concat();
        assert_eq!(bundle(&half), None);
    }
}
