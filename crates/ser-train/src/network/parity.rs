//! Every architecture but the default one against PyTorch: logits, the training loss and its gradients, from the fixtures
//! that `tests/fixtures/architectures/make.py` made with the classes of `docs/architectures.md`; and that padding never
//! counts. The default architecture is compared in `src/optimisation/parity.rs` and `tests/training/network.rs`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first failure")]

use std::path::Path;

use safetensors::SafeTensors;
use ser_core::random::Random;
use ser_model::network::Architecture;
use ser_model::{Precision, checkpoint};
use tch::{Device, Kind, Reduction, Tensor};

use crate::network::parameters::to_vec_f32;
use crate::network::{Network, Pass};
use crate::optimisation::learner::mean_over_branches;
use crate::optimisation::parity::{Difference, floats, integers};

/// Largest difference allowed, relative to the largest value of the tensor compared.
const TOLERANCE: f32 = 5e-5;

const FIXTURES: [&str; 6] = [
    "cnn-statistics",
    "cnn-statistics-two-views",
    "cnn-transformer",
    "encoder-head",
    "encoder-head-statistics",
    "encoder-head-attention",
];

#[test]
fn logits_are_pytorchs() {
    for fixture in all() {
        let logits = predict(&mut fixture.network(), &fixture.features(), &fixture.frames());
        let mut worst = Difference::none();
        let expected = fixture.floats("logits");
        worst.see("logits", &to_vec_f32(&logits).unwrap(), &expected, None);
        eprintln!("{}: {worst}", fixture.name);
        assert!(worst.relative <= TOLERANCE, "{}: {worst}", fixture.name);
    }
}

#[test]
fn the_training_loss_every_gradient_and_what_is_recorded_are_pytorchs() {
    for fixture in all() {
        let mut network = fixture.without_dropout();
        let (loss, gradient) = fixture.loss_and_gradient(&mut network);
        let expected = fixture.floats("loss")[0];
        assert!((loss - expected).abs() <= 2e-6 * expected, "{}: {loss} is not {expected}", fixture.name);

        let gradient = to_vec_f32(&gradient).unwrap();
        let (mut start, mut worst) = (0, Difference::none());
        for (name, tensor) in network.parameters.export().unwrap() {
            let end = start + tensor.shape().iter().product::<usize>();
            let expected = fixture.floats(&format!("gradient.{name}"));
            // Only rounding noise, where a constant makes no difference.
            let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
            let scale = if largest < 1e-6 { Some(0.1) } else { None };
            worst.see(&name, &gradient[start..end], &expected, scale);
            start = end;
        }
        assert_eq!(start, gradient.len());
        for (name, tensor) in network.state_dict().unwrap() {
            if name.contains(".running_") {
                let expected = fixture.floats(&format!("after.{name}"));
                worst.see(&name, &tensor.to_f32().unwrap(), &expected, None);
            } else if name.ends_with("num_batches_tracked") {
                assert_eq!(tensor.to_i64().unwrap(), [42], "{}: {name}", fixture.name);
            }
        }
        eprintln!("{}: {worst}", fixture.name);
        assert!(worst.relative <= TOLERANCE, "{}: {worst}", fixture.name);
    }
}

#[test]
fn neither_the_batch_nor_the_padding_nor_what_is_in_it_changes_an_utterances_logits() {
    for fixture in all() {
        let (features, frames) = (fixture.features(), fixture.frames());
        let together = predict(&mut fixture.network(), &features, &frames);
        let [depth, bands, positions] = fixture.model.input_shape.map(|size| size as i64);
        // Twice as long, and full of NaN.
        let garbage = Tensor::full([5, depth, bands, 2 * positions], f64::NAN, (Kind::Float, Device::Cpu));
        for (clip, real) in [1i64, 2, 7, 18, 24].into_iter().enumerate() {
            let clip = clip as i64;
            let part = features.narrow(0, clip, 1).narrow(3, 0, real);
            garbage.narrow(0, clip, 1).narrow(3, 0, real).copy_(&part);
        }
        let longer = Architecture {
            input_shape: [depth as usize, bands as usize, 2 * positions as usize],
            ..fixture.model.clone()
        };
        let mut longer = fixture.network_of(&longer);
        let padded = predict(&mut longer, &garbage, &frames);
        let difference = (&padded - &together).abs().max().double_value(&[]);
        assert!(difference <= 1e-5, "{}: {difference} from longer padding", fixture.name);
        for clip in 0..5 {
            let (features, frames) = (garbage.narrow(0, clip, 1), frames.narrow(0, clip, 1));
            let alone = predict(&mut longer, &features, &frames);
            let difference = (alone.get(0) - together.get(clip)).abs().max().double_value(&[]);
            assert!(difference <= 1e-5, "{}: {difference} for utterance {clip} alone", fixture.name);
        }
    }
}

#[test]
fn padding_does_not_change_a_step_of_learning_either() {
    for fixture in all() {
        let (loss, gradient) = fixture.loss_and_gradient(&mut fixture.without_dropout());
        let mut other = fixture.without_dropout();
        let padding =
            Tensor::arange(24, (Kind::Int64, Device::Cpu)).ge_tensor(&fixture.frames().unsqueeze(1));
        let features = fixture.features().masked_fill(&padding.unsqueeze(1).unsqueeze(1), 1e3);
        let (again, same) = fixture.loss_and_gradient_of(&mut other, &features);
        assert_eq!(loss, again, "{}", fixture.name);
        assert_eq!((gradient - same).abs().max().double_value(&[]), 0.0, "{}", fixture.name);
    }
}

#[test]
fn learning_in_bf16_has_nearly_the_same_loss_and_gradient() {
    for fixture in all() {
        let (loss, gradient) = fixture.loss_and_gradient(&mut fixture.without_dropout());
        let mut rough = fixture.without_dropout().learning_in(Precision::Bf16);
        let (rough_loss, rough) = fixture.loss_and_gradient(&mut rough);
        assert!(
            rough_loss != loss && (rough_loss - loss).abs() < 0.03 * loss,
            "{}: {rough_loss} beside {loss}",
            fixture.name
        );
        let cosine = gradient.dot(&rough) / (gradient.norm() * rough.norm());
        let cosine = cosine.double_value(&[]);
        eprintln!(
            "{} in bf16: loss {rough_loss} beside {loss}, cosine of the gradients {cosine}",
            fixture.name
        );
        assert!(cosine > 0.98, "{}: {cosine}", fixture.name);
    }
}

#[test]
fn predicting_in_bf16_gives_nearly_the_same_probabilities() {
    for fixture in all() {
        let logits = |network: &mut Network| {
            let found = network.forward(&fixture.features(), &fixture.frames(), Pass::Evaluation).unwrap();
            found.softmax(-1, Kind::Float)
        };
        let exact = logits(&mut fixture.network());
        let mut network = fixture.network();
        network.predict_in(Precision::Bf16);
        let rough = logits(&mut network);
        let difference = (&exact - &rough).abs().max().double_value(&[]);
        eprintln!("{} in bf16: probabilities differ by {difference}", fixture.name);
        assert!(difference > 0.0 && difference < 0.02, "{}: {difference}", fixture.name);
    }
}

fn all() -> impl Iterator<Item = Fixture> {
    FIXTURES.into_iter().map(Fixture::read)
}

struct Fixture {
    name: &'static str,
    bytes: Vec<u8>,
    model: Architecture,
}

impl Fixture {
    fn read(name: &'static str) -> Self {
        tch::set_num_threads(1);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/architectures");
        let bytes = std::fs::read(folder.join(format!("{name}.safetensors"))).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let model = &header.metadata().as_ref().unwrap()["model"];
        let model: Architecture = serde_json::from_str(model).unwrap();
        model.validate().unwrap();
        Self { name, bytes, model }
    }

    fn network(&self) -> Network {
        self.network_of(&self.model)
    }

    /// The same network that drops nothing, since no two generators would drop alike.
    fn without_dropout(&self) -> Network {
        let mut model = serde_json::to_value(&self.model).unwrap();
        for (field, value) in model.as_object_mut().unwrap() {
            if field.ends_with("dropout") {
                *value = 0.0.into();
            }
        }
        self.network_of(&serde_json::from_value(model).unwrap())
    }

    fn network_of(&self, model: &Architecture) -> Network {
        let mut network = Network::new(model, 0, Device::Cpu).unwrap();
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        let state = tensors.names().into_iter().filter_map(|name| Some((name, name.strip_prefix("state.")?)));
        let state: Vec<(String, checkpoint::Tensor)> = state
            .map(|(full, name)| {
                let tensor = tensors.tensor(full).unwrap();
                let stored = match tensor.dtype() {
                    safetensors::Dtype::I64 => {
                        checkpoint::Tensor::from_i64(tensor.shape(), &self.integers(full))
                    }
                    _ => checkpoint::Tensor::from_f32(tensor.shape(), &self.floats(full)),
                };
                (name.to_owned(), stored.unwrap())
            })
            .collect();
        model.check_shapes(&state).unwrap();
        network.load_state_dict(&state).unwrap();
        network
    }

    fn features(&self) -> Tensor {
        let [depth, bands, frames] = self.model.input_shape.map(|size| size as i64);
        Tensor::from_slice(&self.floats("features")).view([5, depth, bands, frames])
    }

    fn frames(&self) -> Tensor {
        Tensor::from_slice(&self.integers("frames"))
    }

    fn loss_and_gradient(&self, network: &mut Network) -> (f32, Tensor) {
        self.loss_and_gradient_of(network, &self.features())
    }

    fn loss_and_gradient_of(&self, network: &mut Network, features: &Tensor) -> (f32, Tensor) {
        let targets = Tensor::from_slice(&self.integers("targets"));
        let mut unused = Random::new(&["no dropout"]);
        let branches = network.branches(features, &self.frames(), Pass::Training(&mut unused)).unwrap();
        let loss = mean_over_branches(&branches, |logits| {
            Ok(logits.cross_entropy_loss::<Tensor>(&targets, None, Reduction::Mean, -100, 0.0))
        });
        let loss = loss.unwrap();
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

fn predict(network: &mut Network, features: &Tensor, frames: &Tensor) -> Tensor {
    tch::no_grad(|| network.forward(features, frames, Pass::Evaluation)).unwrap()
}
