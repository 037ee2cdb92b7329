//! What `last.pt` carries so that a run continues from it as if it had never stopped.

use std::borrow::Cow;

use ser_core::{Error, ErrorKind, Result};
use ser_model::EpochRecord;
use ser_model::checkpoint::{Checkpoint, Tensor as StoredTensor, Value};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::network::parameters::{export_f32, import_f32};
use crate::optimisation::adam::Adam;
use crate::state::Sums;

/// The state of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrainingState {
    /// The epoch in progress, from 1.
    pub(crate) epoch: u32,
    /// Steps of it that are done.
    pub(crate) step: u64,
    /// What those steps gave.
    pub(crate) sums: Sums,
    /// Epochs that are over.
    pub(crate) history: Vec<EpochRecord>,
    /// How many ranks have trained it last.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub(crate) ranks: u32,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_one(ranks: &u32) -> bool {
    *ranks == 1
}

/// What `last.pt` carries on top, so that a run continues as if it had never stopped. The generator needs no state:
/// every stream follows from the seed, the epoch and the step.
pub(crate) fn add_resume_state(
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
        ("standing".to_owned(), written(serde_json::to_string(standing).map_err(not_understood)?)?),
    ]);
    Ok(())
}

/// The longest standing that is a text, bytes. Plain values of a checkpoint may take 2 MiB in all, tensors any space.
const LONGEST_TEXT: usize = 1 << 20;

/// A standing as it is kept: of thousands of epochs as the bytes of its text.
fn written(standing: String) -> Result<Value> {
    match standing.len() <= LONGEST_TEXT {
        true => Ok(Value::Text(standing)),
        false => Ok(Value::Tensor(StoredTensor::from_u8(&[standing.len()], standing.as_bytes())?)),
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
pub(crate) fn restore_resume_state(
    checkpoint: &Checkpoint,
    adam: &mut Adam,
) -> ser_torch::Result<TrainingState> {
    let lacks = |what: &str| {
        Error::new(ErrorKind::Damaged, format!("lacks {what}, so no run can be continued from it"))
            .help("give the folder of a run, which holds last.pt")
    };
    let optimizer = checkpoint.extra("optimizer").ok_or_else(|| lacks("an optimizer"))?;
    let moment = |name: &str, into: &mut Tensor| -> ser_torch::Result<()> {
        let stored: &StoredTensor =
            optimizer.get(name).and_then(Value::as_tensor).ok_or_else(|| lacks(name))?;
        into.f_copy_(&import_f32(stored, &into.size(), name)?)?;
        Ok(())
    };
    moment("exp_avg", &mut adam.mean)?;
    moment("exp_avg_sq", &mut adam.square)?;
    adam.steps = optimizer.get("step").and_then(Value::as_int).ok_or_else(|| lacks("step"))?;
    let standing = checkpoint.extra("standing").and_then(read).ok_or_else(|| lacks("its standing"))?;
    let standing: TrainingState = serde_json::from_str(&standing).map_err(not_understood)?;
    let possible = 0..=i64::from(i32::MAX);
    let sensible = possible.contains(&adam.steps)
        && possible.contains(&standing.sums.correct)
        && standing.history.len() as u64 + 1 == u64::from(standing.epoch)
        && standing.history.iter().zip(1..).all(|(record, epoch)| record.epoch == epoch)
        // Of some epochs one is the best, and the first is it when it ends.
        && standing.history.first().is_none_or(|first| first.best)
        && standing.history.iter().all(|record| record.val_accuracy.is_finite() && record.val_uar.is_finite());
    Ok(sensible.then_some(standing).ok_or_else(|| {
        Error::new(ErrorKind::Damaged, "contradicts itself: its epochs or steps do not add up")
    })?)
}

fn not_understood(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Damaged, format!("its training state cannot be understood: {error}"))
        .caused_by(error)
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
