//! Training one trial: watches its process, records its epochs, and stops it when it does poorly.

use std::time::Duration;

use ser_core::Result;
use ser_core::storage::Storage;
use serde_json::json;

use crate::child::Running;
use crate::trial_folder::{Follower, kept};
use crate::worker::{Task, WorkerShared, locked, remark};
use crate::{Operation, TrialState};

/// How often a running trial is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A trial in training.
pub(super) struct Training<'a> {
    /// What its worker shares with the others.
    pub(super) shared: &'a WorkerShared<'a>,
    /// The trial.
    pub(super) task: &'a Task,
    /// The name of its worker in the journal.
    pub(super) worker: &'a str,
}

impl Training<'_> {
    /// Trains a trial until it ends, is pruned, or all is to stop.
    pub(super) fn run(&self) -> Result<()> {
        let search = self.shared.search;
        let recipe_path = self.task.folder.join("recipe.toml");
        let recipe = search.recipe.with(search.space, self.task.trial.values());
        Storage::native().replace_file(&recipe_path, &[recipe.to_toml()?.as_bytes()])?;
        // Two options may be invalid together though each is valid with the defaults; then ser-fit says why.
        let config = recipe.config().ok();
        let epochs = config.as_ref().map_or(self.shared.epochs, |config| u64::from(config.epochs));
        let mut process =
            search.trainer.start(&self.task.folder, &recipe_path, config.as_ref(), &self.task.lock)?;
        let mut follower = Follower::default();
        let mut told = self.task.trial.last_intermediate().map_or(0, |(epoch, _)| epoch);
        loop {
            let ended = process.ended()?;
            let looked = follower.look(&self.task.folder);
            let known = match looked {
                Ok(known) => known,
                Err(error) => return self.fail(&mut process, &error.to_string()),
            };
            for epoch in known {
                if epoch.epoch > told {
                    told = epoch.epoch;
                    let value = epoch.objective(search.setup.objective);
                    let sum =
                        known.iter().filter(|other| other.epoch <= told).filter_map(|other| other.seconds);
                    if self.tell(told, value, sum.sum(), told >= epochs)? {
                        process.stop();
                        return Ok(());
                    }
                }
            }
            match ended {
                None if self.shared.is_to_stop() => {
                    process.stop();
                    return Ok(());
                }
                None => std::thread::sleep(POLL_INTERVAL),
                Some(Err(complaint)) => return self.fail(&mut process, &complaint),
                Some(Ok(())) => {
                    let Some(best) = kept(known) else {
                        return self.fail(&mut process, "ended without a single epoch");
                    };
                    let value = best.objective(search.setup.objective);
                    if !value.is_finite() {
                        let what = format!("{} is not a number", search.setup.objective.name());
                        return self.fail(&mut process, &what);
                    }
                    let seconds: f64 = known.iter().filter_map(|epoch| epoch.seconds).sum();
                    let remarks = [
                        ("epochs", json!(told)),
                        ("best_epoch", json!(best.epoch)),
                        ("seconds", json!(seconds)),
                    ];
                    return self.end(TrialState::Complete, Some(value), remarks);
                }
            }
        }
    }

    /// Records the objective after an epoch, and stops the trial if it is to be pruned.
    fn tell(&self, epoch: u64, value: f64, seconds: f64, is_last: bool) -> Result<bool> {
        let trial_id = self.task.trial.id;
        let WorkerShared { search, study, journal, .. } = self.shared;
        let direction = search.setup.objective.direction();
        locked(journal).transact(self.worker, |replay| {
            let mut trial = replay.trial(trial_id).cloned().unwrap_or_else(|| self.task.trial.clone());
            trial.intermediate_values.insert(epoch, value);
            let mut operations = vec![Operation::SetTrialIntermediateValue { trial_id, step: epoch, value }];
            let verdict = search.setup.pruner.judge(&trial, direction, replay.trials(study.id));
            for (key, value) in verdict.remarks {
                operations.push(Operation::SetTrialSystemAttr { trial_id, key, value });
            }
            let stop = verdict.stop && !is_last;
            if stop {
                operations.push(remark(&trial, "epochs", json!(epoch)));
                operations.push(remark(&trial, "seconds", json!(seconds)));
                let value = Some(value).filter(|value| value.is_finite());
                operations.push(Operation::SetTrialState { trial_id, state: TrialState::Pruned, value });
            }
            Ok((operations, stop))
        })
    }

    fn fail(&self, process: &mut Running, complaint: &str) -> Result<()> {
        process.stop();
        self.end(TrialState::Fail, None, [("error", json!(complaint))])
    }

    fn end(
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
