//! `ser-report`: a checkpoint in, its test-side evaluation out.

mod report_files;
mod reproduction;
mod unseen_corpus;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use ser::{Bar, Ending, Switch, choice};
use ser_cache::ReadOptions;
use ser_cache::audit::Requirement;
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result};
use ser_encoder::Encoders;
use ser_eval::metrics::BootstrapOptions;
use ser_eval::render::{csv, markdown, text};
use ser_eval::{DEFAULT_COVERAGE, wrong_predictions};
use ser_train::assess::{AssessOptions, assess, run_record};
use ser_train::collect::{assess_runs, compare_checkpoints};

use report_files::ReportFiles;
use unseen_corpus::UnseenCorpus;

/// Evaluate a checkpoint on the test side of the split it was trained on: accuracy, UAR, classification report,
/// confusion matrix, and what the split can and cannot show.
///
/// Two or more checkpoints are compared on the test side they share: ser-report a.pt b.pt. With --runs, every run below a
/// folder goes into one table of protocols and seeds.
#[derive(Debug, Parser)]
#[command(name = "ser-report", version)]
struct Arguments {
    /// Checkpoints to compare with the first of them, on the same test side; one alone is evaluated
    #[arg(value_name = "CHECKPOINT", conflicts_with = "checkpoint")]
    checkpoints: Vec<PathBuf>,
    /// Checkpoint to evaluate
    #[arg(long, value_name = "FILE", default_value = "best.pt")]
    checkpoint: PathBuf,
    /// Make one table of every run below this folder: protocol by accuracy, UAR and macro-F1, mean and deviation over
    /// seeds, 95 % interval by bootstrap over what the protocol has new, and the difference between a random split and
    /// speakers that are not in training
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["checkpoints", "checkpoint", "errors"])]
    runs: Option<PathBuf>,
    /// Print the table of --runs as Markdown
    #[arg(long, requires = "runs", conflicts_with_all = ["json", "quiet"])]
    markdown: bool,
    /// How often test sets are resampled for an interval
    #[arg(long, value_name = "N", default_value_t = BootstrapOptions::default().resamples)]
    resamples: u32,
    /// Folder of the cache [default: where it was trained]
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Fail, before anything is evaluated, unless the split meets this requirement; may be given more than once
    #[arg(long, value_parser = choice::<Requirement>(), value_name = "WHAT")]
    require: Vec<Requirement>,
    /// Coverage of the prediction sets in --csv and in the table of --runs; a report on one checkpoint measures it besides
    /// 0.8, 0.9 and 0.95
    #[arg(long, value_name = "SHARE", default_value_t = DEFAULT_COVERAGE)]
    coverage: f64,
    /// Cache of another corpus, prepared with the same features: how far its test side lies from the training side
    #[arg(long, value_name = "FOLDER", conflicts_with = "runs")]
    other_corpus: Option<PathBuf>,
    /// List the clips it got wrong, the most confident mistakes first
    #[arg(long)]
    errors: bool,
    /// Write path, true and predicted class, all probabilities, the prediction set and how unusual each is into this CSV
    /// file; with --runs, the table
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print one JSON object instead of a page
    #[arg(long)]
    json: bool,
    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
    /// auto, cpu, cuda or cuda:<N>
    #[arg(long, default_value = "auto")]
    device: String,
    /// Threads; 0 for one per processor
    #[arg(long, default_value_t = 0)]
    threads: u32,
    /// Whether every tensor is checked against its checksum
    #[arg(long, value_enum, default_value_t = Switch::On)]
    verify: Switch,
    /// Read the cache piece by piece instead of mapping it into memory: for file systems that are not trusted
    #[arg(long)]
    no_mmap: bool,
    /// Folder of the pretrained encoder that the checkpoint begins with, or reads the states of; may be given more than once
    /// with --runs [default: where it was in training]
    #[arg(long, value_name = "FOLDER")]
    encoder: Vec<PathBuf>,
    #[command(flatten)]
    files: ReportFiles,
    #[command(flatten)]
    unseen: UnseenCorpus,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    ser::run("ser-report", || run(&arguments))
}

fn run(arguments: &Arguments) -> Result<Ending> {
    if arguments.files.wanted() && (arguments.runs.is_some() || arguments.checkpoints.len() > 1) {
        return Err(one_checkpoint("--html, --figures and --card"));
    }
    match (&arguments.runs, arguments.checkpoints.as_slice()) {
        (Some(folder), _) => report_runs(arguments, folder),
        (None, [_, _, ..]) if arguments.unseen.wanted() => Err(one_checkpoint("--data and --unseen")),
        (None, [_, _, ..]) => report_comparison(arguments),
        (None, [one]) => report_checkpoint(arguments, one),
        (None, []) => report_checkpoint(arguments, &arguments.checkpoint),
    }
}

fn assess_options(arguments: &Arguments, checkpoint: &Path) -> AssessOptions {
    AssessOptions {
        checkpoint: checkpoint.to_owned(),
        cache: arguments.cache.clone(),
        device: arguments.device.clone(),
        threads: arguments.threads,
        access: ReadOptions { map: !arguments.no_mmap, verify: arguments.verify.into() },
        require: arguments.require.clone(),
        coverage: arguments.coverage,
        other_corpus: arguments.other_corpus.clone(),
        encoders: Encoders::new(arguments.encoder.clone()),
    }
}

fn report_checkpoint(arguments: &Arguments, checkpoint: &Path) -> Result<Ending> {
    let options = assess_options(arguments, checkpoint);
    let bar = Bar::new(arguments.quiet || arguments.json);
    let (mut evaluation, predictions, ending) = match arguments.unseen.wanted() {
        true => arguments.unseen.assess(&options, arguments.quiet, &bar)?,
        false => {
            let (evaluation, predictions) = assess(&options, &bar)?;
            (evaluation, predictions, Ending::Done)
        }
    };
    if let Some(path) = &arguments.csv {
        write_whole(path, |bytes| csv::predictions(bytes, &evaluation.labels, &predictions))?;
    }
    if arguments.files.wanted() {
        let run = match arguments.unseen.wanted() {
            true => None,
            false => Some(run_record(&options, |network| reproduction::commands(network, own_words()))?),
        };
        arguments.files.write(&evaluation, &predictions, run)?;
    }
    let wrong = wrong_predictions(&evaluation.labels, &predictions)?;
    if arguments.json {
        if arguments.errors {
            evaluation = evaluation.with_errors(&predictions)?;
        }
        ser::print(&format!("{}\n", ser::to_json(&evaluation)?))?;
    } else if !arguments.quiet {
        ser::print(&text::evaluation(&evaluation, ser::terminal_width())?)?;
        if arguments.errors {
            ser::print(&format!("\n{}", text::wrong_predictions(&wrong)))?;
        }
    }
    Ok(ending)
}

/// The words of this command.
fn own_words() -> Vec<String> {
    let given = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    std::iter::once("ser-report".to_owned()).chain(given).collect()
}

/// Every run below `folder` in one table.
fn report_runs(arguments: &Arguments, folder: &Path) -> Result<Ending> {
    let bar = Bar::new(arguments.quiet || arguments.json);
    let report = assess_runs(folder, &assess_options(arguments, folder), bootstrap(arguments), &bar)?;
    if let Some(path) = &arguments.csv {
        write_whole(path, |bytes| csv::runs(bytes, &report))?;
    }
    if arguments.json {
        ser::print(&format!("{}\n", ser::to_json(&report)?))?;
    } else if arguments.markdown {
        ser::print(&markdown::runs(&report))?;
    } else if !arguments.quiet {
        ser::print(&text::runs(&report, ser::terminal_width()))?;
    }
    Ok(if report.unusable.is_empty() { Ending::Done } else { Ending::SomeUnusable })
}

/// Two or more checkpoints on the same test side.
fn report_comparison(arguments: &Arguments) -> Result<Ending> {
    if arguments.csv.is_some() || arguments.errors || arguments.other_corpus.is_some() {
        return Err(one_checkpoint("--csv, --errors and --other-corpus"));
    }
    let bar = Bar::new(arguments.quiet || arguments.json);
    let options = assess_options(arguments, Path::new(""));
    let comparison = compare_checkpoints(&arguments.checkpoints, &options, bootstrap(arguments), &bar)?;
    if arguments.json {
        ser::print(&format!("{}\n", ser::to_json(&comparison)?))?;
    } else if !arguments.quiet {
        ser::print(&text::comparison(&comparison, ser::terminal_width()))?;
    }
    Ok(Ending::Done)
}

fn one_checkpoint(options: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{options} apply to one checkpoint"))
        .help("leave them out, or name one checkpoint")
}

fn bootstrap(arguments: &Arguments) -> BootstrapOptions {
    BootstrapOptions { resamples: arguments.resamples, ..BootstrapOptions::default() }
}

/// Writes a table to `path`, whole or not at all.
fn write_whole(path: &Path, table: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
    let mut bytes = Vec::new();
    table(&mut bytes).map_err(|error| error.at(path))?;
    Storage::native().replace_file(path, &[&bytes])
}
