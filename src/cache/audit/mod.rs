//! What the sides of a split have in common, and so what a figure measured on its test side can and cannot show.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use super::manifest::Utterance;
use super::row::Key;

/// What training and test have in common: the difference between knowing voices and knowing emotions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Audit {
    /// Whether every utterance names its speaker.
    pub speakers_known: bool,
    /// Speakers of the test side.
    pub test_speakers: Vec<String>,
    /// Those of them who are also heard in training or validation.
    pub shared_speakers: Vec<String>,
    /// Whether every utterance names its word.
    pub words_known: bool,
    /// How many different words the test side has.
    pub test_words: usize,
    /// How many of them also occur in training or validation.
    pub shared_words: usize,
    /// Recordings of the same sound that stand on two sides; always 0, since each sound is kept once.
    pub identical_sounds_across_sides: usize,
}

impl Audit {
    /// Compares what `test` and `rest` (training and validation) hold.
    pub fn of<'a, T: AsRef<str>>(rest: &[&'a Utterance<T>], test: &[&'a Utterance<T>]) -> Self {
        let speaker = |utterance: &'a Utterance<T>| utterance.speaker.as_ref().map(T::as_ref);
        let word = |utterance: &'a Utterance<T>| utterance.word.as_ref().map(T::as_ref);
        let (test_speakers, rest_speakers) = (known(test, speaker), known(rest, speaker));
        let (test_words, rest_words) = (known(test, word), known(rest, word));
        let keys: HashSet<&Key> = rest.iter().map(|utterance| &utterance.key).collect();
        let owned = |set: BTreeSet<&str>| set.into_iter().map(str::to_owned).collect();
        Self {
            speakers_known: test_speakers.is_some() && rest_speakers.is_some(),
            shared_speakers: shared(&test_speakers, &rest_speakers).into_iter().map(str::to_owned).collect(),
            test_speakers: test_speakers.map(owned).unwrap_or_default(),
            words_known: test_words.is_some() && rest_words.is_some(),
            shared_words: shared(&test_words, &rest_words).len(),
            test_words: test_words.map_or(0, |words| words.len()),
            identical_sounds_across_sides: test.iter().filter(|u| keys.contains(&u.key)).count(),
        }
    }
}

fn known<'a, T>(
    side: &[&'a Utterance<T>],
    of: impl Fn(&'a Utterance<T>) -> Option<&'a str>,
) -> Option<BTreeSet<&'a str>> {
    side.iter().map(|utterance| of(utterance)).collect()
}

fn shared<'a>(a: &Option<BTreeSet<&'a str>>, b: &Option<BTreeSet<&'a str>>) -> Vec<&'a str> {
    match (a, b) {
        (Some(a), Some(b)) => a.intersection(b).copied().collect(),
        _ => Vec::new(),
    }
}
