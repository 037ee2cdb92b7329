//! A corpus and what its labels are by: every name read, classes written in one way, and what is to be doubted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::archive::without_archives;
use crate::contradiction::Contradictions;
use crate::conventions::{Suggestion, suggest};
use crate::doubt::{Doubt, doubts};
use crate::names::composed;
use crate::sides::folders_of_names;
use crate::speaker_doubt::{SpeakerDoubt, speaker_doubts};
use crate::spelling::{MergedName, Spellings};
use crate::{Annotation, Annotator, ColumnNames, LabelSource, PublishedSide};

/// The labels of a corpus, with what was concluded about all of it.
#[derive(Debug)]
pub struct Labelling {
    annotator: Annotator,
    /// Folders named for a class whose files' names would give them several.
    mixed: BTreeSet<String>,
    spellings: Spellings,
    speakers: Spellings,
    doubts: Vec<Doubt>,
    speaker_doubts: Vec<SpeakerDoubt>,
    /// Whether the corpus puts recordings on several sides; a single one says nothing.
    has_sides: bool,
    suggestion: Option<Suggestion>,
}

impl Labelling {
    /// Reads the names of the recordings at `paths`, relative to their corpus in the folder `data`, as `source` says;
    /// `columns` says what the columns of a table mean whose names do not.
    ///
    /// # Errors
    /// Those of [`Annotator::new`].
    pub fn new(source: &LabelSource, columns: &ColumnNames, data: &Path, paths: &[&str]) -> Result<Self> {
        let annotator = Annotator::new(source, columns, data, paths.iter().copied())?;
        let mixed = if annotator.is_by_folder() { mixed_folders(&annotator, paths) } else { BTreeSet::new() };
        let Names { classes, speakers, sides, contradictions } = Names::of(&annotator, &mixed, paths);
        let spellings = Spellings::of("class", &classes);
        let labels = classes.keys().map(|label| spellings.used(label).to_owned()).collect();
        let speaker_spellings = Spellings::of("speaker", &speakers);
        let speakers: BTreeSet<&str> = speakers.keys().map(|name| speaker_spellings.used(name)).collect();
        let speaker_doubts = speaker_doubts(speakers);
        let is_guessed = annotator.is_guessed();
        let suggestion = if is_guessed { suggest(paths) } else { None };
        let doubts = match &annotator {
            Annotator::Recognised(recognised) if !is_guessed => {
                contradictions.doubts(recognised.convention.name())
            }
            _ if is_guessed => doubts(&labels, paths, suggestion.as_ref(), annotator.is_by_folder()),
            _ => Vec::new(),
        };
        let flat = paths.iter().all(|path| !path.contains('/'));
        let suggestion = suggestion.filter(|_| flat || !doubts.is_empty() || labels.is_empty());
        let has_sides = sides.len() > 1;
        Ok(Self {
            annotator,
            mixed,
            spellings,
            speakers: speaker_spellings,
            doubts,
            speaker_doubts,
            has_sides,
            suggestion,
        })
    }

    /// What the recording at `path` (relative to the corpus, `/` between folders) is labelled: one annotation, or one for
    /// each segment of it. Names are in NFC, and a class or a speaker is written in one way.
    ///
    /// # Errors
    /// When its names or the table do not say.
    pub fn annotations(&self, path: &str) -> Result<Vec<Annotation>> {
        let annotations = self.annotator.annotations(path)?;
        annotations.into_iter().map(|annotation| self.in_one_spelling(annotation, path)).collect()
    }

    fn in_one_spelling(&self, annotation: Annotation, path: &str) -> Result<Annotation> {
        let label = class_in(&self.mixed, &self.annotator, path).unwrap_or(annotation.label);
        let label = composed(self.spellings.used(&label).to_owned());
        if label.is_empty() {
            let what = "has a label that is nothing but spaces";
            return Err(Error::new(ErrorKind::Unusable, what).at(path).help("name its class"));
        }
        Ok(Annotation {
            label,
            speaker: annotation.speaker.map(|speaker| composed(self.speakers.used(&speaker).to_owned())),
            word: annotation.word.map(composed),
            session: annotation.session.map(composed),
            split: annotation.split.filter(|_| self.has_sides),
            ..annotation
        })
    }

    /// What the labels are by.
    pub fn annotator(&self) -> &Annotator {
        &self.annotator
    }

    /// What was concluded, and from what, for people: `tess, as 2798 of 2798 names say`.
    pub fn labels_by(&self) -> String {
        match self.has_sides {
            true if self.annotator.table().is_none() => {
                format!("{}; sides of a split by folders named for them", self.annotator)
            }
            _ => self.annotator.to_string(),
        }
    }

    /// Classes that look like something else, or that folders contradict.
    pub fn doubts(&self) -> &[Doubt] {
        &self.doubts
    }

    /// Speakers who may be one person.
    pub fn speaker_doubts(&self) -> &[SpeakerDoubt] {
        &self.speaker_doubts
    }

    /// Classes and speakers that are written in several ways.
    pub fn merged(&self) -> impl Iterator<Item = &MergedName> {
        self.spellings.merged().iter().chain(self.speakers.merged())
    }

    /// What folders may name and are not taken for, and why.
    pub fn unclear(&self) -> Option<(&str, &str)> {
        match &self.annotator {
            Annotator::Folders(layout) => layout.unknown_speakers(),
            _ => None,
        }
    }

    /// The pattern to try, where folders do not name classes and parts of the files' names are emotions.
    pub fn suggestion(&self) -> Option<String> {
        self.suggestion.as_ref().map(|Suggestion { pattern, example, label }| {
            let pattern = Setting::Labels.to(format!("'{pattern}'"));
            remedy!["try ", pattern, format!(", if {label} is the label in {example}")].to_string()
        })
    }
}

/// What all names of a corpus say together.
#[derive(Default)]
struct Names {
    /// Recordings of each class, as it is written.
    classes: BTreeMap<String, usize>,
    /// Recordings of each speaker, as they are written.
    speakers: BTreeMap<String, usize>,
    sides: BTreeSet<PublishedSide>,
    contradictions: Contradictions,
}

impl Names {
    fn of(annotator: &Annotator, mixed: &BTreeSet<String>, paths: &[&str]) -> Self {
        let mut names = Self::default();
        for path in paths {
            for annotation in annotator.annotations(path).into_iter().flatten() {
                names.sides.extend(annotation.split);
                let folder = annotator.contradicting_folder(path, &annotation.label);
                names.contradictions.add(path, &annotation.label, folder.is_some());
                let class = class_in(mixed, annotator, path).unwrap_or(annotation.label);
                count(&mut names.classes, class);
                annotation.speaker.into_iter().for_each(|speaker| count(&mut names.speakers, speaker));
            }
        }
        names
    }
}

fn count(names: &mut BTreeMap<String, usize>, name: String) {
    *names.entry(name).or_default() += 1;
}

/// Folders of which some files have names as in TESS, by which an emotion is spelt in another way than the folder, and others
/// have not: recordings of one folder are of one class.
fn mixed_folders(annotator: &Annotator, paths: &[&str]) -> BTreeSet<String> {
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    let mut mixed = BTreeSet::new();
    for path in paths {
        let Some(folder) = folder_of(annotator, path) else { continue };
        for annotation in annotator.annotations(path).into_iter().flatten() {
            match labels.get(&folder) {
                None => drop(labels.insert(folder.clone(), annotation.label)),
                Some(label) if *label != annotation.label => drop(mixed.insert(folder.clone())),
                Some(_) => {}
            }
        }
    }
    mixed
}

/// The class of the recording at `path`, if it lies in one of these folders: the folder's name.
fn class_in(mixed: &BTreeSet<String>, annotator: &Annotator, path: &str) -> Option<String> {
    if mixed.is_empty() {
        return None;
    }
    let folder = folder_of(annotator, path).filter(|folder| mixed.contains(folder))?;
    Some(folder.rsplit_once('/').map_or(folder.as_str(), |(_, name)| name).to_owned())
}

/// The folder that names the class of the recording at `path`: folders of sides name none where nobody said what folders mean.
fn folder_of(annotator: &Annotator, path: &str) -> Option<String> {
    let inside = if annotator.is_guessed() { folders_of_names(path).0 } else { without_archives(path) };
    inside.rsplit_once('/').map(|(folder, _)| folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelling(source: &LabelSource, paths: &[&str]) -> Result<Labelling> {
        Labelling::new(source, &ColumnNames::default(), Path::new("nowhere"), paths)
    }

    fn auto(paths: &[&str]) -> Labelling {
        labelling(&LabelSource::Auto, paths).unwrap()
    }

    /// What is said of a recording that is one utterance.
    fn only(labelling: &Labelling, path: &str) -> Result<Annotation> {
        labelling.annotations(path).map(|mut annotations| annotations.remove(0))
    }

    #[test]
    fn folders_of_sides_are_the_split_and_no_class() {
        let mut paths = Vec::new();
        for (side, speaker) in
            [("train", "0011"), ("evaluation", "0011"), ("test", "0012"), ("train", "0012")]
        {
            for label in ["Angry", "Sad"] {
                paths.push(format!("{speaker}/{label}/{side}/1.wav"));
                paths.push(format!("{speaker}/{label}/{side}/2.wav"));
            }
        }
        let labelling = auto(&paths.iter().map(String::as_str).collect::<Vec<_>>());
        let annotation = only(&labelling, "0011/Angry/evaluation/1.wav").unwrap();
        assert_eq!(annotation.label, "Angry");
        assert_eq!(
            (annotation.speaker.as_deref(), annotation.split),
            (Some("0011"), Some(PublishedSide::Evaluation))
        );
        assert!(
            labelling.labels_by().starts_with("folders <speaker>/<label>, as 16 of 16"),
            "{}",
            labelling.labels_by()
        );
        assert!(labelling.labels_by().contains("sides of a split"));
        assert!(labelling.doubts().is_empty());
    }

    #[test]
    fn a_single_side_is_a_folder_like_any_other_and_a_file_in_it_alone_has_no_class() {
        let labelling = auto(&["test/angry/1.wav", "test/sad/2.wav"]);
        let annotation = only(&labelling, "test/angry/1.wav").unwrap();
        assert_eq!((annotation.label.as_str(), annotation.split), ("angry", None));
        let mixed = auto(&["angry/1.wav", "sad/2.wav", "test/3.wav"]);
        let error = only(&mixed, "test/3.wav").unwrap_err().to_string();
        assert!(error.contains("names a side of a split"), "{error}");
    }

    #[test]
    fn tess_in_folders_of_sides_is_tess() {
        let labelling = auto(&["train/OAF_Fear/OAF_back_fear.wav", "test/YAF_sad/YAF_youth_sad.wav"]);
        let annotation = only(&labelling, "test/YAF_sad/YAF_youth_sad.wav").unwrap();
        assert_eq!((annotation.label.as_str(), annotation.split), ("sad", Some(PublishedSide::Test)));
        assert!(labelling.labels_by().starts_with("tess, as 2 of 2"));
    }

    #[test]
    fn names_that_differ_in_case_alone_are_one_class() {
        let labelling = auto(&["angry/1.wav", "Angry/1.wav", "Angry/2.wav", "ANGRY/1.wav", "sad/1.wav"]);
        for folder in ["angry", "Angry", "ANGRY"] {
            assert_eq!(only(&labelling, &format!("{folder}/1.wav")).unwrap().label, "Angry");
        }
        assert_eq!(labelling.merged().count(), 1);
        let twice = auto(&["mu\u{308}de/1.wav", "müde/1.wav", "wach/1.wav"]);
        assert_eq!(only(&twice, "mu\u{308}de/1.wav").unwrap().label, "müde");
        assert_eq!(twice.merged().count(), 1);
    }

    #[test]
    fn a_speaker_who_is_written_in_two_ways_is_one() {
        let paths =
            ["Anna_happy_1.wav", "Anna_sad_2.wav", "anna_angry_3.wav", "Bob_happy_4.wav", "Bob_sad_5.wav"];
        let labelling = labelling(&"pattern:{speaker}_{label}_{}".parse().unwrap(), &paths).unwrap();
        for path in &paths[..3] {
            assert_eq!(only(&labelling, path).unwrap().speaker.as_deref(), Some("Anna"));
        }
        let said: Vec<&str> = labelling.merged().map(|merged| merged.text.as_str()).collect();
        assert!(
            said.len() == 1 && said[0].contains("\"anna\" (1)") && said[0].contains("one speaker"),
            "{said:?}"
        );
    }

    #[test]
    fn speakers_whose_numbers_agree_stay_apart_and_that_is_said() {
        let paths = ["0011_happy_1.wav", "0011_sad_2.wav", "S0011_happy_3.wav", "S0012_sad_4.wav"];
        let labelling = labelling(&"pattern:{speaker}_{label}_{}".parse().unwrap(), &paths).unwrap();
        let speakers = paths.map(|path| only(&labelling, path).unwrap().speaker.unwrap());
        assert_eq!(speakers, ["0011", "0011", "S0011", "S0012"]);
        let [doubt] = labelling.speaker_doubts() else { panic!("{:?}", labelling.speaker_doubts()) };
        assert!(doubt.speaker == "0011" && doubt.text.contains("\"S0011\""), "{doubt:?}");
    }

    #[test]
    fn recordings_of_one_folder_are_of_one_class() {
        // Two corpora put together: names as in TESS, and names as in RAVDESS.
        let both = ["surprise/OAF_back_ps.wav", "surprise/03-01-08-01-01-01-01.wav", "sad/OAF_back_sad.wav"];
        let by_folder: LabelSource = "folder".parse().unwrap();
        for labelling in [auto(&both), labelling(&by_folder, &both).unwrap()] {
            let labels = both.map(|path| only(&labelling, path).unwrap().label);
            assert_eq!(labels, ["surprise", "surprise", "sad"]);
        }
        let in_sides = ["surprise/train/OAF_back_ps.wav", "surprise/test/03-01-08-01-01-01-01.wav"];
        let labelling_of_sides = auto(&in_sides);
        let labels = in_sides.map(|path| only(&labelling_of_sides, path).unwrap().label);
        assert_eq!(labels, ["surprise", "surprise"]);
        // Where all names are as in TESS, an emotion has TESS's one spelling.
        let tess = labelling(&by_folder, &both[..1]).unwrap();
        assert_eq!(only(&tess, both[0]).unwrap().label, "pleasant_surprise");
    }

    #[test]
    fn a_convention_that_was_asked_for_is_not_doubted() {
        let paths = ["Actor_01/1.wav", "Actor_02/1.wav"];
        assert_eq!(auto(&paths).doubts().len(), 2);
        assert!(labelling(&"folder".parse().unwrap(), &paths).unwrap().doubts().is_empty());
    }

    #[test]
    fn a_published_corpus_that_folders_contradict_is_doubted() {
        let path = |folder: &str, number: usize| format!("{folder}/10{number:02}_DFA_ANG_XX.wav");
        let sorted = |others: usize| -> Vec<String> {
            (1..=40).map(|number| path(if number <= others { "happy" } else { "Anger" }, number)).collect()
        };
        for (others, doubts) in [(0, 0), (2, 0), (3, 1), (40, 1)] {
            let paths = sorted(others);
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            let labelling = auto(&paths);
            assert!(labelling.labels_by().starts_with("crema-d"), "{}", labelling.labels_by());
            assert_eq!(labelling.doubts().len(), doubts, "{others}");
            let notes = |path: &str| only(&labelling, path).unwrap().notes;
            assert_eq!(
                notes(&path("happy", 1)),
                ["its folder says happy, its name says angry, which counts"]
            );
            assert_eq!(notes(&path("Anger", 9)), [""; 0]);
        }
        let paths = sorted(3);
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let doubted = auto(&paths);
        let doubt = &doubted.doubts()[0];
        assert!(doubt.label == "angry" && doubt.text.contains("3 of its 40 recordings"), "{doubt:?}");
        assert!(doubt.text.contains("such as happy/1001_DFA_ANG_XX.wav"), "{doubt:?}");
        let asked = labelling(&"crema-d".parse().unwrap(), &paths).unwrap();
        assert!(asked.doubts().is_empty() && only(&asked, paths[0]).unwrap().notes.len() == 1);
    }

    #[test]
    fn a_class_before_an_emotion_is_no_speaker() {
        let folders = ["hot_anger", "cold_anger", "not_angry", "angry"];
        let paths = folders.map(|folder| format!("{folder}/1.wav"));
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        for labelling in [auto(&paths), labelling(&"folder".parse().unwrap(), &paths).unwrap()] {
            for (path, folder) in paths.iter().zip(folders) {
                let annotation = only(&labelling, path).unwrap();
                assert_eq!((annotation.label.as_str(), annotation.speaker), (folder, None));
            }
        }
    }

    #[test]
    fn folders_named_for_sides_in_many_words_are_the_split() {
        let sides = [("train_set", PublishedSide::Train), ("Test1", PublishedSide::Test)];
        let of =
            |(side, _): &(&str, PublishedSide)| ["angry", "sad"].map(|label| format!("{side}/{label}/1.wav"));
        let paths: Vec<String> = sides.iter().flat_map(of).collect();
        let labelling = auto(&paths.iter().map(String::as_str).collect::<Vec<_>>());
        for (name, side) in sides {
            let annotation = only(&labelling, &format!("{name}/angry/1.wav")).unwrap();
            assert_eq!(
                (annotation.label.as_str(), annotation.speaker, annotation.split),
                ("angry", None, Some(side))
            );
        }
        assert!(labelling.doubts().is_empty());
    }

    #[test]
    fn a_pattern_that_no_name_fits_is_refused_and_flat_names_suggest_one() {
        let names: Vec<String> = [
            "M_JAN_ANGER_1",
            "M_JAN_JOY_1",
            "F_EVA_ANGER_1",
            "F_EVA_JOY_1",
            "M_JAN_JOY_2",
            "F_EVA_JOY_3",
            "M_JAN_ANGER_3",
            "F_EVA_ANGER_4",
        ]
        .map(|name| format!("{name}.wav"))
        .into();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let suggestion = auto(&names).suggestion().unwrap();
        assert!(suggestion.contains("'pattern:{}_{speaker}_{label}_{}'"), "{suggestion}");
        let source = "pattern:{}_{speaker}_{label}_{}".parse().unwrap();
        let labelling = labelling(&source, &names).unwrap();
        let annotation = only(&labelling, "F_EVA_JOY_1.wav").unwrap();
        assert_eq!((annotation.label.as_str(), annotation.speaker.as_deref()), ("JOY", Some("EVA")));
        assert!(labelling.suggestion().is_none());
        let error = self::labelling(&"pattern:{speaker}-{label}".parse().unwrap(), &names).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(
            error.to_string().contains("fits none of the 8 names, such as M_JAN_ANGER_1.wav: "),
            "{error}"
        );
        assert!(error.to_string().contains("after {speaker} there is no \"-\""), "{error}");
    }
}
