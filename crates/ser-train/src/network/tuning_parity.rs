//! Fine-tuning against PyTorch and `transformers`: the loss of a step and its gradients, from the fixtures that
//! `tests/fixtures/finetune/make.py` made; and that a network begins as its frozen encoder does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first failure")]

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use ser_core::random::Random;
use ser_encoder::{Encoder, Tunable};
use ser_model::checkpoint;
use ser_model::network::{Architecture, FinetuneConfig, LoraTarget, NetworkConfig, Tune};
use tch::{Device, Kind, Reduction, Tensor};

use crate::network::parameters::to_vec_f32;
use crate::network::{Network, Pass};
use crate::optimisation::parity::{Difference, floats, integers};

/// Largest difference allowed, relative to the largest value of the tensor compared.
const TOLERANCE: f32 = 5e-5;

/// Samples of a waveform in these networks.
const SAMPLES: usize = 4_096;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

fn tunable(name: &str) -> Tunable {
    tch::set_num_threads(1);
    Tunable::open(&fixtures().join("encoders").join(name), Device::Cpu).unwrap()
}

fn network(encoder: &Tunable, sizes: FinetuneConfig) -> Network {
    let sizes = FinetuneConfig { encoder: Some(encoder.tuned(&sizes).unwrap()), ..sizes };
    let architecture = Architecture::new(&NetworkConfig::new(sizes), [1, 1, SAMPLES], 4).unwrap();
    Network::new(&architecture, 5, Device::Cpu).unwrap().with_encoder(encoder.share()).unwrap()
}

/// Waveforms `[B, 1, 1, sample]` and how many samples of each are real. What comes after them is not silence.
fn waveforms(utterances: &[i64]) -> (Tensor, Tensor) {
    let bytes = std::fs::read(fixtures().join("encoders/samples.safetensors")).unwrap();
    let samples = floats(&bytes, "samples");
    let (mut waveforms, mut lengths) = (Vec::new(), Vec::new());
    for place in utterances.chunks_exact(2) {
        let (start, length) = (place[0] as usize, place[1] as usize);
        let mut waveform = samples[start..start + length].to_vec();
        waveform.resize(SAMPLES, 0.7);
        waveforms.extend(waveform);
        lengths.push(length as i64);
    }
    let count = lengths.len() as i64;
    let waveforms = Tensor::from_slice(&waveforms).view([count, 1, 1, SAMPLES as i64]);
    (waveforms, Tensor::from_slice(&lengths))
}

#[test]
fn the_loss_and_every_gradient_are_those_of_transformers() {
    use LoraTarget::{Inner, Key, Outer, Output, Query, Value};
    let lora =
        |targets: &[LoraTarget]| FinetuneConfig { lora_targets: targets.to_vec(), ..Default::default() };
    let top = |layers: u32| FinetuneConfig { tune: Tune::Top, top_layers: layers, ..Default::default() };
    for (name, sizes) in [
        ("wav2vec2-base", lora(&[Query, Value])),
        ("wav2vec2-base", top(1)),
        ("wavlm-large", lora(&[Query, Key, Value, Output, Inner, Outer])),
        ("wavlm-large", top(2)),
        ("whisper", lora(&[Key, Output, Inner])),
        ("whisper", top(1)),
    ] {
        let file = format!("finetune/{name}-{}.safetensors", sizes.tune);
        let bytes = std::fs::read(fixtures().join(&file)).unwrap();
        let (time_masks, dropout) = (false, 0.0);
        let sizes = FinetuneConfig { lora_rank: 3, lora_alpha: 6.0, dense: 12, time_masks, dropout, ..sizes };
        let mut network = network(&tunable(name), sizes);
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let values = tensors.names().into_iter().filter_map(|full| {
            let tensor = tensors.tensor(full).unwrap();
            let values = || checkpoint::Tensor::from_f32(tensor.shape(), &floats(&bytes, full)).unwrap();
            Some((full.strip_prefix("value.")?.to_owned(), values()))
        });
        network.load_state_dict(&values.collect::<Vec<_>>()).unwrap();
        let (features, frames) = waveforms(&integers(&bytes, "utterances"));
        let mut random = Random::new(&["no dropout"]);
        let logits = network.branches(&features, &frames, Pass::Training(&mut random)).unwrap().remove(0);
        let targets = Tensor::from_slice(&integers(&bytes, "targets"));
        let loss = logits.cross_entropy_loss::<Tensor>(&targets, None, Reduction::Mean, -100, 0.0);
        let mut worst = Difference::none();
        worst.see("logits", &to_vec_f32(&logits).unwrap(), &floats(&bytes, "logits"), None);
        worst.see("loss", &to_vec_f32(&loss).unwrap(), &floats(&bytes, "loss"), None);
        let gradient = to_vec_f32(&network.gradient(&loss).unwrap()).unwrap();
        let mut start = 0;
        for (name, tensor) in network.parameters.export().unwrap() {
            let end = start + tensor.shape().iter().product::<usize>();
            let expected = floats(&bytes, &format!("gradient.{name}"));
            // Only rounding noise: what is added to all keys of a query changes nothing.
            let scale = if name.ends_with("k_proj.bias") { Some(0.1) } else { None };
            worst.see(&name, &gradient[start..end], &expected, scale);
            start = end;
        }
        assert_eq!(start, gradient.len());
        eprintln!("{file}: {worst}");
        assert!(worst.relative <= TOLERANCE, "{file}: {worst}");
        // Answers do not depend on the batch, and are those of training without dropout.
        let answers = |features: &Tensor, frames: &Tensor, network: &mut Network| {
            tch::no_grad(|| network.forward(features, frames, Pass::Evaluation)).unwrap()
        };
        let together = answers(&features, &frames, &mut network);
        assert!((&together - &logits).abs().max().double_value(&[]) < 1e-5, "{file}");
        let alone = answers(&features.narrow(0, 1, 1), &frames.narrow(0, 1, 1), &mut network);
        assert!((alone.get(0) - together.get(1)).abs().max().double_value(&[]) < 1e-6, "{file}");
    }
}

/// What a step in training gives: the gradient, and the logits.
fn gradient_and_logits(network: &mut Network, features: &Tensor, frames: &Tensor) -> [Vec<f32>; 2] {
    let mut random = Random::new(&["a step"]);
    let logits = network.branches(features, frames, Pass::Training(&mut random)).unwrap().remove(0);
    let targets = Tensor::from_slice(&[1i64, 3, 0]);
    let loss = logits.cross_entropy_loss::<Tensor>(&targets, None, Reduction::Mean, -100, 0.0);
    let gradient = network.gradient(&loss).unwrap();
    [&gradient, &logits].map(|tensor| to_vec_f32(tensor).unwrap())
}

#[test]
fn gradients_are_the_same_where_layers_keep_nothing() {
    let (features, frames) = waveforms(&[0, 4_000, 500, 3_000, 900, 2_500]);
    for (name, sizes) in [
        ("wav2vec2-base", FinetuneConfig { tune: Tune::Top, top_layers: 1, ..Default::default() }),
        ("hubert-large", FinetuneConfig::default()),
        // All layers share positions that the first one learns.
        ("wavlm-base", FinetuneConfig { tune: Tune::All, ..Default::default() }),
        ("whisper", FinetuneConfig { tune: Tune::All, ..Default::default() }),
        ("whisper", FinetuneConfig { tune: Tune::Head, ..Default::default() }),
    ] {
        let of = |gradient_checkpointing: bool| {
            let sizes = FinetuneConfig { gradient_checkpointing, ..sizes.clone() };
            let mut network = network(&tunable(name), sizes);
            let first = gradient_and_logits(&mut network, &features, &frames);
            assert_eq!(gradient_and_logits(&mut network, &features, &frames), first, "{name}: a second step");
            first
        };
        let ([kept, logits], [replayed, other_logits]) = (of(false), of(true));
        // Attention without gradients may be another kernel of libtorch.
        for (one, other) in logits.iter().zip(&other_logits) {
            assert!((one - other).abs() < 1e-5, "{name}: {one} {other}");
        }
        let largest = kept.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        assert!(largest > 0.0 && kept.len() == replayed.len());
        for (kept, replayed) in kept.iter().zip(&replayed) {
            assert!((kept - replayed).abs() <= 1e-5 * largest, "{name}: {kept} {replayed}");
        }
    }
}

#[test]
fn a_network_begins_as_its_frozen_encoder() {
    for name in ["wavlm-base", "whisper"] {
        let encoder = tunable(name);
        let (features, frames) = waveforms(&[0, 2_000, 500, 1_500]);
        let said = |tune: Tune| {
            let sizes = FinetuneConfig { tune, top_layers: 1, ..FinetuneConfig::default() };
            let mut network = network(&encoder, sizes);
            let logits = tch::no_grad(|| network.forward(&features, &frames, Pass::Evaluation)).unwrap();
            (logits, network.state_dict().unwrap().len())
        };
        let (frozen, head) = said(Tune::Head);
        assert_eq!(head, 4);
        for tune in [Tune::Lora, Tune::Top, Tune::All] {
            let (logits, tensors) = said(tune);
            assert!(tensors > head);
            assert_eq!((logits - &frozen).abs().max().double_value(&[]), 0.0, "{name} {tune}");
        }
        // The head reads the mean of the states that the encoder gives as in preparation.
        let mut states = Encoder::open(encoder.folder(), Device::Cpu).unwrap();
        let samples = to_vec_f32(&features.get(1)).unwrap();
        let all = states.states(&[&samples[..1_500]]).unwrap().remove(0).states;
        let mean = all.get(all.size()[0] - 1).mean_dim([0i64].as_slice(), false, Kind::Float);
        let mut network = network(&encoder, FinetuneConfig { tune: Tune::Head, ..Default::default() });
        let state = network.state_dict().unwrap();
        let weight = |name: &str| {
            let (_, tensor) = state.iter().find(|(known, _)| known == name).unwrap();
            let shape: Vec<i64> = tensor.shape().iter().map(|size| *size as i64).collect();
            Tensor::from_slice(&tensor.to_f32().unwrap()).view(shape.as_slice())
        };
        let hidden = mean.linear(&weight("head.0.weight"), Some(&weight("head.0.bias"))).relu();
        let expected = hidden.linear(&weight("head.3.weight"), Some(&weight("head.3.bias")));
        let logits = tch::no_grad(|| network.forward(&features, &frames, Pass::Evaluation)).unwrap();
        assert!((logits.get(1) - expected).abs().max().double_value(&[]) < 1e-5, "{name}");
    }
}

#[test]
fn frames_are_hidden_in_training_alone_and_drawn_from_the_generator() {
    let encoder = tunable("wavlm-large");
    let (features, frames) = waveforms(&[0, 4_000, 500, 3_000]);
    let said = |time_masks: bool, seed: Option<&str>| {
        let mut network =
            network(&encoder, FinetuneConfig { time_masks, dropout: 0.0, ..Default::default() });
        let mut random = Random::new(&[seed.unwrap_or_default()]);
        let pass = if seed.is_some() { Pass::Training(&mut random) } else { Pass::Evaluation };
        to_vec_f32(&tch::no_grad(|| network.forward(&features, &frames, pass)).unwrap()).unwrap()
    };
    let far = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let whole = said(true, None);
    assert_eq!(whole, said(false, None));
    assert!(far(&whole, &said(false, Some("a"))) < 1e-5);
    assert!(far(&whole, &said(true, Some("a"))) > 1e-3);
    assert_eq!(said(true, Some("a")), said(true, Some("a")));
    assert!(far(&said(true, Some("b")), &said(true, Some("a"))) > 1e-4);
}

#[test]
fn another_encoder_or_none_is_refused() {
    let (one, other) = (tunable("wavlm-base"), tunable("hubert-base"));
    let sizes = FinetuneConfig::default();
    let sizes = FinetuneConfig { encoder: Some(one.tuned(&sizes).unwrap()), ..sizes };
    let architecture = Architecture::new(&NetworkConfig::new(sizes), [1, 1, SAMPLES], 4).unwrap();
    let mut alone = Network::new(&architecture, 5, Device::Cpu).unwrap();
    let (features, frames) = waveforms(&[0, 2_000]);
    let error = alone.forward(&features, &frames, Pass::Evaluation).unwrap_err().to_string();
    assert!(error.contains("was not given"), "{error}");
    let error = alone.with_encoder(other).unwrap_err().to_string();
    assert!(error.contains("hubert-base"), "{error}");
}
