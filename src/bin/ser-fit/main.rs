//! `ser-fit`: a cache in, a trained network out.

mod begin;
mod fit_table;
mod learning_options;
mod matrix_runs;
mod matrix_table;
mod place_options;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use ser::{Bar, Ending, choice};
use ser_cache::audit::{Requirement, require};
use ser_core::storage::Storage;
use ser_core::{ErrorKind, Result};
use ser_distributed::{Environment, Ranks};
use ser_model::{FitConfig, RunLength};
use ser_train::device;
use ser_train::ensemble::{Joined, fit_members, join_checkpoints};
use ser_train::run::{FitSummary, RunFolder};
use ser_train::train::{FitRequest, Material};
use tch::Device;

use begin::Begun;
use fit_table::FitTable;
use learning_options::LearningOptions;
use matrix_runs::fit_matrix;
use place_options::PlaceOptions;

/// Train a network on a cache and keep the checkpoint of the best validation epoch.
#[derive(Debug, Parser)]
#[command(name = "ser-fit", version)]
struct Arguments {
    #[command(flatten)]
    place: PlaceOptions,
    #[command(flatten)]
    learning: LearningOptions,
    /// Fail, before anything is trained, unless the split meets this requirement; may be given more than once
    #[arg(long, value_parser = choice::<Requirement>(), value_name = "WHAT")]
    require: Vec<Requirement>,
    /// Folder of the run [default: runs/<time>, with the best checkpoint also in ./best.pt]
    #[arg(long, value_name = "FOLDER")]
    run: Option<PathBuf>,
    /// Train several protocols, each with several seeds: comma-separated names, speaker-* for all that begin so, or all
    #[arg(long, value_name = "PROTOCOLS", requires = "runs", conflicts_with_all = ["run", "resume"])]
    protocols: Option<String>,
    /// How many seeds, from --seed on
    // Where an option conflicts with --protocols, clap no longer asks for that: say it of each.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "protocols",
        conflicts_with_all = ["split", "run", "resume"])]
    seeds: u64,
    /// Folder of these runs, <protocol>/seed-<seed>/ each; the same command continues where it stopped
    #[arg(long, value_name = "FOLDER", requires = "protocols", conflicts_with_all = ["split", "run", "resume"])]
    runs: Option<PathBuf>,
    /// Continue the run in this folder
    #[arg(long, value_name = "RUN", conflicts_with_all = ["run", "LearningOptions"])]
    resume: Option<PathBuf>,
    /// Train nothing: combine existing checkpoints of one recipe into an ensemble, in the folder of --run
    #[arg(long, value_name = "CHECKPOINT", num_args = 2.., requires = "run",
        conflicts_with_all = ["LearningOptions", "PlaceOptions", "protocols", "resume", "require"])]
    join: Vec<PathBuf>,
    /// Show which libtorch, devices and instruction sets are available, and do nothing else
    #[arg(long)]
    doctor: bool,
    /// Print one JSON object at the end instead of a table
    #[arg(long)]
    json: bool,
    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    ser::run("ser-fit", || run(&arguments))
}

fn run(arguments: &Arguments) -> Result<Ending> {
    if arguments.doctor {
        ser::print(&device::doctor())?;
        return Ok(Ending::Done);
    }
    if let (Some(folder), [_, ..]) = (&arguments.run, arguments.join.as_slice()) {
        return join(arguments, folder);
    }
    let ranks = match Environment::of_this_process()? {
        Some(environment) => Ranks::join(&environment, env!("CARGO_PKG_VERSION"))?,
        None => Ranks::alone(),
    };
    let Begun { config, run, resume } = arguments.begin(&ranks)?;
    let (device, without_cuda) = device::set_up_rank(&config.device, config.threads, &ranks)?;
    if let Some(reason) = without_cuda.filter(|_| !arguments.quiet) {
        ser::say(&format!("ser-fit: training on the CPU: {reason}"));
    }
    // Ranks that each train whole runs add nothing up.
    let slow_sums = if arguments.protocols.is_none() { ranks.compute_on(device)? } else { None };
    if let Some(why) = slow_sums.filter(|_| ranks.is_first() && !arguments.quiet) {
        ser::say(&format!("ser-fit: sums of GPUs pass through main memory: {why}"));
    }
    let stop = ser::stop_on_interrupt("ser-fit: finishing this step")?;
    match (&arguments.protocols, &arguments.runs) {
        (Some(protocols), Some(folder)) => {
            fit_matrix(arguments, &config, protocols, folder, device, &ranks, &stop)
        }
        _ => fit_one(arguments, Begun { config, run, resume }, device, &ranks, &stop),
    }
}

fn fit_one(
    arguments: &Arguments,
    Begun { mut config, run, resume }: Begun,
    device: Device,
    ranks: &Ranks,
    stop: &AtomicBool,
) -> Result<Ending> {
    device::settle_precision(&mut config, device);
    let material = ranks.together(arguments.material(&config))?;
    // Before there is a folder for a run that cannot be.
    RunLength::of(&config, material.train.len())?;
    let run = match run {
        Some(run) => run,
        // It stays with these features, whatever is prepared before it is resumed.
        None => {
            config.feature_set = Some(material.set.id.clone());
            RunFolder::create_for(ranks, &Storage::native(), &arguments.run_folder(), &config)?
        }
    };
    // The first speaks for all.
    let silent = arguments.quiet || arguments.json || !ranks.is_first();
    let table = FitTable::new(silent);
    table.print_header(&material, device, ranks, &config, run.path())?;
    let request = FitRequest {
        config: &config,
        material: &material,
        run: &run,
        device,
        ranks,
        resume,
        stop,
        progress: &Bar::new(silent),
        on_event: &mut |event| table.add(&event),
    };
    let summary = train(request)?;
    table.conclude(&summary)?;
    if arguments.json && ranks.is_first() {
        ser::print(&format!("{}\n", ser::to_json(&summary)?))?;
    }
    Ok(Ending::Done)
}

/// Trains, and leaves no folder behind for a run that was rejected before it began.
fn train(request: FitRequest<'_>) -> Result<FitSummary> {
    let (run, resume) = (request.run, request.resume);
    fit_members(request, &Storage::native()).or_else(|error| {
        if !resume && error.kind() != ErrorKind::Interrupted {
            run.remove_if_unstarted()?;
        }
        Err(error)
    })
}

fn join(arguments: &Arguments, folder: &Path) -> Result<Ending> {
    let Joined { checkpoint: joined, not_calibrated } =
        join_checkpoints(&arguments.join, folder, &Storage::native())?;
    if let Some(why) = not_calibrated.filter(|_| !arguments.quiet) {
        ser::say(&format!("ser-fit: the ensemble is not calibrated: {why}"));
    }
    let text = match arguments.json {
        true => format!("{}\n", ser::to_json(&serde_json::json!({ "checkpoint": joined }))?),
        false => {
            format!("evaluate them together with: ser-report --checkpoint {}\n", joined.display())
        }
    };
    if !arguments.quiet {
        ser::print(&text)?;
    }
    Ok(Ending::Done)
}

impl Arguments {
    /// What `config` asks for, if it meets the requirements.
    fn material(&self, config: &FitConfig) -> Result<Material> {
        let material = Material::open(config)?;
        let info = &material.split.info;
        require(&self.require, &info.protocol, &info.audit).map_err(|error| error.at(&config.cache))?;
        Ok(material)
    }

    fn run_folder(&self) -> PathBuf {
        let now = || jiff::Zoned::now().strftime("%Y-%m-%dT%H-%M-%S%.3f").to_string();
        self.run.clone().unwrap_or_else(|| PathBuf::from("runs").join(now()))
    }
}
