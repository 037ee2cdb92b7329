//! `ser-tune`: a search space in, the best recipe found out.

mod tune_table;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use ser::{Ending, choice};
use ser_cache::Cache;
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::Protocol;
use ser_model::FitConfig;
use ser_tune::{
    BaseRecipe, LAUNCH, Objective, Pruner, Search, SearchSetup, Space, StudySummary, TrialRunner, launch,
    search,
};

use tune_table::TuneTable;

/// Search for the recipe that does best on the validation side.
///
/// Each trial is a ser-fit of its own with options drawn from a search space: at random at first, then where good
/// trials lie close together (TPE). Poor trials are stopped early. The same command continues a study, also after a
/// kill, and several may search in one study. Its journal, journal.log, opens in Optuna and optuna-dashboard.
///
/// The objective is a metric of the validation side. No option chooses by the test side, since a recipe chosen by it
/// has been trained on it: keep it for one look, with ser-report, at the end.
#[derive(Debug, Parser)]
#[command(name = "ser-tune", version)]
struct Arguments {
    /// Folder of the study: its journal, its trials, best.toml; an existing study is continued
    #[arg(long, value_name = "FOLDER")]
    study: PathBuf,
    /// Search space in TOML, such as recipes/search-space.toml
    #[arg(long, value_name = "FILE", required_unless_present = "show")]
    space: Option<PathBuf>,
    /// What all trials have in common, a recipe of ser-fit [default: its default recipe]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the cache [default: that of --config, or cache]
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Protocol, whose training side is learnt from and whose validation side decides [default: random]
    #[arg(long, value_name = "PROTOCOL")]
    split: Option<String>,
    /// Train every trial on several splits, with the mean over their validation sides as the objective: comma-separated
    /// names, speakers-* for all that begin so, or all
    #[arg(long, value_name = "PROTOCOLS", conflicts_with = "split")]
    splits: Option<String>,
    /// How many trials the study is to have, whatever their outcome
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    trials: u64,
    /// How many trials are trained at once
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: u16,
    /// Seed of the search; that of the trainings is in the recipe
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Validation metric to optimise; there is none of the test side
    #[arg(long, value_parser = choice::<Objective>(), default_value_t)]
    objective: Objective,
    /// How poor trials are stopped early
    #[arg(long, value_enum, default_value_t)]
    pruner: Rule,
    /// First epoch after which a trial may be stopped
    #[arg(long, value_name = "EPOCH", default_value_t = 2, conflicts_with = "splits",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    min_epochs: u32,
    /// With --splits: how many of them a trial is trained on before it may be stopped
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "splits",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    min_splits: u32,
    /// For asha: one trial in this many continues from each rung
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=1000))]
    reduction_factor: u32,
    /// For median: this many trials must be complete before any is stopped
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    startup_trials: u32,
    /// Start no trial after this time, such as 90s, 30m or 8h; running trials are finished
    #[arg(long, value_name = "TIME", value_parser = time)]
    timeout: Option<Duration>,
    /// The ser-fit to run [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    ser_fit: Option<PathBuf>,
    /// Print what the study holds, without searching further
    #[arg(long)]
    show: bool,
    /// Print one JSON object at the end instead of tables
    #[arg(long)]
    json: bool,
    /// Print nothing but errors
    #[arg(long, short, conflicts_with_all = ["json", "show"])]
    quiet: bool,
}

/// A rule for stopping trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Rule {
    /// Asynchronous successive halving
    #[default]
    Asha,
    /// Worse than the median of the complete trials at the same epoch
    Median,
    /// None: every trial is trained to its end
    None,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == LAUNCH) {
        return ser::run("ser-tune", || Err(launch(&arguments.collect::<Vec<_>>())));
    }
    let arguments = Arguments::parse();
    ser::run("ser-tune", || run(&arguments))
}

fn run(arguments: &Arguments) -> Result<Ending> {
    let table = TuneTable::new(arguments.quiet);
    let outcome =
        if arguments.show { StudySummary::read(&arguments.study)? } else { arguments.search(&table)? };
    if arguments.json {
        ser::print(&format!("{}\n", ser::to_json(&outcome)?))?;
    } else {
        table.conclude(&outcome)?;
    }
    Ok(Ending::Done)
}

/// What trials are trained on.
struct TrainingData {
    /// The protocols, in order.
    splits: Vec<String>,
    /// The digest of each split, by its protocol.
    digests: BTreeMap<String, String>,
    /// The name of the feature set.
    feature_set: String,
}

impl Arguments {
    fn search(&self, table: &TuneTable) -> Result<StudySummary> {
        let space_path = self.space.as_deref().ok_or_else(|| {
            Error::new(ErrorKind::Usage, "there is nothing to search over").help("give a --space")
        })?;
        let space = Space::read(space_path)?;
        let mut recipe = self.recipe()?;
        // Before the cache is looked at, so that a space that cannot be is refused first.
        recipe.check(&space).map_err(|error| error.at(space_path))?;
        let config = recipe.config()?;
        let TrainingData { splits, digests, feature_set } = self.training_data(&config)?;
        // All trials learn from what is the newest now, whatever is prepared meanwhile.
        let searches_features = space.iter().any(|(key, _)| key == "feature_set");
        if !searches_features {
            recipe.set("feature_set", feature_set.into());
        }
        let mut setup = SearchSetup::new(self.objective, self.pruner(), self.seed, &space, &recipe)
            .map_err(|error| error.at(space_path))?;
        if !searches_features {
            setup = setup.on(digests);
        }
        if self.splits.is_some() {
            setup = setup.over(splits);
        }
        let trainer = TrialRunner {
            ser_fit: self.ser_fit()?,
            launcher: std::env::current_exe().ok(),
            threads: self.threads(&space, &config),
        };
        let stop = ser::stop_on_interrupt("ser-tune: letting the trials save their state")?;
        let what = Search {
            folder: &self.study,
            space: &space,
            recipe: &recipe,
            setup: &setup,
            trials: self.trials,
            workers: usize::from(self.workers),
            timeout: self.timeout,
            trainer: &trainer,
            stop: &stop,
        };
        search(&what, &|event| table.add(event))
    }

    /// What all trials have in common: the recipe of --config, with the options given here.
    fn recipe(&self) -> Result<BaseRecipe> {
        let mut recipe = BaseRecipe::read(self.config.as_deref())?;
        if let Some(cache) = &self.cache {
            let cache = cache.to_str().ok_or_else(|| {
                Error::new(ErrorKind::Unsupported, "is not UTF-8, so no recipe can name it").at(cache)
            })?;
            recipe.set("cache", cache.into());
        }
        if let Some(split) = &self.split {
            recipe.set("split", split.as_str().into());
        }
        Ok(recipe)
    }

    /// Finds in the cache what `config` is to be trained on.
    fn training_data(&self, config: &FitConfig) -> Result<TrainingData> {
        let cache = Cache::open(&config.cache)?;
        let set = cache.feature_set(config.feature_set.as_deref())?;
        let splits = match &self.splits {
            None => vec![config.split.parse::<Protocol>()?],
            Some(wanted) => Protocol::choose(&cache.protocols(set)?, wanted)?,
        };
        let mut digests = BTreeMap::new();
        for split in &splits {
            digests.insert(split.to_string(), cache.split(set, split)?.digest.to_string());
        }
        let splits = splits.iter().map(Protocol::to_string).collect();
        Ok(TrainingData { splits, digests, feature_set: set.id.clone() })
    }

    /// Threads of each training where several share the processors, unless the recipe says how many.
    fn threads(&self, space: &Space, config: &FitConfig) -> Option<usize> {
        let workers = usize::from(self.workers);
        let is_free = config.threads == 0 && !space.iter().any(|(key, _)| key == "threads");
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        (workers > 1 && is_free).then(|| (all / workers).max(1))
    }

    fn pruner(&self) -> Pruner {
        let min_epochs = if self.splits.is_some() { self.min_splits } else { self.min_epochs };
        match self.pruner {
            Rule::None => Pruner::None,
            Rule::Asha => Pruner::Asha { min_epochs, reduction_factor: self.reduction_factor },
            Rule::Median => Pruner::Median { min_epochs, startup_trials: self.startup_trials },
        }
    }

    fn ser_fit(&self) -> Result<PathBuf> {
        if let Some(path) = &self.ser_fit {
            return match path.is_file() {
                true => Ok(path.clone()),
                false => Err(Error::new(ErrorKind::Missing, "is missing, and trials need it").at(path)),
            };
        }
        let own = std::env::current_exe().map_err(|error| Error::io("cannot be found", "ser-tune", error))?;
        let beside = own.with_file_name(format!("ser-fit{}", std::env::consts::EXE_SUFFIX));
        if beside.is_file() {
            return Ok(beside);
        }
        Err(Error::new(ErrorKind::Missing, "is missing, and trials need it")
            .at(beside)
            .help("build it with the feature torch, or say where it is with --ser-fit"))
    }
}

/// A time such as `90s`, `30m` or `8h`; without a unit it is in seconds.
fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let seconds = match unit {
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("give a number with s, m or h".to_owned()),
    };
    let number: f64 = number.trim().parse().map_err(|_| "give a number with s, m or h".to_owned())?;
    Duration::try_from_secs_f64(number * seconds)
        .ok()
        .filter(|time| time.as_secs() <= 1 << 32)
        .ok_or_else(|| "give a time that is neither negative nor absurdly long".to_owned())
}
