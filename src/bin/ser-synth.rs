//! `ser-synth`: writes a TESS-shaped folder of synthetic emotional speech.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use ser::{Bar, Ending, choice};
use ser_core::progress::Progress;
use ser_core::{Error, ErrorKind, Result};
use ser_synth::{Emotion, Oddity, Summary, SynthCorpus, SynthOptions};

/// Writes a folder of synthetic emotional speech, shaped and named as TESS.
///
/// Each file says "say the word …" in one of seven emotions. The same options give the same bytes on every machine. With four
/// speakers or more, prepare it with `ser-prep --labels tess`, so that words are known too.
#[derive(Parser)]
#[command(
    name = "ser-synth",
    version,
    after_help = "\
Exit codes: 0 done, 1 failed, 2 wrong usage.

Examples:
  ser-synth --out demo/corpus
  ser-synth --out many --speakers 10 --words 200
  ser-synth --out odd --words 3 --oddities aiff,truncated,nan"
)]
struct Arguments {
    /// Folder to write; created if needed
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Words that each speaker says with each emotion, up to 223
    #[arg(long, value_name = "N", default_value_t = 40)]
    words: usize,

    /// Speakers: OAF, YAF, then S03 to S99
    #[arg(long, value_name = "N", default_value_t = 2)]
    speakers: usize,

    /// Sample rate in Hz, 8000 to 192000
    #[arg(long, value_name = "HZ", default_value_t = 24_414)]
    sample_rate: u32,

    /// Seed: another one gives other takes by the same speakers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Emotions, separated by commas [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = choice::<Emotion>())]
    emotions: Option<Vec<Emotion>>,

    /// Add oddities of real corpora, separated by commas, or all of them: aiff, rate, list, name, truncated, empty,
    /// silent, duplicate, not-audio, nan
    #[arg(long, value_name = "LIST", num_args = 0..=1, default_missing_value = "all")]
    oddities: Option<String>,

    /// Write into a folder that is not empty: files of the same names are replaced, nothing is deleted
    #[arg(long)]
    force: bool,

    /// Print nothing but errors
    #[arg(long)]
    quiet: bool,

    /// Print one JSON object in place of the table
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    ser::run("ser-synth", || run(&arguments))
}

fn run(arguments: &Arguments) -> Result<Ending> {
    let corpus = SynthCorpus::new(SynthOptions {
        words: arguments.words,
        speakers: arguments.speakers,
        sample_rate: arguments.sample_rate,
        seed: arguments.seed,
        emotions: arguments.emotions.clone().unwrap_or_else(|| Emotion::ALL.to_vec()),
        oddities: oddities(arguments.oddities.as_deref().unwrap_or_default())?,
        force: arguments.force,
    })?;
    let start = Instant::now();
    let bar = Bar::new(arguments.quiet);
    bar.start(corpus.files() as u64, "files");
    let summary = corpus.write_with(&arguments.out, &|| bar.advance(1));
    bar.finish();
    match (summary?, arguments) {
        (summary, Arguments { json: true, .. }) => ser::print(&json(&summary, arguments, start.elapsed()))?,
        (_, Arguments { quiet: true, .. }) => {}
        (summary, _) => ser::print(&table(&summary, arguments, start.elapsed()))?,
    }
    Ok(Ending::Done)
}

/// The oddities named in `list`: "aiff,rate", "all", or none.
fn oddities(list: &str) -> Result<Vec<Oddity>> {
    if list == "all" {
        return Ok(Oddity::ALL.to_vec());
    }
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            name.parse().map_err(|_| {
                let known = Oddity::ALL.iter().map(|oddity| oddity.name()).collect::<Vec<_>>().join(", ");
                Error::new(ErrorKind::Usage, format!("unknown oddity {name:?}"))
                    .help(format!("choose among {known}, or all"))
            })
        })
        .collect()
}

fn table(summary: &Summary, arguments: &Arguments, elapsed: Duration) -> String {
    let emotions: Vec<&str> = summary.emotions.iter().map(|emotion| emotion.label()).collect();
    let few = |names: &[String]| match names {
        [first, second, third, .., last] => format!("{} ({first}, {second}, {third} … {last})", names.len()),
        _ => names.join(", "),
    };
    let mut rows = vec![
        ("corpus", arguments.out.display().to_string()),
        (
            "files",
            format!("{} in {} folders, {:.1} MB", summary.files, summary.folders, summary.bytes as f64 / 1e6),
        ),
        ("speakers", few(&summary.speakers)),
        ("words", summary.words.len().to_string()),
        ("emotions", emotions.join(", ")),
        ("audio", format!("{:.1} s at {} Hz", summary.seconds, summary.sample_rate)),
        ("seed", summary.seed.to_string()),
        ("took", format!("{:.2} s", elapsed.as_secs_f64())),
    ];
    for (oddity, paths) in &summary.oddities {
        match (oddity, paths.as_slice()) {
            (Oddity::List, many) => rows.push(("list", format!("{} files (--json names them)", many.len()))),
            (_, paths) => rows.extend(paths.iter().map(|path| (oddity.name(), path.clone()))),
        }
    }
    rows.iter().map(|(name, value)| format!("{name:<10} {value}\n")).collect()
}

fn json(summary: &Summary, arguments: &Arguments, elapsed: Duration) -> String {
    let mut value = serde_json::json!(summary);
    value["corpus"] = arguments.out.to_string_lossy().into();
    value["elapsed_s"] = elapsed.as_secs_f64().into();
    format!("{value}\n")
}
