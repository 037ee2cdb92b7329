//! SAVEE, the *Surrey Audio-Visual Expressed Emotion* database: four speakers, an emotion, a number.
//!
//! `DC/a01.wav`, or `DC_a01.wav` where all 480 files lie in one folder; see Haq and Jackson (2010),
//! <https://doi.org/10.4018/978-1-61520-919-4.ch017>. The number counts the sentences of an emotion, and the same number is
//! not the same sentence in another one; the name does not say which sentence is which, so the word is unknown.

use crate::Annotation;
use crate::conventions::{Name, spelling};

const SPEAKERS: [&str; 4] = ["DC", "JE", "JK", "KL"];

pub(super) fn follows(name: &Name<'_>) -> bool {
    parse(name).is_ok()
}

pub(super) fn annotate(name: &Name<'_>) -> Result<Annotation, String> {
    let (speaker, label) = parse(name)?;
    Ok(Annotation { speaker: Some(speaker.to_owned()), ..Annotation::labelled(label) })
}

fn parse<'a>(name: &Name<'a>) -> Result<(&'a str, &'static str), String> {
    let (speaker, code) = match name.stem.split_once('_') {
        Some((speaker, code)) => (Some(speaker), code),
        None => (name.folder, name.stem),
    };
    let digits = code.find(|letter: char| letter.is_ascii_digit()).unwrap_or(code.len());
    let (letters, number) = code.split_at(digits);
    let number: Option<u8> = number.parse().ok().filter(|_| number.len() == 2);
    let Some(number) = number.filter(|_| letters.bytes().all(|byte| byte.is_ascii_lowercase())) else {
        return Err(
            "its name is not <emotion><number>, such as a01, in a folder named for its speaker, nor \
                    <speaker>_<emotion><number>"
                .to_owned(),
        );
    };
    let label = spelling::savee(letters)
        .ok_or_else(|| format!("emotion {letters:?} is not one of a, d, f, h, n, sa, su"))?;
    let known = speaker.filter(|speaker| SPEAKERS.contains(speaker)).ok_or_else(|| {
        format!("speaker {:?} is not one of {}", speaker.unwrap_or(""), SPEAKERS.join(", "))
    })?;
    // Neutral has twice as many sentences.
    let most = if label == "neutral" { 30 } else { 15 };
    match (1..=most).contains(&number) {
        true => Ok((known, label)),
        false => Err(format!("sentence {number} is not one of 1 to {most}")),
    }
}
