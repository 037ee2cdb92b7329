//! Classes that look like something else: a speaker, a corpus, a side of a split. What names say is guessed where nobody said
//! by which convention they are to be read, and a guess that looks wrong has to be said.

use std::collections::{BTreeMap, BTreeSet};

use ser_core::remedy::Setting;

use crate::PublishedSide;
use crate::conventions::{PathName, Suggestion};
use crate::lexicon::{
    is_a_degree, is_an_id, is_corpus, is_emotion, is_emotion_or_code, is_group, is_qualifier,
    is_small_number, may_be_an_id, says_emotion,
};
use crate::nobody::is_about_recordings;

/// A class that looks like something else, or that folders contradict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The class.
    pub label: String,
    /// What it looks like, and what to do; completes a sentence about the class.
    pub text: String,
}

/// What is doubtful about `labels`, the classes that were concluded from `paths`, whose names of files seem to follow
/// `suggestion`. `are_folders` says that they are folders and that nothing but their names speaks for them.
pub(crate) fn doubts(
    labels: &BTreeSet<String>,
    paths: &[&str],
    suggestion: Option<&Suggestion>,
    are_folders: bool,
) -> Vec<Doubt> {
    let composed = with_more_than_an_emotion(labels);
    let without_emotions = suggestion.filter(|_| named_for_anything_but_emotions(labels, paths));
    let without_any = are_folders && !labels.iter().any(|label| says_emotion(label));
    let beside_emotions = |label: &str| if without_any { None } else { beside_emotions(label) };
    let doubt = |label: &String| {
        let named = of_name(label, composed.contains(label.as_str())).or_else(|| beside_emotions(label));
        let text = named.or_else(|| {
            let Suggestion { pattern, label: emotion, .. } = without_emotions?;
            Some(format!(
                "looks like a speaker, since the names of its files say emotions such as {emotion}; try {}, or {}",
                Setting::Labels.to(format!("'{pattern}'")),
                if_it_is_one()
            ))
        });
        Some(Doubt { label: label.clone(), text: text? })
    };
    let mut doubts: Vec<Doubt> = labels.iter().filter_map(doubt).collect();
    // Classes need not be emotions: how much there is of something, or what is laughter.
    let is_other = |label: &String| !is_a_degree(label) && self::beside_emotions(label).is_some();
    if without_any && labels.iter().any(is_other) {
        doubts.extend(without_any_emotion(labels, &doubts));
    }
    doubts
}

/// What a class of this name looks like; `is_composed` says that it is one of several of an emotion.
fn of_name(label: &str, is_composed: bool) -> Option<String> {
    let is_right = if_it_is_one();
    let labels = Setting::Labels;
    Some(if is_corpus(label) {
        format!("looks like a corpus; give {} for each corpus, or {is_right}", Setting::Data)
    } else if is_an_id(label) {
        format!(
            "looks like a speaker; arrange folders as <speaker>/<label>, give a table or a pattern with {labels}, or {is_right}"
        )
    } else if PublishedSide::is_within(label) {
        let pattern = labels.to("'pattern:{split}_{label}/{}'");
        format!("looks like a side of a split; give a table or a pattern such as {pattern}, or {is_right}")
    } else if is_composed {
        format!(
            "looks like a class with a speaker or a number in its name; give a table or a pattern with {labels}, or {is_right}"
        )
    } else {
        return None;
    })
}

/// What a class of this name looks like where other classes are emotions.
fn beside_emotions(label: &str) -> Option<String> {
    let (is_right, labels) = (if_it_is_one(), Setting::Labels);
    if is_emotion(label) || is_small_number(label) || is_common_class(label) {
        return None;
    }
    if is_about_recordings(label) || is_qualifier(label) {
        return Some(format!(
            "says something of a person or a recording, and no emotion; give a table or a pattern with {labels}, or {is_right}"
        ));
    }
    (is_group(label) || may_be_an_id(label)).then(|| {
        format!("looks like a speaker or a session; give a table or a pattern with {labels}, or {is_right}")
    })
}

fn if_it_is_one() -> String {
    format!("if it is a class, say so with {}", Setting::Labels.to("folder"))
}

/// `class_1`, and `normal`, which many corpora call what is neutral.
fn is_common_class(label: &str) -> bool {
    let label = label.to_lowercase();
    label == "normal" || label.starts_with("class")
}

/// The one doubt about all classes, none of which has a word for an emotion in its name. It is said of the first that is not
/// doubted by itself.
fn without_any_emotion(labels: &BTreeSet<String>, doubted: &[Doubt]) -> Option<Doubt> {
    let is_doubted = |label: &&String| doubted.iter().any(|doubt| doubt.label == **label);
    let others: Vec<&String> = labels.iter().filter(|label| !is_doubted(label)).collect();
    let first = (*others.first()?).clone();
    let which = match others.len() {
        1 => "is no known word for an emotion, nor is another class".to_owned(),
        count => format!("is no known word for an emotion, nor are the others of {count} classes"),
    };
    let text = format!(
        "{which}; give a table or a pattern with {} if folders are named for something else, or, if they are classes, say so \
         with {}",
        Setting::Labels,
        Setting::Labels.to("folder")
    );
    Some(Doubt { label: first, text })
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
        let found = doubts(&labels, paths, suggest(paths).as_ref(), true);
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
        assert_eq!(doubted(&["normal", "happy", "positive", "01"], &[]), []);
    }

    #[test]
    fn a_class_that_says_something_else_than_an_emotion_is_doubted() {
        for (label, says) in [
            ("female", "of a person or a recording"),
            ("flac", "of a person or a recording"),
            ("session2", "a speaker or a session"),
            ("S1", "a speaker or a session"),
            ("train_angry", "a side of a split"),
            ("angry_test", "a side of a split"),
        ] {
            let found = doubted(&[label, "angry", "sad"], &[]);
            assert!(
                found.len() == 1 && found[0].0 == label && found[0].1.contains(says),
                "{label}: {found:?}"
            );
        }
    }

    #[test]
    fn classes_of_which_none_is_an_emotion_are_doubted_once() {
        let found = doubted(&["Ses01F_impro01", "Ses01F_script01_1", "Ses02M_impro01"], &[]);
        assert!(found.len() == 1 && found[0].0 == "Ses01F_impro01", "{found:?}");
        assert!(found[0].1.contains("nor are the others of 3 classes"), "{found:?}");
        let labels = ["bea".to_owned(), "sam".to_owned()].into();
        assert_eq!(doubts(&labels, &[], None, false), []);
        for labels in [&["high", "low", "medium"][..], &["laughter", "speech_like"], &["strong", "weak"]] {
            assert_eq!(doubted(labels, &[]), []);
        }
        for labels in [&["W", "Großer Zorn"], &["HAP", "x"], &["female", "male"], &["very_sad", "y"]] {
            assert!(doubted(labels, &[]).iter().all(|(label, _)| label.ends_with("male")), "{labels:?}");
        }
    }
}
