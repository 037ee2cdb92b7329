//! The workers of a search: each takes trials from the journal and trains one at a time.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ser_core::{Error, ErrorKind, Result};
use serde_json::{Map, json};

use crate::search::shared::{Task, WorkerShared, locked, remark};
use crate::search::training::Training;
use crate::search::trial_folder;
use crate::{Operation, Replay, SearchEvent, Study, Trial, TrialState, suggest};

/// How often trials of other processes are polled.
const OTHER_PROCESS_POLL_INTERVAL: Duration = Duration::from_millis(250);
/// When this many trials have failed and none succeeded, something is wrong with all of them.
const FAILED_TRIALS_TO_GIVE_UP: usize = 3;

/// What a worker may do next.
enum Next {
    Train(Box<Task>),
    /// Only trials of other processes are left, which may yet be killed.
    Wait,
    Nothing,
}

/// What is left of trials that other processes began.
enum Left {
    Nothing,
    /// Trials that their processes still train.
    Elsewhere,
    /// A trial that this worker has taken over, and the remark that it has.
    Taken(Operation, Box<Task>),
}

impl WorkerShared<'_> {
    /// Lets `count` workers train until there is nothing more to train.
    ///
    /// # Errors
    /// The first of a worker. The others stop then too.
    pub(crate) fn work_all(&self, count: usize) -> Result<()> {
        let worked: Vec<Result<()>> = std::thread::scope(|scope| {
            let worker = |number| {
                scope.spawn(move || {
                    self.work(number).inspect_err(|_| self.halt.store(true, Ordering::Relaxed))
                })
            };
            let workers: Vec<_> = (0..count.max(1)).map(worker).collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, Result<()>>| {
                let unexpected = || Err(Error::new(ErrorKind::Io, "a worker ended unexpectedly"));
                worker.join().unwrap_or_else(|_| unexpected())
            };
            workers.into_iter().map(join).collect()
        });
        worked.into_iter().collect()
    }

    /// An error if no trial has ever succeeded.
    pub(crate) fn check_hope(&self) -> Result<()> {
        let all_failed = no_trial_succeeded(locked(&self.journal).replay(), &self.study);
        let tally = locked(&self.tally);
        match &tally.first_error {
            Some(error) if all_failed => Err(all_trials_failed(self.search.folder, tally.failed, error)),
            _ => Ok(()),
        }
    }

    fn work(&self, worker: usize) -> Result<()> {
        let started = jiff::Timestamp::now().as_nanosecond();
        let name = format!("ser-tune-{}-{started}-{worker}", std::process::id());
        while !self.is_to_stop() {
            match self.next(&name)? {
                Next::Nothing => break,
                Next::Wait => std::thread::sleep(OTHER_PROCESS_POLL_INTERVAL),
                Next::Train(task) => {
                    let (number, resumed) = (task.trial.number, task.resumed);
                    (self.on_event)(&SearchEvent::Began { number, resumed });
                    Training { shared: self, task: &task, worker: &name }.run()?;
                    locked(&self.ours).remove(&number);
                    self.count(task.trial.id)?;
                }
            }
        }
        Ok(())
    }

    /// Takes over a trial that a killed process left, or begins one.
    fn next(&self, worker: &str) -> Result<Next> {
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let next = locked(&self.journal).transact(worker, |replay| {
            let left = if late { Left::Nothing } else { self.take_over(replay)? };
            if let Left::Taken(operation, task) = left {
                return Ok((vec![operation], Next::Train(task)));
            }
            let counted = replay.trials(self.study.id).filter(|trial| trial.state != TrialState::Waiting);
            if late || counted.count() as u64 >= self.search.trials {
                let next = if matches!(left, Left::Elsewhere) { Next::Wait } else { Next::Nothing };
                return Ok((Vec::new(), next));
            }
            Ok(match self.begin(replay)? {
                Some((operation, task)) => (vec![operation], Next::Train(task)),
                None => (Vec::new(), Next::Wait),
            })
        })?;
        if let Next::Train(task) = &next {
            locked(&self.ours).insert(task.trial.number);
        }
        Ok(next)
    }

    /// Looks for a trial that a killed process left, and takes it.
    fn take_over(&self, replay: &Replay) -> Result<Left> {
        let mut left = Left::Nothing;
        let running = replay.trials(self.study.id).filter(|trial| trial.state == TrialState::Running);
        for trial in running.filter(|trial| trial.text_attr("folder").is_some()) {
            if locked(&self.ours).contains(&trial.number) {
                continue;
            }
            let folder = trial_folder::path_of(self.search.folder, trial.number);
            match trial_folder::lock(&folder)? {
                None => left = Left::Elsewhere,
                Some(lock) => {
                    let times = trial.number_attr("resumed").map_or(1, |times| times as u64 + 1);
                    let remark = remark(trial, "resumed", json!(times));
                    let task = Task { trial: trial.clone(), folder, lock, resumed: true };
                    return Ok(Left::Taken(remark, Box::new(task)));
                }
            }
        }
        Ok(left)
    }

    /// Begins the next trial, with the options that are suggested for it; `None` if somebody else holds its folder.
    fn begin(&self, replay: &Replay) -> Result<Option<(Operation, Box<Task>)>> {
        let search = self.search;
        let number = replay.trials(self.study.id).count() as u64;
        let folder = trial_folder::path_of(search.folder, number);
        let Some(lock) = trial_folder::lock(&folder)? else { return Ok(None) };
        trial_folder::check_unused(&folder, &search.setup.splits)?;
        let direction = search.setup.objective.direction();
        let params =
            suggest(search.space, direction, search.setup.seed, number, replay.trials(self.study.id));
        let trial = Trial {
            id: replay.next_trial_id(),
            number,
            state: TrialState::Running,
            value: None,
            params: params.clone(),
            intermediate_values: Default::default(),
            user_attrs: Default::default(),
            system_attrs: Default::default(),
        };
        let user_attrs = Map::from_iter([("folder".to_owned(), json!(trial_folder::relative(number)))]);
        let create = Operation::CreateTrial { study_id: self.study.id, params, user_attrs };
        Ok(Some((create, Box::new(Task { trial, folder, lock, resumed: false }))))
    }

    /// Counts a trial that has ended, and gives up when all have failed.
    fn count(&self, trial_id: u64) -> Result<()> {
        let (trial, all_failed) = {
            let journal = locked(&self.journal);
            let replay = journal.replay();
            (replay.trial(trial_id).cloned(), no_trial_succeeded(replay, &self.study))
        };
        let Some(trial) = trial.filter(|trial| trial.state.is_finished()) else { return Ok(()) };
        (self.on_event)(&SearchEvent::Ended(&trial));
        let mut tally = locked(&self.tally);
        if trial.state == TrialState::Fail {
            tally.failed += 1;
            let error = trial.text_attr("error").unwrap_or_default().to_owned();
            let first = tally.first_error.get_or_insert(error).clone();
            if all_failed && tally.failed >= FAILED_TRIALS_TO_GIVE_UP {
                return Err(all_trials_failed(self.search.folder, tally.failed, &first));
            }
        }
        Ok(())
    }
}

/// Whether no trial has ever succeeded.
fn no_trial_succeeded(replay: &Replay, study: &Study) -> bool {
    replay
        .trials(study.id)
        .filter(|trial| trial.state.is_finished())
        .all(|trial| trial.state == TrialState::Fail)
}

fn all_trials_failed(folder: &Path, failed: usize, error: &str) -> Error {
    let trials =
        if failed == 1 { "the first trial".to_owned() } else { format!("the first {failed} trials") };
    Error::new(ErrorKind::Unusable, format!("{trials} failed, the first with: {error}"))
        .at(folder)
        .help("see output.txt in the folders of the trials, and search again")
}
