//! CREMA-D, the *Crowd-sourced Emotional Multimodal Actors Dataset*: actor, sentence, emotion, level.
//!
//! `1001_DFA_ANG_XX.wav`; see Cao et al. (2014), <https://doi.org/10.1109/TAFFC.2014.2336244>. The actors are 1001 to 1091,
//! and all 7,442 files lie in one folder. One file is known to hold no sound (`1076_MTI_SAD_XX`), and one has a
//! level of one letter (`1040_ITH_SAD_X`).

use ser_audio::Container;
use ser_core::Result;

use crate::Annotation;
use crate::conventions::{
    CorpusConvention, PathName, PublishedAudio, PublishedCorpus, PublishedRecording, emotion,
};

/// `1001_DFA_ANG_XX.wav`
#[derive(Debug, Clone, Copy)]
pub(super) struct CremaD;

static PUBLISHED: PublishedCorpus = PublishedCorpus {
    name: "CREMA-D",
    recordings: 7442,
    speakers: 91,
    contents: "12 sentences by 91 actors in 6 emotions",
    identify,
    all: None,
    // The folder AudioWAV; its recordings are published as MP3 as well, in AudioMP3. Lengths are 1.27 to 5.01 s.
    audio: Some(PublishedAudio {
        source: "Cao et al. (2014), https://doi.org/10.1109/TAFFC.2014.2336244, and its folder \
                 AudioWAV, https://github.com/CheyneyComputerScience/CREMA-D",
        containers: &[Container::Wav, Container::Mp3],
        sample_rates: &[16_000],
        bit_depth: Some(16),
        channels: &[1],
        duration_s: 1.2..=5.1,
    }),
    known: &[],
};

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

/// The third part of a name, and the label.
const EMOTIONS: [(&str, &str); 6] = [
    ("ANG", emotion::ANGRY),
    ("DIS", emotion::DISGUST),
    ("FEA", emotion::FEAR),
    ("HAP", emotion::HAPPY),
    ("NEU", emotion::NEUTRAL),
    ("SAD", emotion::SAD),
];

impl CorpusConvention for CremaD {
    fn name(&self) -> &str {
        "crema-d"
    }

    fn annotate(&self, path: &str) -> Result<Annotation> {
        let name = PathName::of(path);
        let (actor, sentence, label) = parse(name.stem).map_err(|why| self.misnamed(path, &why))?;
        Ok(Annotation {
            speaker: Some(actor.to_owned()),
            word: Some(sentence.to_owned()),
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
    let (_, label) = EMOTIONS
        .iter()
        .find(|(code, _)| *code == emotion)
        .ok_or_else(|| format!("emotion {emotion:?} is not one of ANG, DIS, FEA, HAP, NEU, SAD"))?;
    match LEVELS.contains(&level) {
        true => Ok((actor, said, label)),
        false => Err(format!("level {level:?} is not one of LO, MD, HI, XX")),
    }
}

/// Any sentence and any level counts, since the recordings are only counted.
fn identify(path: &str) -> Option<PublishedRecording> {
    let stem = PathName::of(path).stem;
    let parts: Vec<&str> = stem.split('_').collect();
    let [actor, sentence, emotion, level] = parts[..] else { return None };
    let formed =
        ACTORS.contains(&actor.parse().ok()?) && sentence.len() == 3 && (1..=2).contains(&level.len());
    let (_, class) = EMOTIONS.iter().find(|(code, _)| *code == emotion)?;
    formed.then(|| PublishedRecording { speaker: actor.to_owned(), class, name: stem.to_owned() })
}
