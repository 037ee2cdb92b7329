//! Classes that look like something else: a speaker, or a corpus. What names say is guessed where nobody said by which
//! convention they are to be read, and a guess that looks wrong has to be said.

use std::collections::{BTreeMap, BTreeSet};

use ser_core::remedy::Setting;

use crate::conventions::{PathName, Suggestion};
use crate::lexicon::{is_an_id, is_corpus, is_emotion, is_emotion_or_code, is_qualifier};

/// A class that looks like something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The class.
    pub label: String,
    /// What it looks like, and what to do; completes a sentence about the class.
    pub text: String,
}

/// What is doubtful about `labels`, the classes that were concluded from `paths`, whose names of files seem to follow
/// `suggestion`.
pub(crate) fn doubts(
    labels: &BTreeSet<String>,
    paths: &[&str],
    suggestion: Option<&Suggestion>,
) -> Vec<Doubt> {
    let composed = with_more_than_an_emotion(labels);
    let without_emotions = suggestion.filter(|_| named_for_anything_but_emotions(labels, paths));
    let is_right = format!("if it is a class, say so with {}", Setting::Labels.to("folder"));
    let doubt = |label: &String| {
        let text = if is_corpus(label) {
            format!("looks like a corpus; give {} for each corpus, or {is_right}", Setting::Data)
        } else if is_an_id(label) {
            format!(
                "looks like a speaker; arrange folders as <speaker>/<label>, give a table or a pattern with {}, or {is_right}",
                Setting::Labels
            )
        } else if composed.contains(label.as_str()) {
            format!(
                "looks like a class with a speaker or a number in its name; give a table or a pattern with {}, or {is_right}",
                Setting::Labels
            )
        } else {
            let Suggestion { pattern, label: emotion, .. } = without_emotions?;
            format!(
                "looks like a speaker, since the names of its files say emotions such as {emotion}; try {}, or {is_right}",
                Setting::Labels.to(format!("'{pattern}'"))
            )
        };
        Some(Doubt { label: label.clone(), text })
    };
    labels.iter().filter_map(doubt).collect()
}

/// The labels `<x>_<emotion>` and `<emotion>_<x>` whose emotion another label names as well, with another `<x>`; where
/// `<x>` says how strong it is, or whose sex, they are classes.
fn with_more_than_an_emotion(labels: &BTreeSet<String>) -> BTreeSet<&str> {
    let mut by_emotion: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for label in labels.iter().filter(|label| !is_emotion(label)) {
        let cuts = label.match_indices(['_', ' ', '-']);
        let parts =
            cuts.filter_map(|(place, cut)| Some((label.get(..place)?, label.get(place + cut.len()..)?)));
        let emotion = parts.flat_map(|(a, b)| [(a, b), (b, a)]).find(|(emotion, other)| {
            is_emotion(emotion) && !is_emotion(other) && !is_qualifier(other) && !other.trim().is_empty()
        });
        if let Some((emotion, _)) = emotion {
            by_emotion.entry(emotion.to_lowercase()).or_default().insert(label);
        }
    }
    by_emotion.into_values().filter(|labels| labels.len() > 1).flatten().collect()
}

/// Whether no label is an emotion, while the names of the files in each say several.
fn named_for_anything_but_emotions(labels: &BTreeSet<String>, paths: &[&str]) -> bool {
    if labels.iter().any(|label| is_emotion_or_code(label)) {
        return false;
    }
    let mut emotions_in: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for path in paths {
        let PathName { folder, stem } = PathName::of(path);
        let parts = stem.split(['_', '-', ' ', '.']).filter(|part| is_emotion_or_code(part));
        emotions_in.entry(folder.unwrap_or_default()).or_default().extend(parts);
    }
    emotions_in.len() > 1 && emotions_in.values().all(|emotions| emotions.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conventions::suggest;

    fn doubted(labels: &[&str], paths: &[&str]) -> Vec<(String, String)> {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let found = doubts(&labels, paths, suggest(paths).as_ref());
        found.into_iter().map(|doubt| (doubt.label, doubt.text)).collect()
    }

    #[test]
    fn a_class_that_is_called_as_a_speaker_or_a_corpus_is_doubted() {
        let found = doubted(&["Actor_01", "Crema", "angry", "bea_anger", "sam_anger", "calm"], &[]);
        assert_eq!(doubted(&["joy_1", "joy_2", "calm"], &[]).len(), 2);
        let labels: Vec<&str> = found.iter().map(|(label, _)| label.as_str()).collect();
        assert_eq!(labels, ["Actor_01", "Crema", "bea_anger", "sam_anger"]);
        assert!(found[0].1.contains("like a speaker") && found[1].1.contains("like a corpus"), "{found:?}");
        assert!(found[2].1.contains("a class with a speaker"), "{found:?}");
    }

    #[test]
    fn folders_of_people_are_doubted_where_their_files_say_emotions() {
        let paths = ["alice/angry_1.wav", "alice/sad_1.wav", "bob/angry_1.wav", "bob/sad_2.wav"];
        let found = doubted(&["alice", "bob"], &paths);
        assert_eq!(found.len(), 2);
        assert!(
            found[0].1.contains("such as angry") && found[0].1.contains("pattern:{label}_{}"),
            "{found:?}"
        );
        assert_eq!(doubted(&["angry", "bob"], &paths).len(), 0);
        assert_eq!(doubted(&["calm", "loud"], &["calm/angry_1.wav", "loud/sad_1.wav"]).len(), 0);
    }

    #[test]
    fn common_names_of_classes_are_not_doubted() {
        let labels =
            ["male_angry", "female_angry", "hot_anger", "cold_anger", "01", "class_1", "pleasant_surprise"];
        assert_eq!(doubted(&labels, &[]), []);
    }
}
