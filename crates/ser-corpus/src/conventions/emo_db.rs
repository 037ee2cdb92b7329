//! EMO-DB, the *Berlin Database of Emotional Speech*: speaker, text, emotion and version in seven characters.
//!
//! `03a01Fa.wav`; see Burkhardt et al. (2005), <https://doi.org/10.21437/Interspeech.2005-446>. All 535 files lie in one
//! folder, `wav`.

use ser_audio::Container;
use ser_core::Result;

use crate::Annotation;
use crate::conventions::{
    CorpusConvention, PathName, PublishedAudio, PublishedCorpus, PublishedRecording, emotion,
};

/// `03a01Fa.wav`
#[derive(Debug, Clone, Copy)]
pub(super) struct EmoDb;

static PUBLISHED: PublishedCorpus = PublishedCorpus {
    name: "EMO-DB",
    recordings: 535,
    speakers: 10,
    contents: "10 sentences by 10 speakers in 7 emotions",
    identify,
    all: None,
    // Recorded at 48 kHz, then brought down to 16 kHz, as the paper says. Lengths are 1.23 to 8.98 s.
    audio: Some(PublishedAudio {
        source: "Burkhardt et al. (2005), https://doi.org/10.21437/Interspeech.2005-446",
        containers: &[Container::Wav],
        sample_rates: &[16_000],
        bit_depth: Some(16),
        channels: &[1],
        duration_s: 1.2..=9.0,
    }),
    known: &[],
};

const SPEAKERS: [&str; 10] = ["03", "08", "09", "10", "11", "12", "13", "14", "15", "16"];
const TEXTS: [(&str, &str); 10] = [
    ("a01", "der lappen liegt auf dem eisschrank"),
    ("a02", "das will sie am mittwoch abgeben"),
    ("a04", "heute abend könnte ich es ihm sagen"),
    ("a05", "das schwarze stück papier befindet sich da oben neben dem holzstück"),
    ("a07", "in sieben stunden wird es soweit sein"),
    ("b01", "was sind denn das für tüten, die da unter dem tisch stehen"),
    ("b02", "sie haben es gerade hochgetragen und jetzt gehen sie wieder runter"),
    ("b03", "an den wochenenden bin ich jetzt immer nach hause gefahren und habe agnes besucht"),
    ("b09", "ich will das eben wegbringen und dann mit karl was trinken gehen"),
    ("b10", "die wird auf dem platz sein, wo wir sie immer hinlegen"),
];

/// The sixth letter of a name, the first of a German word: Wut, Langeweile, Ekel, Angst, Freude, Trauer, neutral.
const EMOTIONS: [(&str, &str); 7] = [
    ("W", emotion::ANGRY),
    ("L", emotion::BOREDOM),
    ("E", emotion::DISGUST),
    ("A", emotion::FEAR),
    ("F", emotion::HAPPY),
    ("T", emotion::SAD),
    ("N", emotion::NEUTRAL),
];

impl CorpusConvention for EmoDb {
    fn name(&self) -> &str {
        "emo-db"
    }

    fn annotate(&self, path: &str) -> Result<Annotation> {
        let name = PathName::of(path);
        let (speaker, text, label) = parse(name.stem).map_err(|why| self.misnamed(path, &why))?;
        Ok(Annotation {
            speaker: Some(speaker.to_owned()),
            word: Some(text.to_owned()),
            ..Annotation::labelled(label)
        })
    }

    fn following(&self, paths: &[&str]) -> usize {
        paths.iter().filter(|path| parse(PathName::of(path).stem).is_ok()).count()
    }

    fn published(&self) -> Option<&'static PublishedCorpus> {
        Some(&PUBLISHED)
    }
}

/// Speaker, text and label. The version, a letter, is missing where there is but one.
fn parse(stem: &str) -> Result<(&str, &'static str, &'static str), String> {
    let form = || "its name is not <speaker><text><emotion><version>, such as 03a01Fa".to_owned();
    let is_version = |version: &str| {
        version.is_empty() || version.len() == 1 && version.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let (speaker, text) = (stem.get(..2).ok_or_else(form)?, stem.get(2..5).ok_or_else(form)?);
    let (emotion, version) = (stem.get(5..6).ok_or_else(form)?, stem.get(6..).ok_or_else(form)?);
    if !is_version(version) {
        return Err(form());
    }
    if !SPEAKERS.contains(&speaker) {
        return Err(format!("speaker {speaker:?} is not one of {}", SPEAKERS.join(", ")));
    }
    let (_, said) = TEXTS.iter().find(|(code, _)| *code == text).ok_or_else(|| {
        let codes = TEXTS.map(|(code, _)| code).join(", ");
        format!("text {text:?} is not one of {codes}")
    })?;
    let (_, label) = EMOTIONS
        .iter()
        .find(|(code, _)| *code == emotion)
        .ok_or_else(|| format!("emotion {emotion:?} is not one of W, L, E, A, F, T, N"))?;
    Ok((speaker, said, label))
}

/// Any text of its form counts, since the recordings are only counted.
fn identify(path: &str) -> Option<PublishedRecording> {
    let stem = PathName::of(path).stem;
    let [b'0' | b'1', b'0'..=b'9', b'a' | b'b', b'0' | b'1', b'0'..=b'9', _, b'a'..=b'z'] = *stem.as_bytes()
    else {
        return None;
    };
    let emotion = stem.get(5..6)?;
    let (_, class) = EMOTIONS.iter().find(|(code, _)| *code == emotion)?;
    Some(PublishedRecording { speaker: stem.get(..2)?.to_owned(), class, name: stem.to_owned() })
}
