//! Networks with random weights, and what ser answers with them.

use std::path::{Path, PathBuf};

use ser_core::random::Random;
use ser_core::storage::Storage;
use ser_encoder::{Encoder, EncoderExtractors, Tunable};
use ser_features::{Extractor, FeatureConfig, Pooling, ValueType};
use ser_model::calibration::{Calibrator, ValidationAnswers};
use ser_model::checkpoint::{Checkpoint, Tensor as Stored, Value};
use ser_model::domain::{DomainReference, describe};
use ser_model::network::{Architecture, FinetuneConfig, NetworkConfig};
use ser_model::{FeatureNormalisation, FitConfig};
use ser_prepare::{Extractors, TensorExtractor};
use ser_train::network::{Network, Pass, answer};
use ser_train::state::{Origin, SplitOrigin};
use tch::{Device, Kind, Tensor};

pub(crate) const LABELS: [&str; 4] = ["angry", "happy", "neutral", "sad"];

/// A model with random weights.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: String,
    features: FeatureConfig,
    normalisation: FeatureNormalisation,
    architecture: Architecture,
    /// Each member of an ensemble as a network of its own, or the one network.
    members: Vec<Network>,
    /// Mean and standard deviation of each row.
    statistics: [Vec<f32>; 2],
    temperature: f64,
    reference: DomainReference,
    encoder: Option<Tunable>,
    /// What makes its features, where they are the states of an encoder.
    states: Option<States>,
    pub(crate) checkpoint: Checkpoint,
}

/// An encoder whose states are features.
#[derive(Debug)]
struct States {
    carried: Tunable,
    extractors: EncoderExtractors,
    most: usize,
}

/// The encoder of this name among the fixtures.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/encoders").join(name)
}

impl Subject {
    /// A network that begins with the encoder of this name among the fixtures.
    pub(crate) fn with_encoder(
        name: &str,
        sizes: &FinetuneConfig,
        features: &FeatureConfig,
        members: usize,
    ) -> Self {
        let encoder = Tunable::open(&fixture(name), Device::Cpu).unwrap();
        let sizes = FinetuneConfig { encoder: Some(encoder.tuned(sizes).unwrap()), ..sizes.clone() };
        let none = FeatureNormalisation::None;
        Self::of(name, &NetworkConfig::new(sizes), features, none, members, Some(encoder), None)
    }

    /// A network that reads what is kept of these states of the encoder of this name among the fixtures.
    pub(crate) fn on_states(
        name: &str,
        network: &NetworkConfig,
        (layers, pooling, dtype): (&str, Pooling, ValueType),
        normalisation: FeatureNormalisation,
        members: usize,
    ) -> Self {
        let encoder = Encoder::open(&fixture(name), Device::Cpu).unwrap();
        let features = encoder.features(&layers.parse().unwrap(), pooling, dtype, 40).unwrap();
        let states = States {
            carried: Tunable::open(&fixture(name), Device::Cpu).unwrap(),
            most: encoder.most_samples(),
            extractors: EncoderExtractors::new(encoder, &features).unwrap(),
        };
        Self::of(name, network, &features, normalisation, members, None, Some(states))
    }

    pub(crate) fn new(
        name: &str,
        network: &NetworkConfig,
        features: &FeatureConfig,
        normalisation: FeatureNormalisation,
        members: usize,
    ) -> Self {
        Self::of(name, network, features, normalisation, members, None, None)
    }

    fn of(
        name: &str,
        network: &NetworkConfig,
        features: &FeatureConfig,
        normalisation: FeatureNormalisation,
        members: usize,
        encoder: Option<Tunable>,
        states: Option<States>,
    ) -> Self {
        let shape = features.shape();
        let mut architecture = Architecture::new(network, shape, LABELS.len()).unwrap();
        architecture.members = members;
        let mut random = Random::new(&["export", name]);
        let built = network_of(&architecture, encoder.as_ref());
        let mut state = built.state_dict().unwrap();
        for (name, tensor) in &mut state {
            // Statistics as of training.
            let spread = |random: &mut Random, of: &Stored, by: &dyn Fn(f32, f64) -> f64| {
                let values: Vec<f32> =
                    of.to_f32().unwrap().into_iter().map(|value| by(value, random.normal()) as f32).collect();
                Stored::from_f32(of.shape(), &values).unwrap()
            };
            if name.ends_with("running_mean") {
                *tensor = spread(&mut random, tensor, &|_, normal| 0.5 * normal);
            } else if name.ends_with("running_var") {
                *tensor = spread(&mut random, tensor, &|_, normal| 0.5 + normal.abs());
            } else if name.contains("encoder.") {
                // As if it had been trained.
                *tensor = spread(&mut random, tensor, &|value, normal| f64::from(value) + 0.05 * normal);
            }
        }
        let rows = shape[0] * shape[1];
        let statistics: [Vec<f32>; 2] = [
            (0..rows).map(|_| (10.0 * random.normal()) as f32).collect(),
            (0..rows).map(|_| (5.0 + random.normal().abs()) as f32).collect(),
        ];
        // Answers of which one in four is wrong, so that there is a temperature other than 1.
        let logits = [4.0, 0.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 3.0, 0.0, 0.0, 0.0];
        let calibrator = Calibrator::fit(&ValidationAnswers {
            logits: &logits,
            classes: 4,
            truth: &[0, 1, 2, 3],
            speakers: None,
        });
        let calibrator = calibrator.unwrap();
        let temperature = calibrator.temperature.value();
        assert!((temperature - 1.0).abs() > 0.2, "{temperature}");
        let fit = FitConfig {
            network: network.clone(),
            feature_normalisation: normalisation,
            ..FitConfig::default()
        };
        let members = members_of(&architecture, &state, encoder.as_ref());
        let origin = Origin {
            ser: "0.1.0".to_owned(),
            model: architecture.clone(),
            features: serde_json::from_str(&features.to_canonical_json()).unwrap(),
            feature_set: "example".to_owned(),
            encoder: None,
            split: SplitOrigin {
                protocol: "random".to_owned(),
                seed: 0,
                digest: ser_cache::Sha::of(&[b"split"]),
                cache: "cache".to_owned(),
                sample: Vec::new(),
            },
            fit,
            epoch: 1,
            metrics: None,
            members: Vec::new(),
        };
        let reference = reference(features, states.as_ref());
        let mut extra = vec![calibrator.to_entry().unwrap(), reference.to_entry().unwrap()];
        if normalisation == FeatureNormalisation::Training {
            let tensor = |values: &[f32]| Value::Tensor(Stored::from_f32(&shape[..2], values).unwrap());
            let [mean, deviation] = &statistics;
            let entry = Value::dict([("mean", tensor(mean)), ("standard_deviation", tensor(deviation))]);
            extra.push(("feature_statistics".to_owned(), entry));
        }
        let carried = encoder.as_ref().or(states.as_ref().map(|states| &states.carried));
        extra.extend(carried.map(|encoder| encoder.to_entry().unwrap()));
        let checkpoint = Checkpoint {
            labels: LABELS.map(String::from).to_vec(),
            config: serde_json::to_string(&origin).unwrap(),
            model_state: state,
            extra,
        };
        let (name, features) = (name.to_owned(), features.clone());
        let mut subject = Self {
            name,
            features,
            normalisation,
            architecture,
            members,
            statistics,
            temperature,
            reference,
            encoder,
            states,
            checkpoint,
        };
        subject.tell_sounds_apart();
        subject
    }

    /// Shifts and scales the last layer of each branch so that the logits of a few sounds lie several on either side of
    /// zero: those of fresh weights are hardly different, and then nothing is compared.
    fn tell_sounds_apart(&mut self) {
        let mut random = Random::new(&["sounds"]);
        // As long as two windows of an encoder that would say most of the silence after what is shorter.
        let count = self.states.as_ref().map_or(40_000, |states| states.most.min(40_000));
        let noise: Vec<f32> = (0..count).map(|_| (0.1 * random.normal()) as f32).collect();
        let tone: Vec<f32> = (0..count).map(|n| (n as f32 * 0.3).sin()).collect();
        let pulse = |n: usize| if n % 110 < 3 { (n % 9_000) as f32 / 9e3 } else { 0.0 };
        let pulses: Vec<f32> = (0..count).map(pulse).collect();
        let answers = [noise, tone, pulses]
            .map(|samples| self.members(&samples).unwrap().iter().flatten().map(floats).collect::<Vec<_>>());
        let layers: Vec<String> = (self.checkpoint.model_state.iter())
            .filter_map(|(name, _)| name.strip_suffix("head.3.bias").map(|prefix| format!("{prefix}head.3")))
            .collect();
        assert_eq!(layers.len(), answers[0].len());
        for (number, layer) in layers.iter().enumerate() {
            let logits = answers.each_ref().map(|branches| &branches[number]);
            let mean: Vec<f32> = (0..LABELS.len())
                .map(|class| logits.iter().map(|row| row[class]).sum::<f32>() / 3.0)
                .collect();
            let away =
                logits.iter().flat_map(|row| row.iter().zip(&mean).map(|(logit, mean)| (logit - mean).abs()));
            let factor = 4.0 / away.fold(0.0, f32::max);
            for (name, tensor) in &mut self.checkpoint.model_state {
                let mut values = tensor.to_f32().unwrap_or_default();
                if *name == format!("{layer}.bias") {
                    values.iter_mut().zip(&mean).for_each(|(bias, mean)| *bias -= mean);
                } else if *name != format!("{layer}.weight") {
                    continue;
                }
                values.iter_mut().for_each(|value| *value *= factor);
                *tensor = Stored::from_f32(tensor.shape(), &values).unwrap();
            }
        }
        self.members = members_of(&self.architecture, &self.checkpoint.model_state, self.encoder.as_ref());
    }

    /// Writes its checkpoint.
    pub(crate) fn write(&self, path: &Path) {
        self.checkpoint.write(&Storage::native(), path).unwrap();
    }

    /// The probabilities that ser gives for these samples; nothing where it refuses them.
    pub(crate) fn answer(&mut self, samples: &[f32]) -> Option<Vec<f64>> {
        let members = self.members(samples)?;
        let answers: Vec<Tensor> = members.iter().map(|branches| answer(branches).unwrap()).collect();
        let logits = answer(&answers).unwrap().view([-1]).to_kind(Kind::Double) / self.temperature;
        Some(Vec::try_from(logits.softmax(0, Kind::Double)).unwrap())
    }

    /// The share of its validation side that ser finds at least as unusual.
    pub(crate) fn share_as_unusual(&self, samples: &[f32]) -> Option<f64> {
        let (tensor, frames) = extract(&self.features, self.states.as_ref(), samples)?;
        let descriptor = describe(&tensor, self.features.shape(), frames).unwrap();
        Some(self.reference.share_as_unusual(self.reference.distance(&descriptor).unwrap()))
    }

    /// Logits of each branch of each member; nothing where preparation refuses the samples.
    fn members(&mut self, samples: &[f32]) -> Option<Vec<Vec<Tensor>>> {
        let [channels, rows, most] = self.features.shape();
        let (mut tensor, frames) = extract(&self.features, self.states.as_ref(), samples)?;
        for (row, values) in tensor.chunks_exact_mut(most).enumerate() {
            self.normalise(row, &mut values[..frames]);
        }
        let features = Tensor::from_slice(&tensor).view([1, channels as i64, rows as i64, most as i64]);
        let frames = Tensor::from_slice(&[frames as i64]);
        let branches = |member: &mut Network| member.branches(&features, &frames, Pass::Evaluation).unwrap();
        Some(tch::no_grad(|| self.members.iter_mut().map(branches).collect()))
    }

    /// As docs/checkpoint.md describes it.
    fn normalise(&self, row: usize, values: &mut [f32]) {
        let count = values.len() as f64;
        let (mean, deviation) = match self.normalisation {
            FeatureNormalisation::Utterance => {
                let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
                let squares = values.iter().map(|value| (f64::from(*value) - mean).powi(2));
                (mean, (squares.sum::<f64>() / count).sqrt().max(1e-5))
            }
            FeatureNormalisation::Training => {
                let [mean, deviation] = &self.statistics;
                (f64::from(mean[row]), f64::from(deviation[row]))
            }
            _ => return,
        };
        values.iter_mut().for_each(|value| *value = ((f64::from(*value) - mean) / deviation) as f32);
    }
}

fn network_of(architecture: &Architecture, encoder: Option<&Tunable>) -> Network {
    let network = Network::new(architecture, 7, Device::Cpu).unwrap();
    match encoder {
        Some(encoder) => network.with_encoder(encoder.share()).unwrap(),
        None => network,
    }
}

/// The networks of an ensemble, each alone.
fn members_of(
    architecture: &Architecture,
    state: &[(String, Stored)],
    encoder: Option<&Tunable>,
) -> Vec<Network> {
    let mut alone = architecture.clone();
    alone.members = 1;
    let member = |number: usize| {
        let prefix = architecture.member_prefix(number);
        let named = state.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(&prefix)?, tensor)));
        let own: Vec<(String, Stored)> =
            named.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
        let mut network = network_of(&alone, encoder);
        network.load_state_dict(&own).unwrap();
        network
    };
    (0..architecture.members).map(member).collect()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.view([-1]).to_kind(Kind::Float)).unwrap()
}

/// Features `[channel, row, frame]` as they are before normalisation, and how many frames are real; nothing where
/// preparation refuses the samples, or an encoder hears them in several windows.
fn extract(config: &FeatureConfig, states: Option<&States>, samples: &[f32]) -> Option<(Vec<f32>, usize)> {
    let mut samples = samples.to_vec();
    config.normalisation.apply(&mut samples).ok()?;
    let mut tensor = vec![0.0; config.shape().iter().product()];
    let mut extractor: Box<dyn TensorExtractor> = match states {
        Some(states) if samples.len() > states.most => return None,
        Some(states) => states.extractors.extractor().unwrap(),
        None => Box::new(Extractor::new(config).unwrap()),
    };
    let frames = extractor.extract(&samples, &mut tensor).ok()?.frames;
    Some((tensor, frames))
}

/// What is known of the domain of fifty sounds, by twenty others.
fn reference(config: &FeatureConfig, states: Option<&States>) -> DomainReference {
    let mut random = Random::new(&["domain"]);
    // A whole window of the speaker encoder.
    let count = states.map_or(9_000, |states| states.most.min(26_000));
    let mut sound = || {
        let (pitch, level) = (80.0 + 200.0 * random.uniform(), 0.01 * random.uniform());
        let value = |n: usize| 0.2 * (n as f64 * pitch * 4e-4).sin() * (n as f64 * 1e-3).sin();
        let samples: Vec<f32> = (0..count).map(|n| (value(n) + level * random.normal()) as f32).collect();
        let (tensor, frames) = extract(config, states, &samples).unwrap();
        describe(&tensor, config.shape(), frames).unwrap()
    };
    let [training, validation] = [50, 20].map(|count| (0..count).map(|_| sound()).collect::<Vec<_>>());
    DomainReference::fit(&training, &validation).unwrap()
}
