//! What the tests of training, reporting and the whole pipeline share: a synthetic corpus with its cache, and running
//! the commands.
#![allow(dead_code, reason = "no test file uses all of it")]

pub(crate) mod training;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

use ser_model::network::{CnnBilstmConfig, NetworkConfig};
use ser_model::{FitConfig, Precision};
use ser_synth::{SynthCorpus, SynthOptions};

/// A network that trains in milliseconds.
pub(crate) fn small_network() -> NetworkConfig {
    NetworkConfig::new(CnnBilstmConfig { channels: [4, 6], hidden: 12, dense: 16, dropout: 0.3 })
}

/// That network as a recipe file.
pub(crate) const SMALL_RECIPE: &str = "\
batch_size = 16
lr = 0.01
threads = 1
precision = \"f32\"
device = \"cpu\"
[network]
channels = [4, 6]
hidden = 12
dense = 16
";

/// A recipe for [`Prepared::cache`]: 58 utterances to learn from, so 4 steps an epoch.
pub(crate) fn recipe(cache: &Path, epochs: u32) -> FitConfig {
    FitConfig {
        cache: cache.to_owned(),
        epochs,
        batch_size: 16,
        lr: 0.01,
        threads: 1,
        precision: Precision::F32,
        device: "cpu".to_owned(),
        network: small_network(),
        ..FitConfig::default()
    }
}

/// A corpus and its cache, made once for all tests of a file, which must not change them.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) corpus: PathBuf,
    pub(crate) cache: PathBuf,
    /// A folder holding [`SMALL_RECIPE`].
    pub(crate) recipe: PathBuf,
}

/// Features small enough that an epoch takes a tenth of a second: tensors of `[3, 16, 96]`.
pub(crate) const SMALL_FEATURES: [&str; 6] = ["--n-mfcc", "16", "--hop-length", "512", "--max-frames", "96"];

/// The corpus of 2 speakers, 6 words and 7 emotions, and a cache of it made with the options `features`: one for all tests of a
/// program.
pub(crate) fn prepared(features: &[&str]) -> &'static Prepared {
    static PREPARED: Mutex<BTreeMap<String, &'static Prepared>> = Mutex::new(BTreeMap::new());
    let mut all = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
    let number = all.len();
    all.entry(features.join(" ")).or_insert_with(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{}-trained-{number}", env!("CARGO_CRATE_NAME")));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let (corpus, cache) = (folder.join("corpus"), folder.join("cache"));
        synthesise(&corpus, 6);
        succeed(
            ser_prep(&folder)
                .arg("--data")
                .arg(&corpus)
                .arg("--out")
                .arg(&cache)
                .arg("--quiet")
                .args(features),
        );
        let recipe = folder.join("small.toml");
        std::fs::write(&recipe, SMALL_RECIPE).unwrap();
        Box::leak(Box::new(Prepared { corpus, cache, recipe }))
    })
}

/// Writes a corpus of 2 speakers and 7 emotions.
pub(crate) fn synthesise(folder: &Path, words: usize) {
    SynthCorpus::new(SynthOptions { words, sample_rate: 16_000, ..SynthOptions::default() })
        .unwrap()
        .write(folder)
        .unwrap();
}

pub(crate) fn ser_prep(folder: &Path) -> Command {
    command(env!("CARGO_BIN_EXE_ser-prep"), folder)
}

pub(crate) fn ser_fit(folder: &Path) -> Command {
    command(env!("CARGO_BIN_EXE_ser-fit"), folder)
}

pub(crate) fn ser_report(folder: &Path) -> Command {
    command(env!("CARGO_BIN_EXE_ser-report"), folder)
}

pub(crate) fn ser_predict(folder: &Path) -> Command {
    command(env!("CARGO_BIN_EXE_ser-predict"), folder)
}

fn command(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs a command that must succeed, and returns what it printed.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}{}", stdout(&output), stderr(&output));
    stdout(&output)
}

/// Runs a command that must end with `code`, and returns its one line of complaint.
pub(crate) fn fail(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    let complaint = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{command:?}\n{}{complaint}", stdout(&output));
    assert!(!complaint.contains("panicked"), "{complaint}");
    complaint
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Copies a folder, links as links.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            #[cfg(unix)]
            std::os::unix::fs::symlink(std::fs::read_link(&source).unwrap(), &target).unwrap();
        } else if kind.is_dir() {
            copy_folder(&source, &target);
        } else {
            std::fs::copy(&source, &target).unwrap();
        }
    }
}

/// The utterances of one side of a split: the lines of its manifest.
pub(crate) fn manifest(cache: &Path, protocol: &str, part: &str) -> Vec<serde_json::Value> {
    let text =
        std::fs::read_to_string(cache.join("splits").join(protocol).join(format!("{part}.jsonl"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Changes a byte of the tensor of the first utterance of `part`, and returns its shard and row.
pub(crate) fn damage(cache: &Path, part: &str) -> (PathBuf, u64) {
    let utterance = manifest(cache, "random", part).swap_remove(0);
    let shard = cache.join(utterance["shard"].as_str().unwrap());
    let row = utterance["row"].as_u64().unwrap();
    let mut bytes = std::fs::read(&shard).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let text: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let shape: Vec<u64> = serde_json::from_value(text["features"]["shape"].clone()).unwrap();
    let row_bytes = shape[1..].iter().product::<u64>() * 4;
    bytes[8 + header + (row * row_bytes) as usize + 401] ^= 1;
    std::fs::write(&shard, bytes).unwrap();
    (shard, row)
}
