//! What can be done about an error: the settings to change and the actions to take, whatever a front end calls them.
//!
//! A library knows that a recording is longer than [`Setting::MaxDuration`] allows. Whether a person changes that with a
//! flag, in a file or in a form is the front end's to say: it gives a [`Wording`] once, and every [`Setting`], [`Action`]
//! and [`Stage`] is displayed in its words from then on. Without one, settings are displayed by the names of their fields.

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Something a person can set, named as the field that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is documented where its field is")]
pub enum Setting {
    Arch,
    Augment,
    AverageFrom,
    BatchSize,
    Cache,
    Columns,
    Config,
    Coverage,
    Data,
    Device,
    EmaDecay,
    EmbedEncoder,
    Encoder,
    Epochs,
    Exclude,
    FeatureNormalisation,
    FeatureSet,
    FileTimeout,
    FinalLr,
    Folds,
    Force,
    GradientClip,
    Hop,
    Jobs,
    LabelSmoothing,
    Labels,
    Listen,
    Lr,
    Map,
    MaxDuration,
    MaxFrames,
    Members,
    Merge,
    MinDuration,
    Mmap,
    NearDuplicates,
    OtherCorpus,
    Out,
    Patience,
    Preset,
    Require,
    Resamples,
    Run,
    Runs,
    Runtime,
    Schedule,
    Seed,
    Seeds,
    Select,
    Shard,
    SpeechThreshold,
    Split,
    Steps,
    Strict,
    Study,
    Threads,
    Wait,
    WarmupEpochs,
    WarmupSteps,
    WeightDecay,
    Window,
}

impl Setting {
    /// This setting with a value, as a person would give it: `device = cpu`, or `--device cpu`.
    pub fn to(self, value: impl fmt::Display) -> Assignment {
        Assignment { setting: self, value: value.to_string() }
    }
}

/// A setting with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The setting.
    pub setting: Setting,
    /// The value, or a placeholder for one such as `speaker-<ID>`.
    pub value: String,
}

/// Something to do, displayed as an imperative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Prepare the corpus again.
    Prepare,
    /// Where there is no cache: prepare a corpus into this folder.
    PrepareInto(PathBuf),
    /// Verify the cache and recompute what is damaged.
    Repair,
    /// Write into a folder, and copy the cache from there into an object store.
    PushCache,
    /// Copy a cache from an object store into a folder.
    PullCache,
    /// Train on a cache.
    Train,
    /// Continue the run in this folder.
    Resume(PathBuf),
    /// Finish the run in this folder, which was stopped before its end.
    Finish(PathBuf),
    /// Train several protocols with several seeds each.
    TrainProtocols,
    /// Compare two checkpoints.
    CompareCheckpoints,
    /// Report on many runs together.
    ReportRuns,
    /// Begin a search.
    Search,
    /// List libtorch, devices and instruction sets.
    ListDevices,
}

/// A part of the work, by which a sentence can say who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From recordings to a cache.
    Preparation,
    /// From a cache to a checkpoint.
    Training,
    /// The search for a recipe.
    Search,
    /// The repair of a cache.
    Repair,
    /// The removal of what no feature set of a cache names.
    Collection,
}

/// How a front end calls settings, actions and stages.
pub trait Wording: Sync {
    /// What a person changes: `--max-duration`.
    fn setting(&self, setting: Setting) -> String;

    /// The same with a value: `--device cpu`.
    fn assignment(&self, assignment: &Assignment) -> String;

    /// What a person does, as an imperative: `run ser-prep`.
    fn action(&self, action: &Action) -> String;

    /// Who does it: `ser-prep`.
    fn stage(&self, stage: Stage) -> String;
}

static WORDING: OnceLock<&'static dyn Wording> = OnceLock::new();

/// Lets settings, actions and stages be displayed in the words of this process's front end. Only the first call counts.
pub fn set_wording(wording: &'static dyn Wording) {
    let _ = WORDING.set(wording);
}

/// The names of fields, and plain sentences.
struct LibraryWording;

impl Wording for LibraryWording {
    fn setting(&self, setting: Setting) -> String {
        <&str>::from(setting).to_owned()
    }

    fn assignment(&self, Assignment { setting, value }: &Assignment) -> String {
        format!("{} = {value}", self.setting(*setting))
    }

    fn action(&self, action: &Action) -> String {
        match action {
            Action::Prepare => "prepare the corpus".to_owned(),
            Action::PrepareInto(cache) => format!("prepare a corpus into {}", cache.display()),
            Action::Repair => "repair the cache".to_owned(),
            Action::PushCache => "name a folder, and push the cache from there".to_owned(),
            Action::PullCache => "pull it into a folder".to_owned(),
            Action::Train => "train".to_owned(),
            Action::Resume(run) => format!("resume the run in {}", run.display()),
            Action::Finish(run) => format!("finish the run in {}", run.display()),
            Action::TrainProtocols => "train several protocols with several seeds".to_owned(),
            Action::CompareCheckpoints => "compare two checkpoints".to_owned(),
            Action::ReportRuns => "report on the runs together".to_owned(),
            Action::Search => "begin a search".to_owned(),
            Action::ListDevices => "list the devices".to_owned(),
        }
    }

    fn stage(&self, stage: Stage) -> String {
        match stage {
            Stage::Preparation => "preparation",
            Stage::Training => "training",
            Stage::Search => "the search",
            Stage::Repair => "a repair",
            Stage::Collection => "garbage collection",
        }
        .to_owned()
    }
}

fn wording() -> &'static dyn Wording {
    WORDING.get().copied().unwrap_or(&LibraryWording)
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&wording().setting(*self))
    }
}

impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&wording().assignment(self))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&wording().action(self))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&wording().stage(*self))
    }
}

/// What a person can do about an error: an imperative without a final stop, made with [`remedy!`](crate::remedy!) where
/// it names settings or actions, and from plain text where it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy(Vec<Piece>);

/// A piece of a [`Remedy`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// Plain text.
    Text(String),
    /// A setting to change.
    Setting(Setting),
    /// A setting and the value to give it.
    Assignment(Assignment),
    /// Something to do.
    Action(Action),
    /// Who does something.
    Stage(Stage),
}

impl Remedy {
    /// A remedy of these pieces, in their order.
    pub fn new(pieces: Vec<Piece>) -> Self {
        Self(pieces)
    }

    /// Its pieces, for a front end that makes more of it than a line of text.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Setting(setting) => setting.fmt(f),
            Piece::Assignment(assignment) => assignment.fmt(f),
            Piece::Action(action) => action.fmt(f),
            Piece::Stage(stage) => stage.fmt(f),
        })
    }
}

impl<T: Into<Piece>> From<T> for Remedy {
    fn from(piece: T) -> Self {
        Self(vec![piece.into()])
    }
}

impl From<&str> for Piece {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Piece {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Setting> for Piece {
    fn from(setting: Setting) -> Self {
        Self::Setting(setting)
    }
}

impl From<Assignment> for Piece {
    fn from(assignment: Assignment) -> Self {
        Self::Assignment(assignment)
    }
}

impl From<Action> for Piece {
    fn from(action: Action) -> Self {
        Self::Action(action)
    }
}

impl From<Stage> for Piece {
    fn from(stage: Stage) -> Self {
        Self::Stage(stage)
    }
}

/// A [`Remedy`] of texts, settings, actions and stages, one after the other.
///
/// ```
/// use ser_core::remedy;
/// use ser_core::remedy::Setting;
///
/// let remedy = remedy!["cut it into utterances, or raise the limit with ", Setting::MaxDuration];
/// assert_eq!(remedy.to_string(), "cut it into utterances, or raise the limit with max_duration");
/// ```
#[macro_export]
macro_rules! remedy {
    ($($piece:expr),+ $(,)?) => {
        $crate::remedy::Remedy::new(vec![$($crate::remedy::Piece::from($piece)),+])
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_front_end_settings_have_the_names_of_their_fields() {
        let remedy = crate::remedy!["give ", Setting::Device.to("cpu"), ", or lower ", Setting::BatchSize];
        assert_eq!(remedy.to_string(), "give device = cpu, or lower batch_size");
        assert_eq!(remedy.pieces()[3], Piece::Setting(Setting::BatchSize));
        assert_eq!(Remedy::from(Action::Resume("runs/a".into())).to_string(), "resume the run in runs/a");
    }
}
