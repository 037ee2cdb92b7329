//! TESS, the *Toronto emotional speech set*: folders `<speaker>_<emotion>`, files `<speaker>_<word>_<emotion>.wav`.
//!
//! `OAF_Fear/OAF_back_fear.wav`: 200 words, those of Northwestern University Auditory Test No. 6, each said by two
//! actresses in seven emotions; see Pichora-Fuller and Dupuis (2020), <https://doi.org/10.5683/SP2/E8H2MF>. It spells its
//! emotions in several ways, and one of its 2,800 files has a speaker that lacks a letter (`OA_bite_neutral`): the folder
//! counts.

use ser_audio::Container;
use ser_core::Result;

use crate::conventions::{
    CorpusConvention, PathName, PublishedAudio, PublishedCorpus, PublishedRecording, emotion,
};
use crate::finding::FindingKind;
use crate::lexicon::{is_group, is_qualifier};
use crate::nobody::is_about_recordings;
use crate::{Annotation, PublishedSide};

/// `OAF_fear/OAF_back_fear.wav`
#[derive(Debug, Clone, Copy)]
pub(super) struct Tess;

static PUBLISHED: PublishedCorpus = PublishedCorpus {
    name: "TESS",
    recordings: 2800,
    speakers: 2,
    contents: "200 words by 2 speakers in 7 emotions",
    identify,
    all: Some(all),
    // As the published files are, but for those below. Lengths are 1.25 to 2.98 s.
    audio: Some(PublishedAudio {
        source: "Pichora-Fuller and Dupuis (2020), https://doi.org/10.5683/SP2/E8H2MF, by its files",
        containers: &[Container::Wav],
        sample_rates: &[24_414],
        bit_depth: Some(16),
        channels: &[1],
        duration_s: 1.2..=3.0,
    }),
    known: &[
        ("OAF food fear", FindingKind::OtherRate),
        ("OAF bite neutral", FindingKind::Misnamed),
        ("YAF germ angry", FindingKind::Disguised),
        ("YAF neat fear", FindingKind::Disguised),
    ],
};

const SPEAKERS: [&str; 2] = ["OAF", "YAF"];

/// How a speaker is written in the published files as well.
const MISSPELT: &str = "OA";

/// Each label and how TESS spells it, in lower case, spaces and hyphens as underscores.
const EMOTIONS: [(&str, &[&str]); 7] = [
    (emotion::ANGRY, &["angry", "anger"]),
    (emotion::DISGUST, &["disgust", "disgusted"]),
    (emotion::FEAR, &["fear", "fearful"]),
    (emotion::HAPPY, &["happy", "happiness"]),
    (emotion::NEUTRAL, &["neutral"]),
    (
        emotion::PLEASANT_SURPRISE,
        &["pleasant_surprise", "pleasant_surprised", "pleasantsurprise", "ps", "surprise", "surprised"],
    ),
    (emotion::SAD, &["sad", "sadness"]),
];

/// The 200 words, in alphabetical order.
const WORDS: &str = "\
    back bar base bath bean beg bite boat bone book bought burn cab calm came \
    cause chain chair chalk chat check cheek chief choice cool dab date dead \
    death deep dime dip ditch dodge dog doll door fail fall far fat fit five food \
    gap gas gaze germ get gin goal good goose gun half hall hash hate have haze \
    hire hit hole home hurl hush jail jar join judge jug juice keen keep keg kick \
    kill king kite knock late laud lean learn lease lid life limb live loaf long \
    lore lose lot love luck make match merge mess met mill mob mode mood moon mop \
    mouse nag name near neat nice note numb pad page pain pass pearl peg perch \
    phone pick pike pole pool puff rag raid rain raise rat reach read red ring \
    ripe road room rose rot rough rush said sail search seize sell shack shall \
    shawl sheep shirt should shout size soap soup sour south sub such sure take \
    talk tape team tell thin third thought thumb time tip tire ton tool tough \
    turn vine voice void vote wag walk wash week wheat when which whip white wife \
    wire witch yearn yes young youth";

impl CorpusConvention for Tess {
    fn name(&self) -> &str {
        "tess"
    }

    /// By the folder where that is named as in TESS, otherwise by the name of the file.
    fn annotate(&self, path: &str) -> Result<Annotation> {
        let name = PathName::of(path);
        let mut annotation = in_tess(&name).or_else(|| named(&name, label_of)).ok_or_else(|| {
            self.misnamed(path, "neither its folder nor its name is of TESS's form, OAF_fear/OAF_back_fear")
        })?;
        if FileName::parse(name.stem).is_none() {
            let note = "its name is not <speaker>_<word>_<emotion>, so its word is unknown";
            annotation.notes.push(note.to_owned());
        }
        Ok(annotation)
    }

    /// Names as in TESS count only in folders as in TESS, unless all files lie in one folder: in any other arrangement
    /// folders name classes. And only where most speakers or nearly all words are TESS's: many a corpus calls its files
    /// `<speaker>_<word>_<emotion>`.
    fn following(&self, paths: &[&str]) -> usize {
        let (mut files, mut speakers, mut words) = (0, 0, 0);
        for file in paths.iter().filter_map(|path| FileName::parse(PathName::of(path).stem)) {
            files += 1;
            speakers += usize::from(is_speaker_of_tess(file.speaker));
            words += usize::from(is_word_of_tess(&file.word.to_lowercase()));
        }
        if 2 * speakers <= files && 20 * words < 19 * files {
            return 0;
        }
        let mut folders = paths.iter().map(|path| path.rsplit_once('/').map(|(folders, _)| folders));
        let first = folders.next();
        let in_one_folder = folders.all(|folder| Some(folder) == first);
        let follows = |path: &&&str| {
            let name = PathName::of(path);
            FileName::parse(name.stem).is_some()
                && (in_one_folder || name.folder.is_some_and(is_folder_of_tess))
        };
        paths.iter().filter(follows).count()
    }

    fn published(&self) -> Option<&'static PublishedCorpus> {
        Some(&PUBLISHED)
    }
}

/// What the folder says in a corpus that is TESS; the word is by the name of the file. Nothing where the folder is not named as
/// in TESS.
fn in_tess(name: &PathName<'_>) -> Option<Annotation> {
    let file = FileName::parse(name.stem);
    if let Some((speaker, emotion)) = name.folder.and_then(folder_of_tess) {
        return Some(annotation(speaker, emotion, file));
    }
    let emotion = label_of(name.folder?)?;
    let speaker = file.as_ref()?.speaker;
    Some(annotation(speaker, emotion, file))
}

/// The same in a corpus that may be another one: a folder of an emotion has TESS's spelling and speakers only where the file
/// names a speaker of TESS, and a folder `<x>_<emotion>` names a speaker only where that is TESS's, or where the file names the
/// same one: `not_angry` and `hot_anger` are classes.
pub(super) fn by_folder(name: &PathName<'_>) -> Option<Annotation> {
    let file = FileName::parse(name.stem);
    match name.folder.and_then(folder_of_tess) {
        Some((speaker, _)) if !is_speaker_of_tess(speaker) => {
            let emotion = common_label_of(name.folder?.split_once('_')?.1)?;
            let file = FileName::parse_by(name.stem, common_label_of)?;
            let is_speaker = file.speaker.eq_ignore_ascii_case(speaker) && !is_nobody(speaker);
            is_speaker.then(|| annotation(speaker, emotion, Some(file)))
        }
        Some(_) => in_tess(name),
        None => in_tess(name).filter(|_| file.is_some_and(|file| is_speaker_of_tess(file.speaker))),
    }
}

/// Whether it is a word that names no speaker, such as `male`, `take1` or `noisy`.
fn is_nobody(text: &str) -> bool {
    is_qualifier(text) || is_group(text) || is_about_recordings(text) || PublishedSide::is_within(text)
}

/// What the name of the file says; the folder's prefix still names the speaker if the folder is named as in TESS.
pub(super) fn by_filename(name: &PathName<'_>) -> Option<Annotation> {
    let is_of_tess = is_speaker_of_tess(FileName::parse(name.stem)?.speaker);
    named(name, if is_of_tess { label_of } else { common_label_of })
}

fn named(name: &PathName<'_>, label_of: fn(&str) -> Option<&'static str>) -> Option<Annotation> {
    let file = FileName::parse_by(name.stem, label_of)?;
    let label = file.emotion;
    let (speaker, emotion) = name.folder.and_then(folder_of_tess).unwrap_or((file.speaker, label));
    Some(Annotation { label: label.to_owned(), ..annotation(speaker, emotion, Some(file)) })
}

/// The label of the emotion that `text` spells, whatever its case; spaces and hyphens count as underscores.
fn label_of(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let written = |byte: u8| if matches!(byte, b' ' | b'-') { b'_' } else { byte.to_ascii_lowercase() };
    let spells = |spelling: &&str| text.bytes().map(written).eq(spelling.bytes());
    let found = EMOTIONS.iter().find(|(_, spellings)| spellings.iter().any(spells));
    found.map(|(label, _)| *label)
}

/// The same of a corpus that is not TESS, whose surprise need not be pleasant.
fn common_label_of(text: &str) -> Option<&'static str> {
    let is_surprise = ["surprise", "surprised"].iter().any(|word| text.trim().eq_ignore_ascii_case(word));
    if is_surprise { Some(emotion::SURPRISE) } else { label_of(text) }
}

struct FileName<'a> {
    speaker: &'a str,
    word: &'a str,
    emotion: &'static str,
}

impl<'a> FileName<'a> {
    fn parse(stem: &'a str) -> Option<Self> {
        Self::parse_by(stem, label_of)
    }

    fn parse_by(stem: &'a str, label_of: fn(&str) -> Option<&'static str>) -> Option<Self> {
        let mut parts = stem.splitn(3, '_');
        let (speaker, word, emotion) = (parts.next()?, parts.next()?, label_of(parts.next()?)?);
        (is_speaker(speaker) && !word.is_empty()).then_some(Self { speaker, word, emotion })
    }
}

/// `OAF_Fear` → (`OAF`, `fear`).
fn folder_of_tess(folder: &str) -> Option<(&str, &'static str)> {
    let (speaker, emotion) = folder.split_once('_')?;
    Some((is_speaker(speaker).then_some(speaker)?, label_of(emotion)?))
}

/// Whether a folder is named for a speaker of TESS and an emotion.
pub(super) fn names_speaker_and_emotion(folder: &str) -> bool {
    folder_of_tess(folder).is_some_and(|(speaker, _)| is_speaker_of_tess(speaker))
}

fn is_folder_of_tess(folder: &str) -> bool {
    label_of(folder).is_some() || folder_of_tess(folder).is_some()
}

fn is_speaker_of_tess(text: &str) -> bool {
    SPEAKERS.iter().chain([&MISSPELT]).any(|speaker| text.eq_ignore_ascii_case(speaker))
}

/// Whether `word`, in lower case, is one of the 200.
fn is_word_of_tess(word: &str) -> bool {
    WORDS.split_whitespace().any(|known| known == word)
}

fn is_speaker(text: &str) -> bool {
    !text.is_empty() && text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn annotation(speaker: &str, emotion: &str, file: Option<FileName<'_>>) -> Annotation {
    let speaker = speaker.to_ascii_uppercase();
    let mut notes = Vec::new();
    if let Some(file) = &file {
        if file.emotion != emotion {
            notes.push(format!("its folder says {emotion}, its name says {}", file.emotion));
        }
        let said = file.speaker.to_ascii_uppercase();
        if said != speaker {
            notes.push(format!("its folder says speaker {speaker}, its name says {said}"));
        }
    }
    let word = file.map(|file| file.word.to_lowercase());
    Annotation { speaker: Some(speaker), word, notes, ..Annotation::labelled(emotion) }
}

fn recording(speaker: &str, word: &str, class: &'static str) -> PublishedRecording {
    PublishedRecording { speaker: speaker.to_owned(), class, name: format!("{speaker} {word} {class}") }
}

fn all() -> Vec<PublishedRecording> {
    let words = || WORDS.split_whitespace();
    let of = |speaker| {
        EMOTIONS
            .into_iter()
            .flat_map(move |(class, _)| words().map(move |word| recording(speaker, word, class)))
    };
    SPEAKERS.into_iter().flat_map(of).collect()
}

/// What the file itself is named counts; its folder says who speaks only where the name does not.
fn identify(path: &str) -> Option<PublishedRecording> {
    let name = PathName::of(path);
    let named = by_filename(&PathName { folder: None, ..name })?;
    let is_speaker = |speaker: &String| SPEAKERS.contains(&speaker.as_str());
    let by_folder = || by_folder(&name)?.speaker.filter(is_speaker);
    let speaker = named.speaker.filter(is_speaker).or_else(by_folder)?;
    let word = named.word.filter(|word| is_word_of_tess(word))?;
    Some(recording(&speaker, &word, label_of(&named.label)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conventions::{Filename, Folder};

    fn labelled_by_folder(path: &str) -> Result<Annotation> {
        Folder.annotate(path)
    }

    fn labelled_by_filename(path: &str) -> Result<Annotation> {
        Filename.annotate(path)
    }

    fn known(path: &str) -> (String, Option<String>, Option<String>, usize) {
        let a = labelled_by_folder(path).unwrap();
        (a.label, a.speaker, a.word, a.notes.len())
    }
    fn tess(label: &str, speaker: &str, word: &str) -> (String, Option<String>, Option<String>, usize) {
        (label.into(), Some(speaker.into()), Some(word.into()), 0)
    }

    #[test]
    fn every_spelling_of_tess_is_understood() {
        assert_eq!(known("OAF_Fear/OAF_back_fear.wav"), tess("fear", "OAF", "back"));
        assert_eq!(known("OAF_Pleasant_surprise/OAF_back_ps.wav"), tess("pleasant_surprise", "OAF", "back"));
        assert_eq!(known("YAF_pleasant_surprised/YAF_Bar_ps.wav"), tess("pleasant_surprise", "YAF", "bar"));
        assert_eq!(known("copy/TESS/OAF_Sad/OAF_bar_sad.wav"), tess("sad", "OAF", "bar"));
    }

    #[test]
    fn a_folder_of_an_emotion_takes_its_speakers_from_tess_file_names() {
        assert_eq!(known("Surprise/YAF_back_ps.wav"), tess("pleasant_surprise", "YAF", "back"));
        assert_eq!(known("Surprise/recording 7.wav"), ("Surprise".into(), None, None, 0));
    }

    #[test]
    fn plain_folders_are_labels_as_they_stand() {
        assert_eq!(known("Großer Zorn/clip_01.wav"), ("Großer Zorn".into(), None, None, 0));
        assert_eq!(known("take_two/a.wav"), ("take_two".into(), None, None, 0));
        assert!(labelled_by_folder("loose.wav").unwrap_err().to_string().contains("directly in the corpus"));
    }

    #[test]
    fn a_folder_is_a_class_whatever_stands_before_its_emotion() {
        for path in [
            "not_angry/1.wav",
            "hot_anger/dog_1.wav",
            "male_angry/bea_dog_angry.wav",
            "male_angry/male_dog_angry.wav",
            "take1_sad/take1_dog_sad.wav",
            "bea_sad/sam_dog_sad.wav",
            "train_sad/train_dog_sad.wav",
        ] {
            let folder = path.split_once('/').unwrap().0;
            assert_eq!(known(path), (folder.to_owned(), None, None, 0), "{path}");
        }
    }

    #[test]
    fn names_that_disagree_are_noted() {
        let speaker = labelled_by_folder("OAF_neutral/OA_bite_neutral.wav").unwrap();
        assert_eq!((speaker.speaker.as_deref(), speaker.word.as_deref()), (Some("OAF"), Some("bite")));
        assert_eq!(speaker.notes, ["its folder says speaker OAF, its name says OA"]);
        let label = labelled_by_folder("OAF_sad/OAF_bite_happy.wav").unwrap();
        assert_eq!((label.label.as_str(), label.notes.len()), ("sad", 1));
        assert_eq!(labelled_by_filename("OAF_sad/OAF_bite_happy.wav").unwrap().label, "happy");
    }

    #[test]
    fn labels_by_file_name_need_names_of_that_form() {
        assert_eq!(labelled_by_filename("x/yaf_dog_ps.wav").unwrap().speaker.as_deref(), Some("YAF"));
        assert!(labelled_by_filename("x/dog.wav").is_err());
        assert!(labelled_by_filename("x/YAF_dog_bored.wav").is_err());
    }

    #[test]
    fn names_of_that_form_are_tess_only_with_its_speakers_or_its_words() {
        let following = |speakers: &[&str], words: &[&str]| {
            let of =
                |speaker| words.iter().map(move |word| format!("surprise/{speaker}_{word}_surprise.wav"));
            let paths: Vec<String> = speakers.iter().flat_map(of).collect();
            Tess.following(&paths.iter().map(String::as_str).collect::<Vec<_>>())
        };
        assert_eq!(following(&["bea", "sam"], &["dog", "kids"]), 0);
        assert_eq!(following(&["01", "02"], &["bea", "sam"]), 0);
        assert_eq!(following(&["S03", "S04"], &["dog", "back"]), 4);
        assert_eq!(following(&["oaf", "yaf", "S03"], &["one", "two"]), 6);
        let other = labelled_by_folder("surprise/bea_dog_surprise.wav").unwrap();
        assert_eq!((other.label.as_str(), other.speaker, other.word), ("surprise", None, None));
        assert_eq!(labelled_by_filename("x/bea_dog_surprise.wav").unwrap().label, "surprise");
        assert_eq!(labelled_by_folder("bea_surprise/1.wav").unwrap().label, "bea_surprise");
        assert_eq!(known("bea_surprise/Bea_dog_surprise.wav"), tess("surprise", "BEA", "dog"));
        assert_eq!(labelled_by_filename("x/OAF_dog_surprise.wav").unwrap().label, "pleasant_surprise");
    }

    #[test]
    fn spellings_do_not_depend_on_case_spaces_or_hyphens() {
        for text in ["Pleasant Surprise", "pleasant-surprised", " PS ", "PLEASANT_SURPRISE"] {
            assert_eq!(label_of(text), Some("pleasant_surprise"), "{text}");
        }
        assert_eq!(label_of(""), None);
        assert_eq!(label_of("surprised!"), None);
    }

    #[test]
    fn a_recording_is_identified_by_its_own_name_and_its_folders_speaker() {
        let name = |path| identify(path).map(|recording| recording.name);
        assert_eq!(name("OAF_neutral/OA_bite_neutral.wav").as_deref(), Some("OAF bite neutral"));
        assert_eq!(name("OAF_sad/YAF_Bite_ps.wav").as_deref(), Some("YAF bite pleasant_surprise"));
        assert_eq!(name("fear/oaf_food_fear.aiff").as_deref(), Some("OAF food fear"));
        assert_eq!(name("fear/OA_food_fear.wav"), None);
        assert_eq!(name("OAF_fear/OAF_food_fear (1).wav"), None);
        assert_eq!(name("OAF_fear/OAF_food_fear.wav.wav"), None);
    }
}
