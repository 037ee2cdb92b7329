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
        let distribution = |name: &'static str, of: &Distribution| -> Result<Vec<(&'static str, Value)>> {
            let tensor = |numbers: &[f64]| Tensor::from_f64(&[numbers.len()], numbers).map(Value::Tensor);
            let n = i64::try_from(of.n()).unwrap_or(i64::MAX);
            Ok(vec![
                (name, tensor(of.values())?),
                ("shares", tensor(of.shares())?),
                ("utterances", Value::Int(n)),
            ])
        };
        let mut sets = distribution("scores", &self.scores)?;
        sets.push(("speakers", Value::Int(i64::try_from(self.speakers).unwrap_or(i64::MAX))));
        let entry = Value::dict([
            ("temperature", Value::Float(self.temperature.value())),
            ("sets", Value::dict(sets)),
            ("energy", Value::dict(distribution("values", &self.energies)?)),
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
        let count = |of: &Value, name: &str| {
            of.get(name)
                .and_then(Value::as_int)
                .and_then(|n| u64::try_from(n).ok())
                .ok_or_else(|| lacks(name))
        };
        let distribution = |of: &Value, name: &str| {
            let numbers = |name: &str| {
                of.get(name)
                    .and_then(Value::as_tensor)
                    .ok_or_else(|| lacks(name))?
                    .to_f64()
                    .map_err(|_| lacks(name))
            };
            Distribution::from_parts(numbers(name)?, numbers("shares")?, count(of, "utterances")?)
        };
        let temperature = part("temperature")?.as_float().ok_or_else(|| lacks("temperature"))?;
        let (sets, energy) = (part("sets")?, part("energy")?);
        Ok(Some(Self {
            temperature: Temperature::new(temperature)?,
            scores: distribution(sets, "scores")?,
            speakers: count(sets, "speakers")?,
            energies: distribution(energy, "values")?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::{ValidationAnswers, energy};

    fn checkpoint(extra: Vec<(String, Value)>) -> Checkpoint {
        Checkpoint { labels: vec!["a".to_owned()], config: "{}".to_owned(), model_state: Vec::new(), extra }
    }

    fn fitted() -> Calibrator {
        let logits = [4.0, 0.0, 5.0, 0.0, 0.0, 4.0, 6.0, 0.0];
        let energies: Vec<f64> = logits.chunks(2).map(energy).collect();
        let (truth, speakers) = (&[0, 0, 1, 1], Some(&[0, 0, 1, 2][..]));
        Calibrator::fit(&ValidationAnswers {
            logits: &logits,
            classes: 2,
            truth,
            energies: &energies,
            speakers,
        })
        .unwrap()
    }

    #[test]
    fn what_is_kept_in_a_checkpoint_comes_back_as_it_was() {
        let calibrator = fitted();
        let bytes = checkpoint(vec![calibrator.to_entry().unwrap()]).to_bytes().unwrap();
        assert_eq!(Calibrator::of(&Checkpoint::from_bytes(&bytes).unwrap()).unwrap(), Some(calibrator));
        assert_eq!(Calibrator::of(&checkpoint(Vec::new())).unwrap(), None);
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
