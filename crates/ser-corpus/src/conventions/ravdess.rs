//! RAVDESS, the *Ryerson Audio-Visual Database of Emotional Speech and Song*: seven numbers in a name.
//!
//! `03-01-06-01-02-01-12.wav` is modality, vocal channel, emotion, intensity, statement, repetition, actor; see Livingstone
//! and Russo (2018), <https://doi.org/10.1371/journal.pone.0196391>. The 24 actors are in folders `Actor_01` to
//! `Actor_24`. Some files are stereo, and one pair of files holds the same sound; both are treated as in any corpus.

use crate::Annotation;
use crate::conventions::{Name, spelling};

const STATEMENTS: [(&str, &str); 2] =
    [("01", "kids are talking by the door"), ("02", "dogs are sitting by the door")];
const ACTORS: std::ops::RangeInclusive<u8> = 1..=24;

struct Codes<'a> {
    modality: &'a str,
    channel: &'a str,
    label: &'static str,
    intensity: &'a str,
    statement: &'static str,
    actor: &'a str,
}

pub(super) fn follows(name: &Name<'_>) -> bool {
    Codes::parse(name.stem).is_ok()
}

pub(super) fn annotate(name: &Name<'_>) -> Result<Annotation, String> {
    let codes = Codes::parse(name.stem)?;
    if codes.modality == "02" {
        return Err("modality 02 is video only: there is no sound in it".to_owned());
    }
    let mut notes = Vec::new();
    if codes.channel == "02" {
        notes.push("is sung (vocal channel 02)".to_owned());
    }
    if codes.modality == "01" {
        notes.push(
            "is the sound of a video (modality 01), perhaps of a recording that is here too".to_owned(),
        );
    }
    if codes.label == "neutral" && codes.intensity == "02" {
        notes.push("says it is neutral with strong intensity, which RAVDESS does not have".to_owned());
    }
    let folder = name.folder.and_then(|folder| folder.strip_prefix("Actor_"));
    if let Some(actor) = folder.filter(|actor| *actor != codes.actor) {
        notes.push(format!("its folder says actor {actor}, its name says {}", codes.actor));
    }
    Ok(Annotation {
        speaker: Some(codes.actor.to_owned()),
        word: Some(codes.statement.to_owned()),
        notes,
        ..Annotation::labelled(codes.label)
    })
}

impl<'a> Codes<'a> {
    fn parse(stem: &'a str) -> Result<Self, String> {
        let mut parts = stem.split('-');
        let codes: [Option<&str>; 8] = std::array::from_fn(|_| parts.next());
        let [
            Some(modality),
            Some(channel),
            Some(emotion),
            Some(intensity),
            Some(statement),
            Some(repetition),
            Some(actor),
            None,
        ] = codes
        else {
            return Err(FORM.to_owned());
        };
        let all = [modality, channel, emotion, intensity, statement, repetition, actor];
        if !all.iter().all(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(FORM.to_owned());
        }
        let unknown = |what: &str, code: &str, known: &str| format!("{what} {code} is not one of {known}");
        let one_of = |what: &str, code: &str, known: &[&str]| match known.contains(&code) {
            true => Ok(()),
            false => Err(unknown(what, code, &known.join(", "))),
        };
        one_of("modality", modality, &["01", "02", "03"])?;
        one_of("vocal channel", channel, &["01", "02"])?;
        one_of("intensity", intensity, &["01", "02"])?;
        one_of("repetition", repetition, &["01", "02"])?;
        let label = spelling::ravdess(emotion).ok_or_else(|| unknown("emotion", emotion, "01 to 08"))?;
        let said = STATEMENTS.iter().find(|(code, _)| *code == statement);
        let (_, statement) = said.ok_or_else(|| unknown("statement", statement, "01, 02"))?;
        if !actor.parse().is_ok_and(|actor| ACTORS.contains(&actor)) {
            return Err(unknown("actor", actor, "01 to 24"));
        }
        Ok(Self { modality, channel, label, intensity, statement, actor })
    }
}

const FORM: &str = "its name is not seven numbers of two digits, such as 03-01-06-01-02-01-12";
