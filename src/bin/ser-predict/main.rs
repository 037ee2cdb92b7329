//! `ser-predict`: a checkpoint and recordings in, answers out.

mod csv_lock;
mod csv_rows;
mod json_line;
mod long;
#[cfg(feature = "microphone")]
mod microphone;
mod places;
mod results;
mod resume;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ser::{Bar, Ending};
use ser_audio::Limits;
use ser_core::progress::Progress;
use ser_core::{Error, ErrorKind, Result};
use ser_encoder::Encoders;
use ser_eval::DEFAULT_COVERAGE;
use ser_predict::timeline::TimelineOptions;
use ser_predict::{Inputs, Model, ModelOptions, predict_all, recordings_at_once};

use results::{Results, Shape};

/// Say what a checkpoint hears in recordings: the answer with its probability, the classes that it cannot rule out, and
/// whether the recording is unlike those it was trained on.
///
/// Recordings are files in any container that ser-prep reads, folders of them, lists (files named .txt, a path a line), and -
/// for standard input. A line a recording, in their order, as soon as it is there.
#[derive(Debug, Parser)]
#[command(name = "ser-predict", version)]
struct Arguments {
    /// Files, folders, lists of files, - for standard input
    #[arg(value_name = "RECORDING", required_unless_present = "microphone")]
    recordings: Vec<PathBuf>,
    /// Listen to the microphone instead, and answer every --hop about the last --window; needs a build with --features
    /// microphone
    #[arg(long, conflicts_with_all = ["recordings", "csv", "timeline"])]
    microphone: bool,
    /// Checkpoint that answers
    #[arg(long, value_name = "FILE", default_value = "best.pt")]
    checkpoint: PathBuf,
    /// Folder of the pretrained encoder that the checkpoint begins with or reads the states of [default: where it was in
    /// preparation or training]
    #[arg(long, value_name = "FOLDER")]
    encoder: Option<PathBuf>,
    /// How often the prediction set is to hold the right class: above 0 and below 1
    #[arg(long, value_name = "SHARE", default_value_t = DEFAULT_COVERAGE)]
    coverage: f64,
    /// Write the answers into this CSV file, a line a recording
    #[arg(long, value_name = "FILE", conflicts_with = "timeline")]
    csv: Option<PathBuf>,
    /// Go on with the CSV file of a run that was stopped; with --timeline leave out recordings whose files are all there
    #[arg(long)]
    resume: bool,
    /// Print one JSON object a recording, a line each
    #[arg(long)]
    json: bool,
    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
    /// Exit with 1 instead of 3 if a recording cannot be used
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    timeline: long::TimelineArguments,
    /// auto, cpu, cuda or cuda:<N>
    #[arg(long, default_value = "auto")]
    device: String,
    /// Threads of the network; 0 for one per processor
    #[arg(long, default_value_t = 0)]
    threads: u32,
    /// Recordings decoded at once; 0 for one per processor
    #[arg(long, short, default_value_t = 0)]
    jobs: usize,
    /// Longest recording, seconds; with --timeline two hours at least
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().max_duration_s)]
    max_duration: f64,
    /// Shortest recording, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().min_duration_s)]
    min_duration: f64,
    /// Longest time that decoding a file may take, seconds of processor time
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().max_decoding_s)]
    file_timeout: f64,
    /// Largest file, bytes
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_bytes)]
    max_bytes: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    ser::run("ser-predict", || run(&arguments))
}

fn run(arguments: &Arguments) -> Result<Ending> {
    if arguments.recordings.iter().filter(|name| name.as_os_str() == "-").count() > 1 {
        let error = Error::new(ErrorKind::Usage, "standard input can be read only once");
        return Err(error.help("give - once"));
    }
    if arguments.resume && arguments.csv.is_none() && !arguments.timeline.saves() {
        let error = Error::new(ErrorKind::Usage, "--resume goes on with files, and none is named");
        return Err(error.help("add --csv, or --timeline with --save"));
    }
    arguments.limits().validate()?;
    arguments.timeline.check(arguments.microphone)?;
    let mut model = Model::open(&arguments.checkpoint, &arguments.model_options())?;
    if arguments.microphone {
        return listen_to_microphone(arguments, &mut model);
    }
    let unusable = match arguments.timeline.wanted() {
        true => long::listen_to_all(arguments, &mut model)?,
        false => answer_all(arguments, &mut model)?,
    };
    Ok(match (unusable, arguments.strict) {
        (0, _) => Ending::Done,
        (_, false) => Ending::SomeUnusable,
        (_, true) => Ending::AnsweredNo,
    })
}

#[cfg(feature = "microphone")]
fn listen_to_microphone(arguments: &Arguments, model: &mut Model) -> Result<Ending> {
    microphone::listen(arguments, model).map(|()| Ending::Done)
}

#[cfg(not(feature = "microphone"))]
fn listen_to_microphone(_: &Arguments, _: &mut Model) -> Result<Ending> {
    let error = Error::new(ErrorKind::Unsupported, "this build cannot hear a microphone");
    Err(error.help(
        "build it with: cargo build --release --features microphone (on Linux with the headers of ALSA)",
    ))
}

/// How many recordings could not be used.
fn answer_all(arguments: &Arguments, model: &mut Model) -> Result<u64> {
    let about = model.about().clone();
    let mut inputs = Inputs::new(arguments.recordings.clone());
    let mut results = Results::new(&about, arguments.shape(), arguments.coverage)?;
    if let Some(path) = &arguments.csv {
        let resume = arguments.resume.then(|| (recordings_at_once(model), arguments.limits()));
        results.keep_in(path, resume, Inputs::new(arguments.recordings.clone()))?;
        inputs.by_ref().take(results.n_resumed() as usize).for_each(drop);
    }
    let bar = Bar::new(arguments.quiet || arguments.json);
    if bar.is_visible() {
        bar.start(Inputs::new(arguments.recordings.clone()).count() as u64, "recordings");
        bar.advance(results.n_resumed());
    }
    let limits = arguments.limits();
    let done = predict_all(model, inputs, limits, arguments.jobs, &bar, |outcome| {
        bar.above(|| results.take(&outcome))
    });
    bar.finish();
    done?;
    results.finish()
}

impl Arguments {
    fn model_options(&self) -> ModelOptions {
        ModelOptions {
            device: self.device.clone(),
            threads: self.threads,
            coverage: self.coverage,
            encoders: Encoders::new(self.encoder.iter().cloned().collect()),
        }
    }

    fn timeline_options(&self) -> TimelineOptions {
        self.timeline.options()
    }

    fn limits(&self) -> Limits {
        Limits {
            max_bytes: self.max_bytes,
            max_duration_s: self.max_duration,
            min_duration_s: self.min_duration,
            max_decoding_s: self.file_timeout,
            ..Limits::default()
        }
    }

    fn shape(&self) -> Shape {
        match (self.json, self.quiet) {
            (true, _) => Shape::Json,
            (_, true) => Shape::Nothing,
            _ => Shape::Table,
        }
    }
}
