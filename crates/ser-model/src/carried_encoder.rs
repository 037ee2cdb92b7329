//! A pretrained encoder that a checkpoint carries whole, beside the network that begins with it or reads its states.

use std::collections::BTreeMap;

use ser_core::{Error, ErrorKind, Result};

use crate::checkpoint::{Checkpoint, DictKey, Tensor, Value};

/// The encoder in a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct CarriedEncoder<'a> {
    /// Its family, such as `wav2vec2`.
    pub family: &'a str,
    /// `config.json` of its folder.
    pub config: &'a str,
    /// `preprocessor_config.json`
    pub preprocessor: &'a str,
    /// The most samples of a recording that it hears at once; checkpoints of earlier versions do not say.
    pub most_samples: Option<usize>,
    /// By name, as they were in the folder but in f32.
    pub tensors: BTreeMap<&'a str, &'a Tensor>,
}

impl<'a> CarriedEncoder<'a> {
    /// Its name in a checkpoint.
    pub const KEY: &'static str = "encoder";

    /// The encoder that `checkpoint` carries, if it carries one, which must be of this `family` and have this `digest`, the
    /// SHA-256 of its files.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when it is another one, or lacks a part.
    pub fn of(checkpoint: &'a Checkpoint, family: &'a str, digest: &str) -> Result<Option<Self>> {
        let Some(entry) = checkpoint.extra(Self::KEY) else { return Ok(None) };
        let damaged = |what: &str| {
            Error::new(ErrorKind::Damaged, format!("carries an encoder {what}"))
                .help("copy the checkpoint again, or train it again")
        };
        let text = |name: &str| {
            let text = entry.get(name).and_then(Value::as_text);
            text.ok_or_else(|| damaged(&format!("without its {name}")))
        };
        if text("digest")? != digest {
            return Err(damaged("that its network was not trained with"));
        }
        let stored = entry.get("tensors").and_then(Value::as_dict);
        let named =
            stored.ok_or_else(|| damaged("without its tensors"))?.iter().map(|(name, value)| {
                match (name, value.as_tensor()) {
                    (DictKey::Text(name), Some(tensor)) => Ok((name.as_str(), tensor)),
                    _ => Err(damaged("whose tensors have no names")),
                }
            });
        Ok(Some(Self {
            family,
            config: text("config")?,
            preprocessor: text("preprocessor")?,
            most_samples: entry.get("most_samples").and_then(Value::as_int).and_then(|n| n.try_into().ok()),
            tensors: named.collect::<Result<_>>()?,
        }))
    }

    /// What a checkpoint carries of an encoder with these settings, which hears `most_samples` at once, the SHA-256 of its
    /// files as `digest`, and `tensors`.
    pub fn entry(
        config: String,
        preprocessor: String,
        most_samples: usize,
        digest: String,
        tensors: Vec<(String, Tensor)>,
    ) -> (String, Value) {
        let tensors = tensors.into_iter().map(|(name, tensor)| (name, Value::Tensor(tensor)));
        let entry = Value::dict([
            ("config", config.into()),
            ("preprocessor", preprocessor.into()),
            ("most_samples", i64::try_from(most_samples).unwrap_or(i64::MAX).into()),
            ("digest", digest.into()),
            ("tensors", Value::dict(tensors)),
        ]);
        (Self::KEY.to_owned(), entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(extra: Vec<(String, Value)>) -> Checkpoint {
        let (labels, config) = (vec!["calm".to_owned()], "{}".to_owned());
        Checkpoint { labels, config, model_state: Vec::new(), extra }
    }

    #[test]
    fn an_encoder_comes_out_as_it_went_in_and_another_one_is_refused() {
        let tensor = Tensor::from_f32(&[2], &[0.5, -0.5]).unwrap();
        let tensors = vec![("layers.0.weight".to_owned(), tensor.clone())];
        let digest = "ab".repeat(32);
        let entry =
            CarriedEncoder::entry("{1}".to_owned(), "{2}".to_owned(), 960_000, digest.clone(), tensors);
        let carrying = checkpoint(vec![entry.clone()]);
        let found = CarriedEncoder::of(&carrying, "wavlm", &digest).unwrap().unwrap();
        assert_eq!((found.family, found.config, found.preprocessor), ("wavlm", "{1}", "{2}"));
        assert_eq!(found.most_samples, Some(960_000));
        assert_eq!(found.tensors, BTreeMap::from([("layers.0.weight", &tensor)]));
        assert_eq!(CarriedEncoder::of(&checkpoint(Vec::new()), "wavlm", &digest).unwrap(), None);

        let error = CarriedEncoder::of(&carrying, "wavlm", &"0".repeat(64)).unwrap_err().to_string();
        assert!(error.contains("was not trained with"), "{error}");
        let Value::Dict(parts) = entry.1 else { panic!("not a dict") };
        for left_out in 0..parts.len() {
            let mut parts = parts.clone();
            let (DictKey::Text(part), _) = parts.remove(left_out) else { panic!("not a text") };
            let lacking = checkpoint(vec![(CarriedEncoder::KEY.to_owned(), Value::Dict(parts))]);
            match CarriedEncoder::of(&lacking, "wavlm", &digest) {
                Ok(found) => assert_eq!((part.as_str(), found.unwrap().most_samples), ("most_samples", None)),
                Err(error) => assert!(error.to_string().contains(&format!("without its {part}")), "{error}"),
            }
        }
    }
}
