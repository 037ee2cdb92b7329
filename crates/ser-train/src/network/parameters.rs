//! Weights of a network as views of one flat buffer, so that an optimiser step is a few operations.

use ser_core::random::Random;
use ser_core::{Error, ErrorKind};
use ser_model::checkpoint;
use tch::{Device, Kind, Tensor};

use crate::torch::Result;

/// How a weight starts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    /// Uniform in ±`bound`, as PyTorch starts convolutions, linear layers and LSTMs.
    Uniform { bound: f64 },
    /// All the same.
    Constant(f32),
}

/// A weight: its name in the state dict, its shape, how it starts.
#[derive(Debug, Clone)]
pub(crate) struct Weight {
    pub(crate) name: String,
    pub(crate) shape: Vec<i64>,
    pub(crate) start: Start,
}

impl Weight {
    pub(crate) fn new(name: &str, shape: &[i64], start: Start) -> Self {
        Self { name: name.to_owned(), shape: shape.to_vec(), start }
    }

    fn len(&self) -> i64 {
        self.shape.iter().product()
    }
}

/// All weights of a network.
#[derive(Debug)]
pub(crate) struct Parameters {
    weights: Vec<Weight>,
    /// `[total]`; every leaf is a view of it.
    flat: Tensor,
    leaves: Vec<Tensor>,
}

impl Parameters {
    /// Fresh weights, the same for a seed on every machine.
    pub(crate) fn initialise(weights: Vec<Weight>, seed: u64, device: Device) -> Result<Self> {
        let mut values = Vec::new();
        for weight in &weights {
            let mut random = Random::new(&["initial weights", &seed.to_string(), &weight.name]);
            values.extend((0..weight.len()).map(|_| match weight.start {
                Start::Uniform { bound } => ((f64::from(random.unit()) * 2.0 - 1.0) * bound) as f32,
                Start::Constant(value) => value,
            }));
        }
        let flat = Tensor::f_from_slice(&values)?.f_to(device)?;
        Self::over(weights, flat)
    }

    fn over(weights: Vec<Weight>, flat: Tensor) -> Result<Self> {
        let mut leaves = Vec::with_capacity(weights.len());
        let mut offset = 0;
        for weight in &weights {
            let leaf = flat.f_narrow(0, offset, weight.len())?.f_view(weight.shape.as_slice())?;
            leaves.push(leaf.f_detach()?.f_set_requires_grad(true)?);
            offset += weight.len();
        }
        Ok(Self { weights, flat, leaves })
    }

    /// The weights in the order they were declared, for the forward pass and as inputs of the backward pass.
    pub(crate) fn leaves(&self) -> &[Tensor] {
        &self.leaves
    }

    /// The buffer behind all leaves, `[total]`.
    pub(crate) fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// Gradients of `loss`, laid out as the buffer, `[total]`.
    pub(crate) fn gradient(&self, loss: &Tensor) -> Result<Tensor> {
        let gradients = Tensor::f_run_backward(&[loss], &self.leaves, false, false)?;
        let flat: Vec<Tensor> = gradients.iter().map(|g| g.f_reshape([-1])).collect::<Result<_, _>>()?;
        Ok(Tensor::f_cat(&flat, 0)?)
    }

    /// Names and values, for a checkpoint.
    pub(crate) fn export(&self) -> Result<Vec<(String, checkpoint::Tensor)>> {
        let named = self.weights.iter().zip(&self.leaves);
        named.map(|(weight, leaf)| Ok((weight.name.clone(), export_f32(leaf)?))).collect()
    }

    /// Overwrites all weights from a checkpoint.
    ///
    /// # Errors
    /// When one is missing or has another shape; some may then be overwritten already.
    pub(crate) fn import(&mut self, state: &[(String, checkpoint::Tensor)]) -> Result<()> {
        tch::no_grad(|| {
            for (weight, leaf) in self.weights.iter().zip(&mut self.leaves) {
                leaf.f_copy_(&import_f32(find(state, &weight.name)?, &weight.shape, &weight.name)?)?;
            }
            Ok(())
        })
    }
}

/// The tensor called `name` in a state dict.
pub(crate) fn find<'a>(
    state: &'a [(String, checkpoint::Tensor)],
    name: &str,
) -> Result<&'a checkpoint::Tensor> {
    let found = state.iter().find(|(known, _)| known == name);
    Ok(found.map(|(_, tensor)| tensor).ok_or_else(|| {
        Error::new(ErrorKind::Mismatch, format!("the checkpoint holds no tensor {name:?}"))
            .help("use a checkpoint of this network")
    })?)
}

/// A tensor of a checkpoint as one of libtorch's, on the CPU.
pub(crate) fn import_f32(tensor: &checkpoint::Tensor, shape: &[i64], name: &str) -> Result<Tensor> {
    let stored: Vec<i64> = tensor.shape().iter().map(|&size| size as i64).collect();
    if stored != shape {
        return Err(Error::new(
            ErrorKind::Mismatch,
            format!("{name} has shape {stored:?} in the checkpoint and {shape:?} in the network"),
        )
        .help("use a checkpoint of this network and feature set")
        .into());
    }
    Ok(Tensor::f_from_slice(&tensor.to_f32()?)?.f_view(shape)?)
}

/// A tensor of libtorch's as one of a checkpoint.
pub(crate) fn export_f32(tensor: &Tensor) -> Result<checkpoint::Tensor> {
    let values = to_vec_f32(tensor)?;
    let shape: Vec<usize> = tensor.size().iter().map(|&size| size as usize).collect();
    Ok(checkpoint::Tensor::from_f32(&shape, &values)?)
}

/// The values of a tensor, row-major.
pub(crate) fn to_vec_f32(tensor: &Tensor) -> Result<Vec<f32>> {
    let tensor = tensor.f_detach()?.f_to(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
    let mut values = vec![0.0; tensor.numel()];
    let count = values.len();
    tensor.f_copy_data(&mut values, count)?;
    Ok(values)
}

/// The values of a tensor of whole numbers, row-major.
pub(crate) fn to_vec_i64(tensor: &Tensor) -> Result<Vec<i64>> {
    let tensor = tensor.f_detach()?.f_to(Device::Cpu)?.f_to_kind(Kind::Int64)?.f_contiguous()?;
    let mut values = vec![0; tensor.numel()];
    let count = values.len();
    tensor.f_copy_data(&mut values, count)?;
    Ok(values)
}
