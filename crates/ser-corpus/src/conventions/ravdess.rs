//! RAVDESS, the *Ryerson Audio-Visual Database of Emotional Speech and Song*: seven numbers in a name.
//!
//! `03-01-06-01-02-01-12.wav` is modality, vocal channel, emotion, intensity, statement, repetition, actor; see Livingstone
//! and Russo (2018), <https://doi.org/10.1371/journal.pone.0196391>. The 24 actors are in folders `Actor_01` to
//! `Actor_24`. Some files are stereo, and one pair of files holds the same sound; both are treated as in any corpus.

use ser_audio::Container;
use ser_core::{Error, ErrorKind, Result};

use crate::Annotation;
use crate::conventions::{
    CorpusConvention, PathName, PublishedAudio, PublishedCorpus, PublishedRecording, emotion,
};

/// `Actor_12/03-01-06-01-02-01-12.wav`
#[derive(Debug, Clone, Copy)]
pub(super) struct Ravdess;

/// The part that is speech without pictures.
static PUBLISHED: PublishedCorpus = PublishedCorpus {
    name: "RAVDESS (speech)",
    recordings: 1440,
    speakers: 24,
    contents: "60 recordings of each of 24 actors, 8 emotions",
    identify,
    all: Some(all),
    // "Audio-only (16bit, 48kHz .wav)"; mono but for a handful of files. Lengths are 2.94 to 5.27 s.
    audio: Some(PublishedAudio {
        source: "Livingstone and Russo (2018), https://doi.org/10.1371/journal.pone.0196391, and \
                 https://zenodo.org/record/1188976",
        containers: &[Container::Wav],
        sample_rates: &[48_000],
        bit_depth: Some(16),
        channels: &[1, 2],
        duration_s: 2.9..=5.3,
    }),
    known: &[],
};

const STATEMENTS: [(&str, &str); 2] =
    [("01", "kids are talking by the door"), ("02", "dogs are sitting by the door")];
const ACTORS: std::ops::RangeInclusive<u8> = 1..=24;

/// The third number of a name, the label, and what RAVDESS calls it.
const EMOTIONS: [(&str, &str, &str); 8] = [
    ("01", emotion::NEUTRAL, "neutral"),
    ("02", emotion::CALM, "calm"),
    ("03", emotion::HAPPY, "happy"),
    ("04", emotion::SAD, "sad"),
    ("05", emotion::ANGRY, "angry"),
    ("06", emotion::FEAR, "fearful"),
    ("07", emotion::DISGUST, "disgust"),
    ("08", emotion::SURPRISE, "surprised"),
];

struct Codes<'a> {
    modality: &'a str,
    channel: &'a str,
    label: &'static str,
    class: &'static str,
    intensity: &'a str,
    statement: &'static str,
    actor: &'a str,
}

impl CorpusConvention for Ravdess {
    fn name(&self) -> &str {
        "ravdess"
    }

    fn annotate(&self, path: &str) -> Result<Annotation> {
        let name = PathName::of(path);
        let codes = Codes::parse(name.stem).map_err(|why| self.misnamed(path, &why))?;
        if codes.modality == "02" {
            let what = "is a video without sound (modality 02)";
            return Err(Error::new(ErrorKind::Unusable, what)
                .at(path)
                .help("use the recording of its sound, 03 in front, or take it out of the corpus"));
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

    fn following(&self, paths: &[&str]) -> usize {
        paths.iter().filter(|path| Codes::parse(PathName::of(path).stem).is_ok()).count()
    }

    fn published(&self) -> Option<&'static PublishedCorpus> {
        Some(&PUBLISHED)
    }
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
        let found = EMOTIONS.iter().find(|(code, ..)| *code == emotion);
        let (_, label, class) = found.ok_or_else(|| unknown("emotion", emotion, "01 to 08"))?;
        let said = STATEMENTS.iter().find(|(code, _)| *code == statement);
        let (_, statement) = said.ok_or_else(|| unknown("statement", statement, "01, 02"))?;
        if !actor.parse().is_ok_and(|actor| ACTORS.contains(&actor)) {
            return Err(unknown("actor", actor, "01 to 24"));
        }
        Ok(Self { modality, channel, label, class, intensity, statement, actor })
    }
}

const FORM: &str = "its name is not seven numbers of two digits, such as 03-01-06-01-02-01-12";

/// Neutral has no strong intensity.
fn identify(path: &str) -> Option<PublishedRecording> {
    let stem = PathName::of(path).stem;
    let codes = Codes::parse(stem).ok()?;
    let is_speech = codes.modality == "03" && codes.channel == "01";
    let is_there = codes.label != emotion::NEUTRAL || codes.intensity == "01";
    (is_speech && is_there).then(|| PublishedRecording {
        speaker: format!("actor {}", codes.actor),
        class: codes.class,
        name: stem.to_owned(),
    })
}

fn all() -> Vec<PublishedRecording> {
    let mut names = Vec::new();
    for actor in ACTORS {
        for (emotion, intensity) in (1..=8).flat_map(|emotion| [(emotion, 1), (emotion, 2)]) {
            for (statement, repetition) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
                names.push(format!(
                    "03-01-{emotion:02}-{intensity:02}-{statement:02}-{repetition:02}-{actor:02}"
                ));
            }
        }
    }
    names.iter().filter_map(|name| identify(name)).collect()
}
