//! TESS, the *Toronto emotional speech set*: folders `<speaker>_<emotion>`, files `<speaker>_<word>_<emotion>.wav`.
//!
//! `OAF_Fear/OAF_back_fear.wav`; see <https://doi.org/10.5683/SP2/E8H2MF>. It spells its emotions in several ways, and one
//! of its 2,800 files has a speaker that lacks a letter (`OA_bite_neutral`): the folder counts.

use crate::Annotation;
use crate::conventions::{Name, tess_emotion};

/// Whether the name is of TESS's form, and whether its folder is, too.
pub(super) fn follows(name: &Name<'_>) -> (bool, bool) {
    let file = FileName::parse(name.stem).is_some();
    (file, file && name.folder.is_some_and(is_folder_of_tess))
}

/// By the folder where that is named as in TESS, otherwise by the name of the file.
pub(super) fn annotate(name: &Name<'_>) -> Result<Annotation, String> {
    let mut annotation = by_folder(name)
        .or_else(|| by_filename(name))
        .ok_or("neither its folder nor its name is of TESS's form, OAF_fear/OAF_back_fear")?;
    if FileName::parse(name.stem).is_none() {
        annotation
            .notes
            .push("its name is not <speaker>_<word>_<emotion>, so its word is unknown".to_owned());
    }
    Ok(annotation)
}

/// What the folder says; the word is by the name of the file. Nothing where the folder is not named as in TESS.
pub(super) fn by_folder(name: &Name<'_>) -> Option<Annotation> {
    let file = FileName::parse(name.stem);
    if let Some((speaker, emotion)) = name.folder.and_then(folder_of_tess) {
        return Some(annotation(speaker, emotion, file));
    }
    let emotion = tess_emotion(name.folder?)?;
    let speaker = file.as_ref()?.speaker;
    Some(annotation(speaker, emotion, file))
}

/// What the name of the file says; the folder's prefix still names the speaker if the folder is named as in TESS.
pub(super) fn by_filename(name: &Name<'_>) -> Option<Annotation> {
    let file = FileName::parse(name.stem)?;
    let label = file.emotion;
    let (speaker, emotion) = name.folder.and_then(folder_of_tess).unwrap_or((file.speaker, label));
    Some(Annotation { label: label.to_owned(), ..annotation(speaker, emotion, Some(file)) })
}

struct FileName<'a> {
    speaker: &'a str,
    word: &'a str,
    emotion: &'static str,
}

impl<'a> FileName<'a> {
    fn parse(stem: &'a str) -> Option<Self> {
        let mut parts = stem.splitn(3, '_');
        let (speaker, word, emotion) = (parts.next()?, parts.next()?, tess_emotion(parts.next()?)?);
        (is_speaker(speaker) && !word.is_empty()).then_some(Self { speaker, word, emotion })
    }
}

/// `OAF_Fear` → (`OAF`, `fear`).
fn folder_of_tess(folder: &str) -> Option<(&str, &'static str)> {
    let (speaker, emotion) = folder.split_once('_')?;
    Some((is_speaker(speaker).then_some(speaker)?, tess_emotion(emotion)?))
}

fn is_folder_of_tess(folder: &str) -> bool {
    tess_emotion(folder).is_some() || folder_of_tess(folder).is_some()
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

#[cfg(test)]
mod tests {
    use crate::Convention;

    fn by_folder(path: &str) -> ser_core::Result<crate::Annotation> {
        Convention::Folder.annotate(path)
    }

    fn by_filename(path: &str) -> ser_core::Result<crate::Annotation> {
        Convention::Filename.annotate(path)
    }

    fn known(path: &str) -> (String, Option<String>, Option<String>, usize) {
        let a = by_folder(path).unwrap();
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
        assert!(by_folder("loose.wav").unwrap_err().to_string().contains("directly in the corpus"));
    }

    #[test]
    fn names_that_disagree_are_noted() {
        let speaker = by_folder("OAF_neutral/OA_bite_neutral.wav").unwrap();
        assert_eq!((speaker.speaker.as_deref(), speaker.word.as_deref()), (Some("OAF"), Some("bite")));
        assert_eq!(speaker.notes, ["its folder says speaker OAF, its name says OA"]);
        let label = by_folder("OAF_sad/OAF_bite_happy.wav").unwrap();
        assert_eq!((label.label.as_str(), label.notes.len()), ("sad", 1));
        assert_eq!(by_filename("OAF_sad/OAF_bite_happy.wav").unwrap().label, "happy");
    }

    #[test]
    fn labels_by_file_name_need_names_of_that_form() {
        assert_eq!(by_filename("x/yaf_dog_ps.wav").unwrap().speaker.as_deref(), Some("YAF"));
        assert!(by_filename("x/dog.wav").is_err());
        assert!(by_filename("x/YAF_dog_bored.wav").is_err());
    }
}
