//! What a recipe can ask of the training beyond its length and rate: normalised features, what is done about classes of
//! unequal size, and a matrix of protocols and seeds.

use std::path::Path;

use ser_cache::{Cache, Dataset};
use ser_core::ErrorKind;
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_corpus::Protocol;
use ser_corpus::split::Side;
use ser_model::checkpoint::{Checkpoint, Value};
use ser_model::{ClassWeights, FeatureNormalisation, FitConfig, Sampling};
use ser_train::batches::Batches;
use ser_train::batches::normalisation::{Normaliser, normaliser_of};
use ser_train::train::Material;
use tch::Device;

use crate::common_fit::training::{resume, train};
use crate::common_fit::{
    Prepared, SMALL_FEATURES, copy_folder, fail, manifest, recipe, ser_fit, ser_prep, ser_report, succeed,
};
use crate::common_python::python_with;

// Feature normalisation.

#[test]
fn a_normalised_utterance_has_mean_0_and_deviation_1_over_its_real_frames_and_zero_padding() {
    let (train, split) = side(Side::Train);
    let utterances = split.side(Side::Train);
    let normaliser =
        Normaliser::new(FeatureNormalisation::Utterance, &train, utterances, None, Device::Cpu).unwrap();
    let normalised = rows(&train, normaliser);
    let [_, _, frames] = train.shape();
    for (index, tensor) in normalised.iter().enumerate() {
        let real = train.frames(index) as usize;
        for row in tensor.chunks_exact(frames) {
            let (mean, deviation) = moments(row[..real].iter().copied());
            assert!(mean.abs() < 1e-4, "mean {mean}");
            assert!(
                (deviation - 1.0).abs() < 1e-3 || row[..real].iter().all(|x| *x == 0.0),
                "deviation {deviation}"
            );
            assert!(row[real..].iter().all(|&padding| padding == 0.0));
        }
    }
}

#[test]
fn the_training_sides_statistics_are_in_the_checkpoint_and_are_those_of_its_real_frames() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        FitConfig { feature_normalisation: FeatureNormalisation::Training, ..recipe(&prepared().cache, 1) };
    train(&config, &folder.path().join("run")).unwrap();
    let checkpoint = Checkpoint::read(folder.path().join("run/best.pt")).unwrap();

    let (train, _) = side(Side::Train);
    let [channels, bands, frames] = train.shape();
    let tensors = rows(&train, Normaliser::none());
    let statistics = checkpoint.extra("feature_statistics").unwrap();
    let stored = |name: &str| -> Vec<f32> {
        let tensor = statistics.get(name).and_then(Value::as_tensor).unwrap();
        assert_eq!(tensor.shape(), [channels, bands]);
        tensor.to_f32().unwrap()
    };
    let (means, deviations) = (stored("mean"), stored("standard_deviation"));
    for coefficient in 0..channels * bands {
        let values = tensors.iter().enumerate().flat_map(|(index, tensor)| {
            tensor[coefficient * frames..].iter().copied().take(train.frames(index) as usize)
        });
        let (mean, deviation) = moments(values);
        assert!(
            (f64::from(means[coefficient]) - mean).abs() < 1e-3 * (1.0 + mean.abs()),
            "coefficient {coefficient}"
        );
        assert!(
            (f64::from(deviations[coefficient]) - deviation).abs() < 1e-3 * (1.0 + deviation),
            "{coefficient}"
        );
    }
}

#[test]
fn a_speakers_statistics_take_his_voice_out_of_every_coefficient() {
    let (train, split) = side(Side::Train);
    let utterances = split.side(Side::Train);
    let normaliser =
        Normaliser::new(FeatureNormalisation::Speaker, &train, utterances, None, Device::Cpu).unwrap();
    let normalised = rows(&train, normaliser);
    let [_, _, frames] = train.shape();
    for speaker in ["OAF", "YAF"] {
        let of_speaker = |index: &usize| utterances[*index].speaker.as_deref() == Some(speaker);
        let first: Vec<f32> = (0..train.len())
            .filter(of_speaker)
            .flat_map(|index| normalised[index][..frames].iter().copied().take(train.frames(index) as usize))
            .collect();
        let (mean, deviation) = moments(first.into_iter());
        assert!(mean.abs() < 1e-3 && (deviation - 1.0).abs() < 1e-3, "{speaker}: {mean}, {deviation}");
    }
}

#[test]
fn a_report_normalises_as_the_training_did() {
    let folder = tempfile::tempdir().unwrap();
    let (test, split) = side(Side::Test);
    for way in
        [FeatureNormalisation::Utterance, FeatureNormalisation::Training, FeatureNormalisation::Speaker]
    {
        let config = FitConfig { feature_normalisation: way, ..recipe(&prepared().cache, 2) };
        let run = folder.path().join(format!("{way:?}").to_lowercase());
        train(&config, &run).unwrap();
        let checkpoint = Checkpoint::read(run.join("best.pt")).unwrap();
        let material = Material::open(&config).unwrap();
        let mut network = network_of(&config, &material, &checkpoint);
        let mut loss = |normaliser: Normaliser| {
            let batches = Batches::new(&test, Device::Cpu).unwrap().normalised_by(normaliser);
            ser_train::evaluate::evaluate(&mut network, &test, &batches, &Silent).unwrap().loss().unwrap()
        };
        let right = normaliser_of(&checkpoint, way, &test, split.side(Side::Test), Device::Cpu).unwrap();
        let (right, wrong) = (loss(right), loss(Normaliser::none()));
        let text =
            succeed(ser_report(folder.path()).arg("--json").arg("--checkpoint").arg(run.join("best.pt")));
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        let reported = report["uncertainty"]["uncalibrated"]["cross_entropy"].as_f64().unwrap();
        assert!((reported - right).abs() < 1e-6, "{way:?}: reported {reported}, expected {right}");
        assert!((reported - wrong).abs() > 1e-3, "{way:?}: normalisation changes nothing");
    }
    let checkpoint = folder.path().join("training/best.pt");
    let mut without = Checkpoint::read(&checkpoint).unwrap();
    without.extra.clear();
    without.write(&Storage::native(), &checkpoint).unwrap();
    let complaint = fail(ser_report(folder.path()).arg("--checkpoint").arg(&checkpoint), 1);
    assert!(complaint.contains("lacks the feature_statistics"), "{complaint}");
}

#[test]
fn statistics_of_another_shape_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        FitConfig { feature_normalisation: FeatureNormalisation::Training, ..recipe(&prepared().cache, 1) };
    train(&config, &folder.path().join("run")).unwrap();
    let mut checkpoint = Checkpoint::read(folder.path().join("run/best.pt")).unwrap();
    let tensor = ser_model::checkpoint::Tensor::from_f32(&[2], &[0.0, 1.0]).unwrap();
    let value =
        Value::dict([("mean", Value::Tensor(tensor.clone())), ("standard_deviation", Value::Tensor(tensor))]);
    checkpoint.extra = vec![("feature_statistics".to_owned(), value)];
    let (test, split) = side(Side::Test);
    let utterances = split.side(Side::Test);
    let made = normaliser_of(&checkpoint, FeatureNormalisation::Training, &test, utterances, Device::Cpu);
    assert_eq!(made.unwrap_err().kind(), ErrorKind::Mismatch);
}

#[test]
fn a_normalised_run_resumes_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let config = |epochs| FitConfig {
        feature_normalisation: FeatureNormalisation::Training,
        class_weights: ClassWeights::Balanced,
        sampling: Sampling::Balanced,
        ..recipe(&prepared().cache, epochs)
    };
    train(&config(4), &folder.path().join("whole")).unwrap();
    train(&config(2), &folder.path().join("parts")).unwrap();
    resume(&config(4), &folder.path().join("parts")).unwrap();
    let state = |run: &str| Checkpoint::read(folder.path().join(run).join("last.pt")).unwrap().model_state;
    assert!(state("whole") == state("parts"), "the weights differ");
}

#[test]
fn statistics_of_speakers_need_speakers() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = folder.path().join("corpus");
    // Plain class folders name no speaker.
    for (number, utterance) in manifest(&prepared().cache, "random", "train").iter().enumerate() {
        let class = corpus.join(format!("class {}", utterance["label"].as_str().unwrap()));
        std::fs::create_dir_all(&class).unwrap();
        let source = prepared().corpus.join(utterance["path"].as_str().unwrap());
        std::fs::copy(source, class.join(format!("{number}.wav"))).unwrap();
    }
    succeed(
        ser_prep(folder.path())
            .arg("--data")
            .arg(&corpus)
            .args(["--out", "cache", "--quiet"])
            .args(SMALL_FEATURES),
    );
    let complaint = fail(
        ser_fit(folder.path()).arg("--config").arg(&prepared().recipe).args([
            "--cache",
            "cache",
            "--epochs",
            "1",
            "--feature-normalisation",
            "speaker",
        ]),
        1,
    );
    assert!(complaint.contains("names no speaker"), "{complaint}");
}

#[test]
fn the_documented_pytorch_class_agrees_on_normalised_features() {
    let Some(python) = python_with("torch, safetensors, numpy") else { return };
    let folder = tempfile::tempdir().unwrap();
    let document =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/checkpoint.md")).unwrap();
    let script = document.split("```python\n").find(|part| part.starts_with("import json")).unwrap();
    let script = script.split("```").next().unwrap();
    std::fs::write(folder.path().join("evaluate.py"), script).unwrap();
    for (way, members) in [
        (FeatureNormalisation::None, 1),
        (FeatureNormalisation::Utterance, 1),
        (FeatureNormalisation::Training, 1),
        (FeatureNormalisation::Training, 2),
    ] {
        let config = FitConfig { feature_normalisation: way, members, ..recipe(&prepared().cache, 4) };
        let run = folder.path().join(format!("{way:?}-{members}"));
        train(&config, &run).unwrap();
        let report =
            succeed(ser_report(folder.path()).arg("--json").arg("--checkpoint").arg(run.join("best.pt")));
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let expected = format!("({} of {})", report["n_correct"], report["n_utterances"]);
        let mut command = std::process::Command::new(&python);
        command.arg(folder.path().join("evaluate.py")).arg(run.join("best.pt")).arg(&prepared().cache);
        let said = succeed(command.arg(prepared().cache.join("splits/random/test.jsonl")));
        assert!(said.contains(&expected), "{way:?}: {said}, expected {expected}");
    }
}

// Classes of unequal size.

#[test]
fn a_class_of_few_utterances_is_recalled_better_when_classes_weigh_or_come_alike() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = folder.path().join("corpus");
    copy_folder(&prepared().corpus, &corpus);
    // Of "sad" a third stays.
    let mut sad: Vec<_> =
        walk(&corpus).into_iter().filter(|path| path.to_string_lossy().ends_with("_sad.wav")).collect();
    sad.sort();
    sad.iter().skip(4).for_each(|path| std::fs::remove_file(path).unwrap());
    succeed(
        ser_prep(folder.path())
            .arg("--data")
            .arg(&corpus)
            .args(["--out", "cache", "--quiet"])
            .args(SMALL_FEATURES),
    );
    let cache = folder.path().join("cache");
    let material = Material::open(&recipe(&cache, 1)).unwrap();
    let labels = &material.split.info.labels;
    let sad = labels.iter().position(|label| label == "sad").unwrap();
    assert!(material.train.labels().filter(|label| *label == sad).count() <= 3);
    // What it says of what it has learnt from, after few epochs.
    let loss_of = |name: &str, config: FitConfig| -> f64 {
        let run = folder.path().join(name);
        train(&config, &run).unwrap();
        let checkpoint = Checkpoint::read(run.join("last.pt")).unwrap();
        let mut network = network_of(&config, &material, &checkpoint);
        let batches = Batches::new(&material.train, Device::Cpu).unwrap();
        let said = ser_train::evaluate::evaluate(&mut network, &material.train, &batches, &Silent).unwrap();
        let rows = said.probabilities.chunks_exact(said.classes).zip(&said.truth);
        let losses: Vec<f64> =
            rows.filter(|(_, truth)| **truth == sad).map(|(row, _)| -f64::from(row[sad]).ln()).collect();
        losses.iter().sum::<f64>() / losses.len() as f64
    };
    let base = recipe(&cache, 3);
    let plain = loss_of("plain", base.clone());
    let weighted = loss_of("weighted", FitConfig { class_weights: ClassWeights::Balanced, ..base.clone() });
    let sampled = loss_of("sampled", FitConfig { sampling: Sampling::Balanced, ..base });
    assert!(weighted < plain, "cross-entropy of the small class: weighted {weighted}, plain {plain}");
    assert!(sampled < plain, "cross-entropy of the small class: sampled {sampled}, plain {plain}");
}

// The matrix.

const PROTOCOLS: &str = "random,speaker-*";

#[test]
fn a_matrix_trains_every_protocol_with_every_seed_and_continues_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let matrix = |epochs: &str, protocols: &str| {
        let mut command = ser_fit(folder.path());
        command.arg("--config").arg(&prepared().recipe).arg("--cache").arg(&prepared().cache);
        command.args(["--epochs", epochs, "--protocols", protocols, "--seeds", "2", "--runs", "runs"]);
        command
    };
    let said = succeed(&mut matrix("1", PROTOCOLS));
    assert!(said.starts_with("6 runs\n"), "{said}");
    let runs = folder.path().join("runs");
    let cells = ["random", "speaker-OAF", "speaker-YAF"]
        .map(|protocol| [0, 1].map(|seed| format!("{protocol}/seed-{seed}")));
    let read = |cell: &str| Checkpoint::read(runs.join(cell).join("last.pt")).unwrap();
    let before: Vec<_> =
        cells.iter().flatten().map(|cell| std::fs::read(runs.join(cell).join("last.pt")).unwrap()).collect();
    for [first, second] in &cells {
        assert!(read(first).model_state != read(second).model_state, "{first} and {second} are the same");
    }
    // What is finished stays; what was lost is made again, to the bit.
    std::fs::remove_dir_all(runs.join("speaker-OAF/seed-1")).unwrap();
    succeed(&mut matrix("1", PROTOCOLS));
    let names: Vec<&String> = cells.iter().flatten().collect();
    for (cell, before) in names.iter().zip(&before) {
        let after = Checkpoint::from_bytes(&std::fs::read(runs.join(cell).join("last.pt")).unwrap()).unwrap();
        assert!(
            after.model_state == Checkpoint::from_bytes(before).unwrap().model_state,
            "{cell} has changed"
        );
    }
    // More epochs continue it; another recipe does not.
    succeed(&mut matrix("2", PROTOCOLS));
    let lines = std::fs::read_to_string(runs.join("random/seed-0/metrics.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 2);
    let complaint = fail(matrix("2", PROTOCOLS).args(["--lr", "0.5"]), 1);
    assert!(complaint.contains("started with another recipe"), "{complaint}");
    assert!(!folder.path().join("best.pt").exists(), "no run of a matrix is published");
    let complaint = fail(&mut matrix("1", "sentence"), 2);
    assert!(complaint.contains("choose among random, speaker-OAF, speaker-YAF, word"), "{complaint}");
}

// Helpers.

fn prepared() -> &'static Prepared {
    crate::common_fit::prepared(&SMALL_FEATURES)
}

fn side(part: Side) -> (Dataset, ser_cache::StoredSplit) {
    let cache = Cache::open(&prepared().cache).unwrap();
    let set = cache.feature_set(None).unwrap();
    let split = cache.split(set, &Protocol::Random).unwrap();
    (cache.side(set, &split, part).unwrap(), split)
}

/// Every tensor of `dataset`, normalised.
fn rows(dataset: &Dataset, normaliser: Normaliser) -> Vec<Vec<f32>> {
    let batches = Batches::new(dataset, Device::Cpu).unwrap().normalised_by(normaliser);
    let all: Vec<usize> = (0..dataset.len()).collect();
    let features = batches.get(&all).unwrap().features.contiguous().view(-1);
    let values = Vec::<f32>::try_from(features).unwrap();
    values.chunks_exact(dataset.shape().iter().product()).map(<[f32]>::to_vec).collect()
}

fn moments(values: impl Iterator<Item = f32>) -> (f64, f64) {
    let values: Vec<f64> = values.map(f64::from).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    (mean, variance.sqrt())
}

fn network_of(
    config: &FitConfig,
    material: &Material,
    checkpoint: &Checkpoint,
) -> ser_train::network::Network {
    let classes = material.split.info.labels.len();
    let architecture =
        ser_model::network::Architecture::new(&config.network, material.train.shape(), classes).unwrap();
    let mut network = ser_train::network::Network::new(&architecture, 0, Device::Cpu).unwrap();
    network.load_state_dict(&checkpoint.model_state).unwrap();
    network
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
