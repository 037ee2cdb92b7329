//! TESS: 200 words, each said by two actresses in seven emotions.
//!
//! Pichora-Fuller, M. K., & Dupuis, K. (2020). Toronto emotional speech set (TESS). Scholars Portal Dataverse,
//! <https://doi.org/10.5683/SP2/E8H2MF>. The words are those of Northwestern University Auditory Test No. 6.

use crate::Convention;
use crate::conventions::tess_emotion;
use crate::doctor::FindingKind;
use crate::doctor::expectation::{Expectation, Slot};

/// The 200 words, in alphabetical order.
const WORDS: &str = include_str!("tess_words.txt");
const SPEAKERS: [&str; 2] = ["OAF", "YAF"];
const EMOTIONS: [&str; 7] = ["angry", "disgust", "fear", "happy", "neutral", "pleasant_surprise", "sad"];

pub(super) const TESS: Expectation = Expectation {
    name: "TESS",
    recordings: 2800,
    contents: "200 words by 2 speakers in 7 emotions",
    recognise,
    all: Some(all),
    known: &[
        ("OAF food fear", FindingKind::OtherRate),
        ("OAF bite neutral", FindingKind::Misnamed),
        ("YAF germ angry", FindingKind::Disguised),
        ("YAF neat fear", FindingKind::Disguised),
    ],
};

fn slot(speaker: &str, word: &str, class: &'static str) -> Slot {
    Slot { speaker: speaker.to_owned(), class, name: format!("{speaker} {word} {class}") }
}

fn all() -> Vec<Slot> {
    let words = || WORDS.split_whitespace();
    let of = |speaker| {
        EMOTIONS.into_iter().flat_map(move |class| words().map(move |word| slot(speaker, word, class)))
    };
    SPEAKERS.into_iter().flat_map(of).collect()
}

/// What the file itself is named counts; its folder says who speaks only where the name does not.
fn recognise(path: &str) -> Option<Slot> {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let named = Convention::Filename.annotate(name).ok()?;
    let is_speaker = |speaker: &String| SPEAKERS.contains(&speaker.as_str());
    let by_folder = || Convention::Folder.annotate(path).ok()?.speaker.filter(is_speaker);
    let speaker = named.speaker.filter(is_speaker).or_else(by_folder)?;
    let word = named.word.filter(|word| WORDS.split_whitespace().any(|known| known == word))?;
    Some(slot(&speaker, &word, tess_emotion(&named.label)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_recognised_by_its_own_name_and_its_folders_speaker() {
        let name = |path| recognise(path).map(|slot| slot.name);
        assert_eq!(name("OAF_neutral/OA_bite_neutral.wav").as_deref(), Some("OAF bite neutral"));
        assert_eq!(name("OAF_sad/YAF_Bite_ps.wav").as_deref(), Some("YAF bite pleasant_surprise"));
        assert_eq!(name("fear/oaf_food_fear.aiff").as_deref(), Some("OAF food fear"));
        assert_eq!(name("fear/OA_food_fear.wav"), None);
        assert_eq!(name("OAF_fear/OAF_food_fear (1).wav"), None);
        assert_eq!(name("OAF_fear/OAF_food_fear.wav.wav"), None);
    }
}
