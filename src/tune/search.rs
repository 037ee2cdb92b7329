//! The search: workers that take trials from the journal, each training one at a time.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use serde_json::{Map, json};

use super::child::{Running, Trainer};
use super::epochs::{Follower, kept};
use super::journal::Journal;
use super::operation::Operation;
use super::outcome::Outcome;
use super::recipe::Recipe;
use super::replay::{Replay, Study};
use super::setup::{self, Setup};
use super::space::Space;
use super::tpe::suggest;
use super::trial::{Trial, TrialState};
use crate::storage::Storage;
use crate::{Error, ErrorKind, Result};

/// How often a running trial is looked at.
const GLANCE: Duration = Duration::from_millis(20);
/// How often those are looked at that another process trains.
const LONG_GLANCE: Duration = Duration::from_millis(250);
/// When so many trials have failed and none has come to anything, something is wrong with all.
const HOPELESS: usize = 3;

/// What [`search`] needs.
#[derive(Debug)]
pub struct Search<'a> {
    /// The folder of the study.
    pub folder: &'a Path,
    /// What is searched over.
    pub space: &'a Space,
    /// What all trials have in common.
    pub recipe: &'a Recipe,
    /// What the search is about.
    pub setup: &'a Setup,
    /// How many trials the study is to have.
    pub trials: u64,
    /// How many are trained at once.
    pub workers: usize,
    /// After what time no trial is begun any more.
    pub timeout: Option<Duration>,
    /// How trials are trained.
    pub trainer: &'a Trainer,
    /// Raised from outside to stop: trials save their state, and the same search goes on with them.
    pub stop: &'a AtomicBool,
}

/// What happens in a search.
#[derive(Debug)]
pub enum Event<'a> {
    /// A trial begins, or goes on where an earlier process left it.
    Began {
        /// Its number.
        number: u64,
        /// Whether it goes on.
        resumed: bool,
    },
    /// A trial has ended.
    Ended(&'a Trial),
}

/// Searches until the study has its trials, and returns what came of it. Several processes may search in one study.
///
/// # Errors
/// When the study holds another search, the journal cannot be written, the first trials all fail, or on interruption.
pub fn search(search: &Search<'_>, on_event: &(dyn Fn(&Event<'_>) + Sync)) -> Result<Outcome> {
    search.recipe.check(search.space)?;
    let mut journal = Journal::open(search.folder)?;
    let study = open_study(search, &mut journal)?;
    let shared = Shared {
        search,
        study,
        journal: Mutex::new(journal),
        ours: Mutex::new(BTreeSet::new()),
        tally: Mutex::new(Tally::default()),
        halt: AtomicBool::new(false),
        deadline: search.timeout.map(|timeout| Instant::now() + timeout),
        epochs: u64::from(search.recipe.config()?.epochs),
        on_event,
    };
    let worked: Vec<Result<()>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..search.workers.max(1))
            .map(|number| {
                scope.spawn({
                    let shared = &shared;
                    move || shared.work(number).inspect_err(|_| shared.halt.store(true, Ordering::Relaxed))
                })
            })
            .collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            worker.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Io, "a worker ended unexpectedly")))
        };
        workers.into_iter().map(join).collect()
    });
    let journal = shared.journal.into_inner().unwrap_or_else(PoisonError::into_inner);
    let outcome = Outcome::new(search.folder, &shared.study, journal.replay())?;
    outcome.write_best(&Storage::native())?;
    worked.into_iter().collect::<Result<Vec<()>>>()?;
    let tally = shared.tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = tally.first_error.filter(|_| have_all_failed(journal.replay(), &shared.study)) {
        return Err(hopeless(search.folder, tally.failed, &error));
    }
    if search.stop.load(Ordering::Relaxed) {
        return Err(Error::new(ErrorKind::Interrupted, "stopped; every trial has saved its state")
            .at(search.folder)
            .mend("go on with the same command"));
    }
    Ok(outcome)
}

/// Whether no trial has ever come to anything.
fn have_all_failed(replay: &Replay, study: &Study) -> bool {
    replay
        .trials(study.id)
        .filter(|trial| trial.state.is_finished())
        .all(|trial| trial.state == TrialState::Fail)
}

fn hopeless(folder: &Path, failed: usize, error: &str) -> Error {
    let trials =
        if failed == 1 { "the first trial".to_owned() } else { format!("the first {failed} trials") };
    Error::new(ErrorKind::Unusable, format!("{trials} failed, the first with: {error}"))
        .at(folder)
        .mend("see output.txt in the folders of the trials, and search again")
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
            let continues = search.setup.continues(&Setup::of(study)?);
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

/// What the workers share.
struct Shared<'a> {
    search: &'a Search<'a>,
    study: Study,
    journal: Mutex<Journal>,
    /// Numbers of the trials that this process trains.
    ours: Mutex<BTreeSet<u64>>,
    tally: Mutex<Tally>,
    /// Raised when a worker cannot go on, so that the others stop too.
    halt: AtomicBool,
    deadline: Option<Instant>,
    /// Epochs of the base recipe, after which there is nothing left to save by stopping.
    epochs: u64,
    on_event: &'a (dyn Fn(&Event<'_>) + Sync),
}

/// The trials of this process that failed.
#[derive(Debug, Default)]
struct Tally {
    failed: usize,
    first_error: Option<String>,
}

/// A trial that is this worker's.
struct Task {
    trial: Trial,
    folder: PathBuf,
    /// Held as long as the trial is trained.
    lock: File,
    resumed: bool,
}

/// What a worker may do next.
enum Next {
    Train(Box<Task>),
    /// Only trials of other processes are left, which may yet be killed.
    Wait,
    Nothing,
}

impl Shared<'_> {
    fn work(&self, worker: usize) -> Result<()> {
        let started = jiff::Timestamp::now().as_nanosecond();
        let name = format!("ser-tune-{}-{started}-{worker}", std::process::id());
        while !self.is_to_stop() {
            match self.next(&name)? {
                Next::Nothing => break,
                Next::Wait => std::thread::sleep(LONG_GLANCE),
                Next::Train(task) => {
                    let (number, resumed) = (task.trial.number, task.resumed);
                    (self.on_event)(&Event::Began { number, resumed });
                    self.train(&task, &name)?;
                    locked(&self.ours).remove(&number);
                    self.count(task.trial.id)?;
                }
            }
        }
        Ok(())
    }

    fn is_to_stop(&self) -> bool {
        self.search.stop.load(Ordering::Relaxed) || self.halt.load(Ordering::Relaxed)
    }

    /// Takes over a trial that a killed process left, or begins one.
    fn next(&self, worker: &str) -> Result<Next> {
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let search = self.search;
        let next = locked(&self.journal).transact(worker, |replay| {
            let mut waiting = false;
            let running = replay.trials(self.study.id).filter(|trial| trial.state == TrialState::Running);
            for trial in running.filter(|trial| trial.text_attr("folder").is_some()) {
                if late || locked(&self.ours).contains(&trial.number) {
                    continue;
                }
                let folder = folder_of(search.folder, trial.number);
                match lock_trial(&folder)? {
                    None => waiting = true,
                    Some(lock) => {
                        let times = trial.number_attr("resumed").map_or(1, |times| times as u64 + 1);
                        let remark = remark(trial, "resumed", json!(times));
                        let task = Task { trial: trial.clone(), folder, lock, resumed: true };
                        return Ok((vec![remark], Next::Train(Box::new(task))));
                    }
                }
            }
            let counted = replay.trials(self.study.id).filter(|trial| trial.state != TrialState::Waiting);
            if late || counted.count() as u64 >= search.trials {
                return Ok((Vec::new(), if waiting { Next::Wait } else { Next::Nothing }));
            }
            let number = replay.trials(self.study.id).count() as u64;
            let folder = folder_of(search.folder, number);
            let Some(lock) = lock_trial(&folder)? else { return Ok((Vec::new(), Next::Wait)) };
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
            let user_attrs = Map::from_iter([("folder".to_owned(), json!(relative_folder(number)))]);
            let create = Operation::CreateTrial { study_id: self.study.id, params, user_attrs };
            let task = Task { trial, folder, lock, resumed: false };
            Ok((vec![create], Next::Train(Box::new(task))))
        })?;
        if let Next::Train(task) = &next {
            locked(&self.ours).insert(task.trial.number);
        }
        Ok(next)
    }

    /// Trains a trial until it ends, is pruned, or all is to stop.
    fn train(&self, task: &Task, worker: &str) -> Result<()> {
        let recipe_path = task.folder.join("recipe.toml");
        let recipe = self.search.recipe.with(self.search.space, &task.trial.params);
        Storage::native().replace_file(&recipe_path, &[recipe.to_toml()?.as_bytes()])?;
        // An option that depends on another can make a recipe that no option alone does.
        let epochs = recipe.config().map_or(self.epochs, |config| u64::from(config.epochs));
        let mut process = self.search.trainer.start(&task.folder, &recipe_path, &task.lock)?;
        let mut follower = Follower::default();
        let mut told = task.trial.last_intermediate().map_or(0, |(epoch, _)| epoch);
        loop {
            let ended = process.ended()?;
            let looked = follower.look(&task.folder);
            let known = match looked {
                Ok(known) => known,
                Err(error) => return self.fail(task, &mut process, worker, &error.to_string()),
            };
            for epoch in known {
                if epoch.epoch > told {
                    told = epoch.epoch;
                    let value = epoch.objective(self.search.setup.objective);
                    let sum =
                        known.iter().filter(|other| other.epoch <= told).filter_map(|other| other.seconds);
                    if self.tell(task, worker, told, value, sum.sum(), told >= epochs)? {
                        process.stop();
                        return Ok(());
                    }
                }
            }
            match ended {
                None if self.is_to_stop() => {
                    process.stop();
                    return Ok(());
                }
                None => std::thread::sleep(GLANCE),
                Some(Err(complaint)) => return self.fail(task, &mut process, worker, &complaint),
                Some(Ok(())) => {
                    let Some(best) = kept(known) else {
                        return self.fail(task, &mut process, worker, "ended without a single epoch");
                    };
                    let value = best.objective(self.search.setup.objective);
                    if !value.is_finite() {
                        let what = format!("{} is no number", self.search.setup.objective.name());
                        return self.fail(task, &mut process, worker, &what);
                    }
                    let seconds: f64 = known.iter().filter_map(|epoch| epoch.seconds).sum();
                    let remarks = [
                        ("epochs", json!(told)),
                        ("best_epoch", json!(best.epoch)),
                        ("seconds", json!(seconds)),
                    ];
                    return self.end(task, worker, TrialState::Complete, Some(value), remarks);
                }
            }
        }
    }

    /// Puts down the objective after an epoch, and stops the trial if it is to be pruned.
    fn tell(
        &self,
        task: &Task,
        worker: &str,
        epoch: u64,
        value: f64,
        seconds: f64,
        is_last: bool,
    ) -> Result<bool> {
        let trial_id = task.trial.id;
        let direction = self.search.setup.objective.direction();
        locked(&self.journal).transact(worker, |replay| {
            let mut trial = replay.trial(trial_id).cloned().unwrap_or_else(|| task.trial.clone());
            trial.intermediate_values.insert(epoch, value);
            let mut operations = vec![Operation::SetTrialIntermediateValue { trial_id, step: epoch, value }];
            let verdict = self.search.setup.pruner.judge(&trial, direction, replay.trials(self.study.id));
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

    fn fail(&self, task: &Task, process: &mut Running, worker: &str, complaint: &str) -> Result<()> {
        process.stop();
        self.end(task, worker, TrialState::Fail, None, [("error", json!(complaint))])
    }

    fn end(
        &self,
        task: &Task,
        worker: &str,
        state: TrialState,
        value: Option<f64>,
        remarks: impl IntoIterator<Item = (&'static str, serde_json::Value)>,
    ) -> Result<()> {
        let mut operations: Vec<Operation> =
            remarks.into_iter().map(|(key, value)| remark(&task.trial, key, value)).collect();
        operations.push(Operation::SetTrialState { trial_id: task.trial.id, state, value });
        locked(&self.journal).transact(worker, |_| Ok((operations, ())))
    }

    /// Counts a trial that has ended, and gives up when all have failed.
    fn count(&self, trial_id: u64) -> Result<()> {
        let (trial, all_failed) = {
            let journal = locked(&self.journal);
            let replay = journal.replay();
            (replay.trial(trial_id).cloned(), have_all_failed(replay, &self.study))
        };
        let Some(trial) = trial.filter(|trial| trial.state.is_finished()) else { return Ok(()) };
        (self.on_event)(&Event::Ended(&trial));
        let mut tally = locked(&self.tally);
        if trial.state == TrialState::Fail {
            tally.failed += 1;
            let error = trial.text_attr("error").unwrap_or_default().to_owned();
            let first = tally.first_error.get_or_insert(error).clone();
            if all_failed && tally.failed >= HOPELESS {
                return Err(hopeless(self.search.folder, tally.failed, &first));
            }
        }
        Ok(())
    }
}

/// Locks a mutex; a poisoned one only means that another worker ended unexpectedly.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remark(trial: &Trial, key: &str, value: serde_json::Value) -> Operation {
    Operation::SetTrialUserAttr { trial_id: trial.id, key: key.to_owned(), value }
}

fn relative_folder(number: u64) -> String {
    format!("trials/{number:04}")
}

/// The folder of a trial.
pub(super) fn folder_of(study: &Path, number: u64) -> PathBuf {
    study.join(relative_folder(number))
}

/// Takes the lock of a trial, which ends with the last process that holds it; none if somebody has it.
fn lock_trial(folder: &Path) -> Result<Option<File>> {
    Storage::native().make_folder(folder)?;
    let path = folder.join("supervisor.lock");
    let file = OpenOptions::new().read(true).append(true).create(true).open(&path);
    let file = file.map_err(|error| Error::io("cannot be opened", &path, error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(error) if error == rustix::io::Errno::WOULDBLOCK => Ok(None),
        Err(error) => Err(Error::io("cannot be locked", path, error.into())),
    }
}
