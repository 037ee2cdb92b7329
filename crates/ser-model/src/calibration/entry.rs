//! A calibrator as a checkpoint carries it.

use ser_core::{Error, ErrorKind, Result};

use crate::calibration::{Calibrator, Distribution, Temperature};
use crate::checkpoint::{Checkpoint, Tensor, Value};

/// Its name in a checkpoint.
const CALIBRATION: &str = "calibration";

impl Calibrator {
    /// As a checkpoint carries it: `docs/checkpoint.md` specifies the entry.
    ///
    /// # Errors
    /// None that a calibrator which was fitted or read could have.
    pub fn to_entry(&self) -> Result<(String, Value)> {
        let mut sets = self.scores.to_values("scores")?;
        sets.push(("speakers", Value::Int(i64::try_from(self.speakers).unwrap_or(i64::MAX))));
        let entry = Value::dict([
            ("temperature", Value::Float(self.temperature.value())),
            ("sets", Value::dict(sets)),
        ]);
        Ok((CALIBRATION.to_owned(), entry))
    }

    /// That of `checkpoint`; `None` if it has none, as those from before it was kept, and those to resume from.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] where it lacks a part or has one that cannot be.
    pub fn of(checkpoint: &Checkpoint) -> Result<Option<Self>> {
        let Some(entry) = checkpoint.extra(CALIBRATION) else { return Ok(None) };
        let lacks = |what: &str| Error::new(ErrorKind::Damaged, format!("has a calibration without {what}"));
        let part = |name: &str| entry.get(name).ok_or_else(|| lacks(name));
        let temperature = part("temperature")?.as_float().ok_or_else(|| lacks("temperature"))?;
        let sets = part("sets")?;
        Ok(Some(Self {
            temperature: Temperature::new(temperature)?,
            scores: Distribution::of_values(sets, "scores", lacks)?,
            speakers: count(sets, "speakers").ok_or_else(|| lacks("speakers"))?,
        }))
    }
}

impl Distribution {
    /// As part of an entry: its values under `name`, and beside them `shares` and `utterances`.
    ///
    /// # Errors
    /// None but for sizes beyond reason.
    pub(crate) fn to_values(&self, name: &'static str) -> Result<Vec<(&'static str, Value)>> {
        let tensor = |numbers: &[f64]| Tensor::from_f64(&[numbers.len()], numbers).map(Value::Tensor);
        let n = i64::try_from(self.n()).unwrap_or(i64::MAX);
        Ok(vec![
            (name, tensor(self.values())?),
            ("shares", tensor(self.shares())?),
            ("utterances", Value::Int(n)),
        ])
    }

    /// What [`Distribution::to_values`] gave, from the entry it became part of; `lacks` makes the error for a part.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] where a part is missing or cannot be.
    pub(crate) fn of_values(entry: &Value, name: &str, lacks: impl Fn(&str) -> Error) -> Result<Self> {
        let numbers = |name: &str| {
            let tensor = entry.get(name).and_then(Value::as_tensor);
            tensor.and_then(|tensor| tensor.to_f64().ok()).ok_or_else(|| lacks(name))
        };
        let n = count(entry, "utterances").ok_or_else(|| lacks("utterances"))?;
        Self::from_parts(numbers(name)?, numbers("shares")?, n)
    }
}

fn count(entry: &Value, name: &str) -> Option<u64> {
    entry.get(name).and_then(Value::as_int).and_then(|n| u64::try_from(n).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::ValidationAnswers;

    fn checkpoint(extra: Vec<(String, Value)>) -> Checkpoint {
        Checkpoint { labels: vec!["a".to_owned()], config: "{}".to_owned(), model_state: Vec::new(), extra }
    }

    fn fitted() -> Calibrator {
        let logits = [4.0, 0.0, 5.0, 0.0, 0.0, 4.0, 6.0, 0.0];
        let (truth, speakers) = (&[0, 0, 1, 1], Some(&[0, 0, 1, 2][..]));
        Calibrator::fit(&ValidationAnswers { logits: &logits, classes: 2, truth, speakers }).unwrap()
    }

    #[test]
    fn what_is_kept_in_a_checkpoint_comes_back_as_it_was() {
        let calibrator = fitted();
        let bytes = checkpoint(vec![calibrator.to_entry().unwrap()]).to_bytes().unwrap();
        assert_eq!(Calibrator::of(&Checkpoint::from_bytes(&bytes).unwrap()).unwrap(), Some(calibrator));
        assert_eq!(Calibrator::of(&checkpoint(Vec::new())).unwrap(), None);
    }

    #[test]
    fn an_entry_from_before_with_an_energy_is_read() {
        let calibrator = fitted();
        let (name, Value::Dict(mut entry)) = calibrator.to_entry().unwrap() else { panic!("not a dict") };
        entry.push(("energy".into(), Value::dict([("utterances", Value::Int(4))])));
        let older = checkpoint(vec![(name, Value::Dict(entry))]);
        assert_eq!(Calibrator::of(&older).unwrap(), Some(calibrator));
    }

    #[test]
    fn a_calibration_without_a_part_is_damaged() {
        let (name, Value::Dict(entry)) = fitted().to_entry().unwrap() else { panic!("not a dict") };
        for left_out in 0..entry.len() {
            let mut entry = entry.clone();
            let (part, _) = entry.remove(left_out);
            let error = Calibrator::of(&checkpoint(vec![(name.clone(), Value::Dict(entry))])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged, "{part:?}: {error}");
        }
        let error = Calibrator::of(&checkpoint(vec![(name, Value::Int(1))])).unwrap_err();
        assert_eq!(error.to_string(), "has a calibration without temperature");
    }
}
