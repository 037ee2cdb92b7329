//! `ser-prep`: recordings in, a tensor cache with split manifests out.
//!
//! With `--encoder` it is run again as `ser-encode`, the same program with libtorch, so that preparation without an encoder
//! needs none.

mod doctor_table;
mod feature_options;
mod merge;
mod portion;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Args, Parser};
use ser_audio::Limits;
use ser_cache::audit::Requirement;
use ser_cache::{CopySettings, note_encoder};
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result, allocator};
use ser_corpus::split::Fractions;
use ser_corpus::{ColumnNames, CorpusFolder, LabelSource, MapSource, doctor};
use ser_features::augmentation::AugmentationRecipe;
use ser_features::{EncoderPrecision, FeatureConfig, LayerChoice, Pooling, ValueType};
use ser_prepare::{
    DEFAULT_SHARD_BYTES, Extractors, NearDuplicates, Portion, PrepareOptions, examples, prepare_by,
    recordings,
};

use crate::tables::Listed;
use crate::{Bar, Ending, choice};
use feature_options::FeatureOptions;
use portion::portion;

pub use merge::Merge;

/// A pretrained encoder that is asked for, and what to keep of its states.
#[derive(Debug, Clone, Copy)]
pub struct EncoderRequest<'a> {
    /// Its folder.
    pub folder: &'a Path,
    /// Which layers.
    pub layers: &'a LayerChoice,
    /// What of each.
    pub pooling: Pooling,
    /// What their numbers are stored as.
    pub dtype: ValueType,
    /// What the encoder computes in.
    pub precision: EncoderPrecision,
    /// Where: `auto`, `cpu`, `cuda` or `cuda:<N>`.
    pub device: &'a str,
    /// Frames kept of an utterance, if they are not pooled.
    pub max_frames: usize,
}

/// Features that an encoder computes, and what computes them.
pub struct EncoderFeatures {
    /// The features.
    pub features: FeatureConfig,
    /// One extractor a thread.
    pub extractors: Box<dyn Extractors>,
    /// The encoder's folder.
    pub folder: PathBuf,
    /// Why it computes on the CPU, where a GPU would have been taken.
    pub without_cuda: Option<Error>,
}

/// Opens an encoder.
pub type OpenEncoder = dyn Fn(EncoderRequest<'_>) -> Result<EncoderFeatures>;

/// Decode every recording of a corpus, compute MFCC, Δ and ΔΔ, and keep them in a content-addressed cache with split
/// manifests. What is already in the cache is not computed again.
#[derive(Debug, PartialEq, Parser)]
#[command(name = "ser-prep", version)]
struct Arguments {
    /// Folder of recordings; given more than once, several corpora in one cache, each under its folder's name or the
    /// one in front: NAME=FOLDER
    #[arg(long, value_name = "FOLDER", required = true)]
    data: Vec<CorpusFolder>,
    /// Folder of the cache
    #[arg(long, value_name = "FOLDER", default_value = "cache")]
    out: PathBuf,
    /// Report what the corpus is, what is missing, duplicated, odd or wrong in it, and its statistics; writes
    /// nothing. Exit code 3 if there is something to fix (1 with --strict)
    #[arg(long, conflicts_with_all = ["out", "exclude", "val_fraction", "test_fraction", "seed", "shard_bytes",
        "rehash", "dry_run", "splits", "wait", "augment", "listen", "FeatureOptions"])]
    doctor: bool,
    /// Where labels come from: auto (the convention that names follow, else folders by how they are arranged), tess, ravdess,
    /// crema-d, emo-db, savee, folder, filename, a pattern such as 'pattern:{speaker}_{}_{label}', huggingface, audformat,
    /// kaldi, webdataset, or a table (CSV, TSV) with the columns path,label and optionally speaker, word, session, parent,
    /// start, end, split, fold and val_fold; once for all corpora, or once for each, in their order
    #[arg(long, value_name = "SOURCE", default_value = "auto")]
    labels: Vec<LabelSource>,
    /// What columns of a table mean whose names do not say it: path=NAME,label=NAME and the like
    #[arg(long, value_name = "COLUMN=NAME,...", default_value_t = ColumnNames::default(), hide_default_value = true)]
    columns: ColumnNames,
    /// Other names for labels: common, calm-is-neutral, four, or a TOML file with a table [labels] of from = "to" and a
    /// list drop = ["label"]
    #[arg(long, value_name = "MAP")]
    map: Option<MapSource>,
    /// Leave out this class, as it is called after --map; may be given more than once
    #[arg(long, value_name = "LABEL")]
    exclude: Vec<String>,
    /// Keep augmented copies of every recording, made by this recipe: docs/augmentation.md. They go into training with
    /// the recording they were made from, and nowhere else
    #[arg(long, value_name = "FILE")]
    augment: Option<PathBuf>,
    /// How many augmented copies to keep of each recording
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "augment")]
    copies: u32,
    /// Seed of the augmented copies [default: that of the splits]
    #[arg(long, value_name = "SEED", requires = "augment")]
    augment_seed: Option<u64>,
    /// Write examples of what augmentation does into this folder, and nothing else: WAV files, spectrograms and a page,
    /// for one utterance of each class and speaker; by the recipe of --augment, else one of each kind
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["dry_run", "copies", "rehash", "wait"])]
    listen: Option<PathBuf>,
    /// Share of the utterances (or words) for validation
    #[arg(long, value_name = "SHARE", default_value_t = Fractions::default().val)]
    val_fraction: f64,
    /// Share of the utterances (or words) for test
    #[arg(long, value_name = "SHARE", default_value_t = Fractions::default().test)]
    test_fraction: f64,
    /// Number of speaker folds, each of two speakers or more; 0 for none [default: 5 from 10 speakers on]
    #[arg(long, value_name = "NUMBER")]
    folds: Option<u32>,
    /// Seed of the splits
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What to do with recordings that are copies of others: re-encoded, trimmed, louder
    #[arg(long, value_parser = choice::<NearDuplicates>(), default_value_t = NearDuplicates::Report)]
    near_duplicates: NearDuplicates,
    /// Fail, before any split is changed, unless some split meets this requirement; may be given more than once, for one that meets
    /// all
    #[arg(long, value_parser = choice::<Requirement>(), value_name = "WHAT")]
    require: Vec<Requirement>,
    /// Bytes of tensors in a file of the cache
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT_SHARD_BYTES)]
    shard_bytes: usize,
    /// Prepare only this portion of the recordings, as 2/8, into a folder of its own with --out; slurm or kubernetes/8 take
    /// the number from the environment of a Slurm array or an indexed job: docs/scale.md
    #[arg(long, value_name = "I/N", value_parser = portion, conflicts_with_all = ["doctor", "listen", "merge"])]
    shard: Option<Portion>,
    /// Put the portions in these folders together, all of them, each prepared with --shard and the other options given here
    #[arg(long, value_name = "FOLDER", num_args = 1.., conflicts_with_all = ["doctor", "listen"])]
    merge: Vec<PathBuf>,
    /// Files processed at once; 0 for one per processor
    #[arg(long, short, default_value_t = 0)]
    jobs: usize,
    /// Read every file again, even if its size and times have not changed
    #[arg(long)]
    rehash: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Fail, before any split is changed, if a file cannot be used
    #[arg(long)]
    strict: bool,
    /// Wait while another process writes the cache
    #[arg(long)]
    wait: bool,
    /// List every split in the table, instead of one line for those of a kind
    #[arg(long, conflicts_with_all = ["json", "quiet"])]
    splits: bool,
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
    encoder: EncoderOptions,
    #[command(flatten)]
    features: FeatureOptions,
}

/// The states of a pretrained encoder.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(next_help_heading = "Pretrained encoder")]
struct EncoderOptions {
    /// Keep states of the speech encoder in this folder instead of MFCC: wav2vec 2.0, XLS-R, HuBERT, WavLM, data2vec-audio
    /// or Whisper, as Hugging Face's transformers saves them, or a speaker encoder: docs/encoders.md
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["doctor", "listen", "FeatureOptions"])]
    encoder: Option<PathBuf>,
    /// Which layers: all, last, or numbers such as 6,9,12, where 0 is what goes into the first
    #[arg(long, value_name = "LAYERS", default_value_t = LayerChoice::All, requires = "encoder")]
    layers: LayerChoice,
    /// What is kept of a layer's states over time
    #[arg(long, value_parser = choice::<Pooling>(), default_value_t = Pooling::Mean, requires = "encoder")]
    pool: Pooling,
    /// What the numbers are stored as; f16 takes half the space
    #[arg(long, value_parser = choice::<ValueType>(), default_value_t = ValueType::F32, requires = "encoder")]
    dtype: ValueType,
    /// In what the encoder computes; bf16 takes six tenths of the time on processors that have it (AVX512-BF16 or AMX), and rounds to
    /// three digits
    #[arg(long, value_parser = choice::<EncoderPrecision>(), default_value_t = EncoderPrecision::F32, requires = "encoder")]
    precision: EncoderPrecision,
    /// Where the encoder computes: cpu, cuda or cuda:<N>, or auto, which takes CUDA where there is some. States of a GPU are those
    /// of the CPU to rounding, and belong to the same feature set
    #[arg(long, value_name = "DEVICE", default_value = "cpu", requires = "encoder")]
    device: String,
    /// Frames kept of an utterance with --pool none; longer ones are cut at the end
    #[arg(long, value_name = "FRAMES", default_value_t = 250, requires = "encoder")]
    encoder_frames: usize,
}

impl EncoderOptions {
    /// The encoder asked for, if one is.
    fn request(&self) -> Option<EncoderRequest<'_>> {
        let folder = self.encoder.as_deref()?;
        Some(EncoderRequest {
            folder,
            layers: &self.layers,
            pooling: self.pool,
            dtype: self.dtype,
            precision: self.precision,
            device: &self.device,
            max_frames: self.encoder_frames,
        })
    }
}

/// Runs the command; `open` opens pretrained encoders where this program can.
pub fn main(open: Option<&OpenEncoder>) -> ExitCode {
    let arguments = Arguments::parse();
    crate::run("ser-prep", || match (arguments.encoder.request(), open) {
        (Some(_), None) => Err(hand_over(arguments.jobs)),
        (request, _) => run(&arguments, request.zip(open)),
    })
}

/// Runs `ser-encode` in this process's place, with `jobs` threads, 0 being one for each processor. Only returns if that fails.
fn hand_over(jobs: usize) -> Error {
    /// oneDNN compiles its kernels anew for each length of recordings and keeps 1,024 of them, hundreds of MB, unless one of
    /// these says otherwise.
    const KERNELS_KEPT: [&str; 2] = ["ONEDNN_PRIMITIVE_CACHE_CAPACITY", "DNNL_PRIMITIVE_CACHE_CAPACITY"];
    /// More than what a recording takes, and each thread hears one.
    const KERNELS_OF_A_THREAD: usize = 32;
    let program = crate::program("encode");
    let mut command = Command::new(&program);
    if KERNELS_KEPT.iter().all(|name| std::env::var_os(name).is_none()) {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if jobs == 0 { processors() } else { jobs };
        command.env(KERNELS_KEPT[0], KERNELS_OF_A_THREAD.saturating_mul(threads).to_string());
    }
    let error = crate::replace_process(command.args(std::env::args_os().skip(1)));
    Error::io("cannot be run", &program, error)
        .help("build it with ./just build: pretrained encoders need the feature torch")
}

fn run(arguments: &Arguments, encoder: Option<(EncoderRequest<'_>, &OpenEncoder)>) -> Result<Ending> {
    if arguments.doctor {
        return examine(arguments);
    }
    if let Some(folder) = &arguments.listen {
        return write_examples(arguments, folder);
    }
    let mut options = arguments.options()?;
    let encoder = encoder.map(|(request, open)| open(request)).transpose()?;
    if let Some(EncoderFeatures { features, .. }) = &encoder {
        options.features = features.clone();
    }
    if !arguments.quiet {
        if let Some(why) = encoder.as_ref().and_then(|encoder| encoder.without_cuda.as_ref()) {
            crate::say(&format!("ser-prep: the encoder computes on the CPU: {why}"));
        }
        for warning in options.features.warnings() {
            crate::say(&format!("ser-prep: {warning}"));
        }
    }
    let extractors = encoder.as_ref().map(|encoder| &*encoder.extractors);
    let bar = Bar::new(arguments.quiet || arguments.json);
    if extractors.is_none() {
        // Batches of an encoder are better kept, as by a training.
        allocator::give_back_large_buffers();
    }
    let report = prepare_by(&options, extractors, &Storage::native(), &bar)?;
    if let (
        Some(EncoderFeatures { features: FeatureConfig { encoder: Some(states), .. }, folder, .. }),
        false,
    ) = (&encoder, options.dry_run)
    {
        note_encoder(&Storage::native(), &options.out, &states.digest, folder)?;
    }
    if arguments.json {
        crate::print(&format!("{}\n", report.to_json()))?;
    } else if arguments.quiet {
        for remark in report.doubts.iter().chain(&report.failed) {
            let line = format!("{}: {}", remark.path, remark.text);
            crate::say(&format!("ser-prep: {}", ser_core::text::printable(&line)));
        }
    } else {
        let listed = if arguments.splits { Listed::Each } else { Listed::Kinds };
        crate::print(&crate::tables::preparation_listing(&report, listed))?;
    }
    Ok(if report.needs_attention() { Ending::SomeUnusable } else { Ending::Done })
}

fn examine(arguments: &Arguments) -> Result<Ending> {
    let PrepareOptions { data, labels, columns, limits, jobs, .. } = arguments.options()?;
    let ([corpus], [labels]) = (&data[..], &labels[..]) else {
        return Err(Error::new(ErrorKind::Usage, "--doctor examines one corpus at a time")
            .help("give --data and --labels once"));
    };
    let options =
        doctor::ExamineOptions { data: corpus.folder.clone(), labels: labels.clone(), columns, limits, jobs };
    let examination = doctor::examine_each(&options, &Bar::new(arguments.quiet || arguments.json))?;
    let doctor::Examination { bundle, reports } = &examination;
    if arguments.json {
        let json = match (bundle, &reports[..]) {
            (None, [only]) => crate::to_json(only),
            _ => crate::to_json(&examination),
        };
        crate::print(&format!("{}\n", json?))?;
    } else if arguments.quiet {
        for report in reports.iter().filter(|report| !report.healthy) {
            crate::say(&format!("ser-prep: {}", report.verdict));
        }
        for path in bundle.iter().flat_map(|bundle| &bundle.outside) {
            crate::say(&format!("ser-prep: {path}: is in none of the corpora of its bundle"));
        }
    } else {
        let width = crate::terminal_width().min(80);
        let mut text =
            bundle.iter().map(|bundle| doctor_table::bundle_to_table(bundle, width)).collect::<String>();
        for report in reports {
            if bundle.is_some() {
                text += &format!("\n{}\n\n", report.data.display());
            }
            text += &doctor_table::to_table(report, width);
        }
        crate::print(&text)?;
    }
    Ok(match (examination.is_healthy(), arguments.strict) {
        (true, _) => Ending::Done,
        (false, false) => Ending::SomeUnusable,
        (false, true) => Ending::AnsweredNo,
    })
}

fn write_examples(arguments: &Arguments, folder: &Path) -> Result<Ending> {
    let prepare = arguments.options()?;
    let options = examples::ExampleOptions {
        folder: folder.to_owned(),
        recipe: arguments.augment.as_deref().map(AugmentationRecipe::read).transpose()?,
        corpora: prepare.data.iter().map(|corpus| corpus.folder.clone()).collect(),
        features: prepare.features.clone(),
        limits: prepare.limits,
        seed: arguments.augment_seed.unwrap_or(arguments.seed),
    };
    let bar = Bar::new(arguments.quiet || arguments.json);
    let written = examples::write_examples(&recordings(&prepare)?, &options, &Storage::native(), &bar)?;
    if arguments.json {
        crate::print(&format!("{}\n", crate::to_json(&written)?))?;
    } else if !arguments.quiet {
        let takes: usize = written.examples.iter().map(|example| example.takes.len()).sum();
        crate::print(&format!("{takes} examples, to hear and see at {}\n", written.page.display()))?;
    }
    Ok(Ending::Done)
}

impl Arguments {
    fn copies(&self) -> Result<Option<CopySettings>> {
        let Some(path) = &self.augment else { return Ok(None) };
        let seed = self.augment_seed.unwrap_or(self.seed);
        let copies =
            AugmentationRecipe::read(path).and_then(|recipe| CopySettings::new(&recipe, self.copies, seed));
        copies.map(Some).map_err(|error| error.at(path))
    }

    fn options(&self) -> Result<PrepareOptions> {
        Ok(PrepareOptions {
            data: self.data.clone(),
            out: self.out.clone(),
            features: self.features.config()?,
            choose_max_frames: self.features.choose_max_frames(),
            augment: if self.listen.is_some() { None } else { self.copies()? },
            labels: self.labels.clone(),
            columns: self.columns.clone(),
            map: self.map.clone(),
            folds: self.folds,
            exclude: self.exclude.clone(),
            fractions: Fractions { val: self.val_fraction, test: self.test_fraction },
            seed: self.seed,
            limits: Limits {
                max_bytes: self.max_bytes,
                max_duration_s: self.max_duration,
                min_duration_s: self.min_duration,
                max_decoding_s: self.file_timeout,
                ..Limits::default()
            },
            near_duplicates: self.near_duplicates,
            require: self.require.clone(),
            shard_bytes: self.shard_bytes,
            portion: self.shard,
            merge: self.merge.clone(),
            jobs: self.jobs,
            rehash: self.rehash,
            strict: self.strict,
            wait: self.wait,
            dry_run: self.dry_run,
            arguments: std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect(),
        })
    }
}
