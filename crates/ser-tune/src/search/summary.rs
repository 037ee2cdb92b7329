//! The results of a search so far.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ser_core::remedy::{Action, Setting, Stage};
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result, remedy};
use serde::Serialize;
use serde_json::Value as Json;

use crate::sampling::importance::importance;
use crate::search::split_training::value_key;
use crate::search::study_of;
use crate::search::trial_folder;
use crate::{BaseRecipe, Direction, Journal, Objective, Replay, SearchSetup, Study, Trial, TrialState};

/// A study, its trials and its best.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StudySummary {
    /// The folder of the study.
    pub folder: PathBuf,
    /// Name of the study.
    pub study: String,
    /// The objective that was optimised.
    pub objective: Objective,
    /// The splits that each trial is trained on, if the objective is the mean over several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub splits: Vec<String>,
    /// Which way is better.
    pub direction: Direction,
    /// Seed of the suggestions.
    pub seed: u64,
    /// The complete trial with the best value; of equals the first.
    pub best: Option<TrialSummary>,
    /// How much each option matters, adding up to 1; empty with fewer than two complete trials.
    pub importance: BTreeMap<String, f64>,
    /// All trials by number.
    pub trials: Vec<TrialSummary>,
}

/// A trial in few words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialSummary {
    /// Its number.
    pub number: u64,
    /// How far it is, as Optuna calls it.
    pub state: &'static str,
    /// Its value; of a pruned trial the last.
    pub value: Option<f64>,
    /// The objective on each split so far, where the value is the mean over several.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub splits: BTreeMap<String, f64>,
    /// Its options.
    pub params: BTreeMap<String, Json>,
    /// How many epochs it was trained.
    pub epochs: u64,
    /// How long they took.
    pub seconds: Option<f64>,
    /// The folder of its run.
    pub folder: PathBuf,
    /// Why it failed.
    pub error: Option<String>,
}

impl StudySummary {
    /// Reads the study in `folder`.
    ///
    /// # Errors
    /// When there is none, or it is not ours.
    pub fn read(folder: &Path) -> Result<Self> {
        let replay = Journal::read(folder)?;
        let study = study_of(&replay).ok_or_else(|| {
            Error::new(ErrorKind::Missing, "holds a journal without a study")
                .at(folder)
                .help(remedy!["to begin one there, ", Action::Search])
        })?;
        Self::new(folder, study, &replay)
    }

    pub(crate) fn new(folder: &Path, study: &Study, replay: &Replay) -> Result<Self> {
        let setup = SearchSetup::of(study).map_err(|error| error.at(folder))?;
        let direction = setup.objective.direction();
        let mut best: Option<(&Trial, f64)> = None;
        for trial in replay.trials(study.id).filter(|trial| trial.state == TrialState::Complete) {
            let Some(value) = trial.value.filter(|value| value.is_finite()) else { continue };
            if best.is_none_or(|(_, best)| direction.loss(value) < direction.loss(best)) {
                best = Some((trial, value));
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            study: study.name.clone(),
            objective: setup.objective,
            direction,
            seed: setup.seed,
            best: best.map(|(trial, _)| TrialSummary::new(folder, trial, &setup)),
            importance: importance(replay.trials(study.id), direction),
            trials: replay.trials(study.id).map(|trial| TrialSummary::new(folder, trial, &setup)).collect(),
            splits: setup.splits,
        })
    }

    /// Where the best recipe is.
    pub fn best_path(&self) -> PathBuf {
        self.folder.join("best.toml")
    }

    /// What the objective is computed on: "on the validation side".
    pub fn validation_in_words(&self) -> String {
        match self.splits.as_slice() {
            [] => "on the validation side".to_owned(),
            splits => format!("the mean over the validation sides of {}", splits.join(", ")),
        }
    }

    /// Writes the recipe of the best trial, if there is one, to `best.toml` in the folder of the study; `recipe_of` makes
    /// it of the trial's number. It need not be in the trial's folder: a trial that Optuna added has none.
    ///
    /// # Errors
    /// When the recipe cannot be said in TOML, or the file not be written.
    pub(crate) fn write_best(
        &self,
        recipe_of: impl FnOnce(u64) -> Option<BaseRecipe>,
        storage: &Storage,
    ) -> Result<()> {
        let Some(best) = &self.best else { return Ok(()) };
        let Some(recipe) = recipe_of(best.number) else { return Ok(()) };
        let text = recipe.to_toml()?;
        let objective = self.objective.name();
        let header = format!(
            "# Trial {} of {} in the study {:?}: {objective} {}, {}.\n\
             # {} {}\n",
            best.number,
            self.trials.len(),
            self.study,
            best.value.unwrap_or(f64::NAN),
            self.validation_in_words(),
            Stage::Training,
            Setting::Config.to(self.best_path().display()),
        );
        storage.replace_file(&self.best_path(), &[header.as_bytes(), text.as_bytes()])
    }
}

impl TrialSummary {
    pub(crate) fn new(study: &Path, trial: &Trial, setup: &SearchSetup) -> Self {
        let last = match setup.splits.is_empty() {
            true => trial.last_intermediate().map_or(0, |(epoch, _)| epoch),
            false => 0,
        };
        let on = |split: &String| {
            Some((split.clone(), trial.number_attr(&value_key(setup.objective.name(), split))?))
        };
        Self {
            splits: setup.splits.iter().filter_map(on).collect(),
            number: trial.number,
            state: trial.state.name(),
            value: trial.value,
            params: trial.external_params(),
            epochs: trial.number_attr("epochs").map_or(last, |epochs| epochs as u64),
            seconds: trial.number_attr("seconds"),
            folder: trial_folder::path_of(study, trial.number),
            error: trial.text_attr("error").map(str::to_owned),
        }
    }
}
