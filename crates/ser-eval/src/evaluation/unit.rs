//! What is resampled for an interval: the test set's speakers or words where they are what is new in it, else its
//! utterances.

use std::collections::{BTreeSet, HashMap};

use ser_core::text::thousands;
use serde::Serialize;

use crate::evaluation::{TestSide, TestUtterance};

/// Fewer speakers or words than this are not resampled: a bootstrap of four has 35 different outcomes.
pub(crate) const MIN_UNITS: usize = 5;

/// With fewer than this, an interval by bootstrap is clearly too narrow: it has the variance of n units divided by n, not
/// by n − 1, and no heavy tails.
const FEW_UNITS: usize = 20;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Each utterance by itself.
    Utterance,
    /// All utterances of a word.
    Word,
    /// All utterances of a speaker.
    Speaker,
}

/// What was resampled for an interval, and so what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resampled {
    /// What is drawn.
    pub unit: Unit,
    /// How many of them there are.
    pub n: usize,
    /// The same in words, with what the interval says and what it does not.
    pub in_words: String,
}

/// How the voices of a test side relate to training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Voices {
    /// Every test speaker was heard in training.
    Known,
    /// None was.
    New,
    /// Some were.
    Mixed,
    /// There are utterances whose speaker is unknown.
    Unknown,
}

/// A remark on an interval over few units.
const TOO_NARROW: &str = "with so few, a bootstrap makes it somewhat too narrow";

/// That remark for an interval over `n` speakers, or nothing.
pub(crate) fn caution(n: usize) -> String {
    if n < FEW_UNITS { format!("; {TOO_NARROW}") } else { String::new() }
}

impl Unit {
    /// Its name for `n` of them.
    pub fn name(self, n: usize) -> &'static str {
        match (self, n) {
            (Self::Utterance, 1) => "utterance",
            (Self::Utterance, _) => "utterances",
            (Self::Word, 1) => "word",
            (Self::Word, _) => "words",
            (Self::Speaker, 1) => "speaker",
            (Self::Speaker, _) => "speakers",
        }
    }
}

/// How the voices of `test` relate to its training side.
pub(crate) fn voices(test: &TestSide) -> Voices {
    let side = test.side();
    relation(&side.speakers, &test.train.speakers, side.without_speaker > 0 || test.train.without_speaker > 0)
}

fn relation(test: &BTreeSet<String>, train: &BTreeSet<String>, unknown: bool) -> Voices {
    match test.intersection(train).count() {
        _ if unknown => Voices::Unknown,
        0 => Voices::New,
        n if n == test.len() => Voices::Known,
        _ => Voices::Mixed,
    }
}

/// What to draw from `test`, and for [`Bootstrap::new`](crate::metrics::Bootstrap::new) to which unit each utterance
/// belongs.
pub(crate) fn resampled(test: &TestSide) -> (Resampled, Option<Vec<usize>>) {
    let side = test.side();
    let voices = voices(test);
    let words =
        relation(&side.words, &test.train.words, side.without_word > 0 || test.train.without_word > 0);
    let n_utterances = test.utterances.len();
    let utterances = format!("{} utterances", thousands(n_utterances as u64));
    let (n_speakers, n_words) = (side.speakers.len(), side.words.len());
    let (unit, in_words) = match (voices, words) {
        (Voices::New, _) if n_speakers >= MIN_UNITS => (
            Unit::Speaker,
            format!(
                "{n_speakers} speakers, none heard in training: the interval is about speakers like these"
            ),
        ),
        (Voices::New, _) if n_speakers == 1 => (
            Unit::Utterance,
            format!(
                "{utterances}: a single test speaker cannot be resampled, so the interval tells nothing about other \
                 speakers"
            ),
        ),
        (Voices::New, _) => (
            Unit::Utterance,
            format!(
                "{utterances} of {n_speakers} speakers: too few speakers to resample, so the interval tells \
                 nothing about others"
            ),
        ),
        (_, Voices::New) if n_words >= MIN_UNITS => (
            Unit::Word,
            format!(
                "{n_words} words, none said in training: the interval is about such words in these voices"
            ),
        ),
        (_, Voices::New) => (
            Unit::Utterance,
            format!(
                "{utterances} of {n_words} words: too few words to resample, so the interval is not about others"
            ),
        ),
        (Voices::Known, Voices::Known) => (
            Unit::Utterance,
            format!(
                "{utterances}: the interval is about such utterances of voices and words that the model knows"
            ),
        ),
        (Voices::Known, _) => (
            Unit::Utterance,
            format!("{utterances}: the interval is about such utterances of voices that the model knows"),
        ),
        _ => (
            Unit::Utterance,
            format!("{utterances}, taken as independent: not all of their speakers are known"),
        ),
    };
    let in_words = match voices {
        Voices::Mixed if unit == Unit::Utterance => format!("{utterances} of known and new voices together"),
        _ => in_words,
    };
    let few =
        (unit == Unit::Speaker && n_speakers < FEW_UNITS) || (unit == Unit::Word && n_words < FEW_UNITS);
    let in_words = if few { format!("{in_words}; {TOO_NARROW}") } else { in_words };
    let (n, units) = match unit {
        Unit::Utterance => (n_utterances, None),
        Unit::Word => (n_words, Some(numbered(test, |utterance| utterance.word.as_deref()))),
        Unit::Speaker => (n_speakers, Some(numbered(test, |utterance| utterance.speaker.as_deref()))),
    };
    (Resampled { unit, n, in_words }, units)
}

/// A number for each different name, in the order of their first utterances.
fn numbered(test: &TestSide, name: impl Fn(&TestUtterance) -> Option<&str>) -> Vec<usize> {
    let mut numbers = HashMap::new();
    let mut number = |utterance| {
        let next = numbers.len();
        *numbers.entry(name(utterance)).or_insert(next)
    };
    test.utterances.iter().map(&mut number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::SplitSide;

    fn side(train: (&[&str], &[&str]), test: (&[&str], &[&str])) -> TestSide {
        let pairs = |(speakers, words): (&[&str], &[&str])| -> Vec<(String, String)> {
            let pair = |s: &&str| words.iter().map(|w| (s.to_string(), w.to_string())).collect::<Vec<_>>();
            speakers.iter().flat_map(pair).collect()
        };
        let train = pairs(train);
        let utterance = |(speaker, word): (String, String)| TestUtterance {
            path: format!("{speaker}_{word}.wav"),
            truth: 0,
            speaker: Some(speaker),
            word: Some(word),
            duration_s: 1.0,
        };
        TestSide {
            audit: String::new(),
            protocol: "any name".to_owned(),
            split: String::new(),
            labels: vec!["a".to_owned()],
            train: SplitSide::of(train.iter().map(|(s, w)| (Some(s.as_str()), Some(w.as_str())))),
            utterances: pairs(test).into_iter().map(utterance).collect(),
        }
    }

    fn drawn(test: &TestSide) -> (Unit, usize) {
        let (resampled, units) = resampled(test);
        let different = units.map_or(test.utterances.len(), |units| {
            assert_eq!(units.len(), test.utterances.len());
            units.iter().collect::<BTreeSet<_>>().len()
        });
        assert_eq!(different, resampled.n);
        (resampled.unit, resampled.n)
    }

    const WORDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    const VOICES: [&str; 6] = ["r", "s", "t", "u", "v", "w"];

    #[test]
    fn the_unit_is_what_is_new_in_the_test_set() {
        assert_eq!(drawn(&side((&["x", "y"], &WORDS), (&["x", "y"], &WORDS))), (Unit::Utterance, 12));
        assert_eq!(drawn(&side((&["x", "y"], &["z"]), (&["x", "y"], &WORDS))), (Unit::Word, 6));
        assert_eq!(drawn(&side((&["x"], &WORDS), (&VOICES, &WORDS))), (Unit::Speaker, 6));
    }

    #[test]
    fn a_single_speaker_is_not_resampled_and_the_report_says_so() {
        let test = side((&["OAF"], &WORDS), (&["YAF"], &WORDS));
        assert_eq!(drawn(&test), (Unit::Utterance, 6));
        let words = resampled(&test).0.in_words;
        assert!(
            words.contains("single test speaker") && words.contains("nothing about other speakers"),
            "{words}"
        );
        let words = resampled(&side((&["x"], &WORDS), (&VOICES[..4], &WORDS))).0.in_words;
        assert!(words.contains("24 utterances of 4 speakers: too few"), "{words}");
    }

    #[test]
    fn unknown_speakers_are_not_called_new() {
        let mut test = side((&["x"], &WORDS), (&VOICES, &WORDS));
        test.utterances[0].speaker = None;
        assert_eq!(voices(&test), Voices::Unknown);
        assert_eq!(drawn(&test).0, Unit::Utterance);
        let mixed = side((&["x", "r"], &WORDS), (&VOICES, &WORDS));
        assert_eq!((voices(&mixed), drawn(&mixed).0), (Voices::Mixed, Unit::Utterance));
    }
}
