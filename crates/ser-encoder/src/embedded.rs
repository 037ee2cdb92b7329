//! An encoder that a checkpoint carries whole, so that it needs no folder.

use std::path::PathBuf;

use ser_core::{Error, ErrorKind, Result};
use ser_model::checkpoint::{self, DictKey, Value};
use ser_model::network::{EMBEDDED_ENCODER, TunedEncoder};
use tch::{Device, Kind, Tensor};

use crate::Tunable;
use crate::folder::{Folder, WeightFiles};
use crate::settings::Settings;
use crate::weights::Tensors;

/// What stands in complaints for the folder that the encoder is not read from.
const PLACE: &str = "the encoder in the checkpoint";

impl Tunable {
    /// The encoder as a checkpoint carries it: its two files of settings as they are, and its tensors in f32.
    ///
    /// # Errors
    /// When its values cannot be copied from the device.
    pub fn to_entry(&self) -> ser_torch::Result<(String, Value)> {
        let tensors = self.tensors().iter().map(|(name, tensor)| Ok((name.as_str(), exported(tensor)?)));
        let tensors: Vec<(&str, Value)> = tensors.collect::<ser_torch::Result<_>>()?;
        let entry = Value::dict([
            ("config", self.config().to_json().into()),
            ("preprocessor", self.preprocessor().to_json().into()),
            ("digest", self.digest().to_string().into()),
            ("tensors", Value::dict(tensors)),
        ]);
        Ok((EMBEDDED_ENCODER.to_owned(), entry))
    }

    /// Bytes that [`Self::to_entry`] adds to a checkpoint, about.
    pub fn embedded_bytes(&self) -> usize {
        self.tensors().values().map(Tensor::numel).fold(0, usize::saturating_add).saturating_mul(4)
    }
}

/// The encoder that an `entry` of a checkpoint holds, which must be `wanted`.
///
/// # Errors
/// [`ErrorKind::Damaged`] when it is not, or lacks a part; as [`Tunable::open`].
pub(crate) fn of_entry(entry: &Value, wanted: &TunedEncoder, device: Device) -> Result<Tunable> {
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
    let config = Settings::of_text(text("config")?, PLACE.into())?;
    let preprocessor = Settings::of_text(text("preprocessor")?, PLACE.into())?;
    let stored = entry.get("tensors").and_then(Value::as_dict).ok_or_else(|| damaged("without tensors"))?;
    let mut tensors = Tensors::new();
    for (name, value) in stored {
        let (DictKey::Text(name), Some(tensor)) = (name, value.as_tensor()) else {
            return Err(damaged("whose tensors have no names"));
        };
        tensors.insert(name.clone(), imported(tensor, device)?);
    }
    let digest = wanted.digest.parse().map_err(|_| damaged("without a digest"))?;
    let place = PathBuf::from(PLACE);
    let folder = Folder {
        config: place.clone(),
        preprocessor: place.clone(),
        path: place,
        weights: WeightFiles::Safetensors(Vec::new()),
    };
    Tunable::held(folder, config, preprocessor, digest, tensors, device)
}

fn exported(tensor: &Tensor) -> ser_torch::Result<Value> {
    let size = tensor.size();
    let on_cpu = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
    let mut values = vec![0.0; on_cpu.numel()];
    on_cpu.f_copy_data(&mut values, on_cpu.numel())?;
    let shape: Vec<usize> = size.iter().map(|size| *size as usize).collect();
    Ok(Value::Tensor(checkpoint::Tensor::from_f32(&shape, &values)?))
}

fn imported(tensor: &checkpoint::Tensor, device: Device) -> ser_torch::Result<Tensor> {
    let shape: Vec<i64> = tensor.shape().iter().map(|size| *size as i64).collect();
    Ok(Tensor::f_from_slice(&tensor.to_f32()?)?.f_view(shape.as_slice())?.f_to_device(device)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use ser_model::checkpoint::Checkpoint;
    use ser_model::network::{FinetuneConfig, Tune};

    use super::*;

    fn clip() -> Vec<f32> {
        (0..6_000).map(|n| (n as f32 * n as f32 * 1e-4).sin()).collect()
    }

    #[test]
    fn an_encoder_comes_out_of_a_checkpoint_as_it_went_in_and_another_one_is_refused() {
        for name in ["wav2vec2-large", "hubert-base", "wavlm-base", "data2vec-audio", "whisper", "ge2e"] {
            let folder =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/encoders").join(name);
            let encoder = Tunable::open(&folder, Device::Cpu).unwrap();
            let sizes = FinetuneConfig { tune: Tune::Head, ..FinetuneConfig::default() };
            let wanted = encoder.tuned(&sizes).unwrap();
            let entry = encoder.to_entry().unwrap();
            let checkpoint = Checkpoint {
                labels: vec!["calm".to_owned()],
                config: "{}".to_owned(),
                model_state: Vec::new(),
                extra: vec![entry.clone()],
            };
            let bytes = checkpoint.to_bytes().unwrap();
            assert!(bytes.len() >= encoder.embedded_bytes(), "{name}");
            let read = Checkpoint::from_bytes(&bytes).unwrap();
            let embedded = of_entry(read.extra(EMBEDDED_ENCODER).unwrap(), &wanted, Device::Cpu).unwrap();
            assert_eq!(embedded.tuned(&sizes).unwrap(), wanted);
            let said = |encoder: &Tunable| {
                let (states, _) = encoder.with(BTreeMap::new()).unwrap().last_states(&[&clip()]).unwrap();
                states
            };
            assert!(said(&encoder).equal(&said(&embedded)), "{name}");
            let refused = |entry: &Value, wanted: &TunedEncoder| {
                of_entry(entry, wanted, Device::Cpu).unwrap_err().to_string()
            };
            let other = TunedEncoder { digest: "0".repeat(64), ..wanted.clone() };
            assert!(refused(&entry.1, &other).contains("was not trained with"));
            let Value::Dict(parts) = entry.1 else { panic!("not a dict") };
            for left_out in 0..parts.len() {
                let mut parts = parts.clone();
                let (DictKey::Text(part), _) = parts.remove(left_out) else { panic!("not a text") };
                let refused = refused(&Value::Dict(parts), &wanted);
                assert!(
                    refused.contains(&format!("without {}", if part == "tensors" { "" } else { "its " })),
                    "{refused}"
                );
            }
            let mut fewer = parts;
            let Some((_, Value::Dict(tensors))) = fewer.last_mut() else { panic!("no tensors") };
            tensors.remove(0);
            let refused = refused(&Value::Dict(fewer), &wanted);
            assert!(refused.contains("lacks the tensor"), "{refused}");
        }
    }
}
