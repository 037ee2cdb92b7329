//! Words by which a name is known to be an emotion, a corpus, or somebody's number.
//!
//! They decide only which part of a name is which; a label is always the word as it stands.

mod words;

use unicode_normalization::UnicodeNormalization;

use crate::lexicon::words::{CODES, CORPORA, DEGREES, EMOTIONS, GROUPS, PERSONS, QUALIFIERS, VALENCES};

/// `text` in lower case and NFC, with `_` for spaces and hyphens.
pub(crate) fn plain(text: &str) -> String {
    let written = |letter: char| if matches!(letter, ' ' | '-') { '_' } else { letter };
    text.trim().to_lowercase().nfc().map(written).collect()
}

/// Whether it is a word for an emotion.
pub(crate) fn is_emotion(text: &str) -> bool {
    let text = plain(text);
    EMOTIONS.contains(&text.as_str()) || VALENCES.contains(&text.as_str())
}

/// Whether it says how pleasant an emotion is, and not which one.
pub(crate) fn is_valence(text: &str) -> bool {
    VALENCES.contains(&plain(text).as_str())
}

/// Whether one of its words is for an emotion, or a code for one: `very_angry`, `ANG`.
pub(crate) fn says_emotion(text: &str) -> bool {
    is_emotion_or_code(text) || text.split(['_', '-', ' ', '.']).any(is_emotion_or_code)
}

/// Whether it is a word for an emotion, or a code for one as in the names of files.
pub(crate) fn is_emotion_or_code(text: &str) -> bool {
    is_emotion(text) || CODES.contains(&plain(text).as_str())
}

/// Whether it is a word that says something of an emotion or a person, and names nobody.
pub(crate) fn is_qualifier(text: &str) -> bool {
    QUALIFIERS.contains(&plain(text).as_str())
}

/// Whether it says how much there is of something.
pub(crate) fn is_a_degree(text: &str) -> bool {
    DEGREES.contains(&plain(text).as_str())
}

/// Whether it is the number of a session, a take or the like, which is nobody's.
pub(crate) fn is_group(text: &str) -> bool {
    let text = plain(text);
    let is_between = |letter: char| matches!(letter, '_' | '.');
    let number = text.find(|letter: char| letter.is_ascii_digit()).unwrap_or(text.len());
    let (before, number) = text.split_at(number);
    GROUPS.contains(&before.trim_end_matches('_'))
        && number.chars().all(|letter| letter.is_ascii_digit() || is_between(letter))
}

/// Whether it is a number and nothing else, too small to be known as a person's: `1`, `02`.
pub(crate) fn is_small_number(text: &str) -> bool {
    (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether it is the name of a published corpus, whatever its case and punctuation.
pub(crate) fn is_corpus(text: &str) -> bool {
    let text: String = plain(text).chars().filter(|letter| letter.is_alphanumeric()).collect();
    CORPORA.contains(&text.as_str())
}

/// Whether it could be somebody's number: it ends with digits and is no emotion, such as `0011`, `S01`, `spk-3`.
pub(crate) fn may_be_an_id(text: &str) -> bool {
    let rest = text.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let rest_is_short = rest.chars().count() <= 12;
    rest.len() < text.len() && rest_is_short && !is_emotion(rest.trim_end_matches(['_', '-', ' ']))
}

/// Whether it is a number of a person and of nothing else: `Actor_01`, `speaker 3`, `0011`, `S012`.
pub(crate) fn is_an_id(text: &str) -> bool {
    let digits = text.chars().rev().take_while(char::is_ascii_digit).count();
    let rest = text.get(..text.len() - digits).unwrap_or_default();
    let before = plain(rest.trim_end_matches(['_', '-', ' ']));
    match digits {
        0 => false,
        _ if PERSONS.contains(&before.as_str()) => true,
        1 | 2 => false,
        // `0011`, `F001`: a class is not counted in hundreds.
        _ => rest.chars().count() <= 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_whatever_their_case_their_spaces_and_their_composition() {
        for word in ["Anger", "PLEASANT SURPRISE", "hot-anger", "müde", "mu\u{308}de", "Colère", "愤怒"] {
            assert!(is_emotion(word), "{word}");
        }
        for word in ["", "ang", "bea", "OAF_anger", "angry1"] {
            assert!(!is_emotion(word), "{word}");
        }
        assert!(is_emotion_or_code("ANG") && is_corpus("CREMA-D") && is_corpus("Tess") && !is_corpus("mine"));
        assert!(is_qualifier("Male") && !is_qualifier("Maleen"));
        assert!(is_group("Session1") && is_group("take 02") && is_group("part") && !is_group("spk1"));
        assert!(is_group("sentence10") && is_group("script01_1") && is_group("fold-1") && !is_group("set1a"));
        for nobody in ["Females", "hommes", "女", "kids", "Fort"] {
            assert!(is_qualifier(nobody), "{nobody}");
        }
        assert!(
            is_emotion("Positive") && is_valence("neg") && !is_valence("sad") && !is_qualifier("negative")
        );
        assert!(says_emotion("Großer Zorn") && says_emotion("male_ANG") && !says_emotion("Ses01F_impro01"));
    }

    #[test]
    fn a_number_of_a_person_is_told_from_a_number_of_a_class() {
        for id in ["Actor_01", "speaker 3", "0011", "F001", "说话人1", "spk-12"] {
            assert!(is_an_id(id) && may_be_an_id(id), "{id}");
        }
        for class in ["01", "7", "c1", "class_12", "angry", "angry_001", "Actor", "take100"] {
            assert!(!is_an_id(class), "{class}");
        }
        assert!(may_be_an_id("S1") && !may_be_an_id("angry1"));
    }
}
