//! `ser-fit`: a cache in, a trained network out.

mod fit_table;
mod learning_options;
mod matrix_table;
mod place_options;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use ser::{Bar, Ending, choice};
use ser_cache::audit::{Requirement, require};
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result};
use ser_distributed::{Environment, Ranks};
use ser_model::{FitConfig, Precision, RunLength};
use ser_train::ensemble::{Joined, fit_members, join_checkpoints};
use ser_train::matrix::{MatrixRun, Prepared};
use ser_train::run::{FitSummary, RunFolder};
use ser_train::train::{FitRequest, Material};
use ser_train::{device, finetune, matrix};
use tch::Device;

use fit_table::FitTable;
use learning_options::LearningOptions;
use matrix_table::MatrixTable;
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
    let stop = ser::stop_on_interrupt("ser-fit: finishing this step")?;
    match (&arguments.protocols, &arguments.runs) {
        (Some(protocols), Some(folder)) => {
            fit_matrix(arguments, &config, protocols, folder, device, &ranks, &stop)
        }
        _ => fit_one(arguments, Begun { config, run, resume }, device, &ranks, &stop),
    }
}

/// What a run begins or continues with.
struct Begun {
    config: FitConfig,
    /// Its folder, if there is one already.
    run: Option<RunFolder>,
    /// Whether it was started before.
    resume: bool,
}

fn fit_one(
    arguments: &Arguments,
    Begun { mut config, run, resume }: Begun,
    device: Device,
    ranks: &Ranks,
    stop: &AtomicBool,
) -> Result<Ending> {
    // A run continues as it began, whatever the machine.
    config.precision = device::precision_for(config.precision, device);
    let material = ranks.together(arguments.material(&config))?;
    // Before there is a folder for a run that cannot be.
    RunLength::of(&config, material.train.len())?;
    let run = match run {
        Some(run) => run,
        // It stays with these features, whatever is prepared before it is resumed.
        None => {
            config.feature_set.clone_from(&material.set.id);
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

fn fit_matrix(
    arguments: &Arguments,
    config: &FitConfig,
    protocols: &str,
    folder: &Path,
    device: Device,
    ranks: &Ranks,
    stop: &AtomicBool,
) -> Result<Ending> {
    let cells = matrix::plan(config, protocols, arguments.seeds, folder)?;
    let config = &matrix::on_one_feature_set(config, &cells)?;
    ranks.agree("the runs to train", &listed(&cells))?;
    ranks.agree("the recipe", &config.what_ranks_share()?)?;
    let silent = arguments.quiet || arguments.json;
    let table = MatrixTable::new(silent);
    let cut = Material::open(config)?.cut_frames();
    MatrixTable::new(silent || !ranks.is_first()).print_header(&cells, cut)?;
    // Whole runs are dealt to ranks, each trained by one alone.
    let own = cells.iter().skip(ranks.rank() as usize).step_by(ranks.count() as usize);
    let trained = own.map(|cell| {
        let Prepared { config, run, resume } = cell.prepare(&Storage::native(), config, device)?;
        let material = arguments.material(&config)?;
        let request = FitRequest {
            config: &config,
            material: &material,
            run: &run,
            device,
            ranks: &Ranks::alone(),
            resume,
            stop,
            progress: &Bar::new(silent || ranks.are_several()),
            on_event: &mut |event| FitTable::new(true).add(&event),
        };
        let summary = train(request).map_err(matrix::with_rerun_hint)?;
        table.add(cell, &summary)?;
        Ok(summary)
    });
    let mut json = trained.collect::<Result<Vec<_>>>().and_then(|summaries| ser::to_json(&summaries));
    if ranks.are_several() {
        // The others wait for this one, and have to know if it could not go on.
        let all = ranks.gather(json)?;
        json = ser::to_json(&matrix::in_order(&all, cells.len())?);
    }
    let json = json?;
    if !ranks.is_first() {
        return Ok(Ending::Done);
    }
    table.conclude(folder, &json)?;
    if arguments.json {
        ser::print(&format!("{json}\n"))?;
    }
    Ok(Ending::Done)
}

/// The folders of some runs, a line each.
fn listed(cells: &[MatrixRun]) -> String {
    cells.iter().map(|cell| format!("{} seed {}\n", cell.protocol, cell.seed)).collect()
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
    /// What the run of this command begins or continues with.
    fn begin(&self, ranks: &Ranks) -> Result<Begun> {
        let (config, run) = ranks.together(self.recipe(ranks))?;
        match &self.run {
            Some(folder) if ranks.restarts() > 0 => self.begin_again(ranks, folder, config),
            _ => Ok(Begun { config, run, resume: self.resume.is_some() }),
        }
    }

    /// The recipe, and the folder of the run if there is one already.
    fn recipe(&self, ranks: &Ranks) -> Result<(FitConfig, Option<RunFolder>)> {
        if ranks.are_several() && self.run.is_none() && self.resume.is_none() && self.runs.is_none() {
            let what = format!("{} ranks need one folder for their run, and none is named", ranks.count());
            return Err(
                Error::new(ErrorKind::Usage, what).help("name it with --run, where all ranks can read it")
            );
        }
        let (mut config, run) = match &self.resume {
            Some(folder) => {
                let (run, config) = RunFolder::open_for(ranks, &Storage::native(), folder)?;
                (config, Some(run))
            }
            None => (self.learning.recipe()?, None),
        };
        self.place.apply(&mut config);
        if run.is_none() {
            // A recipe taken from another run does not carry over that run's best path.
            config.publish = if self.run.is_none() && self.runs.is_none() {
                PathBuf::from("best.pt")
            } else {
                PathBuf::new()
            };
        }
        config.validate()?;
        finetune::complete(&mut config)?;
        Ok((config, run))
    }

    /// A launcher that starts all ranks again, since one of them has failed, gives them the same command: the run in `folder`
    /// goes on, if it had begun.
    fn begin_again(&self, ranks: &Ranks, folder: &Path, mut config: FitConfig) -> Result<Begun> {
        if !ranks.as_first_says(folder.join("config.toml").exists())? {
            return Ok(Begun { config, run: None, resume: false });
        }
        let (run, begun) = RunFolder::open_for(ranks, &Storage::native(), folder)?;
        // A run continues as it began, whatever the machine.
        if config.precision == Precision::Auto {
            config.precision = begun.precision;
        }
        if !config.continues(&begun) {
            return Err(Error::new(ErrorKind::Mismatch, "holds a run that was started with another recipe")
                .at(folder)
                .help("give the recipe it was started with, or another folder with --run"));
        }
        Ok(Begun { config, run: Some(run), resume: true })
    }

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
