//! The tensors of an encoder: those that a checkpoint carries, with what was trained in their place or added to them.

use std::collections::HashMap;

use ser_core::{Error, ErrorKind, Result};
use ser_model::checkpoint::{DictKey, Tensor, Value};
use ser_model::network::{LowRank, TunedEncoder};

use crate::network::Weights;

/// An encoder as a checkpoint carries it.
#[derive(Debug)]
pub(crate) struct Carried<'a> {
    /// Its family, such as `wav2vec2`.
    pub(super) family: &'a str,
    /// `config.json` of its folder.
    pub(super) config: &'a str,
    /// `preprocessor_config.json`
    pub(super) preprocessor: &'a str,
    /// By name, as they were in the folder.
    tensors: HashMap<&'a str, &'a Tensor>,
}

impl<'a> Carried<'a> {
    /// The encoder that an `entry` of a checkpoint holds.
    ///
    /// # Errors
    /// When a part is missing, or the encoder is not the one that was `wanted`.
    pub(super) fn of(entry: &'a Value, wanted: &'a TunedEncoder) -> Result<Self> {
        let damaged = |what: &str| Error::new(ErrorKind::Damaged, format!("carries an encoder {what}"));
        let text = |name: &str| {
            let text = entry.get(name).and_then(Value::as_text);
            text.ok_or_else(|| damaged(&format!("without its {name}")))
        };
        if text("digest")? != wanted.digest {
            return Err(damaged("that its network was not trained with"));
        }
        let stored = entry.get("tensors").and_then(Value::as_dict);
        let stored = stored.ok_or_else(|| damaged("without tensors"))?;
        let named = stored.iter().filter_map(|(name, value)| match (name, value.as_tensor()) {
            (DictKey::Text(name), Some(tensor)) => Some((name.as_str(), tensor)),
            _ => None,
        });
        Ok(Self {
            family: &wanted.family,
            config: text("config")?,
            preprocessor: text("preprocessor")?,
            tensors: named.collect(),
        })
    }

    /// Its tensors by name.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (&'a str, &'a Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (*name, *tensor))
    }
}

/// The tensors that one network has in its encoder.
#[derive(Debug)]
pub(crate) struct Tensors<'a> {
    carried: &'a Carried<'a>,
    trained: &'a Weights<'a>,
    /// What the names of trained tensors begin with.
    prefix: String,
    low_rank: Option<LowRank>,
}

impl<'a> Tensors<'a> {
    /// Those of `carried` with what is `trained` under names that begin with `prefix`.
    pub(crate) fn new(
        carried: &'a Carried<'a>,
        trained: &'a Weights<'a>,
        prefix: String,
        low_rank: Option<LowRank>,
    ) -> Self {
        Self { carried, trained, prefix, low_rank }
    }

    pub(super) fn carried(&self) -> &'a Carried<'a> {
        self.carried
    }

    /// Whether there is a tensor called `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.carried.tensors.contains_key(name)
    }

    /// The values of the tensor `name`, which has `shape`.
    ///
    /// # Errors
    /// When there is none, or it has another shape.
    pub(super) fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let full = format!("{}{name}", self.prefix);
        if self.trained.has(&full) {
            return self.trained.get(&full, shape);
        }
        let own =
            self.carried.tensors.get(name).filter(|tensor| tensor.shape() == shape).ok_or_else(|| {
                let what = format!("carries an encoder that lacks {name} of shape {shape:?}");
                Error::new(ErrorKind::Damaged, what)
            })?;
        let mut values = own.to_f32()?;
        let place = LowRank::place(&full);
        let (Some(added), &[outputs, inputs]) = (self.low_rank, shape) else { return Ok(values) };
        if !self.trained.has(&format!("{place}.lora_a")) {
            return Ok(values);
        }
        let rank = added.rank as usize;
        let a = self.trained.get(&format!("{place}.lora_a"), &[rank, inputs])?;
        let b = self.trained.get(&format!("{place}.lora_b"), &[outputs, rank])?;
        for (row, of_row) in values.chunks_exact_mut(inputs.max(1)).zip(b.chunks_exact(rank.max(1))) {
            for (of_rank, factor) in a.chunks_exact(inputs.max(1)).zip(of_row) {
                let factor = f64::from(*factor) * added.scale();
                row.iter_mut().zip(of_rank).for_each(|(value, a)| *value += (factor * f64::from(*a)) as f32);
            }
        }
        Ok(values)
    }
}
