//! Weights of a network as views of one flat buffer, so that an optimiser step is a few operations.

use ser_core::random::Random;
use ser_core::{Error, ErrorKind};
use ser_model::checkpoint;
use ser_model::checkpoint::find;
use ser_model::network::{Start, Weight};
use tch::{Device, Kind, Tensor};

use ser_torch::Result;

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
            values.extend((0..count(weight)).map(|_| match weight.start {
                Start::Uniform { bound } => ((f64::from(random.unit()) * 2.0 - 1.0) * bound) as f32,
                Start::Constant(value) => value,
                Start::Given => 0.0,
            }));
        }
        let flat = Tensor::f_from_slice(&values)?.f_to(device)?;
        Self::over(weights, flat)
    }

    fn over(weights: Vec<Weight>, flat: Tensor) -> Result<Self> {
        let mut leaves = Vec::with_capacity(weights.len());
        let mut offset = 0;
        for weight in &weights {
            let leaf = flat.f_narrow(0, offset, count(weight))?.f_view(sizes(weight).as_slice())?;
            leaves.push(leaf.f_detach()?.f_set_requires_grad(true)?);
            offset += count(weight);
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

    /// The gradients that backward passes have added to the leaves, laid out as the buffer, `[total]`. They begin with zeros
    /// again.
    pub(crate) fn take_gradients(&mut self) -> Result<Tensor> {
        let mut flat = Vec::with_capacity(self.leaves.len());
        for leaf in &mut self.leaves {
            let gradient = leaf.f_grad()?;
            flat.push(match gradient.defined() {
                true => gradient.f_reshape([-1])?,
                false => leaf.f_detach()?.f_zeros_like()?.f_reshape([-1])?,
            });
        }
        let taken = Tensor::f_cat(&flat, 0)?;
        self.leaves.iter_mut().for_each(Tensor::zero_grad);
        Ok(taken)
    }

    /// Gives those weights their first values that start as given, by their names.
    ///
    /// # Errors
    /// When there is no value for one, or one of another shape.
    pub(crate) fn start_from<'a>(&mut self, given: impl Fn(&str) -> Option<&'a Tensor>) -> Result<()> {
        tch::no_grad(|| {
            let weights = self.weights.iter().zip(&mut self.leaves);
            for (weight, leaf) in weights.filter(|(weight, _)| weight.start == Start::Given) {
                let value = given(&weight.name).filter(|value| value.size() == sizes(weight));
                let Some(value) = value else {
                    let what = format!("there is no first value for {} of its shape", weight.name);
                    return Err(Error::new(ErrorKind::Mismatch, what).into());
                };
                leaf.f_copy_(value)?;
            }
            Ok(())
        })
    }

    /// The stretches of the buffer with one `share` of the learning rate, which is asked for weights that started as given,
    /// by their names, and is 1 for the others: where each begins, how long it is, and its share.
    pub(crate) fn stretches(&self, share: impl Fn(&str) -> f64) -> Vec<(i64, i64, f64)> {
        let mut stretches: Vec<(i64, i64, f64)> = Vec::new();
        let mut start = 0;
        for weight in &self.weights {
            let length = count(weight);
            let share = if weight.start == Start::Given { share(&weight.name) } else { 1.0 };
            match stretches.last_mut() {
                Some((_, before, same)) if *same == share => *before += length,
                _ => stretches.push((start, length, share)),
            }
            start += length;
        }
        stretches
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
                leaf.f_copy_(&import_f32(find(state, &weight.name)?, &sizes(weight), &weight.name)?)?;
            }
            Ok(())
        })
    }
}

fn sizes(weight: &Weight) -> Vec<i64> {
    weight.shape.iter().map(|&size| size as i64).collect()
}

fn count(weight: &Weight) -> i64 {
    sizes(weight).iter().product()
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
