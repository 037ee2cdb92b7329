//! Which pattern the names of a corpus seem to follow, for a person to look at: nothing is labelled by it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::conventions::PathName;
use crate::lexicon::{is_an_id, is_emotion_or_code, is_qualifier};

/// So many names are enough to see it.
const LOOKED_AT: usize = 5000;

/// A pattern, and a name that it was seen in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// As it is given: `pattern:{}_{speaker}_{label}`.
    pub pattern: String,
    /// The name of a file.
    pub example: String,
    /// Its part that is an emotion.
    pub label: String,
}

/// The pattern of the names of the files at `paths`, where one of their parts is an emotion in four of five.
pub(crate) fn suggest(paths: &[&str]) -> Option<Suggestion> {
    let stems: Vec<&str> = paths.iter().take(LOOKED_AT).map(|path| PathName::of(path).stem).collect();
    ['_', '-', ' ', '.'].into_iter().find_map(|separator| by(separator, &stems))
}

fn by(separator: char, stems: &[&str]) -> Option<Suggestion> {
    let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
    for stem in stems {
        *lengths.entry(stem.split(separator).count()).or_default() += 1;
    }
    let (length, count) = lengths.into_iter().max_by_key(|(_, count)| *count)?;
    let are_most = |count: usize| 5 * count >= 4 * stems.len();
    if length < 2 || !are_most(count) {
        return None;
    }
    let names: Vec<Vec<&str>> = (stems.iter())
        .map(|stem| stem.split(separator).collect::<Vec<_>>())
        .filter(|parts| parts.len() == length)
        .collect();
    let part = |place: usize| names.iter().filter_map(move |parts| parts.get(place).copied());
    let emotions = |place: usize| part(place).filter(|text| is_emotion_or_code(text));
    let label = (0..length).max_by_key(|place| emotions(*place).count())?;
    let different: BTreeSet<&str> = emotions(label).collect();
    if !are_most(emotions(label).count()) || different.len() < 2 {
        return None;
    }
    let speakers: Vec<usize> =
        (0..length).filter(|place| *place != label && are_speakers(part(*place).zip(part(label)))).collect();
    let speaker = if let [only] = speakers[..] { Some(only) } else { None };
    let field = |place: usize| match place {
        place if place == label => "{label}",
        place if Some(place) == speaker => "{speaker}",
        _ => "{}",
    };
    let fields: Vec<&str> = (0..length).map(field).collect();
    let example = names.iter().find(|parts| parts.get(label).is_some_and(|text| is_emotion_or_code(text)))?;
    Some(Suggestion {
        pattern: format!("pattern:{}", fields.join(&separator.to_string())),
        example: example.join(&separator.to_string()),
        label: (*example.get(label)?).to_owned(),
    })
}

/// Whether parts of names, each with the label beside it, can be speakers: two or more, far fewer than there are names,
/// each with several labels, and named as people or their numbers are.
fn are_speakers<'a>(parts: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
    let mut labels_of: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    let mut count = 0;
    for (name, label) in parts {
        count += 1;
        labels_of.entry(name).or_default().insert(label);
    }
    let is_name = |name: &str| {
        let letters = name.chars().count();
        is_an_id(name)
            || letters > 1
                && name.chars().any(char::is_alphabetic)
                && !is_qualifier(name)
                && !is_emotion_or_code(name)
    };
    labels_of.len() > 1
        && 4 * labels_of.len() <= count
        && labels_of.iter().all(|(name, labels)| labels.len() > 1 && is_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_that_is_an_emotion_is_found_and_the_speaker_if_it_is_clear() {
        let mut names = Vec::new();
        for speaker in ["MONIKA", "JAN"] {
            for (number, label) in ["NEUTRAL", "ANGER", "JOY"].into_iter().enumerate() {
                names.extend((1..6).map(|take| format!("F_0{number}_{speaker}_S_{take}_{label}_5.wav")));
            }
        }
        let paths: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = suggest(&paths).unwrap();
        assert_eq!(found.pattern, "pattern:{}_{}_{speaker}_{}_{}_{label}_{}");
        assert_eq!((found.example.as_str(), found.label.as_str()), ("F_00_MONIKA_S_1_NEUTRAL_5", "NEUTRAL"));
        assert_eq!(suggest(&["a_1.wav", "b_2.wav"]), None);
        assert_eq!(suggest(&[]), None);
        assert_eq!(suggest(&["x-ANG.wav", "y-HAP.wav"]).unwrap().pattern, "pattern:{}-{label}");
    }
}
