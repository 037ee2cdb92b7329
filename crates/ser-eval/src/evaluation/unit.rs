//! What is resampled for an interval: the test set's speakers or words where they are what is new in it, else its
//! utterances.

use std::collections::HashMap;

use ser_core::text::thousands;
use serde::Serialize;

use crate::evaluation::voices::{relation, voices};
use crate::evaluation::{TestSide, TestUtterance, Voices};

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

/// A remark on an interval over few units.
const TOO_NARROW: &str = "with so few, a bootstrap makes it somewhat too narrow";

/// That remark for an interval over `n` speakers or words, or nothing.
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

/// What to draw from `test`, and for [`Bootstrap::new`](crate::metrics::Bootstrap::new) to which unit each utterance
/// belongs.
pub(crate) fn resampled(test: &TestSide) -> (Resampled, Option<Vec<usize>>) {
    let (unit, in_words) = unit_of(test);
    let (n, units) = match unit {
        Unit::Utterance => (test.utterances.len(), None),
        Unit::Word => numbered(test, |utterance| utterance.word.as_deref()),
        Unit::Speaker => numbered(test, |utterance| utterance.speaker.as_deref()),
    };
    let in_words = match unit {
        Unit::Word | Unit::Speaker => format!("{in_words}{}", caution(n)),
        Unit::Utterance => in_words,
    };
    (Resampled { unit, n, in_words }, units)
}

/// What is new in `test` and can be resampled, else its utterances; and in words what the interval is about.
fn unit_of(test: &TestSide) -> (Unit, String) {
    let side = test.side();
    let words =
        relation(&side.words, &test.train.words, side.without_word > 0 || test.train.without_word > 0);
    let utterances = format!("{} utterances", thousands(test.utterances.len() as u64));
    let (n_speakers, n_words) = (side.speakers.len(), side.words.len());
    let of_utterances = |what: String| (Unit::Utterance, format!("{utterances}{what}"));
    match (voices(test), words) {
        (Voices::New, _) if n_speakers >= MIN_UNITS => {
            let what = "none heard in training: the interval is about speakers like these";
            (Unit::Speaker, format!("{n_speakers} speakers, {what}"))
        }
        (Voices::New, _) if n_speakers == 1 => of_utterances(
            ": a single test speaker cannot be resampled, so the interval tells nothing about other speakers"
                .to_owned(),
        ),
        (Voices::New, _) => of_utterances(format!(
            " of {n_speakers} speakers: too few speakers to resample, so the interval tells nothing about others"
        )),
        (_, Voices::New) if n_words >= MIN_UNITS => {
            let what = "none said in training: the interval is about such words in these voices";
            (Unit::Word, format!("{n_words} words, {what}"))
        }
        (Voices::Mixed, _) => of_utterances(" of known and new voices together".to_owned()),
        (_, Voices::New) => of_utterances(format!(
            " of {n_words} words: too few words to resample, so the interval is not about others"
        )),
        (Voices::Known, Voices::Known) => of_utterances(
            ": the interval is about such utterances of voices and words that the model knows".to_owned(),
        ),
        (Voices::Known, _) => {
            of_utterances(": the interval is about such utterances of voices that the model knows".to_owned())
        }
        (Voices::Unknown, _) => {
            of_utterances(", taken as independent: not all of their speakers are known".to_owned())
        }
    }
}

/// How many different names there are, and a number for that of each utterance, in the order of their first utterances.
fn numbered(test: &TestSide, name: impl Fn(&TestUtterance) -> Option<&str>) -> (usize, Option<Vec<usize>>) {
    let mut numbers = HashMap::new();
    let mut number = |utterance| {
        let next = numbers.len();
        *numbers.entry(name(utterance)).or_insert(next)
    };
    let units = test.utterances.iter().map(&mut number).collect();
    (numbers.len(), Some(units))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
