//! SAVEE, the *Surrey Audio-Visual Expressed Emotion* database: four speakers, an emotion, a number.
//!
//! `DC/a01.wav`, or `DC_a01.wav` where all 480 files lie in one folder; see Haq and Jackson (2010),
//! <https://doi.org/10.4018/978-1-61520-919-4.ch017>. The number counts the sentences of an emotion, and the same number is
//! not the same sentence in another one; the name does not say which sentence is which, so the word is unknown.

use ser_audio::Container;
use ser_core::Result;

use crate::Annotation;
use crate::conventions::{
    CorpusConvention, PathName, PublishedAudio, PublishedCorpus, PublishedRecording, emotion,
};

/// `DC/a01.wav` or `DC_a01.wav`
#[derive(Debug, Clone, Copy)]
pub(super) struct Savee;

static PUBLISHED: PublishedCorpus = PublishedCorpus {
    name: "SAVEE",
    recordings: 480,
    speakers: 4,
    contents: "120 recordings of each of 4 speakers, 7 emotions",
    identify,
    all: Some(all),
    // "WAV files sampled at 44.1 kHz" is all that comes with the files; the longest has 7.14 s.
    audio: Some(PublishedAudio {
        source: "Haq and Jackson (2010), https://doi.org/10.4018/978-1-61520-919-4.ch017, and \
                 Info.txt in its folder AudioData",
        containers: &[Container::Wav],
        sample_rates: &[44_100],
        bit_depth: None,
        channels: &[],
        duration_s: 1.2..=7.2,
    }),
    known: &[],
};

const SPEAKERS: [&str; 4] = ["DC", "JE", "JK", "KL"];

struct Emotion {
    /// The letters before the number.
    code: &'static str,
    label: &'static str,
    /// What SAVEE calls it.
    class: &'static str,
    /// How many sentences each speaker says in it.
    sentences: u8,
}

#[rustfmt::skip]
static EMOTIONS: [Emotion; 7] = [
    Emotion { code: "a", label: emotion::ANGRY, class: "anger", sentences: 15 },
    Emotion { code: "d", label: emotion::DISGUST, class: "disgust", sentences: 15 },
    Emotion { code: "f", label: emotion::FEAR, class: "fear", sentences: 15 },
    Emotion { code: "h", label: emotion::HAPPY, class: "happiness", sentences: 15 },
    Emotion { code: "n", label: emotion::NEUTRAL, class: "neutral", sentences: 30 },
    Emotion { code: "sa", label: emotion::SAD, class: "sadness", sentences: 15 },
    Emotion { code: "su", label: emotion::SURPRISE, class: "surprise", sentences: 15 },
];

impl CorpusConvention for Savee {
    fn name(&self) -> &str {
        "savee"
    }

    fn annotate(&self, path: &str) -> Result<Annotation> {
        let (speaker, emotion, _) = parse(&PathName::of(path)).map_err(|why| self.misnamed(path, &why))?;
        Ok(Annotation { speaker: Some(speaker.to_owned()), ..Annotation::labelled(emotion.label) })
    }

    fn following(&self, paths: &[&str]) -> usize {
        paths.iter().filter(|path| parse(&PathName::of(path)).is_ok()).count()
    }

    fn published(&self) -> Option<&'static PublishedCorpus> {
        Some(&PUBLISHED)
    }
}

/// Speaker, emotion and the number of the sentence.
fn parse<'a>(name: &PathName<'a>) -> Result<(&'a str, &'static Emotion, u8), String> {
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
    let emotion = EMOTIONS
        .iter()
        .find(|emotion| emotion.code == letters)
        .ok_or_else(|| format!("emotion {letters:?} is not one of a, d, f, h, n, sa, su"))?;
    let known = speaker.filter(|speaker| SPEAKERS.contains(speaker)).ok_or_else(|| {
        format!("speaker {:?} is not one of {}", speaker.unwrap_or(""), SPEAKERS.join(", "))
    })?;
    match (1..=emotion.sentences).contains(&number) {
        true => Ok((known, emotion, number)),
        false => Err(format!("sentence {number} is not one of 1 to {}", emotion.sentences)),
    }
}

fn identify(path: &str) -> Option<PublishedRecording> {
    let (speaker, emotion, number) = parse(&PathName::of(path)).ok()?;
    Some(recording(speaker, emotion, number))
}

fn recording(speaker: &str, emotion: &Emotion, number: u8) -> PublishedRecording {
    let name = format!("{speaker} {}{number:02}", emotion.code);
    PublishedRecording { speaker: speaker.to_owned(), class: emotion.class, name }
}

fn all() -> Vec<PublishedRecording> {
    let of = |speaker| {
        EMOTIONS
            .iter()
            .flat_map(move |emotion| (1..=emotion.sentences).map(move |n| recording(speaker, emotion, n)))
    };
    SPEAKERS.into_iter().flat_map(of).collect()
}
