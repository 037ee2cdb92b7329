//! An encoder that a checkpoint carries whole, so that it needs no folder.

use std::path::{Path, PathBuf};

use ser_cache::Sha;
use ser_core::{Error, ErrorKind, Result};
use ser_model::CarriedEncoder;
use ser_model::checkpoint::{self, Value};
use tch::{Device, Kind, Tensor};

use crate::Tunable;
use crate::folder::{Folder, WeightFiles};
use crate::settings::Settings;
use crate::weights::{Tensors, is_finite};

/// What stands in complaints for the folder that the encoder is not read from.
const PLACE: &str = "the encoder in the checkpoint";

impl Tunable {
    /// The encoder as a checkpoint carries it: its two files of settings as they are, and its tensors in f32.
    ///
    /// # Errors
    /// When its values cannot be copied from the device.
    pub fn to_entry(&self) -> ser_torch::Result<(String, Value)> {
        let tensors = self.tensors().iter().map(|(name, tensor)| Ok((name.clone(), exported(tensor)?)));
        let tensors = tensors.collect::<ser_torch::Result<_>>()?;
        let [config, preprocessor] = [self.config(), self.preprocessor()].map(Settings::to_json);
        let digest = self.digest().to_string();
        Ok(CarriedEncoder::entry(config, preprocessor, self.most_samples(), digest, tensors))
    }

    /// Bytes that [`Self::to_entry`] adds to a checkpoint, about.
    pub fn embedded_bytes(&self) -> usize {
        self.tensors().values().map(Tensor::numel).fold(0, usize::saturating_add).saturating_mul(4)
    }
}

/// The encoder that a checkpoint carries, of this `digest`.
///
/// # Errors
/// [`ErrorKind::Damaged`] when its tensors do not fit its settings, or are not finite; those of the device. None names a file.
pub(crate) fn open(carried: &CarriedEncoder<'_>, digest: Sha, device: Device) -> Result<Tunable> {
    of_parts(carried, digest, device).map_err(|error| match error.path() {
        // What would help with a folder does not help here.
        Some(path) if path == Path::new(PLACE) => damaged(&error.reason()),
        _ => error,
    })
}

fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::Damaged, format!("carries a pretrained encoder that {what}"))
        .help("copy the checkpoint again, or train it again")
}

/// What tells `carried` from every other encoder, whatever digest it claims.
pub(crate) fn identity(carried: &CarriedEncoder<'_>) -> Sha {
    let settings = [carried.config.as_bytes(), carried.preprocessor.as_bytes()];
    let tensors = carried.tensors.iter().flat_map(|(name, tensor)| [name.as_bytes(), tensor.bytes()]);
    let parts: Vec<&[u8]> = settings.into_iter().chain(tensors).collect();
    let lengths: Vec<u8> = parts.iter().flat_map(|part| (part.len() as u64).to_le_bytes()).collect();
    Sha::of(&[&[lengths.as_slice()], parts.as_slice()].concat())
}

fn of_parts(carried: &CarriedEncoder<'_>, digest: Sha, device: Device) -> Result<Tunable> {
    let config = Settings::of_text(carried.config, PLACE.into())?;
    let preprocessor = Settings::of_text(carried.preprocessor, PLACE.into())?;
    let imported =
        |(name, tensor): (&&str, &&checkpoint::Tensor)| Ok(((*name).to_owned(), imported(tensor, device)?));
    let tensors: Tensors = carried.tensors.iter().map(imported).collect::<ser_torch::Result<_>>()?;
    for (name, tensor) in &tensors {
        if !is_finite(tensor)? {
            return Err(damaged(&format!("holds {name} with values that are not finite")));
        }
    }
    let place = PathBuf::from(PLACE);
    let folder = Folder {
        config: place.clone(),
        preprocessor: place.clone(),
        path: place,
        weights: WeightFiles::Safetensors(Vec::new()),
    };
    Tunable::held(folder, config, preprocessor, digest, tensors, device)
}

fn exported(tensor: &Tensor) -> ser_torch::Result<checkpoint::Tensor> {
    let size = tensor.size();
    let on_cpu = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
    let mut values = vec![0.0; on_cpu.numel()];
    on_cpu.f_copy_data(&mut values, on_cpu.numel())?;
    let shape: Vec<usize> = size.iter().map(|size| *size as usize).collect();
    Ok(checkpoint::Tensor::from_f32(&shape, &values)?)
}

fn imported(tensor: &checkpoint::Tensor, device: Device) -> ser_torch::Result<Tensor> {
    let shape: Vec<i64> = tensor.shape().iter().map(|size| *size as i64).collect();
    Ok(Tensor::f_from_slice(&tensor.to_f32()?)?.f_view(shape.as_slice())?.f_to_device(device)?)
}

#[cfg(test)]
mod tests {
    use ser_model::checkpoint::Checkpoint;
    use ser_model::network::{FinetuneConfig, Tune};
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn an_encoder_from_a_checkpoint_computes_what_that_of_the_folder_does() {
        let clip: Vec<f32> = (0..6_000).map(|n| (n as f32 * n as f32 * 1e-4).sin()).collect();
        for name in ["wav2vec2-large", "hubert-base", "wavlm-base", "data2vec-audio", "whisper", "ge2e"] {
            let folder =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/encoders").join(name);
            let encoder = Tunable::open(&folder, Device::Cpu).unwrap();
            let sizes = FinetuneConfig { tune: Tune::Head, ..FinetuneConfig::default() };
            let wanted = encoder.tuned(&sizes).unwrap();
            let checkpoint = Checkpoint {
                labels: vec!["calm".to_owned()],
                config: "{}".to_owned(),
                model_state: Vec::new(),
                extra: vec![encoder.to_entry().unwrap()],
            };
            let bytes = checkpoint.to_bytes().unwrap();
            assert!(bytes.len() >= encoder.embedded_bytes(), "{name}");
            let read = Checkpoint::from_bytes(&bytes).unwrap();
            let mut carried = CarriedEncoder::of(&read, &wanted.family, &wanted.digest).unwrap().unwrap();
            assert_eq!(carried.most_samples, Some(encoder.most_samples()));
            let embedded = open(&carried, encoder.digest(), Device::Cpu).unwrap();
            assert_eq!(embedded.tuned(&sizes).unwrap(), wanted);
            let said = |encoder: &Tunable| {
                let (states, _) = encoder.with(BTreeMap::new()).unwrap().last_states(&[&clip]).unwrap();
                states
            };
            assert!(said(&encoder).equal(&said(&embedded)), "{name}");

            let whole = identity(&carried);
            let (first, tensor) = carried.tensors.pop_first().unwrap();
            assert_ne!(identity(&carried), whole);
            let refused = open(&carried, encoder.digest(), Device::Cpu).unwrap_err().to_string();
            assert!(refused.contains("lacks the tensor") && refused.contains("train it again"), "{refused}");
            let shape = tensor.shape();
            let nan = checkpoint::Tensor::from_f32(shape, &vec![f32::NAN; shape.iter().product()]).unwrap();
            carried.tensors.insert(first, &nan);
            let refused = open(&carried, encoder.digest(), Device::Cpu).unwrap_err().to_string();
            assert!(refused.contains("not finite"), "{refused}");
        }
    }
}
