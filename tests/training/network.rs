//! The network: PyTorch's logits, names and refusals, and what it promises about batches and padding.

use std::path::PathBuf;

use safetensors::SafeTensors;
use ser_cache::Sha;
use ser_core::ErrorKind;
use ser_model::checkpoint;
use ser_model::checkpoint::Checkpoint;
use ser_model::network::{Architecture, CnnBilstmConfig, NetworkConfig};
use ser_train::network::{Network, Pass};
use ser_train::state::Origin;
use serde_json::json;
use tch::{Device, Kind, Tensor};

#[test]
fn a_network_trained_in_pytorch_gives_pytorchs_logits() {
    let (mut network, clips) = small();
    let logits = predict(&mut network, &clips.features, &clips.frames);
    let difference = largest_difference(&logits, &clips.logits);
    eprintln!("largest difference of a logit: {difference:.1e}");
    assert!(difference <= 1e-4, "{difference}");
    assert!(clips.logits.abs().max().double_value(&[]) > 0.5, "the fixture's logits say little");
}

#[test]
fn a_clips_logits_do_not_depend_on_what_else_is_in_its_batch() {
    let (mut network, clips) = small();
    let together = predict(&mut network, &clips.features, &clips.frames);
    for clip in 0..5 {
        let alone =
            predict(&mut network, &clips.features.narrow(0, clip, 1), &clips.frames.narrow(0, clip, 1));
        let difference = largest_difference(&alone, &together.narrow(0, clip, 1));
        assert!(difference <= 1e-5, "clip {clip}: {difference}");
    }
    // Far from one another in size, and in another order.
    let order = Tensor::from_slice(&[4i64, 0, 3, 3, 1, 2, 4]);
    let shuffled = clips.features.index_select(0, &order)
        * Tensor::from_slice(&[1f32, 1., 1., 90., 1., 1., 1e3]).view([7, 1, 1, 1]);
    let logits = predict(&mut network, &shuffled, &clips.frames.index_select(0, &order));
    for (row, clip) in [(0, 4), (1, 0), (2, 3), (4, 1), (5, 2)] {
        let difference = largest_difference(&logits.get(row), &together.get(clip));
        assert!(difference <= 1e-5, "clip {clip}: {difference}");
    }
}

/// What `frames` does: it chooses how many positions of the LSTM's output are averaged, a quarter of the frames,
/// rounded up. What it does not do: the LSTM reads every position in both directions and the convolutions look two
/// positions ahead, so the values of the padding do count. They are zeros, as the cache stores them, and then a clip's
/// logits are a function of the clip.
#[test]
fn the_number_of_frames_chooses_the_positions_averaged() {
    let (mut network, clips) = small();
    let clip = clips.features.narrow(0, 4, 1);
    let mut with = |frames: i64| predict(&mut network, &clip, &Tensor::from_slice(&[frames]));
    for (fewer, more) in [(1, 4), (13, 16), (37, 40)] {
        assert_eq!(largest_difference(&with(fewer), &with(more)), 0.0, "{fewer} and {more} frames");
    }
    for (fewer, more) in [(4, 5), (16, 17), (36, 37)] {
        assert!(largest_difference(&with(fewer), &with(more)) > 1e-4, "{fewer} and {more} frames");
    }
    // Out of range, such as a clip that was cut: as many positions as there are, and at least one.
    assert_eq!(largest_difference(&with(40), &with(4000)), 0.0);
    assert_eq!(largest_difference(&with(0), &with(1)), 0.0);
}

#[test]
fn evaluation_leaves_the_network_as_it_was() {
    let (mut network, clips) = small();
    let before = network.state_dict().unwrap();
    let first = predict(&mut network, &clips.features, &clips.frames);
    let second = predict(&mut network, &clips.features, &clips.frames);
    assert_eq!(largest_difference(&first, &second), 0.0);
    assert_eq!(network.state_dict().unwrap(), before);
}

#[test]
fn the_state_dict_has_pytorchs_names_and_the_checkpoints_values() {
    let checkpoint = Checkpoint::read(fixture("small.pt")).unwrap();
    let (network, _) = small();
    let mut expected = checkpoint.model_state;
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(network.state_dict().unwrap(), expected);
    let names: Vec<String> = expected.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, NAMES);
}

const NAMES: [&str; 26] = [
    "cnn.0.bias",
    "cnn.0.weight",
    "cnn.1.bias",
    "cnn.1.num_batches_tracked",
    "cnn.1.running_mean",
    "cnn.1.running_var",
    "cnn.1.weight",
    "cnn.4.bias",
    "cnn.4.weight",
    "cnn.5.bias",
    "cnn.5.num_batches_tracked",
    "cnn.5.running_mean",
    "cnn.5.running_var",
    "cnn.5.weight",
    "head.0.bias",
    "head.0.weight",
    "head.3.bias",
    "head.3.weight",
    "lstm.bias_hh_l0",
    "lstm.bias_hh_l0_reverse",
    "lstm.bias_ih_l0",
    "lstm.bias_ih_l0_reverse",
    "lstm.weight_hh_l0",
    "lstm.weight_hh_l0_reverse",
    "lstm.weight_ih_l0",
    "lstm.weight_ih_l0_reverse",
];

#[test]
fn the_default_network_has_the_shapes_of_the_contract() {
    let network = fresh(0);
    let state = network.state_dict().unwrap();
    let shape = |name: &str| state.iter().find(|(known, _)| known == name).unwrap().1.shape().to_vec();
    assert_eq!(shape("cnn.0.weight"), [32, 3, 3, 3]);
    assert_eq!(shape("cnn.4.weight"), [64, 32, 3, 3]);
    assert_eq!(shape("lstm.weight_ih_l0_reverse"), [512, 640]);
    assert_eq!(shape("lstm.weight_hh_l0"), [512, 128]);
    assert_eq!(shape("head.0.weight"), [128, 256]);
    assert_eq!(shape("head.3.weight"), [7, 128]);
}

#[test]
fn a_seed_gives_the_same_weights_everywhere_and_another_seed_others() {
    let digest = |seed: u64| {
        let state = fresh(seed).state_dict().unwrap();
        let parts: Vec<&[u8]> =
            state.iter().flat_map(|(name, tensor)| [name.as_bytes(), tensor.bytes()]).collect();
        Sha::of(&parts).to_string()
    };
    assert_eq!(digest(0), INITIAL_WEIGHTS_OF_SEED_0);
    assert_ne!(digest(1), digest(0));
}
const INITIAL_WEIGHTS_OF_SEED_0: &str = "94ba4dcf08a8d75436138f151bef030ed49580b938a5f9c8590f2fc3c2f9e50f";

#[test]
fn initial_weights_are_spread_as_pytorch_spreads_them() {
    // Uniform in ±1/√fan-in: mean 0, standard deviation bound/√3.
    for (name, bound) in [
        ("cnn.4.weight", 1.0 / (32.0 * 9.0f64).sqrt()),
        ("lstm.weight_ih_l0", 1.0 / 128f64.sqrt()),
        ("lstm.weight_hh_l0_reverse", 1.0 / 128f64.sqrt()),
        ("head.0.weight", 1.0 / 256f64.sqrt()),
    ] {
        let state = fresh(3).state_dict().unwrap();
        let values = state.iter().find(|(known, _)| known == name).unwrap().1.to_f32().unwrap();
        let n = values.len() as f64;
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
        let variance = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / n;
        let deviation = bound / 3f64.sqrt();
        assert!(mean.abs() < 5.0 * deviation / n.sqrt(), "{name}: mean {mean}");
        assert!((variance.sqrt() / deviation - 1.0).abs() < 0.02, "{name}: deviation {}", variance.sqrt());
        let largest = values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        assert!(f64::from(largest) <= bound && f64::from(largest) > 0.99 * bound, "{name}: {largest}");
    }
}

#[test]
fn weights_of_another_shape_are_refused_with_both_shapes() {
    let checkpoint = Checkpoint::read(fixture("small.pt")).unwrap();
    let wider = Architecture::new(&small_network(13), [3, 12, 40], 5).unwrap();
    let mut wider = Network::new(&wider, 0, Device::Cpu).unwrap();
    let error = wider.load_state_dict(&checkpoint.model_state).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    let text = error.to_string();
    assert!(text.contains("head.0") && text.contains("[12") && text.contains("[13"), "{text}");

    let (mut network, _) = small();
    let mut state = checkpoint.model_state;
    let (name, removed) = state.remove(0);
    let text = network.load_state_dict(&state).unwrap_err().to_string();
    assert!(text.contains("25 tensors") && text.contains("26"), "{text}");
    state.push(("cnn.9.weight".to_owned(), removed));
    let text = network.load_state_dict(&state).unwrap_err().to_string();
    assert!(text.contains(&name), "{text}");
    let at = state.iter().position(|(name, _)| name == "head.3.bias").unwrap();
    state[at].1 = checkpoint::Tensor::from_i64(&[5], &[1, 2, 3, 4, 5]).unwrap();
    state.last_mut().unwrap().0 = name;
    assert_eq!(network.load_state_dict(&state).unwrap_err().kind(), ErrorKind::Mismatch);
}

#[test]
fn a_configuration_that_describes_no_sensible_network_is_refused_before_one_is_built() {
    let mut checkpoint = Checkpoint::read(fixture("small.pt")).unwrap();
    let honest = serde_json::to_value(small_model()).unwrap();
    let mut refusal = |key: &str, value: serde_json::Value| {
        let mut model = honest.clone();
        model[key] = value;
        checkpoint.config = origin_with(&model);
        Origin::of(&checkpoint).map(|origin| origin.model).map_err(|error| error.to_string())
    };
    assert_eq!(refusal("classes", json!(5)).unwrap(), small_model());

    let cases = [
        ("arch", json!("transformer"), "unknown architecture \"transformer\""),
        ("classes", json!(0), "is not valid"),
        ("classes", json!(1), "is not valid"),
        ("classes", json!(6), "5 labels for 6 classes"),
        ("classes", json!(u64::MAX), "is not valid"),
        ("classes", json!(-1), "cannot be understood"),
        ("hidden", json!(0), "is not valid"),
        ("hidden", json!(1_000_000), "is not valid"),
        ("hidden", json!(1e300), "cannot be understood"),
        ("dense", json!(-12), "cannot be understood"),
        ("channels", json!([4]), "cannot be understood"),
        ("channels", json!([0, 8]), "is not valid"),
        ("channels", json!([4_000_000_000u32, 4_000_000_000u32]), "is not valid"),
        ("dropout", json!(1.0), "is not valid"),
        ("dropout", json!(-0.1), "is not valid"),
        ("dropout", json!(null), "cannot be understood"),
        ("input_shape", json!([3, 3, 40]), "too small"),
        ("input_shape", json!([0, 12, 40]), "too small"),
        ("input_shape", json!([3, 12, usize::MAX]), "is not valid"),
        ("input_shape", json!([3, usize::MAX, usize::MAX]), "is not valid"),
        ("depth", json!(3), "unknown field"),
        // Each size is plausible by itself, but together they are 137 GB that the file does not hold.
        ("input_shape", json!([3, 524_288, 40]), "shape [64, 24]"),
        ("hidden", json!(8192), "shape"),
        ("channels", json!([8192, 8192]), "shape [4, 3, 3, 3]"),
    ];
    for (key, value, said) in cases {
        let text = refusal(key, value.clone()).expect_err(&format!("{key} = {value}"));
        assert!(text.contains(said), "{key} = {value}: {text}");
    }
}

#[test]
fn features_of_another_shape_are_an_error() {
    let (mut network, _) = small();
    let one = Tensor::from_slice(&[40i64]);
    for shape in [[1, 3, 16, 40], [1, 2, 12, 40], [1, 3, 12, 48]] {
        let features = Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        let error = network.forward(&features, &one, Pass::Evaluation).unwrap_err();
        assert!(error.to_string().contains("do not fit a network for [3, 12, 40]"), "{error}");
    }
}

struct Clips {
    features: Tensor,
    frames: Tensor,
    logits: Tensor,
}

/// The network of `small.pt` and the clips whose logits PyTorch computed.
fn small() -> (Network, Clips) {
    tch::set_num_threads(1);
    let checkpoint = Checkpoint::read(fixture("small.pt")).unwrap();
    let mut network = Network::new(&small_model(), 0, Device::Cpu).unwrap();
    network.load_state_dict(&checkpoint.model_state).unwrap();

    let bytes = std::fs::read(fixture("small-expected.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |name: &str| -> Vec<f32> {
        let data = tensors.tensor(name).unwrap().data().chunks_exact(4);
        data.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
    };
    let clips = Clips {
        features: Tensor::from_slice(&floats("features")).view([5, 3, 12, 40]),
        frames: Tensor::from_slice(&[1i64, 3, 4, 17, 40]),
        logits: Tensor::from_slice(&floats("logits")).view([5, 5]),
    };
    (network, clips)
}

fn small_model() -> Architecture {
    Architecture::new(&small_network(12), [3, 12, 40], 5).unwrap()
}

fn small_network(dense: u32) -> NetworkConfig {
    NetworkConfig::new(CnnBilstmConfig { channels: [4, 8], hidden: 16, dense, dropout: 0.3 })
}

fn fresh(seed: u64) -> Network {
    let architecture = Architecture::new(&NetworkConfig::default(), [3, 40, 200], 7).unwrap();
    Network::new(&architecture, seed, Device::Cpu).unwrap()
}

fn predict(network: &mut Network, features: &Tensor, frames: &Tensor) -> Tensor {
    tch::no_grad(|| network.forward(features, frames, Pass::Evaluation)).unwrap()
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    let difference = (a - b).abs().max().double_value(&[]);
    assert!(difference.is_finite());
    difference
}

/// The `config` of a checkpoint whose network is `model`.
fn origin_with(model: &serde_json::Value) -> String {
    let split = json!({"protocol": "random", "seed": 0, "digest": "0".repeat(64), "cache": "cache"});
    json!({
        "ser": "0.1.0", "model": model, "features": {}, "feature_set": "x", "split": split, "fit": {},
        "epoch": 1, "metrics": null,
    })
    .to_string()
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoint").join(name)
}
