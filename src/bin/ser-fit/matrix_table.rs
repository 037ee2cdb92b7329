//! What `ser-fit --protocols` prints: a line for each run.

use ser::print;
use ser_cache::CutFrames;
use ser_core::{Error, ErrorKind, Result};
use ser_model::EpochRecord;
use ser_train::matrix::MatrixRun;
use ser_train::run::FitSummary;

/// Prints the runs of a matrix as they end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MatrixTable {
    silent: bool,
}

impl MatrixTable {
    /// A table that prints nothing if it is `silent`.
    pub(crate) fn new(silent: bool) -> Self {
        Self { silent }
    }

    /// Says what is `cut` off the recordings, if anything, and heads the columns for `cells`.
    ///
    /// # Errors
    /// When stdout cannot be written; likewise below.
    pub(crate) fn print_header(&self, cells: &[MatrixRun], cut: Option<CutFrames>) -> Result<()> {
        self.print(|| {
            let cut = cut.map(|cut| format!("{cut}\n"));
            format!(
                "{}{} runs\n\nprotocol            seed  epochs  best epoch   val acc   val UAR  seconds\n",
                cut.unwrap_or_default(),
                cells.len()
            )
        })
    }

    /// Prints a run; of an ensemble, a line for each of its networks.
    ///
    /// # Errors
    /// See above.
    pub(crate) fn add(&self, cell: &MatrixRun, summary: &FitSummary) -> Result<()> {
        self.print(|| summary.networks().iter().map(|network| line(cell, network)).collect())
    }

    /// Says how to evaluate the runs of these `summaries`, which are JSON, and whether some should have been longer.
    ///
    /// # Errors
    /// When they are no summaries; see above.
    pub(crate) fn conclude(&self, folder: &std::path::Path, summaries: &str) -> Result<()> {
        let summaries: Vec<SaidOfRun> = serde_json::from_str(summaries).map_err(|error| {
            Error::new(ErrorKind::Damaged, format!("the summaries of runs cannot be read: {error}"))
        })?;
        self.print(|| {
            let networks: Vec<&SaidOfRun> = summaries.iter().flat_map(SaidOfRun::networks).collect();
            let warnings: Vec<&String> =
                networks.iter().filter_map(|network| network.warning.as_ref()).collect();
            let warning = warnings.first().map(|first| {
                format!("warning: in {} of {} trainings {first}\n", warnings.len(), networks.len())
            });
            format!(
                "\nvalidation says nothing about the test sides; evaluate those with: ser-report --runs {}\n{}",
                folder.display(),
                warning.unwrap_or_default()
            )
        })
    }

    fn print(&self, text: impl FnOnce() -> String) -> Result<()> {
        if self.silent { Ok(()) } else { print(&text()) }
    }
}

/// What is needed of the summary of a run.
#[derive(serde::Deserialize)]
struct SaidOfRun {
    #[serde(default)]
    warning: Option<String>,
    /// Those of an ensemble.
    #[serde(default)]
    members: Vec<SaidOfRun>,
}

impl SaidOfRun {
    fn networks(&self) -> &[Self] {
        if self.members.is_empty() { std::slice::from_ref(self) } else { &self.members }
    }
}

fn line(cell: &MatrixRun, network: &FitSummary) -> String {
    let best = network.history.iter().rev().find(|record| record.best);
    let value = |of: fn(&EpochRecord) -> f64| best.map_or(f64::NAN, of);
    format!(
        "{:<18} {:>5}  {:>6}  {:>10}  {:>8.4}  {:>8.4}  {:>7.1}\n",
        cell.protocol.to_string(),
        cell.seed,
        network.history.len(),
        network.best_epoch,
        value(|record| record.val_accuracy),
        value(|record| record.val_uar),
        network.history.iter().map(|record| record.seconds).sum::<f64>(),
    )
}
