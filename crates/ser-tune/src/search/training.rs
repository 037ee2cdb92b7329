//! Training one trial: watches its process, records its epochs, and stops it when it does poorly.

use std::path::Path;
use std::time::Duration;

use ser_core::Result;
use ser_core::storage::Storage;
use ser_model::EpochRecord;
use serde_json::json;

use crate::search::child::{Ended, Running};
use crate::search::shared::{Task, WorkerShared, locked, remark};
use crate::search::trial_folder::{self, Follower, kept, objective_of, seconds_of};
use crate::{BaseRecipe, Operation, TrialState};

/// How often a running trial is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A trial in training.
pub(crate) struct Training<'a> {
    /// What its worker shares with the others.
    pub(crate) shared: &'a WorkerShared<'a>,
    /// The trial.
    pub(crate) task: &'a Task,
    /// The name of its worker in the journal.
    pub(crate) worker: &'a str,
}

/// How a run of a trial ended.
pub(crate) enum RunEnd {
    /// It was trained to its end.
    Trained(Trained),
    /// It ended with this error.
    Failed(String),
    /// It was stopped, because its trial is pruned, all is to stop, or somebody has stopped its process.
    Stopped,
}

/// A run that was trained to its end.
pub(crate) struct Trained {
    /// The objective after the epoch whose weights are kept.
    pub(crate) value: f64,
    pub(crate) best_epoch: u64,
    pub(crate) epochs: u64,
    pub(crate) seconds: f64,
}

/// Where a trial is when it is judged.
pub(crate) struct Standing {
    /// The epoch, or how many splits it has been trained on.
    pub(crate) step: u64,
    /// The objective after that.
    pub(crate) value: f64,
    /// Epochs in all.
    pub(crate) epochs: u64,
    pub(crate) seconds: f64,
    /// Whether there is nothing left to save by stopping.
    pub(crate) is_last: bool,
}

/// Is given all epochs so far, and which of them would be the last; says whether to stop.
type Judge<'a> = dyn FnMut(&[EpochRecord], &dyn Fn(&EpochRecord) -> bool) -> Result<bool> + 'a;

impl Training<'_> {
    /// Trains a trial until it ends, is pruned, or all is to stop.
    pub(crate) fn run(&self) -> Result<()> {
        let search = self.shared.search;
        let recipe = search.recipe.with(search.space, self.task.trial.values());
        if !search.setup.splits.is_empty() {
            return self.run_on_splits(&recipe);
        }
        let mut told = self.task.trial.last_intermediate().map_or(0, |(epoch, _)| epoch);
        let ended = self.train(&self.task.folder, &recipe, &mut |known, is_last| {
            for epoch in known.iter().filter(|epoch| u64::from(epoch.epoch) > told) {
                let until = known.iter().filter(|other| other.epoch <= epoch.epoch);
                let standing = Standing {
                    step: u64::from(epoch.epoch),
                    value: objective_of(epoch, search.setup.objective),
                    epochs: u64::from(epoch.epoch),
                    seconds: seconds_of(until),
                    is_last: is_last(epoch),
                };
                if self.tell(&standing, Vec::new())? {
                    return Ok(true);
                }
            }
            told = known.last().map_or(told, |epoch| u64::from(epoch.epoch).max(told));
            Ok(false)
        })?;
        match ended {
            RunEnd::Stopped => Ok(()),
            RunEnd::Failed(complaint) => self.fail(&complaint),
            RunEnd::Trained(Trained { value, best_epoch, epochs, seconds }) => {
                let remarks = [
                    ("epochs", json!(epochs)),
                    ("best_epoch", json!(best_epoch)),
                    ("seconds", json!(seconds)),
                ];
                self.end(TrialState::Complete, Some(value), remarks)
            }
        }
    }

    /// Trains `recipe` in `folder`. `judge` is given all epochs so far, and which of them would be the last, whenever
    /// there may be new ones, and says whether to stop.
    pub(crate) fn train(&self, folder: &Path, recipe: &BaseRecipe, judge: &mut Judge<'_>) -> Result<RunEnd> {
        let search = self.shared.search;
        let recipe_path = folder.join("recipe.toml");
        Storage::native().replace_file(&recipe_path, &[recipe.to_toml()?.as_bytes()])?;
        // Two options may be invalid together though each is valid with the defaults; then ser-fit says why.
        let config = recipe.config().ok();
        let is_last =
            |epoch: &EpochRecord| config.as_ref().is_some_and(|config| trial_folder::is_last(epoch, config));
        let mut process = search.trainer.start(folder, &recipe_path, config.as_ref(), &self.task.lock)?;
        let mut follower = Follower::default();
        let failed = |process: &mut Running, complaint: &str| {
            process.stop();
            Ok(RunEnd::Failed(complaint.to_owned()))
        };
        loop {
            let ended = process.ended()?;
            let known = match follower.look(folder) {
                Ok(known) => known,
                Err(error) => return failed(&mut process, &error.to_string()),
            };
            if judge(known, &is_last)? {
                process.stop();
                return Ok(RunEnd::Stopped);
            }
            match ended {
                None if self.shared.is_to_stop() => {
                    process.stop();
                    return Ok(RunEnd::Stopped);
                }
                None => std::thread::sleep(POLL_INTERVAL),
                // By somebody else: it goes on when it is taken up again.
                Some(Ended::Interrupted) => return Ok(RunEnd::Stopped),
                Some(Ended::Failed(complaint)) => return failed(&mut process, &complaint),
                Some(Ended::Finished) => {
                    let Some(best) = kept(known) else {
                        return failed(&mut process, "ended without a single epoch");
                    };
                    let value = objective_of(best, search.setup.objective);
                    if !value.is_finite() {
                        let what = format!("{} is not a number", search.setup.objective.name());
                        return failed(&mut process, &what);
                    }
                    return Ok(RunEnd::Trained(Trained {
                        value,
                        best_epoch: u64::from(best.epoch),
                        epochs: known.last().map_or(0, |epoch| u64::from(epoch.epoch)),
                        seconds: seconds_of(known),
                    }));
                }
            }
        }
    }

    /// Records where the trial is, with `remarks`, and ends it if it is to be pruned; whether it is.
    pub(crate) fn tell(
        &self,
        standing: &Standing,
        remarks: Vec<(String, serde_json::Value)>,
    ) -> Result<bool> {
        let &Standing { step, value, epochs, seconds, is_last } = standing;
        let trial_id = self.task.trial.id;
        let WorkerShared { search, study, journal, .. } = self.shared;
        let direction = search.setup.objective.direction();
        locked(journal).transact(self.worker, |replay| {
            let mut trial = replay.trial(trial_id).cloned().unwrap_or_else(|| self.task.trial.clone());
            trial.intermediate_values.insert(step, value);
            let mut operations: Vec<Operation> =
                remarks.into_iter().map(|(key, value)| remark(&trial, &key, value)).collect();
            operations.push(Operation::SetTrialIntermediateValue { trial_id, step, value });
            let verdict = search.setup.pruner.judge(&trial, direction, replay.trials(study.id));
            for (key, value) in verdict.remarks {
                operations.push(Operation::SetTrialSystemAttr { trial_id, key, value });
            }
            let stop = verdict.stop && !is_last;
            if stop {
                operations.push(remark(&trial, "epochs", json!(epochs)));
                operations.push(remark(&trial, "seconds", json!(seconds)));
                let value = Some(value).filter(|value| value.is_finite());
                operations.push(Operation::SetTrialState { trial_id, state: TrialState::Pruned, value });
            }
            Ok((operations, stop))
        })
    }

    pub(crate) fn fail(&self, complaint: &str) -> Result<()> {
        self.end(TrialState::Fail, None, [("error", json!(complaint))])
    }

    pub(crate) fn end(
        &self,
        state: TrialState,
        value: Option<f64>,
        remarks: impl IntoIterator<Item = (&'static str, serde_json::Value)>,
    ) -> Result<()> {
        let mut operations: Vec<Operation> =
            remarks.into_iter().map(|(key, value)| remark(&self.task.trial, key, value)).collect();
        operations.push(Operation::SetTrialState { trial_id: self.task.trial.id, state, value });
        locked(&self.shared.journal).transact(self.worker, |_| Ok((operations, ())))
    }
}
