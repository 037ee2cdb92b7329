//! A reference as a checkpoint carries it.

use ser_core::{Error, ErrorKind, Result};

use crate::calibration::Distribution;
use crate::checkpoint::{Checkpoint, Tensor, Value};
use crate::domain::{DomainReference, LowerTriangle, MOST_CORRELATED};

/// Its name in a checkpoint.
const OUT_OF_DOMAIN: &str = "out_of_domain";

impl DomainReference {
    /// As a checkpoint carries it: `docs/checkpoint.md` specifies the entry.
    ///
    /// # Errors
    /// None that a reference which was fitted or read could have.
    pub fn to_entry(&self) -> Result<(String, Value)> {
        let doubles = |values: &[f64]| Tensor::from_f64(&[values.len()], values).map(Value::Tensor);
        let mut entry =
            vec![("mean", doubles(&self.mean)?), ("standard_deviation", doubles(&self.deviation)?)];
        if let Some(whitening) = &self.whitening {
            let values: Vec<f32> = whitening.values().iter().map(|value| *value as f32).collect();
            entry.push(("whitening", Value::Tensor(Tensor::from_f32(&[values.len()], &values)?)));
        }
        entry.extend(self.distances.to_values("distances")?);
        Ok((OUT_OF_DOMAIN.to_owned(), Value::dict(entry)))
    }

    /// That of `checkpoint`; `None` if it has none, as those from before it was kept, and those to resume from.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] where it lacks a part or has one that cannot be.
    pub fn of(checkpoint: &Checkpoint) -> Result<Option<Self>> {
        let Some(entry) = checkpoint.extra(OUT_OF_DOMAIN) else { return Ok(None) };
        let lacks = |what: &str| {
            Error::new(ErrorKind::Damaged, format!("has an `{OUT_OF_DOMAIN}` without valid {what}"))
        };
        let numbers = |name: &str| -> Result<Vec<f64>> {
            let tensor = entry.get(name).and_then(Value::as_tensor).ok_or_else(|| lacks(name))?;
            let numbers = tensor.to_f64().map_err(|_| lacks(name))?;
            let finite = numbers.iter().all(|number| number.is_finite());
            (finite && tensor.shape().len() == 1).then_some(numbers).ok_or_else(|| lacks(name))
        };
        let (mean, deviation) = (numbers("mean")?, numbers("standard_deviation")?);
        if mean.is_empty() {
            return Err(lacks("mean"));
        }
        if deviation.len() != mean.len() || deviation.iter().any(|deviation| *deviation <= 0.0) {
            return Err(lacks("standard_deviation"));
        }
        let whitening = match mean.len() <= MOST_CORRELATED {
            true => Some(
                LowerTriangle::new(mean.len(), numbers("whitening")?)
                    .filter(|whitening| whitening.diagonal().all(|value| value > 0.0))
                    .ok_or_else(|| lacks("whitening"))?,
            ),
            false => None,
        };
        let distances = Distribution::of_values(entry, "distances", lacks)?;
        Ok(Some(Self { mean, deviation, whitening, distances }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::DictKey;
    use crate::domain::tests::descriptors;

    fn checkpoint(extra: Vec<(String, Value)>) -> Checkpoint {
        Checkpoint { labels: vec!["a".to_owned()], config: "{}".to_owned(), model_state: Vec::new(), extra }
    }

    fn fitted(length: usize) -> DomainReference {
        DomainReference::fit(&descriptors(0, 30, length), &descriptors(30, 10, length)).unwrap()
    }

    #[test]
    fn what_is_kept_in_a_checkpoint_comes_back_as_it_was() {
        for length in [1, 12, MOST_CORRELATED + 1] {
            let reference = fitted(length);
            let bytes = checkpoint(vec![reference.to_entry().unwrap()]).to_bytes().unwrap();
            let read = DomainReference::of(&Checkpoint::from_bytes(&bytes).unwrap()).unwrap();
            assert_eq!(read, Some(reference));
        }
        assert_eq!(DomainReference::of(&checkpoint(Vec::new())).unwrap(), None);
    }

    #[test]
    fn a_reference_without_a_part_or_with_one_that_cannot_be_is_damaged() {
        let (name, Value::Dict(entry)) = fitted(4).to_entry().unwrap() else { panic!("not a dict") };
        let doubles = |values: &[f64]| Value::Tensor(Tensor::from_f64(&[values.len()], values).unwrap());
        let refused = |entry: Vec<(DictKey, Value)>, what: &str| {
            let error =
                DomainReference::of(&checkpoint(vec![(name.clone(), Value::Dict(entry))])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged, "{what}: {error}");
        };
        for part in 0..entry.len() {
            let mut without = entry.clone();
            let (key, _) = without.remove(part);
            refused(without, &format!("without {key:?}"));
        }
        for (part, value) in [
            ("mean", doubles(&[])),
            ("mean", doubles(&[0.0; 5])),
            ("mean", doubles(&[f64::NAN; 4])),
            ("mean", Value::Tensor(Tensor::from_f64(&[2, 2], &[0.0; 4]).unwrap())),
            ("standard_deviation", doubles(&[1.0, 1.0, 1.0, 0.0])),
            ("standard_deviation", doubles(&[1.0; 3])),
            ("whitening", doubles(&[1.0; 9])),
            ("whitening", doubles(&[0.0; 10])),
            ("whitening", Value::Tensor(Tensor::from_i64(&[10], &[1; 10]).unwrap())),
            ("distances", doubles(&[2.0, 1.0])),
            ("utterances", Value::Int(0)),
        ] {
            let mut changed = entry.clone();
            let key = DictKey::from(part);
            changed.iter_mut().filter(|(name, _)| *name == key).for_each(|(_, old)| *old = value.clone());
            refused(changed, part);
        }
        let error = DomainReference::of(&checkpoint(vec![(name.clone(), Value::Int(1))])).unwrap_err();
        assert_eq!(error.to_string(), "has an `out_of_domain` without valid mean");
    }
}
