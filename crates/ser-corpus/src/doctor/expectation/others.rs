//! Corpora that are counted, each by the names its authors gave.
//!
//! * RAVDESS, speech: Livingstone & Russo (2018), <https://doi.org/10.1371/journal.pone.0196391>. Names are seven
//!   numbers: modality, channel, emotion, intensity, statement, repetition, actor.
//! * CREMA-D: Cao et al. (2014), <https://doi.org/10.1109/TAFFC.2014.2336244>. `1001_DFA_ANG_XX`.
//! * EMO-DB: Burkhardt et al. (2005), <https://doi.org/10.21437/Interspeech.2005-446>. `03a01Fa`.
//! * SAVEE: Haq & Jackson (2009). `DC/a01`, or `DC_a01` where all lie in one folder.

use crate::doctor::expectation::{Expectation, Slot, stem_and_folder};

pub(super) const RAVDESS: Expectation = Expectation {
    name: "RAVDESS (speech)",
    recordings: 1440,
    contents: "60 recordings of each of 24 actors, 8 emotions",
    recognise: ravdess,
    all: Some(all_of_ravdess),
    known: &[],
};

pub(super) const CREMA_D: Expectation = Expectation {
    name: "CREMA-D",
    recordings: 7442,
    contents: "12 sentences by 91 actors in 6 emotions",
    recognise: crema_d,
    all: None,
    known: &[],
};

pub(super) const EMO_DB: Expectation = Expectation {
    name: "EMO-DB",
    recordings: 535,
    contents: "10 sentences by 10 speakers in 7 emotions",
    recognise: emo_db,
    all: None,
    known: &[],
};

pub(super) const SAVEE: Expectation = Expectation {
    name: "SAVEE",
    recordings: 480,
    contents: "120 recordings of each of 4 speakers, 7 emotions",
    recognise: savee,
    all: Some(all_of_savee),
    known: &[],
};

const RAVDESS_EMOTIONS: [&str; 8] =
    ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"];

fn ravdess(path: &str) -> Option<Slot> {
    let (stem, _) = stem_and_folder(path);
    let numbers: Vec<usize> = stem.split('-').map(two_digits).collect::<Option<_>>()?;
    let [3, 1, emotion, intensity @ 1..=2, 1..=2, 1..=2, actor @ 1..=24] = numbers[..] else { return None };
    if (emotion, intensity) == (1, 2) {
        return None; // neutral has no strong intensity
    }
    let class = RAVDESS_EMOTIONS.get(emotion.checked_sub(1)?)?;
    Some(Slot { speaker: format!("actor {actor:02}"), class, name: stem.to_owned() })
}

fn all_of_ravdess() -> Vec<Slot> {
    let mut names = Vec::new();
    for actor in 1..=24 {
        for (emotion, intensity) in (1..=8).flat_map(|emotion| [(emotion, 1), (emotion, 2)]) {
            for (statement, repetition) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
                names.push(format!(
                    "03-01-{emotion:02}-{intensity:02}-{statement:02}-{repetition:02}-{actor:02}"
                ));
            }
        }
    }
    names.iter().filter_map(|name| ravdess(name)).collect()
}

fn two_digits(text: &str) -> Option<usize> {
    let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn crema_d(path: &str) -> Option<Slot> {
    const EMOTIONS: [(&str, &str); 6] = [
        ("ANG", "anger"),
        ("DIS", "disgust"),
        ("FEA", "fear"),
        ("HAP", "happy"),
        ("NEU", "neutral"),
        ("SAD", "sad"),
    ];
    let (stem, _) = stem_and_folder(path);
    let parts: Vec<&str> = stem.split('_').collect();
    let [actor, sentence, emotion, level] = parts[..] else { return None };
    let formed = (1001..=1091).contains(&actor.parse::<u16>().ok()?)
        && sentence.len() == 3
        && (1..=2).contains(&level.len());
    let class = EMOTIONS.iter().find(|(code, _)| *code == emotion)?.1;
    formed.then(|| Slot { speaker: actor.to_owned(), class, name: stem.to_owned() })
}

fn emo_db(path: &str) -> Option<Slot> {
    const EMOTIONS: [(u8, &str); 7] = [
        (b'W', "anger"),
        (b'L', "boredom"),
        (b'E', "disgust"),
        (b'A', "fear"),
        (b'F', "happiness"),
        (b'T', "sadness"),
        (b'N', "neutral"),
    ];
    let (stem, _) = stem_and_folder(path);
    let [b'0' | b'1', b'0'..=b'9', b'a' | b'b', b'0' | b'1', b'0'..=b'9', emotion, b'a'..=b'z'] =
        *stem.as_bytes()
    else {
        return None;
    };
    let class = EMOTIONS.iter().find(|(code, _)| *code == emotion)?.1;
    Some(Slot { speaker: stem.get(..2)?.to_owned(), class, name: stem.to_owned() })
}

const SAVEE_SPEAKERS: [&str; 4] = ["DC", "JE", "JK", "KL"];

/// The code of each emotion and how many sentences each speaker says in it.
const SAVEE_EMOTIONS: [(&str, &str, usize); 7] = [
    ("a", "anger", 15),
    ("d", "disgust", 15),
    ("f", "fear", 15),
    ("h", "happiness", 15),
    ("n", "neutral", 30),
    ("sa", "sadness", 15),
    ("su", "surprise", 15),
];

fn savee(path: &str) -> Option<Slot> {
    let (stem, folder) = stem_and_folder(path);
    let (speaker, code) = stem.split_once('_').unwrap_or((folder, stem));
    if !SAVEE_SPEAKERS.contains(&speaker) {
        return None;
    }
    let (emotion, number) = code.split_at_checked(code.len().checked_sub(2)?)?;
    let (_, class, sentences) = SAVEE_EMOTIONS.iter().find(|(known, ..)| *known == emotion)?;
    (1..=*sentences).contains(&two_digits(number)?).then(|| savee_slot(speaker, class, code))
}

fn savee_slot(speaker: &str, class: &'static str, code: &str) -> Slot {
    Slot { speaker: speaker.to_owned(), class, name: format!("{speaker} {code}") }
}

fn all_of_savee() -> Vec<Slot> {
    let of = |speaker| {
        SAVEE_EMOTIONS.into_iter().flat_map(move |(code, class, sentences)| {
            (1..=sentences).map(move |number| savee_slot(speaker, class, &format!("{code}{number:02}")))
        })
    };
    SAVEE_SPEAKERS.into_iter().flat_map(of).collect()
}
