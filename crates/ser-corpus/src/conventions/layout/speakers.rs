//! Who speaks in the recordings of a folder, once it is known which part of its name may be the speaker's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::conventions::layout::folders::Folders;
use crate::conventions::layout::rule::{Rule, last};
use crate::lexicon::is_an_id;
use crate::names::is_speaker_id;
use crate::nobody::nobody_among;

/// By what it is known who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SpeakersBy {
    /// By the rule.
    Rule,
    /// By the folder around what the rule takes: those in it are sessions or places.
    FolderAround(BTreeSet<String>),
    /// By nothing: a folder that may be a speaker's, and why it is not taken for one.
    Nothing { name: String, why: String },
}

/// The folders around what a rule takes for each speaker, with the number of recordings in each.
type FoldersAround<'a> = BTreeMap<&'a str, BTreeMap<String, usize>>;

impl SpeakersBy {
    /// Finds out who speaks, where `rule` explains the recordings of the pairs of speaker and label that `fit`. A speaker lies
    /// in one folder; what lies in several is something that several have, such as a session of each. And a word such as
    /// `studio` or `flac` is nobody's.
    pub(super) fn of(rule: Rule, folders: &Folders<'_>, fit: impl Fn(&str, &str) -> bool) -> Self {
        let around = folders_around(rule, folders, fit);
        let in_several: usize =
            around.values().filter(|around| around.len() > 1).flat_map(BTreeMap::values).sum();
        let nobody = nobody_among(around.keys().copied());
        if nobody.is_none() && folders.are_nearly_all(folders.recordings.saturating_sub(in_several)) {
            return Self::Rule;
        }
        let outer: BTreeSet<String> =
            around.values().flat_map(BTreeMap::keys).map(|folders| last(folders).to_owned()).collect();
        let is_clear = outer.len() > 1
            && outer.iter().all(|name| is_an_id(name) && is_speaker_id(name))
            && (nobody.is_some() || !around.keys().any(|name| is_an_id(name)));
        if is_clear {
            return Self::FolderAround(outer);
        }
        let in_two = around.iter().find_map(|(name, around)| {
            let mut folders = around.keys();
            Some((name, folders.next()?, folders.next()?))
        });
        let (name, why) = match (in_two, nobody) {
            (Some((name, one, other)), _) => (
                *name,
                format!(
                    "lies in {one:?} and in {other:?}, so it may be a session or a place, and who speaks is not known"
                ),
            ),
            (None, Some(name)) => {
                (name, "is no name of a person as far as is known, so who speaks is not known".to_owned())
            }
            (None, None) => return Self::Rule,
        };
        Self::Nothing { name: name.to_owned(), why }
    }
}

/// The folders around each speaker. One within another is a copy of it, and left out.
fn folders_around<'a>(
    rule: Rule,
    folders: &Folders<'a>,
    fit: impl Fn(&str, &str) -> bool,
) -> FoldersAround<'a> {
    let mut around = FoldersAround::new();
    for (folder, recordings) in folders.iter() {
        if let Some((speaker, label)) = rule.pair(folder)
            && fit(speaker, label)
        {
            *around.entry(speaker).or_default().entry(rule.around(folder)).or_default() += recordings;
        }
    }
    let is_in = |inner: &str, outer: &String| inner != outer && Path::new(inner).starts_with(outer);
    for of_speaker in around.values_mut() {
        let all: Vec<String> = of_speaker.keys().cloned().collect();
        of_speaker.retain(|inner, _| !all.iter().any(|outer| is_in(inner, outer)));
    }
    around
}
