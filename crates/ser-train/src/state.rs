//! What our checkpoints carry besides weights.

use std::borrow::Cow;
use std::collections::BTreeSet;

use ser_cache::{FeatureSet, Sha, StoredSplit, TensorKey};
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::Protocol;
use ser_corpus::split::Side;
use ser_distributed::Ranks;
use ser_features::FeatureConfig;
use ser_model::checkpoint::{Checkpoint, Value};
use ser_model::network::{Arch, Architecture};
use ser_model::{FitConfig, MemberOrigin, checkpoint};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::network::Network;
use crate::network::parameters::{export_f32, import_f32};
use crate::optimisation::adam::Adam;

/// The `config` of a checkpoint: how it was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Origin {
    /// Version of this program.
    pub ser: String,
    /// Shape of the network.
    pub model: Architecture,
    /// The feature configuration, canonical.
    pub features: serde_json::Value,
    /// Name of the feature set.
    pub feature_set: String,
    /// Where the pretrained encoder was whose states the features are or that the network begins with, as an absolute path, if
    /// there is one and that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// The split.
    pub split: SplitOrigin,
    /// The recipe.
    pub fit: FitConfig,
    /// Epoch after which the weights were taken; 0 before the first.
    pub epoch: u32,
    /// What that epoch gave.
    pub metrics: Option<EpochRecord>,
    /// How each network of an ensemble was trained, in their order; empty for one network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberOrigin>,
}

/// The split a network was trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitOrigin {
    /// `random`, `word`, `speaker-<ID>`, `speakers-<i>-of-<k>`, `corpus-<NAME>`, `official` or `official-<FOLD>`.
    pub protocol: String,
    /// Its seed.
    pub seed: u64,
    /// Digest of its manifests.
    pub digest: Sha,
    /// The cache, as an absolute path.
    pub cache: String,
    /// The lowest keys of its utterances: a sample by which another corpus is told from this one dealt anew. Empty in
    /// checkpoints from before it was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<TensorKey>,
}

/// How many keys are a sample.
const SAMPLE: usize = 16;

/// The lowest keys of the utterances of `split`. Keys are digests, so these are a random sample that stays the same however
/// the utterances are dealt.
pub(super) fn sample(split: &StoredSplit) -> Vec<TensorKey> {
    let utterances = Side::ALL.into_iter().flat_map(|part| split.side(part));
    let mut lowest = BTreeSet::new();
    for utterance in utterances {
        if lowest.len() < SAMPLE || lowest.last().is_some_and(|highest| utterance.key < *highest) {
            lowest.insert(utterance.key);
        }
        if lowest.len() > SAMPLE {
            lowest.pop_last();
        }
    }
    lowest.into_iter().collect()
}

/// What an epoch gave: a line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Its number, from 1.
    pub epoch: u32,
    /// Steps of the run up to its end; 0 in records from before they were kept.
    #[serde(default)]
    pub steps: u64,
    /// Mean cross-entropy over the training side while it was being learnt, as weighted as the loss is, nats.
    pub train_loss: f64,
    /// Correct / all over the training side, likewise; of two utterances that are mixed, only the class of the first counts,
    /// whatever its share.
    pub train_accuracy: f64,
    /// Mean cross-entropy over the validation side after the epoch, nats.
    pub val_loss: f64,
    /// Correct / all over the validation side.
    pub val_accuracy: f64,
    /// Mean recall over classes on the validation side.
    pub val_uar: f64,
    /// Time taken, validation included, seconds.
    pub seconds: f64,
    /// Training utterances learnt from in a second.
    pub samples_per_s: f64,
    /// Share of that time in which steps waited for their utterances.
    pub waiting_share: f64,
    /// Validation utterances predicted in a second.
    pub validated_per_s: f64,
    /// When it ended, seconds since 1970.
    pub finished: f64,
    /// Whether it is the best so far.
    pub best: bool,
}

/// The state of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct TrainingState {
    /// The epoch in progress, from 1.
    pub(super) epoch: u32,
    /// Steps of it that are done.
    pub(super) step: u64,
    /// What those steps gave.
    pub(super) sums: Sums,
    /// Epochs that are over.
    pub(super) history: Vec<EpochRecord>,
    /// How many ranks have trained it last.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub(super) ranks: u32,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_one(ranks: &u32) -> bool {
    *ranks == 1
}

/// Sums over the steps of an epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sums {
    /// Cross-entropy, summed over utterances, as bits of an `f64`, which text could round.
    pub(super) loss_bits: u64,
    pub(super) correct: i64,
    pub(super) seconds: f64,
    /// Seconds of them spent waiting for utterances.
    pub(super) waiting: f64,
}

impl Origin {
    /// Describes a network about to be trained.
    pub(super) fn new(
        model: &Architecture,
        set: &FeatureSet,
        split: &StoredSplit,
        config: &FitConfig,
    ) -> Result<Self> {
        let cache = std::path::absolute(&config.cache)
            .map_err(|error| Error::io("cannot be made an absolute path", &config.cache, error))?;
        let features: serde_json::Value = serde_json::from_str(&set.configuration).map_err(not_json)?;
        let digest = features.get("encoder").and_then(|states| states.get("digest")?.as_str());
        let encoder = match config.encoder.as_os_str().is_empty() {
            true => digest.and_then(|digest| ser_cache::encoder_folder(&cache, digest)),
            false => Some(
                std::path::absolute(&config.encoder)
                    .map_err(|error| Error::io("cannot be made an absolute path", &config.encoder, error))?,
            ),
        };
        Ok(Self {
            encoder: encoder.map(|folder| folder.to_string_lossy().into_owned()),
            ser: env!("CARGO_PKG_VERSION").to_owned(),
            model: model.clone(),
            features,
            feature_set: set.id.clone(),
            split: SplitOrigin {
                protocol: split.info.protocol.clone(),
                seed: split.info.seed,
                digest: split.digest,
                cache: cache.to_string_lossy().into_owned(),
                sample: sample(split),
            },
            fit: config.clone(),
            epoch: 0,
            metrics: None,
            members: Vec::new(),
        })
    }

    /// The epoch after which the weights of each of its networks were taken.
    pub(crate) fn epochs(&self) -> Vec<u32> {
        match self.members.as_slice() {
            [] => vec![self.epoch],
            members => members.iter().map(|member| member.epoch).collect(),
        }
    }

    /// As a checkpoint carries it.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(not_json)
    }

    /// Reads the `config` of a checkpoint, and checks that it describes the network whose weights lie beside it. So
    /// building that network takes memory in proportion to the file.
    ///
    /// # Errors
    /// When it is not what this program writes, or describes an invalid or a different network.
    pub fn of(checkpoint: &Checkpoint) -> Result<Self> {
        if let Ok(Named { model }) = serde_json::from_str(&checkpoint.config) {
            // That of a newer version is not damaged.
            Arch::named(&model.arch)?;
        }
        let origin: Self = serde_json::from_str(&checkpoint.config).map_err(not_json)?;
        origin.model.validate()?;
        let protocol: Result<Protocol> = origin.split.protocol.parse();
        protocol.map_err(|error| {
            Error::new(
                ErrorKind::Damaged,
                format!("its configuration cannot be understood: {}", error.reason()),
            )
        })?;
        if checkpoint.labels.len() != origin.model.classes {
            return Err(Error::new(
                ErrorKind::Damaged,
                format!("names {} labels for {} classes", checkpoint.labels.len(), origin.model.classes),
            ));
        }
        origin.model.check_shapes(&checkpoint.model_state)?;
        Ok(origin)
    }
}

impl Origin {
    /// The configuration of the features that its network reads.
    ///
    /// # Errors
    /// When this version does not know it, or it is not of the network's shape.
    pub fn feature_config(&self) -> Result<FeatureConfig> {
        let features: FeatureConfig = serde_json::from_value(self.features.clone()).map_err(|error| {
            Error::new(ErrorKind::Damaged, format!("its feature configuration cannot be understood: {error}"))
        })?;
        features.validate()?;
        if features.shape() != self.model.input_shape {
            let what = format!(
                "its network takes utterances of shape {:?}, its features have {:?}",
                self.model.input_shape,
                features.shape()
            );
            return Err(Error::new(ErrorKind::Damaged, what));
        }
        Ok(features)
    }
}

/// The name of an architecture, known or not.
#[derive(Deserialize)]
struct Named {
    model: NamedModel,
}

#[derive(Deserialize)]
struct NamedModel {
    arch: String,
}

fn not_json(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Damaged, format!("its configuration cannot be understood: {error}"))
        .caused_by(error)
}

/// A checkpoint of `network` as it is now.
pub(super) fn checkpoint_of(network: &Network, labels: &[String], origin: &Origin) -> Result<Checkpoint> {
    Ok(Checkpoint {
        labels: labels.to_vec(),
        config: origin.to_json()?,
        model_state: network.state_dict()?,
        extra: Vec::new(),
    })
}

/// What `last.pt` carries on top, so that a run continues as if it had never stopped. The generator needs no state:
/// every stream follows from the seed, the epoch and the step.
pub(super) fn add_resume_state(
    checkpoint: &mut Checkpoint,
    adam: &Adam,
    seed: u64,
    standing: &TrainingState,
) -> ser_torch::Result<()> {
    let seed = i64::from_le_bytes(seed.to_le_bytes());
    checkpoint.extra.extend([
        (
            "optimizer".to_owned(),
            Value::dict([
                ("name", Value::Text("adam".to_owned())),
                ("step", Value::Int(adam.steps)),
                ("exp_avg", Value::Tensor(export_f32(&adam.mean)?)),
                ("exp_avg_sq", Value::Tensor(export_f32(&adam.square)?)),
            ]),
        ),
        (
            "generator".to_owned(),
            Value::dict([("name", Value::Text("chacha8".to_owned())), ("seed", Value::Int(seed))]),
        ),
        ("epoch".to_owned(), Value::Int(i64::from(standing.epoch))),
        ("standing".to_owned(), written(serde_json::to_string(standing).map_err(not_json)?)?),
    ]);
    Ok(())
}

/// The longest standing that is a text, bytes. Plain values of a checkpoint may take 2 MiB in all, tensors any space.
const LONGEST_TEXT: usize = 1 << 20;

/// A standing as it is kept: of thousands of epochs as the bytes of its text.
fn written(standing: String) -> Result<Value> {
    match standing.len() <= LONGEST_TEXT {
        true => Ok(Value::Text(standing)),
        false => Ok(Value::Tensor(checkpoint::Tensor::from_u8(&[standing.len()], standing.as_bytes())?)),
    }
}

/// The text of a standing, if `value` is one.
fn read(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(Cow::Borrowed(text)),
        Value::Tensor(bytes) => String::from_utf8(bytes.to_u8().ok()?).ok().map(Cow::Owned),
        _ => None,
    }
}

/// Restores what [`add_resume_state`] saved.
///
/// # Errors
/// When the checkpoint carries none, or that of another network.
pub(super) fn restore_resume_state(
    checkpoint: &Checkpoint,
    adam: &mut Adam,
) -> ser_torch::Result<TrainingState> {
    let lacks = |what: &str| {
        Error::new(ErrorKind::Damaged, format!("lacks {what}, so no run can be continued from it"))
            .help("give the folder of a run, which holds last.pt")
    };
    let optimizer = checkpoint.extra("optimizer").ok_or_else(|| lacks("an optimizer"))?;
    let moment = |name: &str, into: &mut Tensor| -> ser_torch::Result<()> {
        let stored: &checkpoint::Tensor =
            optimizer.get(name).and_then(Value::as_tensor).ok_or_else(|| lacks(name))?;
        into.f_copy_(&import_f32(stored, &into.size(), name)?)?;
        Ok(())
    };
    moment("exp_avg", &mut adam.mean)?;
    moment("exp_avg_sq", &mut adam.square)?;
    adam.steps = optimizer.get("step").and_then(Value::as_int).ok_or_else(|| lacks("step"))?;
    let standing = checkpoint.extra("standing").and_then(read).ok_or_else(|| lacks("its standing"))?;
    let standing: TrainingState = serde_json::from_str(&standing).map_err(not_json)?;
    let possible = 0..=i64::from(i32::MAX);
    let sensible = possible.contains(&adam.steps)
        && possible.contains(&standing.sums.correct)
        && standing.history.len() as u64 + 1 == u64::from(standing.epoch)
        && standing.history.iter().zip(1..).all(|(record, epoch)| record.epoch == epoch);
    Ok(sensible.then_some(standing).ok_or_else(|| {
        Error::new(ErrorKind::Damaged, "contradicts itself: its epochs or steps do not add up")
    })?)
}

/// Sums kept on the device while an epoch runs, so that no step waits for a number to be read.
#[derive(Debug)]
pub(super) struct DeviceSums {
    loss: Tensor,
    correct: Tensor,
}

impl DeviceSums {
    pub(super) fn new(sums: &Sums, device: tch::Device) -> ser_torch::Result<Self> {
        Ok(Self {
            loss: Tensor::f_from_slice(&[f64::from_bits(sums.loss_bits)])?.f_to(device)?,
            correct: Tensor::f_from_slice(&[sums.correct])?.f_to(device)?,
        })
    }

    /// Adds a step of `all` utterances: its mean `loss`, or this rank's share of it, and its `logits` `[B, class]` for `targets`
    /// `[B]`.
    pub(super) fn add(
        &mut self,
        loss: &Tensor,
        all: usize,
        logits: &Tensor,
        targets: &Tensor,
    ) -> ser_torch::Result<()> {
        tch::no_grad(|| {
            let loss = loss.f_detach()?.f_to_kind(Kind::Double)?.f_mul_scalar(all as i64)?;
            let _ = self.loss.f_add_(&loss)?;
            let correct = logits.f_argmax(1, false)?.f_eq_tensor(targets)?.f_sum(Kind::Int64)?;
            let _ = self.correct.f_add_(&correct)?;
            Ok(())
        })
    }

    /// What the steps of all ranks gave.
    pub(super) fn read(&self, ranks: &Ranks, seconds: f64, waiting: f64) -> ser_torch::Result<Sums> {
        let loss = ranks.sum(&self.loss)?.f_double_value(&[0])?;
        let correct = ranks.sum(&self.correct)?.f_int64_value(&[0])?;
        Ok(Sums { loss_bits: loss.to_bits(), correct, seconds, waiting })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_of_any_length_comes_out_as_it_went_in() {
        for length in [2, LONGEST_TEXT, LONGEST_TEXT + 1, 5 << 20] {
            let standing = "é".repeat(length / 2);
            let value = written(standing.clone()).unwrap();
            assert_eq!(value.as_text().is_some(), standing.len() <= LONGEST_TEXT);
            assert!(read(&value).as_deref() == Some(standing.as_str()));
        }
        assert!(read(&Value::Int(1)).is_none());
    }
}
