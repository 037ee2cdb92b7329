//! The folders of a corpus, and how many recordings lie in each.

use std::collections::{BTreeMap, BTreeSet};

use crate::conventions::layout::rule::{Rule, last};
use crate::conventions::tess;
use crate::lexicon::is_emotion;

/// Folders with recordings in them.
pub(super) struct Folders<'a> {
    recordings_in: BTreeMap<&'a str, usize>,
    /// How many recordings there are in all.
    pub(super) recordings: usize,
}

impl<'a> Folders<'a> {
    /// Those of the recordings at `paths`.
    pub(super) fn of(paths: &[&'a str]) -> Self {
        let mut recordings_in: BTreeMap<&str, usize> = BTreeMap::new();
        for path in paths {
            *recordings_in.entry(path.rsplit_once('/').map_or("", |(folders, _)| folders)).or_default() += 1;
        }
        Self { recordings_in, recordings: paths.len() }
    }

    /// Each folder with the number of its recordings.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, usize)> {
        self.recordings_in.iter().map(|(folder, recordings)| (*folder, *recordings))
    }

    /// Nineteen of twenty recordings must lie as the others.
    pub(super) fn are_nearly_all(&self, recordings: usize) -> bool {
        20 * recordings >= 19 * self.recordings
    }

    /// Whether they are named as in TESS, which is a convention of its own.
    pub(super) fn are_of_tess(&self) -> bool {
        let as_in_tess = self.iter().filter(|(folder, _)| tess::names_speaker_and_emotion(last(folder)));
        self.are_nearly_all(as_in_tess.map(|(_, recordings)| recordings).sum())
    }

    /// Whether nearly all recordings lie below a folder that is named for an emotion, one of several.
    pub(super) fn are_named_for_emotions(&self) -> bool {
        let known = || {
            self.iter().filter_map(|(folder, recordings)| Some((Rule::Emotion.pair(folder)?.1, recordings)))
        };
        let emotions: BTreeSet<&str> = known().map(|(emotion, _)| emotion).collect();
        emotions.len() > 1 && self.are_nearly_all(known().map(|(_, recordings)| recordings).sum())
    }

    /// Whether what `rule` takes for the label is an emotion of nearly all.
    pub(super) fn have_emotions_by(&self, rule: Rule) -> bool {
        let has_emotion = |folder: &str| rule.pair(folder).is_some_and(|(_, label)| is_emotion(label));
        let having = self.iter().filter(|(folder, _)| has_emotion(folder));
        self.are_nearly_all(having.map(|(_, recordings)| recordings).sum())
    }
}
