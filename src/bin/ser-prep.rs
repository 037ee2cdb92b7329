//! `ser-prep`: recordings in, a tensor cache with split manifests out.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ser::Result;
use ser::audio::Limits;
use ser::cache::audit::Requirement;
use ser::cache::prepare::{DEFAULT_SHARD_BYTES, NearDuplicates, PrepareOptions, prepare};
use ser::command::{self, Bar, Ending, FeatureOptions};
use ser::corpus::{Fractions, LabelSource};
use ser::storage::Storage;

/// Decode every recording of a corpus, compute MFCC, Δ and ΔΔ, and keep them in a content-addressed cache with split
/// manifests. What is in the cache already is not computed again.
#[derive(Debug, Parser)]
#[command(name = "ser-prep", version)]
struct Arguments {
    /// Folder of recordings, one folder for each class
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Folder of the cache
    #[arg(long, value_name = "FOLDER", default_value = "cache")]
    out: PathBuf,
    /// Where labels come from: folder, filename, or a CSV file with the columns path,label[,speaker,word]
    #[arg(long, value_name = "SOURCE", default_value = "folder")]
    labels: LabelSource,
    /// Leave out this class; may be given more than once
    #[arg(long, value_name = "LABEL")]
    exclude: Vec<String>,
    /// Share of the utterances (or words) for validation
    #[arg(long, value_name = "SHARE", default_value_t = Fractions::default().val)]
    val_fraction: f64,
    /// Share of the utterances (or words) for test
    #[arg(long, value_name = "SHARE", default_value_t = Fractions::default().test)]
    test_fraction: f64,
    /// Seed of the splits
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What becomes of recordings that are copies of others: encoded again, trimmed, louder
    #[arg(long, value_enum, default_value_t = NearDuplicates::Report)]
    near_duplicates: NearDuplicates,
    /// Fail, before any split is changed, unless a split fulfils this; may be given more than once, for one that fulfils
    /// all
    #[arg(long, value_enum, value_name = "WHAT")]
    require: Vec<Requirement>,
    /// Bytes of tensors in a file of the cache
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT_SHARD_BYTES)]
    shard_bytes: usize,
    /// Files handled at once; 0 for one on every processor
    #[arg(long, short, default_value_t = 0)]
    jobs: usize,
    /// Read every file again, also those whose size and times have not changed
    #[arg(long)]
    rehash: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Fail, before any split is changed, if a file cannot be used
    #[arg(long)]
    strict: bool,
    /// Wait while another process writes the cache
    #[arg(long)]
    wait: bool,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
    /// Longest recording, seconds
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
    #[command(flatten)]
    features: FeatureOptions,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    command::run("ser-prep", || run(&arguments))
}

fn run(arguments: &Arguments) -> Result<Ending> {
    let options = arguments.options()?;
    if !arguments.quiet {
        for warning in options.features.warnings() {
            eprintln!("ser-prep: {warning}");
        }
    }
    let report = prepare(&options, &Storage::native(), &Bar::new(arguments.quiet || arguments.json))?;
    if arguments.json {
        command::print(&format!("{}\n", report.to_json()))?;
    } else if arguments.quiet {
        for remark in &report.failed {
            let _ = writeln!(std::io::stderr(), "ser-prep: {}: {}", remark.path, remark.text);
        }
    } else {
        command::print(&report.to_table())?;
    }
    Ok(if report.failed.is_empty() { Ending::Done } else { Ending::SomeUnusable })
}

impl Arguments {
    fn options(&self) -> Result<PrepareOptions> {
        Ok(PrepareOptions {
            data: self.data.clone(),
            out: self.out.clone(),
            features: self.features.config()?,
            labels: self.labels.clone(),
            exclude: self.exclude.clone(),
            fractions: Fractions { val: self.val_fraction, test: self.test_fraction },
            seed: self.seed,
            limits: Limits {
                max_bytes: self.max_bytes,
                max_duration_s: self.max_duration,
                min_duration_s: self.min_duration,
                max_decoding_s: self.file_timeout,
            },
            near_duplicates: self.near_duplicates,
            require: self.require.clone(),
            shard_bytes: self.shard_bytes,
            jobs: self.jobs,
            rehash: self.rehash,
            strict: self.strict,
            wait: self.wait,
            dry_run: self.dry_run,
        })
    }
}
