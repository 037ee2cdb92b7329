//! What a split means, in words, from what train and test really share.

use std::collections::BTreeSet;

use ser_core::text::thousands;

/// Speakers that are named one by one rather than counted.
const NAMED: usize = 4;

/// Who says what on one side of a split.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SplitSide {
    /// Utterances on this side.
    pub utterances: u64,
    /// Utterances whose speaker is not known.
    pub without_speaker: u64,
    /// Utterances whose word (or sentence) is not known.
    pub without_word: u64,
    /// The speakers known.
    pub speakers: BTreeSet<String>,
    /// The words known.
    pub words: BTreeSet<String>,
}

impl SplitSide {
    /// Adds one utterance.
    pub fn add(&mut self, speaker: Option<&str>, word: Option<&str>) {
        self.utterances = self.utterances.saturating_add(1);
        match speaker {
            Some(speaker) => drop(self.speakers.insert(speaker.into())),
            None => self.without_speaker = self.without_speaker.saturating_add(1),
        }
        match word {
            Some(word) => drop(self.words.insert(word.into())),
            None => self.without_word = self.without_word.saturating_add(1),
        }
    }

    /// The side that these utterances make, each given as speaker and word.
    pub fn of<'a>(utterances: impl IntoIterator<Item = (Option<&'a str>, Option<&'a str>)>) -> Self {
        let mut side = Self::default();
        utterances.into_iter().for_each(|(speaker, word)| side.add(speaker, word));
        side
    }
}

/// One to three sentences that say how the test set relates to what the model has seen, and what its metrics
/// therefore tell. They follow from the speakers and words on each side; the protocol's name (`random`, `word`,
/// `speaker-<ID>` …) is only their title, and where the sides break its promise, that is said.
pub fn protocol_in_words(protocol: &str, train: &SplitSide, val: &SplitSide, test: &SplitSide) -> String {
    let title = match protocol {
        "random" => "Random split".to_owned(),
        "word" => "Split by word".to_owned(),
        name if name.starts_with("speaker-") => "Split by speaker".to_owned(),
        name if name.starts_with("speakers-") => "Split by speakers".to_owned(),
        name if name.starts_with("corpus-") => "Split by corpus".to_owned(),
        name => format!("Split \"{name}\""),
    };
    let mut text = format!(
        "{title} ({} utterances in training, {} in validation, {} in test): ",
        thousands(train.utterances),
        thousands(val.utterances),
        thousands(test.utterances)
    );
    if train.utterances == 0 || test.utterances == 0 {
        text += "one side is empty, so there is nothing to compare.";
        return text;
    }

    let known = |side: fn(&SplitSide) -> (u64, u64)| known_share(side(train), side(test));
    let speakers =
        Overlap::of(&train.speakers, &test.speakers, known(|side| (side.without_speaker, side.utterances)));
    let words = Overlap::of(&train.words, &test.words, known(|side| (side.without_word, side.utterances)));
    text += &relation(&speakers, &words);
    text.push('.');

    let in_validation = |noun: &str, val: &BTreeSet<String>, overlap: &Overlap| {
        let n = overlap.new.iter().filter(|name| val.contains(**name)).count();
        (n > 0).then(|| format!(" Validation held {n} of the {noun}s that training did not."))
    };
    text += &in_validation("test speaker", &val.speakers, &speakers).unwrap_or_default();
    text += &in_validation("test word", &val.words, &words).unwrap_or_default();

    let not_new = match protocol {
        "word" => words.seen,
        name if ["speaker-", "speakers-", "corpus-"].iter().any(|prefix| name.starts_with(prefix)) => {
            speakers.seen
        }
        _ => 0,
    };
    if not_new > 0 {
        text += &format!(" The protocol's name, {protocol}, says otherwise.");
    }
    text
}

/// How much is known about speakers or words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Unknown for every utterance in training or in test.
    Nowhere,
    /// Unknown for this many utterances in training and test together.
    ExceptFor(u64),
    Everywhere,
}

fn known_share((train_without, train): (u64, u64), (test_without, test): (u64, u64)) -> Known {
    match train_without.saturating_add(test_without) {
        0 => Known::Everywhere,
        _ if train_without >= train || test_without >= test => Known::Nowhere,
        without => Known::ExceptFor(without),
    }
}

/// Which of the test set's speakers, or words, were also in training.
struct Overlap<'a> {
    known: Known,
    /// How many were.
    seen: usize,
    /// Those that were not.
    new: Vec<&'a str>,
    all: &'a BTreeSet<String>,
}

impl<'a> Overlap<'a> {
    fn of(train: &BTreeSet<String>, test: &'a BTreeSet<String>, known: Known) -> Self {
        let new: Vec<&str> = test.iter().filter(|name| !train.contains(*name)).map(String::as_str).collect();
        Self { known, seen: test.len() - new.len(), new, all: test }
    }

    /// "both test speakers (OAF, YAF)", with the verb's number.
    fn subject(&self, noun: &str) -> (String, &'static str) {
        let names = name_list(self.all.iter().map(String::as_str));
        match self.all.len() {
            1 => (format!("the {noun}{names}"), "was"),
            2 => (format!("both {noun}s{names}"), "were"),
            n => (format!("all {n} {noun}s{names}"), "were"),
        }
    }

    /// "30 of the 200 test words were also in training", or nothing where nothing is known.
    fn share(&self, noun: &str) -> Option<String> {
        let named = match self.known {
            Known::Nowhere => return None,
            Known::ExceptFor(_) => " that are known",
            Known::Everywhere => "",
        };
        let (seen, all) = (self.seen, self.all.len());
        let verb = if seen == 1 { "was" } else { "were" };
        Some(format!("{seen} of the {all} {noun}s{named} {verb} also in training"))
    }
}

/// What test and training share, and what follows for the meaning of the metrics.
fn relation(speakers: &Overlap, words: &Overlap) -> String {
    let word_share = || words.share("test word").map(|share| format!("; {share}")).unwrap_or_default();
    let all_words_known = words.known == Known::Everywhere;
    let (every_word_seen, every_word_new) =
        (all_words_known && words.new.is_empty(), all_words_known && words.seen == 0);

    match speakers.known {
        Known::Nowhere => {
            format!("speakers are unknown, so the same voice may be on both sides{}", word_share())
        }
        Known::ExceptFor(without) => {
            let share = speakers.share("test speaker").unwrap_or_default();
            let without = thousands(without);
            format!(
                "{share}, and the speaker of {without} utterances is unknown, so the same voice may be on both sides{}",
                word_share()
            )
        }
        Known::Everywhere if speakers.new.is_empty() => {
            let (subject, verb) = speakers.subject("test speaker");
            if every_word_new {
                return format!(
                    "every test word is new to the model; {subject} {verb} also in training, so this says how it \
                     does on new words in voices it knows, not on a new voice"
                );
            }
            let (with_words, rest) = match every_word_seen {
                true => (format!("{subject} and every test word were"), String::new()),
                false => (format!("{subject} {verb}"), word_share()),
            };
            format!(
                "{with_words} also in training, so this says how well the model knows {}, not how it does on a \
                 new one{rest}",
                if speakers.all.len() == 1 { "this voice" } else { "these voices" }
            )
        }
        Known::Everywhere if speakers.seen == 0 => {
            let names = name_list(speakers.new.iter().copied());
            let (subject, voices) = match speakers.new.len() {
                1 => (format!("the test speaker{names} was never"), "one new voice".to_owned()),
                n => (format!("none of the {n} test speakers{names} was ever"), format!("{n} new voices")),
            };
            let saying = match (every_word_seen, every_word_new) {
                (true, _) => ", saying words that were in training".to_owned(),
                (_, true) => ", saying words that were not in training either".to_owned(),
                _ => word_share(),
            };
            format!("{subject} heard in training, so this says how the model does on {voices}{saying}")
        }
        Known::Everywhere => {
            let share = speakers.share("test speaker").unwrap_or_default();
            let names = name_list(speakers.new.iter().copied());
            let new = speakers.new.len();
            format!(
                "{share} and {new}{names} not, so this mixes voices that the model knows with new ones{}",
                word_share()
            )
        }
    }
}

/// " (OAF, YAF)", or nothing where there are too many to name.
fn name_list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    if names.len() > NAMED {
        return String::new();
    }
    format!(" ({})", names.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each speaker says each word once.
    fn side(speakers: &[&str], words: std::ops::Range<usize>) -> SplitSide {
        let mut side = SplitSide::default();
        for speaker in speakers {
            words.clone().for_each(|word| side.add(Some(speaker), Some(&format!("word{word}"))));
        }
        side
    }

    fn without_names(utterances: u64) -> SplitSide {
        let mut side = SplitSide::default();
        (0..utterances).for_each(|_| side.add(None, None));
        side
    }

    const BOTH: [&str; 2] = ["OAF", "YAF"];

    #[test]
    fn a_random_split_says_that_voices_and_words_are_known() {
        let all = side(&BOTH, 0..1000);
        assert_eq!(
            protocol_in_words("random", &all, &side(&BOTH, 0..10), &side(&BOTH, 0..20)),
            "Random split (2,000 utterances in training, 20 in validation, 40 in test): both test speakers (OAF, \
             YAF) and every test word were also in training, so this says how well the model knows these voices, \
             not how it does on a new one."
        );
    }

    #[test]
    fn a_split_by_word_says_that_only_the_words_are_new() {
        let text = protocol_in_words("word", &side(&BOTH, 0..8), &side(&BOTH, 8..9), &side(&BOTH, 9..10));
        let expected = "every test word is new to the model; both test speakers (OAF, YAF) were also in training, \
                        so this says how it does on new words in voices it knows, not on a new voice.";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn a_split_by_speaker_names_the_voice_never_heard() {
        let text = protocol_in_words(
            "speaker-YAF",
            &side(&["OAF"], 0..8),
            &side(&["OAF"], 8..9),
            &side(&["YAF"], 0..8),
        );
        let expected = "the test speaker (YAF) was never heard in training, so this says how the model does on one \
                        new voice, saying words that were in training.";
        assert!(text.ends_with(expected), "{text}");

        let train = side(&["a", "b", "c", "d", "e"], 0..3);
        let text = protocol_in_words("by-actor", &train, &train, &side(&["f", "g"], 5..8));
        assert!(text.starts_with("Split \"by-actor\" (15 "), "{text}");
        let expected = "none of the 2 test speakers (f, g) was ever heard in training, so this says how the model \
                        does on 2 new voices, saying words that were not in training either.";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn unknown_speakers_are_not_claimed_to_be_new() {
        let text = protocol_in_words("random", &without_names(9), &without_names(1), &without_names(2));
        assert!(text.ends_with(": speakers are unknown, so the same voice may be on both sides."), "{text}");

        // One nameless utterance in training is enough to leave it open.
        let mut train = side(&["OAF"], 0..8);
        train.add(None, Some("word0"));
        let text = protocol_in_words("speaker-YAF", &train, &SplitSide::default(), &side(&["YAF"], 0..8));
        let expected = "0 of the 1 test speakers that are known were also in training, and the speaker of 1 \
                        utterances is unknown, so the same voice may be on both sides; 8 of the 8 test words were \
                        also in training.";
        assert!(text.ends_with(expected), "{text}");
        assert!(!text.contains("never heard"), "{text}");
    }

    #[test]
    fn the_sides_speak_and_not_the_name() {
        let sides = (side(&BOTH, 0..8), side(&["YAF"], 2..10));
        let text = protocol_in_words("speaker-YAF", &sides.0, &SplitSide::default(), &sides.1);
        let expected = "the test speaker (YAF) was also in training, so this says how well the model knows this \
                        voice, not how it does on a new one; 6 of the 8 test words were also in training. The \
                        protocol's name, speaker-YAF, says otherwise.";
        assert!(text.ends_with(expected), "{text}");
        let text = protocol_in_words("word", &sides.0, &SplitSide::default(), &sides.1);
        assert!(text.ends_with("The protocol's name, word, says otherwise."), "{text}");
    }

    #[test]
    fn a_mixture_of_known_and_new_voices_is_called_one() {
        let text =
            protocol_in_words("random", &side(&BOTH, 0..8), &side(&BOTH, 0..1), &side(&["OAF", "x"], 0..2));
        let expected = "1 of the 2 test speakers was also in training and 1 (x) not, so this mixes voices that the \
                        model knows with new ones; 2 of the 2 test words were also in training.";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn a_voice_that_chose_the_epoch_is_mentioned() {
        let text = protocol_in_words(
            "speaker-YAF",
            &side(&["OAF"], 0..8),
            &side(&["YAF"], 8..9),
            &side(&["YAF"], 0..8),
        );
        let expected = "Validation held 1 of the test speakers that training did not.";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn an_empty_side_is_called_empty() {
        let text = protocol_in_words("random", &without_names(9), &without_names(1), &SplitSide::default());
        assert!(text.ends_with("one side is empty, so there is nothing to compare."), "{text}");
    }
}
