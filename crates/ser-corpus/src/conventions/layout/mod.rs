//! What the folders of an unknown corpus are named for, by how they are arranged: `<speaker>_<label>`,
//! `<speaker>/<label>/`, `<label>/<speaker>/`.
//!
//! Names of speakers and classes can be any words. What tells them apart is that each speaker is found with several
//! classes and each class with several speakers; which of the two is the class is known by words for emotions, or by
//! numbers, which are speakers'.
//!
//! [`rule`] has the ways in which folders may be named, [`fit`] says how well each of them explains those of a corpus
//! ([`folders`]), and [`speakers`] whether what a rule takes for speakers is people.

mod fit;
mod folders;
mod rule;
mod speakers;

use std::collections::BTreeSet;
use std::fmt;

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::Annotation;
use crate::conventions::CorpusConvention;
use crate::conventions::layout::fit::{Fit, fits};
use crate::conventions::layout::folders::Folders;
use crate::conventions::layout::rule::{Order, RULES, Rule, last};
use crate::conventions::layout::speakers::SpeakersBy;
use crate::names::{SPEAKER_ID_RULE, composed, is_speaker_id};

/// Which folder names the speaker of a recording, and which its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderLayout {
    rule: Rule,
    speakers_by: SpeakersBy,
    speakers: BTreeSet<String>,
    labels: BTreeSet<String>,
    /// How many recordings lie as it says.
    fitting: usize,
    /// How many there are.
    recordings: usize,
}

impl FolderLayout {
    /// The layout of a corpus with recordings at `paths`, from which folders for the sides of a split are taken out
    /// already; nothing where no layout explains nearly all, or where each folder is a class.
    pub fn of(paths: &[&str]) -> Option<Self> {
        let folders = Folders::of(paths);
        if folders.are_of_tess() {
            return None;
        }
        let by_emotions = folders.are_named_for_emotions();
        let mut best: Option<(Rule, Fit)> = None;
        for rule in RULES {
            let Some(fit) = Fit::of(rule, &folders) else { continue };
            if by_emotions && !folders.have_emotions_by(rule) {
                continue;
            }
            if best.as_ref().is_none_or(|(_, best)| fit.merit > best.merit) {
                best = Some((rule, fit));
            }
        }
        let Some((rule, Fit { speakers, labels, fitting, .. })) = best else {
            return Self::by_emotion(&folders);
        };
        let fit = |speaker: &str, label: &str| fits(&speakers, &labels, speaker, label);
        let speakers_by = SpeakersBy::of(rule, &folders, fit);
        Some(Self { rule, speakers_by, speakers, labels, fitting, recordings: folders.recordings })
    }

    /// Folders within the folders of emotions that are nobody's, such as `angry/take1/`.
    fn by_emotion(folders: &Folders<'_>) -> Option<Self> {
        let rule = Rule::Emotion;
        let known = || {
            folders.iter().filter_map(|(folder, recordings)| Some((rule.pair(folder)?.1, folder, recordings)))
        };
        let inner: usize =
            known().filter(|(label, folder, _)| last(folder) == *label).map(|(.., count)| count).sum();
        let labels: BTreeSet<String> = known().map(|(label, ..)| label.to_owned()).collect();
        let fitting: usize = known().map(|(.., count)| count).sum();
        let is_so = labels.len() > 1 && folders.are_nearly_all(fitting) && !folders.are_nearly_all(inner);
        let (speakers_by, speakers) = (SpeakersBy::Rule, BTreeSet::new());
        let recordings = folders.recordings;
        is_so.then_some(Self { rule, speakers_by, speakers, labels, fitting, recordings })
    }

    /// What names a folder that may be a speaker's and is not taken for one, and why.
    pub fn unknown_speakers(&self) -> Option<(&str, &str)> {
        match &self.speakers_by {
            SpeakersBy::Nothing { name, why } => Some((name, why)),
            SpeakersBy::Rule | SpeakersBy::FolderAround(_) => None,
        }
    }

    /// How folders are named, for people: `<speaker>_<label>`.
    fn form(&self) -> &'static str {
        use Order::*;
        use Rule::*;
        use SpeakersBy::{FolderAround, Nothing, Rule as ByRule};
        match (self.rule, &self.speakers_by) {
            (Joined { order: SpeakerFirst, .. }, ByRule) => "<speaker>_<label>",
            (Joined { order: LabelFirst, .. }, ByRule) => "<label>_<speaker>",
            (Nested(SpeakerFirst), ByRule) => "<speaker>/<label>",
            (Nested(LabelFirst), ByRule) => "<label>/<speaker>",
            (Joined { order: SpeakerFirst, .. }, FolderAround(_)) => "<speaker>/…_<label>",
            (Joined { order: LabelFirst, .. }, FolderAround(_)) => "<speaker>/<label>_…",
            (Nested(SpeakerFirst), FolderAround(_)) => "<speaker>/…/<label>",
            (Nested(LabelFirst), FolderAround(_)) => "<speaker>/<label>/…",
            (Joined { order: SpeakerFirst, .. }, Nothing { .. }) => "…_<label>",
            (Joined { order: LabelFirst, .. }, Nothing { .. }) => "<label>_…",
            (Nested(SpeakerFirst), Nothing { .. }) => "…/<label>",
            (Nested(LabelFirst), Nothing { .. }) | (Emotion, _) => "<label>/…",
        }
    }
}

impl CorpusConvention for FolderLayout {
    fn name(&self) -> &str {
        "folders"
    }

    fn annotate(&self, path: &str) -> Result<Annotation> {
        let folder = path.rsplit_once('/').map_or("", |(folders, _)| folders);
        let refuse = |what: String| {
            Err(Error::new(ErrorKind::Unusable, what).at(path).help(remedy![
                "move it into a folder named as the others are, or use ",
                Setting::Labels.to("folder"),
                " or a CSV file"
            ]))
        };
        let pair = (self.rule.pair(folder))
            .filter(|(speaker, label)| fits(&self.speakers, &self.labels, speaker, label));
        let Some((speaker, label)) = pair else {
            return refuse(match folder {
                "" => format!(
                    "lies directly in the corpus, so no folder names its class, where the others are in folders {}",
                    self.form()
                ),
                _ => format!("lies in {folder:?}, which is not {} as the folders of the others", self.form()),
            });
        };
        let label = composed(label.to_owned());
        if self.rule == Rule::Emotion {
            return Ok(Annotation::labelled(label));
        }
        let speaker = match &self.speakers_by {
            SpeakersBy::Rule => composed(speaker.trim().to_owned()),
            SpeakersBy::FolderAround(_) => composed(last(&self.rule.around(folder)).trim().to_owned()),
            SpeakersBy::Nothing { .. } => return Ok(Annotation::labelled(label.trim())),
        };
        if !is_speaker_id(&speaker) {
            return Err(Error::new(
                ErrorKind::Unusable,
                format!(
                    "its folder names the speaker {speaker:?}, which cannot be an ID, since IDs name folders"
                ),
            )
            .at(path)
            .help(SPEAKER_ID_RULE));
        }
        Ok(Annotation { speaker: Some(speaker), ..Annotation::labelled(label.trim()) })
    }
}

/// For people: `folders <speaker>_<label>, as 20 of 20 recordings lie: 4 speakers, 5 classes`.
impl fmt::Display for FolderLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "folders {}, as {} of {} recordings lie: ", self.form(), self.fitting, self.recordings)?;
        match &self.speakers_by {
            _ if self.rule == Rule::Emotion => {}
            SpeakersBy::Rule => write!(f, "{} speakers, ", self.speakers.len())?,
            SpeakersBy::FolderAround(speakers) => write!(f, "{} speakers, ", speakers.len())?,
            SpeakersBy::Nothing { .. } => f.write_str("speakers unknown, ")?,
        }
        write!(f, "{} classes", self.labels.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Label and speaker, if known.
    type Known = (String, Option<String>);

    /// The layout of these folders with four recordings in each, and what it says of those it fits.
    fn layout(folders: &[&str]) -> Option<(FolderLayout, Vec<Known>)> {
        let paths: Vec<String> =
            folders.iter().flat_map(|folder| (0..4).map(move |n| format!("{folder}/{n}.wav"))).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let layout = FolderLayout::of(&paths)?;
        let known = |folder: &&str| {
            let annotation = layout.annotate(&format!("{folder}/0.wav")).ok()?;
            Some((annotation.label, annotation.speaker))
        };
        let known = folders.iter().filter_map(known).collect();
        Some((layout, known))
    }

    fn read(folders: &[&str]) -> (&'static str, Vec<String>) {
        let (layout, known) = layout(folders).unwrap_or_else(|| panic!("nothing concluded of {folders:?}"));
        let in_words = |(label, speaker): Known| format!("{}: {label}", speaker.unwrap_or_default());
        (layout.form(), known.into_iter().map(in_words).collect())
    }

    #[test]
    fn speaker_and_label_in_one_name_are_told_apart_whatever_the_words() {
        let emov = ["bea_Amused", "bea_Sleepy", "sam_Amused", "sam_Sleepy", "sam_Zorbish"];
        assert_eq!(
            read(&emov),
            (
                "<speaker>_<label>",
                ["bea: Amused", "bea: Sleepy", "sam: Amused", "sam: Sleepy", "sam: Zorbish"]
                    .map(str::to_owned)
                    .into()
            )
        );
        assert_eq!(read(&["a_x", "a_y", "b_x", "b_y"]).1, ["a: x", "a: y", "b: x", "b: y"]);
        assert_eq!(
            read(&["joy_bea", "anger_bea", "joy_sam", "anger_sam"]),
            (
                "<label>_<speaker>",
                ["bea: joy", "bea: anger", "sam: joy", "sam: anger"].map(str::to_owned).into()
            )
        );
        assert_eq!(read(&["x_s1", "y_s1", "x_s2", "y_s2"]).0, "<label>_<speaker>");
    }

    #[test]
    fn either_part_may_hold_an_underscore() {
        assert_eq!(
            read(&["sam_Pleasant_surprise", "sam_Sleepy", "bea_Pleasant_surprise", "bea_Sleepy"]).1,
            ["sam: Pleasant_surprise", "sam: Sleepy", "bea: Pleasant_surprise", "bea: Sleepy"]
        );
        assert_eq!(
            read(&["spk_01_foo", "spk_01_bar", "spk_02_foo", "spk_02_bar"]).1,
            ["spk_01: foo", "spk_01: bar", "spk_02: foo", "spk_02: bar"]
        );
        assert_eq!(
            read(&["spk_01_pleasant_surprise", "spk_01_sad", "spk_02_pleasant_surprise", "spk_02_sad"]).1,
            ["spk_01: pleasant_surprise", "spk_01: sad", "spk_02: pleasant_surprise", "spk_02: sad"]
        );
    }

    #[test]
    fn speakers_have_names_in_any_script_and_words_suffice_where_nothing_is_crossed() {
        assert_eq!(
            read(&["José_anger", "Speaker 1_joy", "说话人1_joy", "Mrs. Bing_anger"]).1,
            ["José: anger", "Speaker 1: joy", "说话人1: joy", "Mrs. Bing: anger"]
        );
        assert_eq!(read(&["Jose\u{301}_anger", "Jose\u{301}_joy"]).1, ["José: anger", "José: joy"]);
    }

    #[test]
    fn of_two_folders_the_words_and_the_numbers_say_which_is_the_class() {
        let esd = ["0011/Angry", "0011/Sad", "0012/Angry", "0012/Sad"];
        assert_eq!(
            read(&esd),
            (
                "<speaker>/<label>",
                ["0011: Angry", "0011: Sad", "0012: Angry", "0012: Sad"].map(str::to_owned).into()
            )
        );
        assert_eq!(read(&["anger/bea", "anger/sam", "joy/bea", "joy/sam"]).0, "<label>/<speaker>");
        assert_eq!(read(&["S01/foo", "S01/bar", "S02/foo", "S02/bar"]).0, "<speaker>/<label>");
        assert_eq!(read(&["x/foo/S01", "x/bar/S01", "x/foo/S02", "x/bar/S02"]).0, "<label>/<speaker>");
        assert_eq!(read(&["angry/t1", "angry/t2", "sad/u1"]).1, [": angry", ": angry", ": sad"]);
    }

    #[test]
    fn a_class_is_never_taken_from_another_level_than_that_of_the_emotions() {
        let of = |speakers: [&str; 2], rooms: [&str; 2]| -> Vec<String> {
            let emotions = ["angry", "happy", "sad"].into_iter();
            let each = emotions.flat_map(|emotion| speakers.map(|speaker| (emotion, speaker)));
            each.flat_map(|(emotion, speaker)| rooms.map(|room| format!("{emotion}/{speaker}/{room}")))
                .collect()
        };
        for folders in [of(["0011", "0012"], ["studio", "outdoor"]), of(["bea", "sam"], ["s1", "s2"])] {
            let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
            let (form, read) = read(&folders);
            assert_eq!((form, read[0].as_str(), read[4].as_str()), ("<label>/…", ": angry", ": happy"));
        }
    }

    #[test]
    fn what_lies_in_several_folders_is_no_speaker() {
        for folders in [
            ["bea/s1/angry", "bea/s2/angry", "bea/s1/sad", "sam/s1/angry", "sam/s1/sad", "sam/s2/sad"],
            ["bea/s1_angry", "bea/s2_angry", "bea/s1_sad", "sam/s1_angry", "sam/s1_sad", "sam/s2_sad"],
            ["bea/angry/in", "bea/angry/out", "bea/sad/in", "sam/angry/in", "sam/sad/in", "sam/sad/out"],
        ] {
            let (layout, known) = layout(&folders).unwrap();
            assert!(known.iter().all(|(_, speaker)| speaker.is_none()), "{known:?}");
            let labels: Vec<&str> = known.iter().map(|(label, _)| label.as_str()).collect();
            assert_eq!(labels, ["angry", "angry", "sad", "angry", "sad", "sad"]);
            let (name, why) = layout.unknown_speakers().unwrap();
            assert!(folders[0].contains(name) && why.contains("in \"bea\" and in \"sam\""), "{name} {why}");
            assert!(layout.to_string().contains("speakers unknown, 2 classes"), "{layout}");
        }
        let (copied, known) =
            layout(&["0011/A", "0011/B", "0012/A", "0012/B", "old/0011/A", "old/0012/B"]).unwrap();
        assert!(copied.unknown_speakers().is_none() && known[4].1.as_deref() == Some("0011"), "{known:?}");
        // Whose numbers are around them are known by those; two sexes are nobody.
        let folders =
            ["0011/en/angry", "0011/de/sad", "0011/en/sad", "0012/en/angry", "0012/de/sad", "0012/de/angry"];
        let (form, known) = read(&folders);
        assert_eq!(
            (form, known[0].as_str(), known[3].as_str()),
            ("<speaker>/…/<label>", "0011: angry", "0012: angry")
        );
        let folders = ["male/01/angry", "male/02/sad", "male/01/sad", "female/01/angry", "female/02/angry"];
        assert_eq!(read(&folders).1[0], "01: angry");
    }

    #[test]
    fn words_about_recordings_are_no_speakers() {
        for (folders, form, name) in [
            (["wav/angry", "wav/sad", "flac/angry", "flac/sad"], "…/<label>", "flac"),
            (["angry/phone", "sad/phone", "angry/studio", "sad/studio"], "<label>/…", "phone"),
            (["angry/2019", "sad/2019", "angry/2020", "sad/2020"], "<label>/…", "2019"),
            (["train_x/angry", "train_x/sad", "test_x/angry", "test_x/sad"], "…/<label>", "test_x"),
        ] {
            let (layout, known) = layout(&folders).unwrap();
            assert_eq!(layout.form(), form, "{folders:?}");
            assert!(known.len() == 4 && known.iter().all(|(_, speaker)| speaker.is_none()), "{known:?}");
            assert!(known.iter().all(|(label, _)| ["angry", "sad"].contains(&label.as_str())), "{known:?}");
            let (said, why) = layout.unknown_speakers().unwrap();
            assert!(said == name && why.contains("no name of a person"), "{said} {why}");
        }
        // Whose numbers are around them are known by those.
        let folders = ["0011/studio/angry", "0011/phone/sad", "0012/studio/sad", "0012/phone/angry"];
        let (form, known) = read(&folders);
        assert_eq!(
            (form, known[0].as_str(), known[3].as_str()),
            ("<speaker>/…/<label>", "0011: angry", "0012: angry")
        );
    }

    #[test]
    fn how_pleasant_it_is_is_a_class_and_no_speaker() {
        let (form, known) = read(&["positive/S1", "positive/S2", "negative/S1", "negative/S2"]);
        assert_eq!(
            (form, known[0].as_str(), known[3].as_str()),
            ("<label>/<speaker>", "S1: positive", "S2: negative")
        );
    }

    #[test]
    fn what_could_be_anything_stays_as_it_is() {
        for folders in [
            &["males/angry", "males/sad", "females/angry", "females/sad"][..],
            &["男/angry", "男/sad", "女/angry", "女/sad"],
            &["kids/angry", "kids/sad", "adults/angry", "adults/sad"],
            &["split1/angry", "split1/sad", "split2/angry", "split2/sad"],
            &["angry_noise", "sad_noise", "angry_pitch", "sad_pitch"],
            &["angry_en", "sad_en", "angry_de", "sad_de"],
            &["train_angry", "train_sad", "test_angry", "test_sad"],
            &["angry_train", "sad_train", "angry_test", "sad_test"],
            &["set1_angry", "set1_sad", "set2_angry", "set2_sad"],
            &["Ses01F_impro01", "Ses01F_impro02", "Ses02F_impro01", "Ses02F_impro02"],
            &["positive_surprise", "negative_surprise", "positive_awe", "negative_awe"],
            &["angry", "sad"],
            &["take_two", "Wut"],
            &["very_angry", "very_sad", "little_angry", "little_sad"],
            &["male_angry", "male_sad", "female_angry", "female_sad"],
            &["high_pos", "high_neg", "low_pos", "low_neg"],
            &["a/x", "a/y", "b/x", "b/y"],
            &["male/angry", "male/sad", "female/angry", "female/sad"],
            &["data/angry", "data/sad"],
            &["angry_1", "angry_2", "sad_1", "sad_2"],
            &["Session1/angry", "Session1/sad", "Session2/angry", "Session2/sad"],
            &["OAF_Fear", "OAF_sad", "YAF_Fear", "YAF_sad"],
            &["pleasant_surprise", "sad", "hot_anger"],
            &[],
        ] {
            assert!(layout(folders).is_none(), "{folders:?}");
        }
    }

    #[test]
    fn what_lies_otherwise_is_refused() {
        let folders: Vec<String> =
            (0..12).flat_map(|n| ["Angry", "Sad"].map(|label| format!("{n:04}/{label}"))).collect();
        let mut folders: Vec<&str> = folders.iter().map(String::as_str).collect();
        folders.push("0001/Angry/more");
        let (layout, known) = layout(&folders).unwrap();
        assert_eq!(known.len(), 24);
        for (path, says) in [
            ("0001/Angry/more/1.wav", "lies in \"0001/Angry/more\", which is not <speaker>/<label>"),
            ("Angry/1.wav", "which is not <speaker>/<label>"),
            ("1.wav", "directly in the corpus"),
        ] {
            let error = layout.annotate(path).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        assert_eq!(layout.annotate("0099/Sad/1.wav").unwrap().speaker.as_deref(), Some("0099"));
    }
}
