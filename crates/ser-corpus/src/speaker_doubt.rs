//! Speakers of a corpus who may be one person: their names have one number, with letters before it in some, such as `0011` and
//! `S0011`. They stay different speakers, since nothing tells that they are not, and that is said.

use std::collections::BTreeMap;

use ser_core::remedy::Setting;

use crate::spelling::folded;

/// A speaker who may be another one as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeakerDoubt {
    /// The speaker, whose name is a number alone.
    pub speaker: String,
    /// Who else that may be, and what to do; completes a sentence about the speaker.
    pub text: String,
}

/// Of each number that is a speaker's whole name and follows letters in the names of others: a doubt. Where all names have
/// letters, such as `F01` and `M01`, these tell people apart.
pub(crate) fn speaker_doubts<'a>(speakers: impl IntoIterator<Item = &'a str>) -> Vec<SpeakerDoubt> {
    let mut bare: BTreeMap<String, &str> = BTreeMap::new();
    let mut with_letters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for speaker in speakers {
        match letters_and_number(speaker) {
            Some(("", number)) => drop(bare.insert(folded(number), speaker)),
            Some((_, number)) => with_letters.entry(folded(number)).or_default().push(format!("{speaker:?}")),
            None => {}
        }
    }
    let doubt = |(number, speaker): (String, &str)| {
        let text = format!(
            "has the same number as {}, and each is taken for a speaker of their own; if they are one person, call that person \
             by one name, in a table with {} if need be",
            with_letters.get(&number)?.join(" and "),
            Setting::Labels
        );
        Some(SpeakerDoubt { speaker: speaker.to_owned(), text })
    };
    bare.into_iter().filter_map(doubt).collect()
}

/// The letters before a number and the number itself: `spk` and `1` of `spk_1`; nothing of a name of another form.
fn letters_and_number(name: &str) -> Option<(&str, &str)> {
    let name = name.trim();
    let before = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number = name.get(before.len()..).filter(|number| !number.is_empty())?;
    let letters = before.trim_end_matches(['_', '-', ' ']);
    letters.chars().all(char::is_alphabetic).then_some((letters, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_and_without_letters_before_it_may_be_one_speaker() {
        for (speakers, speaker, others) in [
            (["0011", "S0011", "0012"], "0011", "as \"S0011\", and"),
            (["1", "spk_1", "spk_2"], "1", "as \"spk_1\", and"),
            (["01", "F1", "M001"], "01", "as \"F1\" and \"M001\", and"),
        ] {
            let doubts = speaker_doubts(speakers);
            let [doubt] = &doubts[..] else { panic!("{speakers:?}: {doubts:?}") };
            assert!(doubt.speaker == speaker && doubt.text.contains(others), "{doubt:?}");
        }
    }

    #[test]
    fn speakers_of_other_names_are_not_doubted() {
        for speakers in [["F01", "M01"], ["1", "S11"], ["1", "1b"], ["1", "a1b1"], ["bea", "sam"]] {
            assert_eq!(speaker_doubts(speakers), [], "{speakers:?}");
        }
    }
}
