//! Labels, speakers and words from the names of folders and files.
//!
//! TESS names a folder `<speaker>_<emotion>` (`OAF_Fear`) and a file `<speaker>_<word>_<emotion>.wav`
//! (`OAF_back_fear.wav`), and spells its emotions in several ways. Where names are not of that form, the folder's
//! name is the label as it stands and neither speaker nor word is known.

use crate::{Error, ErrorKind, Result};

/// What is known of an utterance besides its sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation<T = String> {
    /// The class.
    pub label: T,
    /// Who speaks, if known.
    pub speaker: Option<T>,
    /// Which word or sentence is spoken, in lower case, if known.
    pub word: Option<T>,
    /// In which recording session, if known. Utterances of a session share a room, a microphone and a day.
    pub session: Option<T>,
    /// The recording this one was made from, by its path in the corpus, if it is an augmented copy.
    pub parent: Option<T>,
    /// What looked odd: names that disagree with one another.
    pub notes: Vec<String>,
}

impl Annotation {
    /// An utterance of which nothing is known but its class.
    pub fn labelled(label: impl Into<String>) -> Self {
        let label = label.into();
        Self { label, speaker: None, word: None, session: None, parent: None, notes: Vec::new() }
    }

    /// The same, with its names held in another way: a corpus has few names and many utterances.
    pub fn map_names<T>(self, mut hold: impl FnMut(String) -> T) -> Annotation<T> {
        Annotation {
            label: hold(self.label),
            speaker: self.speaker.map(&mut hold),
            word: self.word.map(&mut hold),
            session: self.session.map(&mut hold),
            parent: self.parent.map(&mut hold),
            notes: self.notes,
        }
    }
}

/// Whether `id` can name a speaker and, in `speaker-<ID>`, a folder: 1 to 64 of `A-Z a-z 0-9 . _ -`, no dot first.
pub fn is_speaker_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64).contains(&id.len()) && !id.starts_with('.') && id.bytes().all(allowed)
}

/// Spellings of the seven emotions of TESS, each with the name used here.
const EMOTIONS: [(&str, &[&str]); 7] = [
    ("angry", &["angry", "anger"]),
    ("disgust", &["disgust", "disgusted"]),
    ("fear", &["fear", "fearful"]),
    ("happy", &["happy", "happiness"]),
    ("neutral", &["neutral"]),
    (
        "pleasant_surprise",
        &["pleasant_surprise", "pleasant_surprised", "pleasantsurprise", "ps", "surprise", "surprised"],
    ),
    ("sad", &["sad", "sadness"]),
];

/// The TESS emotion that `text` spells, whatever its case; spaces and hyphens count as underscores.
pub fn tess_emotion(text: &str) -> Option<&'static str> {
    let text = text.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    EMOTIONS.iter().find(|(_, spellings)| spellings.contains(&text.as_str())).map(|(name, _)| *name)
}

/// Labels by the folder of the file; its speaker by the folder's prefix, its word by the file's name.
///
/// # Errors
/// When the file lies in no folder below the corpus.
pub fn by_folder(path: &str) -> Result<Annotation> {
    let (folder, stem) = folder_and_stem(path);
    let folder = folder.ok_or_else(|| {
        Error::new(ErrorKind::Unusable, "lies directly in the corpus, so no folder names its class")
            .at(path)
            .mend("put it into a folder named for its class, or use --labels filename or a CSV file")
    })?;
    let from_file = TessFileName::parse(stem);
    if let Some((speaker, emotion)) = tess_folder(folder) {
        return Ok(tess_annotation(speaker, emotion, from_file));
    }
    if let (Some(emotion), Some(file)) = (tess_emotion(folder), &from_file) {
        return Ok(tess_annotation(file.speaker.clone(), emotion, from_file));
    }
    Ok(Annotation::labelled(folder))
}

/// Labels by the name of the file, `<speaker>_<word>_<emotion>`; the folder's prefix still names the speaker if
/// the folder is named as in TESS.
///
/// # Errors
/// When the name is of another form.
pub fn by_filename(path: &str) -> Result<Annotation> {
    let (folder, stem) = folder_and_stem(path);
    let file = TessFileName::parse(stem).ok_or_else(|| {
        Error::new(ErrorKind::Unusable, "has a name that is not <speaker>_<word>_<emotion>")
            .at(path)
            .mend("rename it, or use --labels folder or a CSV file")
    })?;
    let label = file.emotion;
    let folder = folder.and_then(tess_folder);
    let (speaker, folder_emotion) = match folder {
        Some((speaker, emotion)) => (speaker, emotion),
        None => (file.speaker.clone(), label),
    };
    let mut annotation = tess_annotation(speaker, folder_emotion, Some(file));
    annotation.label = label.to_owned();
    Ok(annotation)
}

struct TessFileName {
    speaker: String,
    word: String,
    emotion: &'static str,
}

impl TessFileName {
    fn parse(stem: &str) -> Option<Self> {
        let mut parts = stem.splitn(3, '_');
        let (speaker, word, emotion) = (parts.next()?, parts.next()?, tess_emotion(parts.next()?)?);
        let named = is_speaker(speaker) && !word.is_empty();
        named.then(|| Self { speaker: speaker.to_ascii_uppercase(), word: word.to_lowercase(), emotion })
    }
}

/// `OAF_Fear` → (`OAF`, `fear`).
fn tess_folder(folder: &str) -> Option<(String, &'static str)> {
    let (speaker, emotion) = folder.split_once('_')?;
    Some((is_speaker(speaker).then(|| speaker.to_ascii_uppercase())?, tess_emotion(emotion)?))
}

fn is_speaker(text: &str) -> bool {
    !text.is_empty() && text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn tess_annotation(speaker: String, emotion: &str, file: Option<TessFileName>) -> Annotation {
    let mut notes = Vec::new();
    if let Some(file) = &file {
        if file.emotion != emotion {
            notes.push(format!("its folder says {emotion}, its name says {}", file.emotion));
        }
        if file.speaker != speaker {
            notes.push(format!("its folder says speaker {speaker}, its name says {}", file.speaker));
        }
    }
    let word = file.map(|file| file.word);
    Annotation { speaker: Some(speaker), word, notes, ..Annotation::labelled(emotion) }
}

fn folder_and_stem(path: &str) -> (Option<&str>, &str) {
    let (folders, name) = match path.rsplit_once('/') {
        Some((folders, name)) => (Some(folders), name),
        None => (None, path),
    };
    let folder = folders.map(|folders| folders.rsplit_once('/').map_or(folders, |(_, last)| last));
    (folder, name.rsplit_once('.').map_or(name, |(stem, _)| stem))
}

#[cfg(test)]
mod tests {
    use super::*;

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
