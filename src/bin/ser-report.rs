//! `ser-report`: a checkpoint in, what it is worth on the test side out.

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use ser::cache::Access;
use ser::command::{self, Bar, Ending, ReportFiles, Switch};
use ser::report::assess::{AssessOptions, assess, run_record};
use ser::report::{Prediction, predictions_csv, render, wrong_predictions, wrong_predictions_table};
use ser::{Error, Result};

/// Evaluate a checkpoint on the test side of the split it was trained on: accuracy, UAR, classification report,
/// confusion matrix, and what the split can and cannot show.
#[derive(Debug, Parser)]
#[command(name = "ser-report", version)]
struct Arguments {
    /// Checkpoint to evaluate
    #[arg(long, value_name = "FILE", default_value = "best.pt")]
    checkpoint: PathBuf,
    /// Folder of the cache [default: where it was trained]
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// List the clips it got wrong, the most confident mistakes first
    #[arg(long)]
    errors: bool,
    /// Write path, true and predicted class and all probabilities into this CSV file
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
    /// Threads; 0 for one on every processor
    #[arg(long, default_value_t = 0)]
    threads: u32,
    /// Whether every tensor is compared with its checksum
    #[arg(long, value_enum, default_value_t = Switch::On)]
    verify: Switch,
    /// Read the cache piece by piece instead of mapping it into memory: for file systems that are not trusted
    #[arg(long)]
    no_mmap: bool,
    #[command(flatten)]
    files: ReportFiles,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    command::run("ser-report", || run(&arguments))
}

fn run(arguments: &Arguments) -> Result<Ending> {
    let options = AssessOptions {
        checkpoint: arguments.checkpoint.clone(),
        cache: arguments.cache.clone(),
        device: arguments.device.clone(),
        threads: arguments.threads,
        access: Access { map: !arguments.no_mmap, verify: arguments.verify.into() },
    };
    let (mut evaluation, predictions) = assess(&options, &Bar::new(arguments.quiet || arguments.json))?;
    if let Some(path) = &arguments.csv {
        write_csv(path, &evaluation.labels, &predictions)?;
    }
    if arguments.files.wanted() {
        let command = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
        let run =
            run_record(&options, std::iter::once("ser-report".to_owned()).chain(command.skip(1)).collect())?;
        arguments.files.write(&evaluation, &predictions, run)?;
    }
    let wrong = wrong_predictions(&evaluation.labels, &predictions)?;
    if arguments.json {
        if arguments.errors {
            evaluation = evaluation.with_errors(&predictions)?;
        }
        command::print(&format!("{}\n", command::to_json(&evaluation)?))?;
    } else if !arguments.quiet {
        command::print(&render(&evaluation, command::terminal_width())?)?;
        if arguments.errors {
            command::print(&format!("\n{}", wrong_predictions_table(&wrong)))?;
        }
    }
    Ok(Ending::Done)
}

fn write_csv(path: &Path, labels: &[String], predictions: &[Prediction]) -> Result<()> {
    let file = std::fs::File::create(path).map_err(|error| Error::io("cannot be written", path, error))?;
    predictions_csv(BufWriter::new(file), labels, predictions).map_err(|error| error.at(path))
}
