//! `pytorch_model.bin`, a state dict as `torch.save` writes it, read without executing anything.

use std::path::{Path, PathBuf};

use ser_core::{Error, ErrorKind};
use ser_model::checkpoint::{self, DictKey, Dtype, Value};
use ser_torch::Result;
use tch::{Kind, Tensor};

/// What makes the same weights a file that is always read, whatever their size.
const CONVERSION: &str = "convert it where its author is trusted: python -c \"import torch, safetensors.torch as s; \
    s.save_file({k: v.clone().contiguous() for k, v in torch.load('pytorch_model.bin', weights_only=True).items()}, \
    'model.safetensors')\"";

/// A state dict in memory.
#[derive(Debug)]
pub(super) struct Pickled {
    path: PathBuf,
    tensors: Vec<(String, checkpoint::Tensor)>,
}

impl Pickled {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let refuse = |error: Error| error.at(path).help(CONVERSION);
        let value = checkpoint::read(path).map_err(refuse)?;
        let Value::Dict(entries) = value else {
            return Err(refuse(Error::new(ErrorKind::Unsupported, "is not a state dict")).into());
        };
        let mut tensors = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            match (key, value) {
                (DictKey::Text(name), Value::Tensor(tensor)) => tensors.push((name, tensor)),
                (key, _) => {
                    let what = format!("is not a state dict: its entry {key:?} is not a tensor");
                    return Err(refuse(Error::new(ErrorKind::Unsupported, what)).into());
                }
            }
        }
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Self { path: path.to_owned(), tensors })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn shape(&self, name: &str) -> Result<Vec<i64>> {
        Ok(self.find(name)?.shape().iter().map(|size| *size as i64).collect())
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Tensor> {
        let tensor = self.find(name)?;
        let kind = match tensor.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            Dtype::F64 => Kind::Double,
            other => {
                let what = format!("holds {name} as {other:?}; expected floating point");
                return Err(Error::new(ErrorKind::Unsupported, what).at(&self.path).into());
            }
        };
        let shape: Vec<i64> = tensor.shape().iter().map(|size| *size as i64).collect();
        Ok(Tensor::f_from_data_size(tensor.bytes(), &shape, kind)?)
    }

    fn find(&self, name: &str) -> Result<&checkpoint::Tensor> {
        let found = self.tensors.binary_search_by(|(known, _)| known.as_str().cmp(name));
        let found = found.ok().and_then(|place| self.tensors.get(place));
        let missing = || Error::new(ErrorKind::Missing, format!("there is no tensor {name}")).at(&self.path);
        Ok(found.map(|(_, tensor)| tensor).ok_or_else(missing)?)
    }
}
