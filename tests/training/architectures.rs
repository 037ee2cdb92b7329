//! Every architecture through the commands: chosen, trained, reported, and opened in PyTorch.

use std::path::{Path, PathBuf};
use std::process::Command;

use ser_core::ErrorKind;
use ser_model::checkpoint::Checkpoint;
use ser_model::network::{Arch, Architecture, CnnStatisticsConfig, NetworkConfig, Views};
use ser_train::network::{Network, Pass};
use ser_train::state::Origin;
use serde_json::json;
use tch::{Device, Kind, Tensor};

use crate::common_fit::{Prepared, SMALL_FEATURES, fail, prepared, ser_fit, ser_report, succeed};
use crate::common_python::python_with;

/// Sizes that train in milliseconds, for each architecture.
const SMALL: [&str; 6] = [
    "arch = \"cnn-bilstm\"\nchannels = [4, 6]\nhidden = 12\ndense = 16",
    "arch = \"cnn-statistics\"\nchannels = [4, 6, 6]\nframe_channels = 12\ndense = 16",
    "arch = \"cnn-statistics\"\nviews = \"features-and-cepstrum\"\nchannels = [4, 6, 6]\nframe_channels = 12\ndense = 16",
    "arch = \"cnn-transformer\"\nchannels = [4, 6]\nwidth = 16\nheads = 2\nfeed_forward = 24\ndense = 16",
    "arch = \"encoder-head\"\ndense = 16",
    "arch = \"encoder-head\"\npooling = \"attention\"\nattention = 8\ndense = 16",
];
const EPOCHS: u32 = 16;
/// The mean of the last three losses must be below this share of the first: 0.61 to 0.92 were measured.
const MARGIN: f64 = 0.95;

#[test]
fn every_architecture_learns_is_reported_and_resumed_and_opens_in_pytorch() {
    let python = python_with("torch");
    let corpus = prepared(&SMALL_FEATURES);
    let folder = tempfile::tempdir().unwrap();
    let (folder, python) = (folder.path(), python.as_deref());
    std::thread::scope(|scope| {
        for (number, network) in SMALL.into_iter().enumerate() {
            scope.spawn(move || goes_through_the_commands(number, network, corpus, folder, python));
        }
    });
}

fn goes_through_the_commands(
    number: usize,
    network: &str,
    corpus: &Prepared,
    folder: &Path,
    python: Option<&Path>,
) {
    let recipe = folder.join(format!("{number}.toml"));
    // Attention without a warm-up learns nothing at the rate that suits convolutions.
    let lr = if network.contains("heads") { 0.004 } else { 0.02 };
    let common = "batch_size = 16\nthreads = 1\nprecision = \"f32\"\ndevice = \"cpu\"\n";
    // A head that begins with a linear layer learns little from MFCC as they are, of which the first are in the hundreds.
    let common = match network.contains("encoder-head") {
        true => format!("{common}feature_normalisation = \"training\"\n"),
        false => common.to_owned(),
    };
    std::fs::write(&recipe, format!("epochs = {EPOCHS}\nlr = {lr}\n{common}[network]\n{network}\n")).unwrap();
    let run = folder.join(number.to_string());
    let fit = |options: &[&str]| {
        let mut command = ser_fit(folder);
        command.arg("--cache").arg(&corpus.cache).arg("--json").args(options);
        serde_json::from_str::<serde_json::Value>(&succeed(&mut command)).unwrap()
    };
    let (recipe, path) = (recipe.to_str().unwrap(), run.to_str().unwrap());
    let summary = fit(&["--config", recipe, "--run", path]);
    let losses: Vec<f64> = summary["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|epoch| epoch["train_loss"].as_f64().unwrap())
        .collect();
    eprintln!("{network:?}\n  {losses:.2?}");
    assert_eq!(losses.len(), EPOCHS as usize);
    assert!((1.0..4.0).contains(&losses[0]), "{network}: {losses:?}");
    let last = losses[losses.len() - 3..].iter().sum::<f64>() / 3.0;
    eprintln!("  {:.3} of the first loss at the end", last / losses[0]);
    assert!(last < MARGIN * losses[0], "{network}: {losses:?}");
    let longer = fit(&["--resume", path, "--epochs", &(EPOCHS + 1).to_string()]);
    assert_eq!(longer["history"].as_array().unwrap().len(), EPOCHS as usize + 1);

    let best = run.join("best.pt");
    let arch = network.split('"').nth(1).unwrap();
    let card = folder.join(format!("{number}.md"));
    succeed(ser_report(folder).arg("--checkpoint").arg(&best).arg("--card").arg(&card));
    assert!(std::fs::read_to_string(&card).unwrap().contains(arch), "{network}");

    let checkpoint = Checkpoint::read(&best).unwrap();
    let origin = Origin::of(&checkpoint).unwrap();
    assert_eq!(origin.model.arch().name(), arch);
    assert_eq!(origin.model.network, origin.fit.network);
    if let Some(python) = python.filter(|_| arch != "cnn-bilstm") {
        compare_with_pytorch(python, &best, &checkpoint, &origin.model);
    }
}

/// The documented class loads the checkpoint strictly and gives the same logits.
fn compare_with_pytorch(python: &Path, path: &Path, checkpoint: &Checkpoint, model: &Architecture) {
    let mut network = Network::new(model, 0, Device::Cpu).unwrap();
    network.load_state_dict(&checkpoint.model_state).unwrap();
    let [depth, bands, frames] = model.input_shape.map(|size| size as i64);
    let values: Vec<f32> =
        (0..4 * depth * bands * frames).map(|at| (at * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let features = Tensor::from_slice(&values).view([4, depth, bands, frames]);
    let real = Tensor::from_slice(&[1, frames / 3, frames - 1, frames]);
    let logits = tch::no_grad(|| network.forward(&features, &real, Pass::Evaluation)).unwrap();
    let logits = Vec::<f32>::try_from(logits.flatten(0, 1)).unwrap();
    let printed = succeed(Command::new(python).arg(script()).arg("--load").arg(path));
    let expected: Vec<f32> = serde_json::from_str(&printed).unwrap();
    assert_eq!(logits.len(), expected.len());
    for (got, expected) in logits.iter().zip(&expected) {
        assert!((got - expected).abs() <= 1e-4, "{model:?}: {got} is not {expected}");
    }
}

#[test]
fn the_documented_classes_give_what_the_fixtures_say() {
    let Some(python) = python_with("torch, safetensors") else { return };
    succeed(Command::new(python).arg(script()).arg("--check"));
}

#[test]
fn the_option_takes_the_recipes_sizes_or_its_own_defaults() {
    let corpus = prepared(&SMALL_FEATURES);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let recipe = folder.join("recipe.toml");
    std::fs::write(&recipe, format!("epochs = 1\nthreads = 1\nbatch_size = 58\n[network]\n{}\n", SMALL[1]))
        .unwrap();
    let fitted = |run: &str, arch: &str| {
        succeed(
            ser_fit(folder)
                .arg("--cache")
                .arg(&corpus.cache)
                .args(["--quiet", "--arch", arch, "--run", run, "--config"])
                .arg(&recipe),
        );
        ser_model::FitConfig::read(&folder.join(run).join("config.toml")).unwrap().network
    };
    let same = fitted("same", "cnn-statistics");
    let same = same.sizes::<CnnStatisticsConfig>().unwrap();
    assert_eq!((same.frame_channels, same.views), (12, Views::Features));
    assert_eq!(fitted("other", "cnn-transformer"), default_network("cnn-transformer"));

    let help = succeed(ser_fit(folder).arg("--help"));
    for arch in Arch::all() {
        assert!(help.contains(&format!("- {}", arch.name())), "{} is not in {help}", arch.name());
    }
    std::fs::write(&recipe, "[network]\narch = \"cnn-transformer\"\nhidden = 3\n").unwrap();
    let complaint = fail(ser_fit(folder).arg("--config").arg(&recipe), 2);
    assert!(complaint.contains("cnn-transformer: unknown field `hidden`"), "{complaint}");
    std::fs::write(&recipe, "[network]\narch = \"cnn-transformer\"\nheads = 3\n").unwrap();
    let complaint = fail(ser_fit(folder).arg("--config").arg(&recipe), 2);
    assert!(complaint.contains("network.width 128 is not valid"), "{complaint}");
}

/// Those that read any features: a `finetune` network begins with an encoder and reads waveforms (`finetune.rs`).
fn without_encoder() -> impl Iterator<Item = Arch> {
    Arch::all().into_iter().filter(|arch| arch.name() != "finetune")
}

fn default_network(arch: &str) -> NetworkConfig {
    Arch::named(arch).unwrap().default_network()
}

#[test]
fn utterances_too_small_for_an_architecture_are_refused_with_what_it_needs() {
    for (arch, shape, needed) in [
        ("cnn-bilstm", [1, 40, 3], "4 coefficients and 4 frames"),
        ("cnn-statistics", [1, 7, 100], "8 coefficients and 1 frames"),
        ("cnn-transformer", [1, 3, 100], "4 coefficients and 1 frames"),
        ("encoder-head", [0, 40, 100], "1 coefficients and 1 frames"),
    ] {
        let error = Architecture::new(&default_network(arch), shape, 7).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(needed), "{error}");
        assert!(error.to_string().contains(arch), "{error}");
    }
}

#[test]
fn every_architecture_takes_the_smallest_and_any_larger_shape() {
    tch::set_num_threads(1);
    for arch in without_encoder() {
        for shape in [[1, 8, 4], [3, 13, 41], [2, 9, 30]] {
            let model = Architecture::new(&arch.default_network(), shape, 4).unwrap();
            let mut network = Network::new(&model, 3, Device::Cpu).unwrap();
            let sizes = [2, shape[0] as i64, shape[1] as i64, shape[2] as i64];
            let features = Tensor::ones(sizes, (Kind::Float, Device::Cpu));
            let frames = Tensor::from_slice(&[1i64, 1000]);
            let logits = tch::no_grad(|| network.forward(&features, &frames, Pass::Evaluation)).unwrap();
            assert_eq!(logits.size(), [2, 4]);
            assert!(logits.isfinite().all().int64_value(&[]) == 1, "{arch:?} {shape:?}");
            let learnt: u64 = network
                .state_dict()
                .unwrap()
                .iter()
                .filter(|(name, _)| !name.contains("running_") && !name.contains("num_batches"))
                .map(|(_, tensor)| tensor.shape().iter().product::<usize>() as u64)
                .sum();
            assert_eq!(model.n_parameters().unwrap(), learnt);
        }
    }
}

#[test]
fn the_documented_numbers_of_parameters_are_true() {
    let documented = std::fs::read_to_string(root().join("docs/architectures.md")).unwrap();
    for arch in without_encoder() {
        let model = Architecture::new(&arch.default_network(), [3, 40, 200], 7).unwrap();
        let count = model.n_parameters().unwrap().to_string();
        let count = format!("{},{}", &count[..count.len() - 3], &count[count.len() - 3..]);
        let row =
            documented.lines().find(|line| line.starts_with(&format!("| [`{}`]", arch.name()))).unwrap();
        assert!(row.contains(&count), "{count} is not in {row}");
    }
}

#[test]
fn attention_starts_as_in_pytorch() {
    let model = Architecture::new(&default_network("cnn-transformer"), [3, 40, 200], 7).unwrap();
    let state = Network::new(&model, 0, Device::Cpu).unwrap().state_dict().unwrap();
    let values = |name: &str| {
        let (_, tensor) = state.iter().find(|(known, _)| known == name).unwrap();
        tensor.to_f32().unwrap()
    };
    // Xavier's uniform over [3 · 128, 128].
    let bound = (6.0f32 / 512.0).sqrt();
    let largest = values("layers.0.attention.in_proj_weight").iter().fold(0f32, |max, x| max.max(x.abs()));
    assert!(largest <= bound && largest > 0.99 * bound, "{largest} of {bound}");
    for zero in ["in_proj_bias", "out_proj.bias"] {
        assert!(values(&format!("layers.1.attention.{zero}")).iter().all(|&x| x == 0.0));
    }
    assert!(values("layers.1.norm2.weight").iter().all(|&x| x == 1.0));
    let largest = values("layers.0.attention.out_proj.weight").iter().fold(0f32, |max, x| max.max(x.abs()));
    assert!(largest <= 128f32.sqrt().recip(), "{largest}");
}

#[test]
fn a_checkpoint_that_describes_another_network_than_it_holds_is_refused() {
    let config = default_network("cnn-transformer");
    let model = Architecture::new(&config, [1, 8, 16], 2).unwrap();
    let mut checkpoint = Checkpoint {
        labels: vec!["a".into(), "b".into()],
        config: String::new(),
        model_state: Network::new(&model, 0, Device::Cpu).unwrap().state_dict().unwrap(),
        extra: Vec::new(),
    };
    let honest = serde_json::to_value(&model).unwrap();
    let mut said = |key: &str, value: serde_json::Value| {
        let mut model = honest.clone();
        model[key] = value;
        let split = json!({"protocol": "random", "seed": 0, "digest": "0".repeat(64), "cache": "cache"});
        checkpoint.config = json!({
            "ser": "0.1.0", "model": model, "features": {}, "feature_set": "x", "split": split, "fit": {},
            "epoch": 1, "metrics": null,
        })
        .to_string();
        Origin::of(&checkpoint).map(|_| "nothing".to_owned()).unwrap_or_else(|error| error.to_string())
    };
    assert_eq!(said("classes", json!(2)), "nothing");
    for (key, value, expected) in [
        ("arch", json!("cnn-transformer-2"), "unknown architecture \"cnn-transformer-2\""),
        ("arch", json!("cnn-bilstm"), "unknown field"),
        ("heads", json!(0), "is not valid"),
        ("heads", json!(5), "is not valid"),
        ("width", json!(7), "is not valid"),
        ("layers", json!(0), "is not valid"),
        ("layers", json!(1_000_000_000), "is not valid"),
        ("layers", json!(3), "no tensor \"layers.2"),
        ("encoder_dropout", json!(1), "is not valid"),
        ("width", json!(8192), "shape"),
        ("feed_forward", json!(13), "shape [256, 128]"),
    ] {
        let said = said(key, value.clone());
        assert!(said.contains(expected), "{key} = {value}: {said}");
    }
}

fn script() -> PathBuf {
    root().join("tests/fixtures/architectures/make.py")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
