//! `ser-cache`: looks after a cache that `ser-prep` made.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use ser::prep::Merge;
use ser::tables::cache as tables;
use ser::{Bar, Ending};
use ser_cache::Cache;
use ser_cache::collect::{GarbageOptions, collect};
use ser_cache::difference::compare;
use ser_cache::export::{export_csv, export_numpy};
use ser_cache::listing::list;
use ser_cache::transfer::{pull, push};
use ser_cache::usage::usage;
use ser_cache::verify::verify;
use ser_core::storage::Storage;
use ser_core::storage::objects::{is_url, printable_url};
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::{CorpusFolder, Protocol};
use ser_prepare::repair::{RepairOptions, repair};

/// Maintain a tensor cache: list, verify and repair, measure, clean up, export, compare, put portions together, and copy to object
/// stores.
#[derive(Debug, Parser)]
#[command(name = "ser-cache", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the feature sets: shape, configuration, splits, size, and which is the newest
    Ls(Ls),
    /// Read everything and report all damage, with the recordings affected; exit code 1 if there is any
    Verify(Verify),
    /// Show what takes how many bytes, and how many gc would free
    Du(Du),
    /// Remove what no feature set refers to; never while the cache is being read or written
    Gc(Gc),
    /// Copy a split into .npy files, or all utterances into a CSV file
    Export(Export),
    /// Show which utterances of two caches differ, and why; exit code 0 if none do, 1 if some do or it failed
    Diff(Diff),
    /// Put portions that ser-prep --shard prepared together, with the options they were prepared with, and split the utterances
    Merge(Merge),
    /// Copy what an object store lacks of a cache there, the index last: s3://, gs://, az:// or https://
    Push(Push),
    /// Copy what a folder lacks of a cache in an object store, each piece compared with its SHA-256; one that was stopped
    /// goes on with what is missing
    Pull(Pull),
}

#[derive(Debug, Args)]
struct Where {
    /// Folder of the cache
    #[arg(value_name = "FOLDER", default_value = "cache", conflicts_with = "cache")]
    folder: PathBuf,
    /// The same, under the name that other commands use
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Printing {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
}

#[derive(Debug, Args)]
struct Ls {
    #[command(flatten)]
    place: Where,
    /// Print all fields of the configurations, not only those that differ from the default
    #[arg(long)]
    long: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Verify {
    #[command(flatten)]
    place: Where,
    /// Rebuild damaged shards byte for byte, from intact rows and the recordings of the others; what
    /// cannot be rebuilt is set aside, so that ser-prep makes it again
    #[arg(long)]
    repair: bool,
    /// Folder of recordings, as given to ser-prep: once for each corpus, FOLDER or NAME=FOLDER [default: where ser-prep
    /// found them]
    #[arg(long, value_name = "FOLDER", requires = "repair")]
    data: Vec<CorpusFolder>,
    /// Wait while another process writes the cache
    #[arg(long, requires = "repair")]
    wait: bool,
    /// Files read at once; 0 for one per processor
    #[arg(long, short, default_value_t = 0)]
    jobs: usize,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Debug, Args)]
struct Du {
    #[command(flatten)]
    place: Where,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Gc {
    #[command(flatten)]
    place: Where,
    /// Show what would be removed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Drop this feature set first, given by the start of its name; may be given more than once
    #[arg(long, value_name = "FEATURE_SET")]
    drop: Vec<String>,
    /// Wait until the cache is not being written or read
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Debug, Args)]
struct Export {
    #[command(flatten)]
    place: Where,
    /// Protocol: random, word, speaker-<ID>, speakers-<i>-of-<k>, corpus-<NAME>, official or official-<FOLD> [default: random; with --csv all]
    #[arg(long, value_name = "PROTOCOL")]
    split: Option<Protocol>,
    /// Feature set, by the start of its name [default: the newest]
    #[arg(long, value_name = "ID")]
    feature_set: Option<String>,
    /// Folder for <side>_features.npy, <side>_frames.npy, <side>_labels.npy and <side>.jsonl of each side, and
    /// labels.json
    #[arg(long, value_name = "FOLDER", required_unless_present = "csv", conflicts_with = "csv")]
    numpy: Option<PathBuf>,
    /// CSV file with a line for each utterance and its side in each split
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Debug, Args)]
struct Diff {
    /// Folder of the first cache
    a: PathBuf,
    /// Folder of the second cache
    b: PathBuf,
    /// Feature set, by the start of its name; given twice, that of the first and of the second [default: the newest]
    #[arg(long, value_name = "ID")]
    feature_set: Vec<String>,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Debug, Args)]
struct Push {
    /// Folder of the cache
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Folder in the store, such as s3://bucket/caches/tess
    #[arg(value_name = "URL")]
    url: PathBuf,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Debug, Args)]
struct Pull {
    /// Folder in the store
    #[arg(value_name = "URL")]
    url: PathBuf,
    /// Folder of the cache
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Wait while another process writes the cache
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    printing: Printing,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    ser::run("ser-cache", || match &arguments.command {
        Command::Ls(options) => options.run(),
        Command::Verify(options) => options.run(),
        Command::Du(options) => options.run(),
        Command::Gc(options) => options.run(),
        Command::Export(options) => options.run(),
        Command::Diff(options) => options.run(),
        Command::Merge(options) => options.run(),
        Command::Push(options) => options.run(),
        Command::Pull(options) => options.run(),
    })
}

impl Where {
    fn root(&self) -> &PathBuf {
        self.cache.as_ref().unwrap_or(&self.folder)
    }
}

impl Printing {
    fn print(&self, value: &impl serde::Serialize, table: impl FnOnce() -> String) -> Result<()> {
        match (self.quiet, self.json) {
            (true, _) => Ok(()),
            (false, true) => ser::print(&format!("{}\n", ser::to_json(value)?)),
            (false, false) => ser::print(&table()),
        }
    }

    fn bar(&self) -> Bar {
        Bar::new(self.quiet || self.json)
    }
}

fn loud(json: bool) -> Printing {
    Printing { json, quiet: false }
}

impl Ls {
    fn run(&self) -> Result<Ending> {
        let listing = list(self.place.root())?;
        loud(self.json).print(&listing, || tables::listing(&listing, self.long))?;
        Ok(if listing.unreadable.is_empty() { Ending::Done } else { Ending::SomeUnusable })
    }
}

impl Verify {
    fn run(&self) -> Result<Ending> {
        let (root, bar) = (self.place.root(), self.printing.bar());
        let whole = if self.repair {
            let (root, data) = (root.clone(), self.data.clone());
            let options = RepairOptions { root, data, jobs: self.jobs, wait: self.wait };
            let repair = repair(&options, &Storage::native(), &bar)?;
            self.printing.print(&repair, || tables::repair(&repair))?;
            repair.is_whole()
        } else {
            let verification = verify(root, self.jobs, &bar)?;
            self.printing.print(&verification, || tables::verification(&verification))?;
            verification.is_whole()
        };
        Ok(if whole { Ending::Done } else { Ending::AnsweredNo })
    }
}

impl Du {
    fn run(&self) -> Result<Ending> {
        let usage = usage(self.place.root())?;
        loud(self.json).print(&usage, || tables::usage(&usage))?;
        Ok(Ending::Done)
    }
}

impl Gc {
    fn run(&self) -> Result<Ending> {
        let (root, drop) = (self.place.root().clone(), self.drop.clone());
        let options = GarbageOptions { root, drop, dry_run: self.dry_run, wait: self.wait };
        let collected = collect(&options, &Storage::native())?;
        self.printing.print(&collected, || tables::collected(&collected))?;
        Ok(Ending::Done)
    }
}

impl Export {
    fn run(&self) -> Result<Ending> {
        let cache = Cache::open(self.place.root())?;
        let set = cache.feature_set(self.feature_set.as_deref())?;
        let storage = Storage::native();
        let exported = match (&self.numpy, &self.csv) {
            (Some(folder), _) => {
                let protocol = self.split.clone().unwrap_or(Protocol::Random);
                export_numpy(&cache, set, &protocol, folder, &storage, &self.printing.bar())?
            }
            (None, Some(file)) => {
                let protocols = match &self.split {
                    Some(protocol) => vec![protocol.clone()],
                    None => cache.protocols(set)?,
                };
                export_csv(&cache, set, &protocols, file, &storage)?
            }
            (None, None) => return Ok(Ending::Done),
        };
        self.printing.print(&exported, || tables::exported(&exported))?;
        Ok(Ending::Done)
    }
}

impl Diff {
    fn run(&self) -> Result<Ending> {
        let (a, b) = (Cache::open(&self.a)?, Cache::open(&self.b)?);
        let id = |number: usize| self.feature_set.get(number).or(self.feature_set.last()).map(String::as_str);
        let difference = compare((&a, a.feature_set(id(0))?), (&b, b.feature_set(id(1))?))?;
        self.printing.print(&difference, || tables::difference(&difference))?;
        Ok(if difference.equal { Ending::Done } else { Ending::AnsweredNo })
    }
}

impl Push {
    fn run(&self) -> Result<Ending> {
        check_direction(&self.folder, &self.url, "ser-cache push FOLDER URL")?;
        let pushed = push(&self.folder, &self.url, &self.printing.bar())?;
        self.printing.print(&pushed, || tables::transfer(&pushed, &pushed.url))?;
        Ok(Ending::Done)
    }
}

impl Pull {
    fn run(&self) -> Result<Ending> {
        check_direction(&self.folder, &self.url, "ser-cache pull URL FOLDER")?;
        let pulled = pull(&self.url, &self.folder, self.wait, &Storage::native(), &self.printing.bar())?;
        self.printing.print(&pulled, || tables::transfer(&pulled, &pulled.cache.display().to_string()))?;
        Ok(Ending::Done)
    }
}

/// Refuses a folder where a URL belongs, and the other way around.
fn check_direction(folder: &Path, url: &Path, usage: &str) -> Result<()> {
    let wrong = match (is_url(folder), is_url(url)) {
        (false, true) => return Ok(()),
        (true, _) => (printable_url(folder), "is a URL where a folder belongs"),
        (false, false) => {
            (url.to_owned(), "is no URL of a folder in an object store, such as s3://bucket/folder")
        }
    };
    Err(Error::new(ErrorKind::Usage, wrong.1).at(wrong.0).help(format!("the order is {usage}")))
}
