//! What the doctor can find, how severe it is, and what to do about it.

use ser_core::remedy::{Setting, Stage};
use serde::Serialize;

/// How severe a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Recordings are lost, missing or wrongly labelled.
    Problem,
    /// Worth knowing; preparation copes with it.
    Remark,
}

/// A sort of finding. In JSON its name is in snake case, such as `two_labels`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// One sound under several labels.
    TwoLabels,
    /// The folder and the name of a file say different classes, or different speakers of the corpus.
    Mislabelled,
    /// Nothing says what the label of a recording is.
    Unlabelled,
    /// A class that looks like a speaker or a corpus.
    Doubtful,
    /// The classes cannot be learnt: there is only one, or one has fewer than three recordings.
    Classes,
    /// The file has 0 bytes.
    Empty,
    /// It cannot be read: no permission, a device, a loop of links, a name that is not UTF-8.
    Unreadable,
    /// It is not audio, or of a kind that is not handled.
    NotAudio,
    /// Its bytes are cut short or corrupt.
    Damaged,
    /// It is beyond a limit of size, duration or decoding time.
    BeyondLimit,
    /// It holds nothing to learn from: no samples, too few, or some that are not finite.
    Useless,
    /// Every sample is zero.
    Silent,
    /// A recording of a known corpus is not there.
    Missing,
    /// Recordings of a known corpus that are not as it was published: another sample rate, other lengths.
    NotAsPublished,
    /// The same sound several times under one label.
    Doubled,
    /// Two different sounds in the place of one recording of a known corpus.
    TwoTakes,
    /// Recordings that the known corpus does not have.
    Extra,
    /// A speaker has no recording of some class that others have.
    AbsentClass,
    /// Classes of very different size.
    Imbalance,
    /// Nearly all recordings have the same length: they were cut or padded.
    EqualLengths,
    /// Nearly all recordings have the same peak: they were normalised.
    EqualPeaks,
    /// A recording is many times as long, or as short, as the others.
    UnusualLength,
    /// A speaker is much louder, or much softer, than the others.
    SpeakerLevel,
    /// Three or more samples in a row are at full scale (of 8 bits: half a millisecond).
    Clipped,
    /// The peak is below −60 dB.
    NearlySilent,
    /// More than half of it is silence before or after the sound.
    MostlySilence,
    /// The mean of the samples is far from zero.
    DcOffset,
    /// Another sample rate than most.
    OtherRate,
    /// Another number of channels than most.
    OtherChannels,
    /// The channels cancel each other, so that one of them is used.
    OppositePhase,
    /// The content is of another container than the name says.
    Disguised,
    /// The name of a file disagrees with its folder in a way that does not change its label.
    Misnamed,
    /// The name of a class is written in several ways.
    Spelling,
    /// A file that is not named as a recording.
    Foreign,
    /// A folder without a recording in it or below.
    EmptyFolder,
    /// Segments of one recording that share some of its sound.
    Overlapping,
    /// Rows of the table of labels whose recordings are not there.
    MissingRows,
    /// Columns of the table of labels that say nothing that is used.
    UnusedColumns,
    /// What tables and folders say that is not used: segments without a label, folders that may be speakers'.
    Unclear,
}

/// All recordings with the same problem.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CorpusFinding {
    /// What kind of problem.
    pub kind: FindingKind,
    /// How severe.
    pub severity: Severity,
    /// The problem in a few words.
    pub title: &'static str,
    /// What to do, or why nothing needs doing.
    pub advice: String,
    /// What many of the items have in common, if anything.
    pub summary: Option<String>,
    /// How many there are.
    pub count: usize,
    /// Each of them, sorted by path.
    pub items: Vec<FindingItem>,
}

/// One instance of a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FindingItem {
    /// The file or folder, relative to the corpus; for what is missing its name in the corpus, such as
    /// `OAF back angry`; for what is about the whole corpus nothing.
    pub path: String,
    /// The remark; may be empty.
    pub text: String,
    /// Whether it is known of this corpus, so that it speaks for the copy rather than against it.
    pub known: bool,
}

impl FindingItem {
    pub(super) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), known: false }
    }
}

impl FindingKind {
    /// How severe it is. The variants are in order of importance.
    pub fn severity(self) -> Severity {
        if self <= Self::Missing { Severity::Problem } else { Severity::Remark }
    }

    /// Whether preparation cannot use a recording with it.
    pub fn is_unusable(self) -> bool {
        matches!(
            self,
            Self::Unlabelled
                | Self::Empty
                | Self::Unreadable
                | Self::NotAudio
                | Self::Damaged
                | Self::BeyondLimit
                | Self::Useless
                | Self::Silent
        )
    }

    /// The problem in a few words.
    pub fn title(self) -> &'static str {
        match self {
            Self::TwoLabels => "one sound under several labels",
            Self::Mislabelled => "folder and name disagree on the label or the speaker",
            Self::Unlabelled => "without a label",
            Self::Doubtful => "classes that look like something else",
            Self::Classes => "classes that cannot be learnt",
            Self::Empty => "empty",
            Self::Unreadable => "unreadable",
            Self::NotAudio => "not audio, or not of a supported kind",
            Self::Damaged => "damaged",
            Self::BeyondLimit => "beyond a limit",
            Self::Useless => "nothing in it to learn from",
            Self::Silent => "silent",
            Self::Missing => "missing",
            Self::NotAsPublished => "not as published",
            Self::Doubled => "the same sound more than once",
            Self::TwoTakes => "two sounds for one recording",
            Self::Extra => "not part of the corpus",
            Self::AbsentClass => "speakers without a class",
            Self::Imbalance => "unequal classes",
            Self::EqualLengths => "of equal length",
            Self::EqualPeaks => "with equal peaks",
            Self::UnusualLength => "of unusual length",
            Self::SpeakerLevel => "speakers at another level",
            Self::Clipped => "clipped",
            Self::NearlySilent => "nearly silent",
            Self::MostlySilence => "more silence than sound",
            Self::DcOffset => "DC offset",
            Self::OtherRate => "another sample rate",
            Self::OtherChannels => "another number of channels",
            Self::OppositePhase => "channels in opposite phase",
            Self::Disguised => "not the container that the name says",
            Self::Misnamed => "folder and name disagree",
            Self::Spelling => "classes written in several ways",
            Self::Foreign => "other files",
            Self::EmptyFolder => "folders without a recording",
            Self::Overlapping => "segments that share sound",
            Self::MissingRows => "rows of the table without a recording",
            Self::UnusedColumns => "columns of the table that are not used",
            Self::Unclear => "what tables and folders leave open",
        }
    }

    /// What to do, or why nothing needs doing.
    pub fn advice(self) -> String {
        match self {
            Self::TwoLabels => {
                format!("Decide which label is right and remove the others; {} rejects the corpus until then.", Stage::Preparation)
            }
            Self::Mislabelled => {
                format!("Listen, then move or rename them. {} trusts the folder, or the name with {}; of CREMA-D and other corpora with codes in their names, the name, or the folder with {}.", Stage::Preparation, Setting::Labels.to("filename"), Setting::Labels.to("folder"))
            }
            Self::Unlabelled => {
                format!("Put them into a folder named for their class, or give a table with {}.", Setting::Labels)
            }
            Self::Doubtful => {
                format!("Say what the names mean with {}: {} takes them as classes, and ends as if something could not be used.", Setting::Labels, Stage::Preparation)
            }
            Self::Classes => {
                "Give the folder that holds one folder for each class, with three recordings or more in each.".to_owned()
            }
            Self::Empty => format!("Copy them again from their source. {} leaves them out.", Stage::Preparation),
            Self::Unreadable => format!("Fix their permissions or links, or remove them. {} leaves them out.", Stage::Preparation),
            Self::NotAudio => format!("Convert them to WAV or FLAC, or remove them. {} leaves them out.", Stage::Preparation),
            Self::Damaged => format!("Copy them again from their source. {} leaves them out.", Stage::Preparation),
            Self::BeyondLimit => format!("Cut them into utterances, or raise the limit. {} leaves them out.", Stage::Preparation),
            Self::Useless => format!("Export them again, or remove them. {} leaves them out.", Stage::Preparation),
            Self::Silent => format!("Record or copy them again, or remove them. {} leaves them out.", Stage::Preparation),
            Self::Missing => {
                "Copy them from the source if you can; otherwise continue without them, and say so with your results.".to_owned()
            }
            Self::NotAsPublished => {
                "Get the corpus from its source if your results are to be compared with others on it; otherwise say with them what was done to it.".to_owned()
            }
            Self::Doubled => {
                format!("Nothing needs doing: {} keeps each sound once, so none ends up on two sides of a split.", Stage::Preparation)
            }
            Self::TwoTakes => "Listen and keep one: both would be used, the same word by the same speaker.".to_owned(),
            Self::Extra => "Remove them if your results are to be compared with others on this corpus.".to_owned(),
            Self::AbsentClass => "A split that holds out such a speaker measures fewer classes.".to_owned(),
            Self::Imbalance => "Read UAR and macro-F1 rather than accuracy.".to_owned(),
            Self::EqualLengths => {
                "Speech does not last equally long: they were cut or padded. Take the recordings as they were before, or make sure that no speech was cut off and that padding does not give a class away.".to_owned()
            }
            Self::EqualPeaks => {
                format!("They were normalised, so how loud someone speaks is lost. {} sets all peaks to one level too, unless told otherwise; take the recordings as they were before if loudness is to count.", Stage::Preparation)
            }
            Self::UnusualLength => {
                "Listen to them. Cut a recording of several utterances into these, and remove what holds none: features are cut or padded to one number of frames.".to_owned()
            }
            Self::SpeakerLevel => {
                format!("Listen: was the microphone set differently? {} sets all peaks to one level, unless told otherwise, but noise that is raised with the voice still tells who speaks.", Stage::Preparation)
            }
            Self::Clipped => {
                "This cannot be fixed afterwards. Check whether one class or speaker has more of them.".to_owned()
            }
            Self::NearlySilent => "Listen to them: normalisation makes them loud, noise and all.".to_owned(),
            Self::MostlySilence => "Trim them, or check whether silence alone gives a class away.".to_owned(),
            Self::DcOffset => {
                "It shows in the lowest mel band. Take it out with a high-pass filter if only some have it.".to_owned()
            }
            Self::OtherRate => {
                format!("{} resamples all to one rate. A lower rate has fewer high frequencies: make sure it does not give a class away.", Stage::Preparation)
            }
            Self::OtherChannels => format!("{} mixes all down to mono.", Stage::Preparation),
            Self::OppositePhase => {
                format!("{} uses the loudest channel. Other programs mix them to nearly nothing.", Stage::Preparation)
            }
            Self::Disguised => format!("{} reads them by their content. Other programs may not.", Stage::Preparation),
            Self::Misnamed => format!("{} trusts the folder, or the name with {}.", Stage::Preparation, Setting::Labels.to("filename")),
            Self::Spelling => format!("Nothing needs doing: {} takes each of them as one class.", Stage::Preparation),
            Self::Foreign => format!("{} ignores them.", Stage::Preparation),
            Self::Overlapping => "Correct their starts and ends: the same sound may be on two sides of a split.".to_owned(),
            Self::MissingRows => "Add the recordings, or correct their paths, which are relative to the corpus.".to_owned(),
            Self::UnusedColumns => {
                format!("Nothing needs doing, unless one of them says what is meant: {}.", Setting::Columns.to("label=NAME"))
            }
            Self::Unclear => {
                format!("Complete the table, or say what names mean with {}.", Setting::Labels.to("'pattern:{speaker}/{}/{label}/{}'"))
            }
            Self::EmptyFolder => format!("Was something lost when they were copied? {} ignores them.", Stage::Preparation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unusable_is_a_problem_and_what_is_doubled_is_not() {
        for kind in [FindingKind::Unlabelled, FindingKind::Empty, FindingKind::Silent, FindingKind::Useless] {
            assert!(kind.is_unusable());
            assert_eq!(kind.severity(), Severity::Problem);
        }
        for kind in [FindingKind::Doubled, FindingKind::Clipped, FindingKind::Foreign] {
            assert!(!kind.is_unusable());
            assert_eq!(kind.severity(), Severity::Remark);
        }
        assert_eq!(serde_json::to_value(FindingKind::TwoLabels).unwrap(), "two_labels");
    }
}
