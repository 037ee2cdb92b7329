//! The search: a study started or continued, and its results.

pub(crate) mod child;
pub(crate) mod shared;
pub(crate) mod split_training;
pub(crate) mod summary;
pub(crate) mod training;
pub(crate) mod trial_folder;
pub(crate) mod worker;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result};
use serde_json::json;

use crate::search::shared::{WorkerShared, locked};
use crate::study::setup;
use crate::{
    BaseRecipe, Journal, Operation, Replay, SearchSetup, Space, Study, StudySummary, Trial, TrialRunner,
};

/// What [`search`] needs.
#[derive(Debug)]
pub struct Search<'a> {
    /// The folder of the study.
    pub folder: &'a Path,
    /// What is searched over.
    pub space: &'a Space,
    /// What all trials have in common.
    pub recipe: &'a BaseRecipe,
    /// What the search is about.
    pub setup: &'a SearchSetup,
    /// How many trials the study is to have.
    pub trials: u64,
    /// How many are trained at once.
    pub workers: usize,
    /// After what time no trial is begun any more.
    pub timeout: Option<Duration>,
    /// How trials are trained.
    pub trainer: &'a TrialRunner,
    /// Set from outside to stop: trials save their state, and the same search can continue them.
    pub stop: &'a AtomicBool,
}

/// What happens in a search.
#[derive(Debug)]
pub enum SearchEvent<'a> {
    /// A trial starts, or continues where an earlier process left it.
    Began {
        /// Its number.
        number: u64,
        /// Whether it continues.
        resumed: bool,
    },
    /// A trial has ended.
    Ended(&'a Trial),
}

/// Searches until the study has its trials, and returns the results. Several processes may search in one study.
///
/// # Errors
/// When the study holds another search, the journal cannot be written, the first trials all fail, or on interruption.
pub fn search(search: &Search<'_>, on_event: &(dyn Fn(&SearchEvent<'_>) + Sync)) -> Result<StudySummary> {
    let mut journal = Journal::open(search.folder)?;
    let study = open_study(search, &mut journal)?;
    let shared = WorkerShared::new(search, study, journal, on_event);
    let worked = shared.work_all(search.workers);
    let (outcome, written) = {
        let journal = locked(&shared.journal);
        let (replay, study) = (journal.replay(), &shared.study);
        let outcome = StudySummary::new(search.folder, study, replay)?;
        let recipe_of = |number: u64| {
            let trial = replay.trials(study.id).find(|trial| trial.number == number)?;
            Some(search.recipe.with(search.space, trial.values()))
        };
        let written = outcome.write_best(recipe_of, &Storage::native());
        (outcome, written)
    };
    worked?;
    written?;
    shared.check_hope()?;
    if search.stop.load(Ordering::Relaxed) {
        return Err(Error::new(ErrorKind::Interrupted, "stopped; every trial has saved its state")
            .at(search.folder)
            .help("continue with the same command"));
    }
    Ok(outcome)
}

/// The study of this search, begun if the journal has none.
fn open_study(search: &Search<'_>, journal: &mut Journal) -> Result<Study> {
    let name = std::path::absolute(search.folder).ok();
    let name =
        name.as_deref().and_then(Path::file_name).map_or("study".into(), |name| name.to_string_lossy());
    let setup = serde_json::to_value(search.setup).map_err(|error| {
        Error::new(ErrorKind::Unsupported, format!("the search cannot be written as JSON: {error}"))
    })?;
    journal.transact("ser-tune", |replay| {
        if let Some(study) = study_of(replay) {
            let continues = search.setup.continues(&SearchSetup::of(study)?);
            return continues.map(|()| (Vec::new(), ())).map_err(|error| error.at(search.folder));
        }
        let direction = search.setup.objective.direction();
        let objective = json!(search.setup.objective.name());
        let attr = |key: &str, value| Operation::SetStudyUserAttr { study_id: 0, key: key.to_owned(), value };
        let begin = vec![
            Operation::CreateStudy { name: name.into_owned(), direction },
            attr(setup::KEY, setup),
            attr("objective", objective),
        ];
        Ok((begin, ()))
    })?;
    let study = study_of(journal.replay()).cloned();
    study.ok_or_else(|| Error::new(ErrorKind::Damaged, "holds no study").at(search.folder))
}

/// The study in a journal that is ours, or else its first.
pub(super) fn study_of(replay: &Replay) -> Option<&Study> {
    let studies = replay.studies();
    studies.iter().find(|study| study.user_attrs.contains_key(setup::KEY)).or(studies.first())
}
