//! Folders that name another emotion than the names of the files in them, as where somebody sorted a published corpus
//! anew: by what listeners heard, or into classes of their own.

use crate::conventions::{PathName, emotion};
use crate::lexicon::{is_emotion, is_valence, plain};

/// What people call the emotions that published corpora have.
#[rustfmt::skip]
const WORDS: [(&str, &[&str]); 9] = [
    (emotion::ANGRY, &[
        "anger", "angry", "cold_anger", "hot_anger", "rage", "ärger", "wut", "wütend", "zorn", "colère", "enojo", "ira",
        "rabbia", "raiva", "gniew", "гнев", "kızgın", "vrede", "愤怒", "生气", "怒り", "분노", "غضب", "خشم", "क्रोध",
        "गुस्सा",
    ]),
    (emotion::BOREDOM, &["bored", "boredom", "langeweile", "ennui"]),
    (emotion::CALM, &["calm", "calma", "relaxed", "ruhe", "ruhig", "serenity", "平静"]),
    (emotion::DISGUST, &[
        "disgust", "disgusted", "ekel", "dégoût", "asco", "desgosto", "disgusto", "nojo", "отвращение", "厌恶",
    ]),
    (emotion::FEAR, &[
        "afraid", "anxiety", "anxious", "fear", "fearful", "scared", "terror", "angst", "ängstlich", "peur", "medo",
        "miedo", "paura", "strach", "страх", "korku", "害怕", "恐惧", "恐れ", "خوف", "डर",
    ]),
    (emotion::HAPPY, &[
        "happiness", "happy", "joy", "joyful", "freude", "froh", "fröhlich", "glücklich", "joie", "alegria", "alegría",
        "allegria", "felicidad", "felicidade", "feliz", "gioia", "radość", "радость", "mutlu", "glæde", "开心", "快乐",
        "高兴", "喜び", "기쁨", "سعادة", "شادی", "खुशी",
    ]),
    (emotion::NEUTRAL, &[
        "neutral", "neutrality", "neutralität", "neutre", "neutra", "neutrale", "neutralidad", "neutro", "нейтрально",
        "nötr", "中性", "中立", "중립", "محايد",
    ]),
    (emotion::SAD, &[
        "sad", "sadness", "sorrow", "unhappy", "traurig", "trauer", "triste", "tristesse", "tristeza", "tristezza",
        "smutek", "грусть", "печаль", "üzgün", "伤心", "悲伤", "傷心", "悲しみ", "슬픔", "حزن", "غم", "दुख",
    ]),
    (emotion::SURPRISE, &[
        "pleasant_surprise", "pleasant_surprised", "surprise", "surprised", "überraschung", "sorpresa", "surpresa",
        "zaskoczenie", "удивление", "惊讶", "驚き",
    ]),
];

/// The folder of the recording at `path`, which has no folders of archives or sides, if that is named for another emotion
/// than `label`. How pleasant something is goes with several emotions.
pub(crate) fn folder_of_another_emotion<'a>(path: &'a str, label: &str) -> Option<&'a str> {
    let folder = PathName::of(path).folder.filter(|folder| is_emotion(folder) && !is_valence(folder))?;
    let labelled = common_name(label)?;
    (common_name(folder) != Some(labelled)).then_some(folder)
}

/// The label of published corpora for what `text` calls an emotion; nothing where they have none.
fn common_name(text: &str) -> Option<&'static str> {
    let text = plain(text);
    WORDS.iter().find(|(_, words)| words.contains(&text.as_str())).map(|(label, _)| *label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_one_emotion_do_not_contradict_each_other() {
        for (folder, label) in [
            ("Fearful", "fear"),
            ("surprised", "surprise"),
            ("surprise", "pleasant_surprise"),
            ("Anger", "angry"),
            ("Freude", "happy"),
            ("mu\u{308}de/Wut", "angry"),
            ("Actor_01", "angry"),
            ("negative", "angry"),
            ("AudioWAV", "happy"),
            ("angry", "joie de vivre"),
        ] {
            assert_eq!(
                folder_of_another_emotion(&format!("{folder}/1.wav"), label),
                None,
                "{folder} {label}"
            );
        }
        assert_eq!(folder_of_another_emotion("1.wav", "angry"), None);
    }

    #[test]
    fn a_folder_of_another_emotion_is_named() {
        for (folder, label) in
            [("happy", "angry"), ("Trauer", "fear"), ("calm", "neutral"), ("frustration", "angry")]
        {
            let path = format!("x/{folder}/1.wav");
            assert_eq!(folder_of_another_emotion(&path, label), Some(folder), "{folder} {label}");
        }
    }

    #[test]
    fn every_word_is_one_for_an_emotion_and_for_one_alone() {
        let words: Vec<&str> = WORDS.iter().flat_map(|(_, words)| words.iter().copied()).collect();
        let different: std::collections::BTreeSet<&str> = words.iter().copied().collect();
        assert_eq!(different.len(), words.len());
        for word in words {
            assert!(is_emotion(word), "{word}");
        }
    }
}
