//! CREMA-D, the *Crowd-sourced Emotional Multimodal Actors Dataset*: actor, sentence, emotion, level.
//!
//! `1001_DFA_ANG_XX.wav`; see Cao et al. (2014), <https://doi.org/10.1109/TAFFC.2014.2336244>. The actors are 1001 to 1091,
//! and all 7,442 files lie in one folder. One file is known to hold no sound (`1076_MTI_SAD_XX`), and one has a
//! level of one letter (`1040_ITH_SAD_X`).

use crate::Annotation;
use crate::conventions::{Name, spelling};

const ACTORS: std::ops::RangeInclusive<u16> = 1001..=1091;
const LEVELS: [&str; 5] = ["LO", "MD", "HI", "XX", "X"];
const SENTENCES: [(&str, &str); 12] = [
    ("DFA", "don't forget a jacket"),
    ("IEO", "it's eleven o'clock"),
    ("IOM", "i'm on my way to the meeting"),
    ("ITH", "i think i have a doctor's appointment"),
    ("ITS", "i think i've seen this before"),
    ("IWL", "i would like a new alarm clock"),
    ("IWW", "i wonder what this is about"),
    ("MTI", "maybe tomorrow it will be cold"),
    ("TAI", "the airplane is almost full"),
    ("TIE", "that is exactly what happened"),
    ("TSI", "the surface is slick"),
    ("WSI", "we'll stop in a couple of minutes"),
];

pub(super) fn follows(name: &Name<'_>) -> bool {
    parse(name.stem).is_ok()
}

pub(super) fn annotate(name: &Name<'_>) -> Result<Annotation, String> {
    let (actor, sentence, label) = parse(name.stem)?;
    Ok(Annotation {
        speaker: Some(actor.to_owned()),
        word: Some(sentence.to_owned()),
        ..Annotation::labelled(label)
    })
}

/// Actor, sentence and label.
fn parse(stem: &str) -> Result<(&str, &'static str, &'static str), String> {
    let mut parts = stem.split('_');
    let codes: [Option<&str>; 5] = std::array::from_fn(|_| parts.next());
    let [Some(actor), Some(sentence), Some(emotion), Some(level), None] = codes else {
        return Err(
            "its name is not <actor>_<sentence>_<emotion>_<level>, such as 1001_DFA_ANG_XX".to_owned()
        );
    };
    if actor.len() != 4 || !actor.parse().is_ok_and(|actor| ACTORS.contains(&actor)) {
        return Err(format!("actor {actor:?} is not one of 1001 to 1091"));
    }
    let (_, said) = SENTENCES.iter().find(|(code, _)| *code == sentence).ok_or_else(|| {
        let codes = SENTENCES.map(|(code, _)| code).join(", ");
        format!("sentence {sentence:?} is not one of {codes}")
    })?;
    let label = spelling::crema_d(emotion)
        .ok_or_else(|| format!("emotion {emotion:?} is not one of ANG, DIS, FEA, HAP, NEU, SAD"))?;
    match LEVELS.contains(&level) {
        true => Ok((actor, said, label)),
        false => Err(format!("level {level:?} is not one of LO, MD, HI, XX")),
    }
}
