//! Training from a test, stopping it where the test wants, and comparing the results of two runs.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ser_core::progress::{Progress, Silent};
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result};
use ser_distributed::Ranks;
use ser_model::checkpoint::{Checkpoint, Tensor, Value};
use ser_model::{EpochRecord, FitConfig};
use ser_train::device;
use ser_train::ensemble::fit_members;
use ser_train::run::{FitSummary, RunFolder};
use ser_train::train::{FitEvent, FitRequest, Material};

/// When a run is to be stopped.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stop {
    Never,
    /// Asked to stop once that many steps of this process are done.
    AfterStep(u64),
    /// Asked to stop once that epoch has been reported.
    AfterEpoch(u32),
    /// Gone once that epoch has been reported.
    KilledAfterEpoch(u32),
}

pub(crate) fn train(config: &FitConfig, run: &Path) -> Result<FitSummary> {
    go(config, run, false, Stop::Never)
}

pub(crate) fn train_and_stop(config: &FitConfig, run: &Path, stop: Stop) -> Result<FitSummary> {
    go(config, run, false, stop)
}

pub(crate) fn resume(config: &FitConfig, run: &Path) -> Result<FitSummary> {
    go(config, run, true, Stop::Never)
}

pub(crate) fn go(config: &FitConfig, folder: &Path, resume: bool, stop: Stop) -> Result<FitSummary> {
    config.validate()?;
    let (device, _) = device::set_up(&config.device, config.threads)?;
    let material = Material::open(config)?;
    let run = if resume {
        RunFolder::open(&Storage::native(), folder)?.0
    } else {
        RunFolder::create(&Storage::native(), folder, config)?
    };
    let raised = AtomicBool::new(false);
    let counter = StepCounter { raised: &raised, left: AtomicU64::new(u64::MAX) };
    if let Stop::AfterStep(steps) = stop {
        counter.left.store(steps, Ordering::Relaxed);
    }
    fit_members(
        FitRequest {
            config,
            material: &material,
            run: &run,
            device,
            ranks: &Ranks::alone(),
            resume,
            stop: &raised,
            progress: if matches!(stop, Stop::AfterStep(_)) { &counter } else { &Silent },
            on_event: &mut |event| match (stop, event) {
                (Stop::AfterEpoch(epoch), FitEvent::Epoch(record)) if record.epoch == epoch => {
                    raised.store(true, Ordering::Relaxed);
                    Ok(())
                }
                (Stop::KilledAfterEpoch(epoch), FitEvent::Epoch(record)) if record.epoch == epoch => {
                    Err(Error::new(ErrorKind::Io, "as if the process were gone"))
                }
                _ => Ok(()),
            },
        },
        &Storage::native(),
    )
}

/// Sets a flag after a number of steps.
struct StepCounter<'a> {
    raised: &'a AtomicBool,
    left: AtomicU64,
}

impl Progress for StepCounter<'_> {
    fn start(&self, _total: u64, _unit: &str) {}

    fn advance(&self, _count: u64) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.raised.store(true, Ordering::Relaxed);
        }
    }

    fn finish(&self) {}
}

/// How a run ended, without the times it took.
#[derive(PartialEq)]
pub(crate) struct Ended {
    pub(crate) best: Vec<(String, Tensor)>,
    pub(crate) last: Vec<(String, Tensor)>,
    optimizer: Option<Value>,
    average: Option<Value>,
    pub(crate) history: Vec<EpochRecord>,
}

/// Without the weights, which would be unreadable.
impl std::fmt::Debug for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ended").field("history", &self.history).finish_non_exhaustive()
    }
}

impl Ended {
    pub(crate) fn of(summary: FitSummary, run: &Path) -> Self {
        assert_eq!(metrics_of(run), summary.history);
        Self::at(run)
    }

    /// Of whatever made the run, also another process.
    pub(crate) fn at(run: &Path) -> Self {
        let last = Checkpoint::read(run.join("last.pt")).unwrap();
        let timeless = |record| EpochRecord {
            seconds: 0.0,
            samples_per_s: 0.0,
            waiting_share: 0.0,
            validated_per_s: 0.0,
            finished: 0.0,
            ..record
        };
        Self {
            best: Checkpoint::read(run.join("best.pt")).unwrap().model_state,
            optimizer: last.extra("optimizer").cloned(),
            average: last.extra("average").cloned(),
            last: last.model_state,
            history: metrics_of(run).into_iter().map(timeless).collect(),
        }
    }
}

/// The lines of `metrics.jsonl`.
pub(crate) fn metrics_of(run: &Path) -> Vec<EpochRecord> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
