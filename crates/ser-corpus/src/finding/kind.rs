//! The kinds of finding, in order of importance, with all that is said of each in one place: to add a kind is to add an entry
//! to the table below.

use ser_core::remedy;
use ser_core::remedy::{Setting, Stage};
use serde::Serialize;

use crate::finding::Severity;

/// What a kind of finding means for the recordings it is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Preparation cannot use them: a problem.
    Unusable,
    /// They are missing or wrongly labelled, or nothing can be learnt from them: a problem.
    Problem,
    /// Worth knowing; preparation copes with it.
    Remark,
}

/// Declares [`FindingKind`] from a table. An entry consists of a doc comment, the name and:
///
/// - `effect`: an [`Effect`]
/// - `title`: the problem in a few words
/// - `verdict`: what follows their number in the verdict of a report, for one and for several where these differ; empty where
///   the verdict says it in other words
/// - `advice`: what to do, or why nothing needs doing, in the pieces that [`remedy!`] takes
macro_rules! finding_kinds {
    ($(
        $(#[$doc:meta])+
        $kind:ident {
            effect: $effect:ident,
            title: $title:literal,
            verdict: [$($verdict:literal),* $(,)?],
            advice: [$($advice:expr),+ $(,)?],
        }
    )+) => {
        /// A sort of finding. In JSON its name is in snake case, such as `two_labels`. The variants are in order of
        /// importance, and all problems come before all remarks.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FindingKind {
            $($(#[$doc])+ $kind,)+
        }

        impl FindingKind {
            /// All kinds, the most important first.
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$kind),+];

            fn effect(self) -> Effect {
                match self {
                    $(Self::$kind => Effect::$effect,)+
                }
            }

            /// The problem in a few words.
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$kind => $title,)+
                }
            }

            fn forms_in_verdict(self) -> &'static [&'static str] {
                match self {
                    $(Self::$kind => &[$($verdict),*],)+
                }
            }

            /// What to do, or why nothing needs doing.
            pub fn advice(self) -> String {
                match self {
                    $(Self::$kind => remedy![$($advice),+].to_string(),)+
                }
            }
        }
    };
}

finding_kinds! {
    /// One sound under several labels.
    TwoLabels {
        effect: Problem,
        title: "one sound under several labels",
        verdict: ["under two labels"],
        advice: [
            "Decide which label is right and remove the others; ",
            Stage::Preparation,
            " rejects the corpus until then.",
        ],
    }

    /// The folder and the name of a file say different classes, or different speakers of the corpus.
    Mislabelled {
        effect: Problem,
        title: "folder and name disagree on the label or the speaker",
        verdict: ["with a name and a folder that disagree"],
        advice: [
            "Listen, then move or rename them. ",
            Stage::Preparation,
            " trusts the folder, or the name with ",
            Setting::Labels.to("filename"),
            "; of CREMA-D and other corpora with codes in their names, the name, or the folder with ",
            Setting::Labels.to("folder"),
            ".",
        ],
    }

    /// Nothing says what the label of a recording is.
    Unlabelled {
        effect: Unusable,
        title: "without a label",
        verdict: [],
        advice: ["Put them into a folder named for their class, or give a table with ", Setting::Labels, "."],
    }

    /// A class that looks like a speaker or a corpus.
    Doubtful {
        effect: Problem,
        title: "classes that look like something else",
        verdict: ["doubtful class", "doubtful classes"],
        advice: [
            "Say what the names mean with ",
            Setting::Labels,
            ": ",
            Stage::Preparation,
            " takes them as classes, and ends as if something could not be used.",
        ],
    }

    /// The classes cannot be learnt: there is only one, or one has fewer than three recordings.
    Classes {
        effect: Problem,
        title: "classes that cannot be learnt",
        verdict: ["reason why its classes cannot be learnt", "reasons why its classes cannot be learnt"],
        advice: ["Give the folder that holds one folder for each class, with three recordings or more in each."],
    }

    /// The file has 0 bytes.
    Empty {
        effect: Unusable,
        title: "empty",
        verdict: [],
        advice: ["Copy them again from their source. ", Stage::Preparation, " leaves them out."],
    }

    /// It cannot be read: no permission, a device, a loop of links, a name that is not UTF-8.
    Unreadable {
        effect: Unusable,
        title: "unreadable",
        verdict: [],
        advice: ["Fix their permissions or links, or remove them. ", Stage::Preparation, " leaves them out."],
    }

    /// It is not audio, or of a kind that is not handled.
    NotAudio {
        effect: Unusable,
        title: "not audio, or not of a supported kind",
        verdict: [],
        advice: ["Convert them to WAV or FLAC, or remove them. ", Stage::Preparation, " leaves them out."],
    }

    /// Its bytes are cut short or corrupt.
    Damaged {
        effect: Unusable,
        title: "damaged",
        verdict: [],
        advice: ["Copy them again from their source. ", Stage::Preparation, " leaves them out."],
    }

    /// It is beyond a limit of size, duration or decoding time.
    BeyondLimit {
        effect: Unusable,
        title: "beyond a limit",
        verdict: [],
        advice: ["Cut them into utterances, or raise the limit. ", Stage::Preparation, " leaves them out."],
    }

    /// It holds nothing to learn from: no samples, too few, or some that are not finite.
    Useless {
        effect: Unusable,
        title: "nothing in it to learn from",
        verdict: [],
        advice: ["Export them again, or remove them. ", Stage::Preparation, " leaves them out."],
    }

    /// Every sample is zero.
    Silent {
        effect: Unusable,
        title: "silent",
        verdict: [],
        advice: ["Record or copy them again, or remove them. ", Stage::Preparation, " leaves them out."],
    }

    /// A recording of a known corpus is not there.
    Missing {
        effect: Problem,
        title: "missing",
        verdict: [],
        advice: [
            "Copy them from the source if you can; otherwise continue without them, and say so with your results.",
        ],
    }

    /// Recordings of a known corpus that are not as it was published: another sample rate, other lengths.
    NotAsPublished {
        effect: Remark,
        title: "not as published",
        verdict: [],
        advice: [
            "Get the corpus from its source if your results are to be compared with others on it; otherwise say with \
             them what was done to it.",
        ],
    }

    /// The same sound several times under one label.
    Doubled {
        effect: Remark,
        title: "the same sound more than once",
        verdict: [],
        advice: [
            "Nothing needs doing: ",
            Stage::Preparation,
            " keeps each sound once, so none ends up on two sides of a split.",
        ],
    }

    /// Two different sounds in the place of one recording of a known corpus.
    TwoTakes {
        effect: Remark,
        title: "two sounds for one recording",
        verdict: ["in two takes"],
        advice: ["Listen and keep one: both would be used, the same word by the same speaker."],
    }

    /// Recordings that the known corpus does not have.
    Extra {
        effect: Remark,
        title: "not part of the corpus",
        verdict: ["not part of the corpus"],
        advice: ["Remove them if your results are to be compared with others on this corpus."],
    }

    /// A speaker has no recording of some class that others have.
    AbsentClass {
        effect: Remark,
        title: "speakers without a class",
        verdict: ["speaker without one of the classes", "speakers without one of the classes"],
        advice: ["A split that holds out such a speaker measures fewer classes."],
    }

    /// Classes of very different size.
    Imbalance {
        effect: Remark,
        title: "unequal classes",
        verdict: ["imbalance of classes"],
        advice: ["Read UAR and macro-F1 rather than accuracy."],
    }

    /// Nearly all recordings have the same length: they were cut or padded.
    EqualLengths {
        effect: Remark,
        title: "of equal length",
        verdict: ["of equal length"],
        advice: [
            "Speech does not last equally long: they were cut or padded. Take the recordings as they were before, or make \
             sure that no speech was cut off and that padding does not give a class away.",
        ],
    }

    /// Nearly all recordings have the same peak: they were normalised.
    EqualPeaks {
        effect: Remark,
        title: "with equal peaks",
        verdict: ["with equal peaks"],
        advice: [
            "They were normalised, so how loud someone speaks is lost. ",
            Stage::Preparation,
            " sets all peaks to one level too, unless told otherwise; take the recordings as they were before if \
             loudness is to count.",
        ],
    }

    /// A recording is many times as long, or as short, as the others.
    UnusualLength {
        effect: Remark,
        title: "of unusual length",
        verdict: ["of unusual length"],
        advice: [
            "Listen to them. Cut a recording of several utterances into these, and remove what holds none: features are \
             cut or padded to one number of frames.",
        ],
    }

    /// A speaker is much louder, or much softer, than the others.
    SpeakerLevel {
        effect: Remark,
        title: "speakers at another level",
        verdict: ["speaker far from the level of the others", "speakers far from the level of the others"],
        advice: [
            "Listen: was the microphone set differently? ",
            Stage::Preparation,
            " sets all peaks to one level, unless told otherwise, but noise that is raised with the voice still tells \
             who speaks.",
        ],
    }

    /// Three or more samples in a row are at full scale (of 8 bits: half a millisecond).
    Clipped {
        effect: Remark,
        title: "clipped",
        verdict: ["clipped"],
        advice: ["This cannot be fixed afterwards. Check whether one class or speaker has more of them."],
    }

    /// The peak is below −60 dB.
    NearlySilent {
        effect: Remark,
        title: "nearly silent",
        verdict: ["nearly silent"],
        advice: ["Listen to them: normalisation makes them loud, noise and all."],
    }

    /// More than half of it is silence before or after the sound.
    MostlySilence {
        effect: Remark,
        title: "more silence than sound",
        verdict: ["with more silence than sound"],
        advice: ["Trim them, or check whether silence alone gives a class away."],
    }

    /// The mean of the samples is far from zero.
    DcOffset {
        effect: Remark,
        title: "DC offset",
        verdict: ["with a DC offset"],
        advice: ["It shows in the lowest mel band. Take it out with a high-pass filter if only some have it."],
    }

    /// Another sample rate than most.
    OtherRate {
        effect: Remark,
        title: "another sample rate",
        verdict: ["at another sample rate"],
        advice: [
            Stage::Preparation,
            " resamples all to one rate. A lower rate has fewer high frequencies: make sure it does not give a class away.",
        ],
    }

    /// Another number of channels than most.
    OtherChannels {
        effect: Remark,
        title: "another number of channels",
        verdict: ["with another number of channels"],
        advice: [Stage::Preparation, " mixes all down to mono."],
    }

    /// The channels cancel each other, so that one of them is used.
    OppositePhase {
        effect: Remark,
        title: "channels in opposite phase",
        verdict: ["with channels in opposite phase"],
        advice: [
            Stage::Preparation,
            " uses the loudest channel. Programs that mix channels leave nearly nothing of them.",
        ],
    }

    /// The content is of another container than the name says.
    Disguised {
        effect: Remark,
        title: "another format than the name says",
        verdict: ["in another format than the name says"],
        advice: [Stage::Preparation, " reads them by their content. Other programs may not."],
    }

    /// The name of a file disagrees with its folder in a way that does not change its label.
    Misnamed {
        effect: Remark,
        title: "folder and name disagree",
        verdict: ["misnamed"],
        advice: [
            Stage::Preparation,
            " trusts the folder, or the name with ",
            Setting::Labels.to("filename"),
            ".",
        ],
    }

    /// The name of a class or a speaker is written in several ways.
    Spelling {
        effect: Remark,
        title: "names written in several ways",
        verdict: ["name written in several ways", "names written in several ways"],
        advice: [
            "Nothing needs doing: ",
            Stage::Preparation,
            " takes all spellings of a name as one class, or one speaker.",
        ],
    }

    /// A file that is not named as a recording.
    Foreign {
        effect: Remark,
        title: "files that are not recordings",
        verdict: ["file that is no recording", "files that are not recordings"],
        advice: [Stage::Preparation, " ignores them."],
    }

    /// A folder without a recording in it or below.
    EmptyFolder {
        effect: Remark,
        title: "folders without a recording",
        verdict: ["folder without a recording", "folders without a recording"],
        advice: ["Was something lost when they were copied? ", Stage::Preparation, " ignores them."],
    }

    /// Segments of one recording that share some of its sound.
    Overlapping {
        effect: Remark,
        title: "segments that overlap",
        verdict: ["segment that overlaps another", "segments that overlap"],
        advice: ["Correct their starts and ends: the same sound may be on two sides of a split."],
    }

    /// Rows of the table of labels whose recordings are not there.
    MissingRows {
        effect: Remark,
        title: "rows of the table without a recording",
        verdict: ["row of the table without a recording", "rows of the table without a recording"],
        advice: ["Add the recordings, or correct their paths, which are relative to the corpus."],
    }

    /// Columns of the table of labels that say nothing that is used.
    UnusedColumns {
        effect: Remark,
        title: "columns of the table that are not used",
        verdict: ["column that is not used", "columns that are not used"],
        advice: [
            "Nothing needs doing, unless one of them says what is meant: ",
            Setting::Columns.to("label=NAME"),
            ".",
        ],
    }

    /// What tables and folders do not make clear: segments without a label, folders that may be speakers', speakers who may be
    /// one person.
    Unclear {
        effect: Remark,
        title: "not clear from tables and folders",
        verdict: [
            "thing that tables and folders do not make clear",
            "things that tables and folders do not make clear",
        ],
        advice: [
            "Complete the table, or say what names mean with ",
            Setting::Labels.to("'pattern:{speaker}/{}/{label}/{}'"),
            ".",
        ],
    }
}

impl FindingKind {
    /// How severe it is.
    pub fn severity(self) -> Severity {
        match self.effect() {
            Effect::Unusable | Effect::Problem => Severity::Problem,
            Effect::Remark => Severity::Remark,
        }
    }

    /// Whether preparation cannot use a recording with it.
    pub fn is_unusable(self) -> bool {
        self.effect() == Effect::Unusable
    }

    /// What follows their `number` in the verdict of a report; nothing where that says it in other words.
    pub(crate) fn in_verdict(self, number: usize) -> Option<&'static str> {
        match self.forms_in_verdict() {
            [one, _] if number == 1 => Some(one),
            forms => forms.last().copied(),
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

    #[test]
    fn problems_come_before_remarks_and_every_advice_is_sentences() {
        assert!(FindingKind::ALL.is_sorted_by_key(|kind| (kind.severity(), *kind)));
        for kind in FindingKind::ALL {
            let advice = kind.advice();
            assert!(advice.ends_with('.') && !advice.contains("  "), "{kind:?}: {advice}");
            // Of what cannot be used the verdict gives one number for all kinds.
            assert!(!kind.is_unusable() || kind.in_verdict(2).is_none(), "{kind:?}");
        }
        let folders = [1, 2].map(|number| FindingKind::EmptyFolder.in_verdict(number).unwrap());
        assert_eq!(folders, ["folder without a recording", "folders without a recording"]);
        assert_eq!(FindingKind::Clipped.in_verdict(1), Some("clipped"));
    }
}
