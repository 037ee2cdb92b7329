//! Training against PyTorch: loss, gradients and three steps of Adam, from the fixture that
//! `tests/fixtures/checkpoint/parity.py` made. The logits are compared in `tests/training/network.rs`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first failure")]

use std::path::Path;

use safetensors::SafeTensors;
use ser_core::random::Random;
use ser_model::Precision;
use ser_model::checkpoint::Checkpoint;
use ser_model::network::Architecture;
use tch::{Device, Kind, Reduction, Tensor};

use crate::network::parameters::to_vec_f32;
use crate::network::{Network, Pass};
use crate::optimisation::adam::{Adam, Regularisation};

/// Largest difference allowed, relative to the largest value of the tensor compared. The figures seen are about a
/// tenth of it: f32 carries 1e-7, and a gradient is a sum of thousands of products.
const TOLERANCE: f32 = 2e-5;

#[test]
fn the_training_loss_and_every_gradient_are_pytorchs() {
    let fixture = Fixture::read();
    let mut network = fixture.network();
    let (loss, gradient) = fixture.loss_and_gradient(&mut network);
    let expected = fixture.floats("loss")[0];
    assert!((loss - expected).abs() <= 1e-6 * expected, "{loss} is not {expected}");

    let gradient = to_vec_f32(&gradient).unwrap();
    let (mut start, mut worst) = (0, Difference::none());
    for (name, tensor) in network.parameters.export().unwrap() {
        let end = start + tensor.shape().iter().product::<usize>();
        let expected = fixture.floats(&format!("gradient.{name}"));
        // Nothing but rounding: batch normalisation takes out any constant before it.
        let scale = if is_cancelled(&name) { Some(1.0) } else { None };
        worst.see(&name, &gradient[start..end], &expected, scale);
        start = end;
    }
    assert_eq!(start, gradient.len());
    eprintln!("gradients: {worst}");
    assert!(worst.relative <= TOLERANCE, "{worst}");
}

#[test]
fn three_steps_of_adam_end_where_pytorchs_do() {
    let fixture = Fixture::read();
    let mut network = fixture.network();
    let mut adam = Adam::new(&network.parameters).unwrap();
    let mut losses = Vec::new();
    for step in 0..4 {
        let (loss, gradient) = fixture.loss_and_gradient(&mut network);
        losses.push(loss);
        if step < 3 {
            adam.step(&mut network.parameters, &gradient, 1e-3, Regularisation::default()).unwrap();
        }
        if step == 2 {
            let mut worst = Difference::none();
            for (name, tensor) in network.state_dict().unwrap() {
                let expected = format!("adam.{name}");
                match name.ends_with("num_batches_tracked") {
                    true => assert_eq!(tensor.to_i64().unwrap(), fixture.integers(&expected), "{name}"),
                    false if is_cancelled(&name) => {}
                    // It follows the bias that is not compared, by a tenth of up to 2e-3 a step.
                    false if name.ends_with("running_mean") => {
                        for (got, expected) in tensor.to_f32().unwrap().iter().zip(fixture.floats(&expected))
                        {
                            assert!((got - expected).abs() < 6e-4, "{name}: {got} is not {expected}");
                        }
                    }
                    false => worst.see(&name, &tensor.to_f32().unwrap(), &fixture.floats(&expected), None),
                }
            }
            eprintln!("parameters after 3 steps: {worst}");
            assert!(worst.relative <= TOLERANCE, "{worst}");
        }
    }
    let mut worst = Difference::none();
    worst.see("losses", &losses, &fixture.floats("adam.losses"), None);
    eprintln!("{worst}");
    assert!(worst.relative <= TOLERANCE, "{worst}");
}

#[test]
fn learning_in_bf16_has_nearly_the_same_loss_and_gradient() {
    let fixture = Fixture::read();
    let (loss, gradient) = fixture.loss_and_gradient(&mut fixture.network());
    let (rough_loss, rough) = fixture.loss_and_gradient(&mut fixture.network().learning_in(Precision::Bf16));
    assert!(rough_loss != loss && (rough_loss - loss).abs() < 0.01 * loss, "{rough_loss} beside {loss}");
    let cosine = gradient.dot(&rough) / (gradient.norm() * rough.norm());
    let cosine = cosine.double_value(&[]);
    eprintln!("bf16: loss {rough_loss} beside {loss}, cosine of the gradients {cosine}");
    assert!(cosine > 0.99, "{cosine}");
}

/// Whether batch normalisation cancels this bias, so that its gradient is rounding noise, which Adam scales up.
fn is_cancelled(name: &str) -> bool {
    name == "cnn.0.bias" || name == "cnn.4.bias"
}

struct Fixture {
    checkpoint: Checkpoint,
    bytes: Vec<u8>,
}

impl Fixture {
    fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/checkpoint");
        tch::set_num_threads(1);
        Self {
            checkpoint: Checkpoint::read(folder.join("small.pt")).unwrap(),
            bytes: std::fs::read(folder.join("small-expected.safetensors")).unwrap(),
        }
    }

    /// The network of `small.pt`, without dropout, which no two generators draw alike.
    fn network(&self) -> Network {
        let config: serde_json::Value = serde_json::from_str(&self.checkpoint.config).unwrap();
        let mut model = config["model"].clone();
        model["dropout"] = 0.0.into();
        let model: Architecture = serde_json::from_value(model).unwrap();
        let mut network = Network::new(&model, 0, Device::Cpu).unwrap();
        network.load_state_dict(&self.checkpoint.model_state).unwrap();
        network
    }

    fn loss_and_gradient(&self, network: &mut Network) -> (f32, Tensor) {
        let features = Tensor::from_slice(&self.floats("features")).view([5, 3, 12, 40]);
        let frames = Tensor::from_slice(&self.integers("frames"));
        let targets = Tensor::from_slice(&self.integers("targets"));
        let mut unused = Random::new(&["no dropout"]);
        let logits = network.forward(&features, &frames, Pass::Training(&mut unused)).unwrap();
        let loss = logits.cross_entropy_loss::<Tensor>(&targets, None, Reduction::Mean, -100, 0.0);
        let gradient = network.parameters.gradient(&loss).unwrap();
        (loss.to_kind(Kind::Double).double_value(&[]) as f32, gradient)
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        floats(&self.bytes, name)
    }

    fn integers(&self, name: &str) -> Vec<i64> {
        integers(&self.bytes, name)
    }
}

/// The values of an f32 tensor in a `.safetensors` file.
pub(crate) fn floats(file: &[u8], name: &str) -> Vec<f32> {
    let tensors = SafeTensors::deserialize(file).unwrap();
    let tensor = tensors.tensor(name).unwrap_or_else(|_| panic!("no {name} in the fixture"));
    assert_eq!(tensor.dtype(), safetensors::Dtype::F32);
    tensor.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

/// The values of an integer tensor in a `.safetensors` file.
pub(crate) fn integers(file: &[u8], name: &str) -> Vec<i64> {
    let tensors = SafeTensors::deserialize(file).unwrap();
    let tensor = tensors.tensor(name).unwrap_or_else(|_| panic!("no {name} in the fixture"));
    let i32_of = |bytes: &[u8]| i64::from(i32::from_le_bytes(bytes.try_into().unwrap()));
    let i64_of = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap());
    match tensor.dtype() {
        safetensors::Dtype::I32 => tensor.data().chunks_exact(4).map(i32_of).collect(),
        safetensors::Dtype::I64 => tensor.data().chunks_exact(8).map(i64_of).collect(),
        other => panic!("{name} is {other:?}"),
    }
}

/// The largest difference seen, relative to the largest value of its tensor.
pub(crate) struct Difference {
    name: String,
    pub(crate) relative: f32,
}

impl Difference {
    pub(crate) fn none() -> Self {
        Self { name: "nothing".to_owned(), relative: 0.0 }
    }

    pub(crate) fn see(&mut self, name: &str, got: &[f32], expected: &[f32], scale: Option<f32>) {
        assert_eq!(got.len(), expected.len(), "{name}");
        let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        let difference = got.iter().zip(expected).map(|(a, b)| (a - b).abs());
        let difference =
            difference.fold(0f32, |worst, value| if value.is_nan() { f32::NAN } else { worst.max(value) });
        let relative = difference / scale.unwrap_or(largest);
        assert!(!relative.is_nan(), "{name} is NaN somewhere");
        if relative >= self.relative {
            *self = Self { name: name.to_owned(), relative };
        }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "largest difference {:.1e} of the largest value, in {}", self.relative, self.name)
    }
}
