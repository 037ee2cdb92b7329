//! A pretrained encoder that a checkpoint carries whole, beside the network that begins with it.

use std::collections::BTreeMap;

use ser_core::{Error, ErrorKind, Result};

use crate::checkpoint::{Checkpoint, DictKey, Tensor, Value};
use crate::network::TunedEncoder;

/// The encoder in a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct CarriedEncoder<'a> {
    /// Its family, such as `wav2vec2`.
    pub family: &'a str,
    /// `config.json` of its folder.
    pub config: &'a str,
    /// `preprocessor_config.json`
    pub preprocessor: &'a str,
    /// By name, as they were in the folder but in f32.
    pub tensors: BTreeMap<&'a str, &'a Tensor>,
}

impl<'a> CarriedEncoder<'a> {
    /// Its name in a checkpoint.
    pub const KEY: &'static str = "encoder";

    /// The encoder that `checkpoint` carries, if it carries one, which must be `wanted`.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when it is another one, or lacks a part.
    pub fn of(checkpoint: &'a Checkpoint, wanted: &'a TunedEncoder) -> Result<Option<Self>> {
        let Some(entry) = checkpoint.extra(Self::KEY) else { return Ok(None) };
        let damaged = |what: &str| {
            Error::new(ErrorKind::Damaged, format!("carries an encoder {what}"))
                .help("copy the checkpoint again, or train it again")
        };
        let text = |name: &str| {
            let text = entry.get(name).and_then(Value::as_text);
            text.ok_or_else(|| damaged(&format!("without its {name}")))
        };
        if text("digest")? != wanted.digest {
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
            family: &wanted.family,
            config: text("config")?,
            preprocessor: text("preprocessor")?,
            tensors: named.collect::<Result<_>>()?,
        }))
    }

    /// What a checkpoint carries of an encoder with these settings, the SHA-256 of its files as `digest`, and `tensors`.
    pub fn entry(
        config: String,
        preprocessor: String,
        digest: String,
        tensors: Vec<(String, Tensor)>,
    ) -> (String, Value) {
        let tensors = tensors.into_iter().map(|(name, tensor)| (name, Value::Tensor(tensor)));
        let entry = Value::dict([
            ("config", config.into()),
            ("preprocessor", preprocessor.into()),
            ("digest", digest.into()),
            ("tensors", Value::dict(tensors)),
        ]);
        (Self::KEY.to_owned(), entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> TunedEncoder {
        TunedEncoder {
            family: "wavlm".to_owned(),
            digest: "ab".repeat(32),
            sample_rate: 16_000,
            most_samples: 960_000,
            dimension: 2,
            tensors: BTreeMap::new(),
        }
    }

    fn checkpoint(extra: Vec<(String, Value)>) -> Checkpoint {
        let (labels, config) = (vec!["calm".to_owned()], "{}".to_owned());
        Checkpoint { labels, config, model_state: Vec::new(), extra }
    }

    #[test]
    fn an_encoder_comes_out_as_it_went_in_and_another_one_is_refused() {
        let tensor = Tensor::from_f32(&[2], &[0.5, -0.5]).unwrap();
        let tensors = vec![("layers.0.weight".to_owned(), tensor.clone())];
        let entry = CarriedEncoder::entry("{1}".to_owned(), "{2}".to_owned(), wanted().digest, tensors);
        let carrying = checkpoint(vec![entry.clone()]);
        let wanted = wanted();
        let found = CarriedEncoder::of(&carrying, &wanted).unwrap().unwrap();
        assert_eq!((found.family, found.config, found.preprocessor), ("wavlm", "{1}", "{2}"));
        assert_eq!(found.tensors, BTreeMap::from([("layers.0.weight", &tensor)]));
        assert_eq!(CarriedEncoder::of(&checkpoint(Vec::new()), &wanted).unwrap(), None);

        let other = TunedEncoder { digest: "0".repeat(64), ..wanted.clone() };
        let error = CarriedEncoder::of(&carrying, &other).unwrap_err().to_string();
        assert!(error.contains("was not trained with"), "{error}");
        let Value::Dict(parts) = entry.1 else { panic!("not a dict") };
        for left_out in 0..parts.len() {
            let mut parts = parts.clone();
            let (DictKey::Text(part), _) = parts.remove(left_out) else { panic!("not a text") };
            let lacking = checkpoint(vec![(CarriedEncoder::KEY.to_owned(), Value::Dict(parts))]);
            let error = CarriedEncoder::of(&lacking, &wanted).unwrap_err().to_string();
            assert!(error.contains(&format!("without its {part}")), "{error}");
        }
    }
}
