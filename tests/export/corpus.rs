//! Real recordings, by the commands: a model trained on TESS answers in onnxruntime what `ser-report` says of its test side.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use ser_audio::{LevelNormalisation, Limits};
use ser_features::FeatureConfig;
use ser_prepare::RecordingReader;

use crate::common_fit::{SMALL_RECIPE, fail, ser_fit, ser_prep, ser_report, succeed, synthesise};
use crate::common_python::python_with;
use crate::runtime::{answers, write_samples};

/// How many recordings of the test side are asked about.
pub(crate) const CLIPS: usize = 100;

/// A network for features without derivatives that trains in no time.
const STATISTICS_RECIPE: &str = "\
batch_size = 16
lr = 0.01
threads = 1
precision = \"f32\"
device = \"cpu\"
[network]
arch = \"cnn-statistics\"
channels = [4, 6, 6]
frame_channels = 12
dense = 16
";

/// The samples of a recording as preparation decodes them, before their level is normalised.
pub(crate) fn samples(path: &Path) -> Vec<f32> {
    let features = FeatureConfig { normalisation: LevelNormalisation::None, ..FeatureConfig::default() };
    let mut reader = RecordingReader::new(&features, Limits::default());
    reader.read(path).unwrap();
    reader.load(None).unwrap().samples.to_vec()
}

/// The probabilities in the CSV of `ser-report`, and how unusual it finds them, by the paths of the recordings.
fn reported(csv: &Path) -> BTreeMap<String, (Vec<f64>, f64)> {
    let mut reader = csv::Reader::from_path(csv).unwrap();
    let headers = reader.headers().unwrap().clone();
    let unusual = headers.iter().position(|name| name == "share_as_unusual").unwrap();
    let columns: Vec<usize> = (headers.iter().enumerate())
        .filter(|(_, name)| name.starts_with("probability_"))
        .map(|(column, _)| column)
        .collect();
    let row = |record: csv::StringRecord| {
        let number = |column: usize| record[column].parse().unwrap();
        let probabilities = columns.iter().map(|&column| number(column)).collect();
        (record[0].to_owned(), (probabilities, number(unusual)))
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// How a model is made.
struct Making<'a> {
    prep: &'a [&'a str],
    recipe: &'a str,
    fit: &'a [&'a str],
}

/// Trains on `corpus`, and compares what `ser-report` and onnxruntime say of its test side: the largest difference of a
/// probability, and how many recordings were compared.
fn largest_difference(corpus: &Path, making: &Making<'_>, python: &Path) -> (f64, usize) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("small.toml"), making.recipe).unwrap();
    let mut prep = ser_prep(folder);
    succeed(prep.args(["--out", "cache", "--quiet"]).args(making.prep).arg("--data").arg(corpus));
    let mut fit = ser_fit(folder);
    succeed(fit.args(["--cache", "cache", "--config", "small.toml", "--quiet"]).args(making.fit));
    succeed(ser_report(folder).args(["--csv", "test.csv", "--quiet"]));
    succeed(Command::new(env!("CARGO_BIN_EXE_ser-export")).current_dir(folder).args([
        "--onnx",
        "model.onnx",
        "-q",
    ]));
    let reported = reported(&folder.join("test.csv"));
    let step = (reported.len() / CLIPS).max(1);
    let chosen: Vec<(&String, &(Vec<f64>, f64))> = reported.iter().step_by(step).take(CLIPS).collect();
    let mut clips: Vec<PathBuf> = Vec::new();
    for (path, _) in &chosen {
        clips.push(folder.join(format!("{}.f32", clips.len())));
        write_samples(&clips[clips.len() - 1], &samples(&corpus.join(path)));
    }
    let said = answers(python, &[folder.join("model.onnx")], &clips).remove(0);
    let mut largest: f64 = 0.0;
    for ((path, (expected, unusual)), answer) in chosen.iter().zip(said) {
        let said = answer.share_as_unusual.unwrap();
        assert!((said - unusual).abs() < 0.02, "{path}: {said} as unusual, not {unusual}");
        for (said, expected) in answer.probabilities.iter().zip(expected.iter()) {
            let off = (said.unwrap() - expected).abs();
            assert!(off <= 1e-3, "{path}: {answer:?} and {expected:?}");
            largest = largest.max(off);
        }
    }
    (largest, chosen.len())
}

#[test]
fn what_is_exported_after_training_answers_as_the_report_says() {
    let Some(python) = python_with("numpy, onnxruntime") else { return };
    let folder = tempfile::tempdir().unwrap();
    synthesise(folder.path(), 6);
    let making = Making {
        prep: &["--preset", "coarse-log-mel"],
        recipe: STATISTICS_RECIPE,
        fit: &["--epochs", "12", "--feature-normalisation", "training", "--members", "2"],
    };
    let (largest, compared) = largest_difference(folder.path(), &making, &python);
    assert!(compared >= 10, "{compared}");
    println!("{compared} synthetic recordings: probabilities within {largest:.1e}");
}

#[test]
fn a_model_of_tess_answers_in_onnxruntime_as_the_report_says() {
    let Some(tess) = std::env::var_os("SER_TESS").filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return eprintln!("SKIPPED: SER_TESS does not name a copy of TESS");
    };
    let Some(python) = python_with("numpy, onnxruntime") else { return };
    let making = Making { prep: &[], recipe: SMALL_RECIPE, fit: &["--epochs", "3"] };
    let (largest, compared) = largest_difference(&tess, &making, &python);
    assert_eq!(compared, CLIPS);
    println!("{compared} clips of TESS: probabilities within {largest:.1e}");
}

#[test]
fn a_run_that_can_be_resumed_exports_as_well_and_a_file_of_somebody_else_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("small.toml"), SMALL_RECIPE).unwrap();
    synthesise(&folder.join("corpus"), 3);
    succeed(ser_prep(folder).args(["--out", "cache", "--quiet", "--data", "corpus"]));
    succeed(ser_fit(folder).args(["--config", "small.toml", "--epochs", "1", "--run", "run", "--quiet"]));
    let mut export = Command::new(env!("CARGO_BIN_EXE_ser-export"));
    let text =
        succeed(export.current_dir(folder).args(["--checkpoint", "run/last.pt", "--onnx", "model.onnx"]));
    assert!(text.contains("The checkpoint is not calibrated"), "{text}");
    let mut export = Command::new(env!("CARGO_BIN_EXE_ser-export"));
    let text =
        fail(export.current_dir(folder).args(["--checkpoint", "small.toml", "--onnx", "other.onnx"]), 1);
    assert!(text.starts_with("ser-export: small.toml: "), "{text}");
}
