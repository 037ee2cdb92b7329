//! Batch normalisation (Ioffe & Szegedy, 2015) and layer normalisation (Ba, Kiros & Hinton, 2016).

use ser_distributed::Ranks;
use ser_model::{checkpoint, network};
use tch::{Device, Kind, Tensor};

use super::norm_pool::{EPSILON, Others, PoolAndRelu, can, knows, norm_pool};
use super::{Compute, Flow, Forward, Lengths, Places};
use crate::batches::sharing::Sharing;
use crate::network::parameters::{export_f32, import_f32};
use ser_torch::Result;

const MOMENTUM: f64 = 0.1;

/// What batch normalisation has seen so far.
#[derive(Debug)]
pub(crate) struct RunningStatistics {
    name: String,
    mean: Tensor,
    var: Tensor,
    batches: i64,
}

impl RunningStatistics {
    pub(crate) fn fresh(described: &network::RunningStatistics, device: Device) -> Result<Self> {
        let channels = described.channels as i64;
        let mean = Tensor::f_zeros([channels], (Kind::Float, device))?;
        let var = Tensor::f_ones([channels], (Kind::Float, device))?;
        Ok(Self { name: described.name.clone(), mean, var, batches: 0 })
    }

    /// Records the mean and the variance of a batch, in which squares are divided by their number less one.
    fn record(&mut self, mean: &Tensor, variance: &Tensor) -> Result<()> {
        tch::no_grad(|| {
            let _ = self.mean.f_lerp_(mean, MOMENTUM)?;
            let _ = self.var.f_lerp_(variance, MOMENTUM)?;
            Ok(())
        })
    }

    /// Makes mean and variance the means of those of all ranks.
    pub(crate) fn average(&mut self, ranks: &Ranks) -> Result<()> {
        tch::no_grad(|| {
            for values in [&mut self.mean, &mut self.var] {
                let mean = ranks.sum(values)?.f_div_scalar(f64::from(ranks.count()))?;
                values.f_copy_(&mean)?;
            }
            Ok(())
        })
    }

    /// Mean and variance.
    pub(crate) fn values(&self) -> [&Tensor; 2] {
        [&self.mean, &self.var]
    }

    pub(crate) fn export(&self) -> Result<[(String, checkpoint::Tensor); 3]> {
        Ok([
            (format!("{}.running_mean", self.name), export_f32(&self.mean)?),
            (format!("{}.running_var", self.name), export_f32(&self.var)?),
            (
                format!("{}.num_batches_tracked", self.name),
                checkpoint::Tensor::from_i64(&[], &[self.batches])?,
            ),
        ])
    }

    pub(crate) fn import(&mut self, state: &[(String, checkpoint::Tensor)]) -> Result<()> {
        for (what, tensor) in [("running_mean", &mut self.mean), ("running_var", &mut self.var)] {
            let name = format!("{}.{what}", self.name);
            tensor.f_copy_(&import_f32(checkpoint::find(state, &name)?, &tensor.size(), &name)?)?;
        }
        let name = format!("{}.num_batches_tracked", self.name);
        self.batches = checkpoint::find(state, &name)?.to_i64()?.first().copied().unwrap_or(0);
        Ok(())
    }
}

/// Batch normalisation of some channels.
#[derive(Debug)]
pub(super) struct BatchNorm {
    weight: usize,
    bias: usize,
    statistics: usize,
}

impl BatchNorm {
    pub(super) fn new(places: &Places, name: &str) -> Result<Self> {
        let [weight, bias] = places.weight_and_bias(name)?;
        Ok(Self { weight, bias, statistics: places.statistics(name)? })
    }

    /// Normalises `x` `[N, channel, …]` by its own statistics, and records them.
    pub(super) fn learn(&self, forward: &mut Forward<'_>, x: &Tensor) -> Result<Tensor> {
        if let Some(sharing) = forward.sharing.filter(|sharing| sharing.synchronised) {
            return self.learn_together(forward, x, sharing);
        }
        let stands_in = forward.sharing.is_some_and(|sharing| !sharing.part.counts);
        let seen = &mut forward.statistics[self.statistics];
        // Of one value there is no variance to record, and nothing of a row that only stands in.
        let alone = x.numel() as i64 <= x.size()[1] || stands_in;
        let x = x.f_batch_norm(
            Some(&forward.leaves[self.weight]),
            Some(&forward.leaves[self.bias]),
            Some(&seen.mean),
            Some(&seen.var),
            !alone,
            MOMENTUM,
            EPSILON,
            true,
        )?;
        seen.batches = seen.batches.saturating_add(1);
        Ok(x)
    }

    /// Normalises `x` `[B, channel, row, column]`, and lets `after` follow. Where `lengths` says which rows are real, statistics
    /// are those of the real ones, and windows without one become zero.
    pub(super) fn learn_then(
        &self,
        forward: &mut Forward<'_>,
        x: &Tensor,
        lengths: Option<&Lengths>,
        after: PoolAndRelu,
    ) -> Result<Tensor> {
        let lengths = lengths.filter(|lengths| !lengths.are_full());
        let together = forward.sharing.filter(|sharing| sharing.synchronised);
        let in_one_pass = match together {
            None => can(x, lengths),
            // What all ranks find alike: each utterance has at least one row.
            Some(sharing) => knows(x) && sharing.all() as i64 * x.size()[3] > 1,
        };
        if !in_one_pass {
            let x = match lengths {
                None => self.learn(forward, x)?,
                Some(lengths) => self.learn_real(forward, x, lengths)?,
            };
            return after.of(&x);
        }
        let weights = [self.weight, self.bias].map(|weight| &forward.leaves[weight]);
        let others = together.and_then(|sharing| {
            Some(Others { connection: sharing.ranks.connection()?, counts: sharing.part.counts })
        });
        let (x, batch) = norm_pool(x, weights, lengths, after, others)?;
        let seen = &mut forward.statistics[self.statistics];
        // Of a row that only stands in nothing is recorded, unless it is what all ranks have seen.
        if together.is_some() || forward.sharing.is_none_or(|sharing| sharing.part.counts) {
            seen.record(&batch.mean, &batch.variance)?;
        }
        seen.batches = seen.batches.saturating_add(1);
        Ok(x)
    }

    /// Normalises `x` by the statistics of what all ranks hold, as one process would that holds all of it.
    fn learn_together(&self, forward: &mut Forward<'_>, x: &Tensor, sharing: &Sharing<'_>) -> Result<Tensor> {
        let leaves = forward.leaves;
        let seen = &mut forward.statistics[self.statistics];
        let (kind, channels) = (x.kind(), x.size()[1]);
        let x = x.f_to_kind(Kind::Float)?;
        let others: Vec<i64> = (0..x.dim() as i64).filter(|axis| *axis != 1).collect();
        let mut along_channels = vec![1; x.dim()];
        along_channels[1] = channels;
        let along_channels = along_channels.as_slice();
        let counted = f64::from(u8::from(sharing.part.counts));
        let own_sum =
            |x: &Tensor| x.f_sum_dim_intlist(others.as_slice(), false, Kind::Float)?.f_mul_scalar(counted);

        let own_count = counted * (x.numel() as i64 / channels.max(1)) as f64;
        // A number of values too large for an f32 to hold would be off by less than its variance can show.
        let own_count = Tensor::f_full([1], own_count, (Kind::Float, x.device()))?;
        let sums = sharing.ranks.sum_differentiably(&Tensor::f_cat(&[own_sum(&x)?, own_count], 0)?)?;
        let count = sums.f_double_value(&[channels])?.max(1.0);
        let alone = count <= 1.0;
        let (mean, variance) = match alone {
            true => (seen.mean.shallow_clone(), seen.var.shallow_clone()),
            false => {
                let mean = sums.f_narrow(0, 0, channels)?.f_div_scalar(count)?;
                let squares = own_sum(&x.f_sub(&mean.f_view(along_channels)?)?.f_square()?)?;
                (mean, sharing.ranks.sum_differentiably(&squares)?.f_div_scalar(count)?)
            }
        };
        let scale = variance.f_add_scalar(EPSILON)?.f_rsqrt()?.f_mul(&leaves[self.weight])?;
        let normalised = x.f_sub(&mean.f_view(along_channels)?)?.f_mul(&scale.f_view(along_channels)?)?;
        let normalised = normalised.f_add(&leaves[self.bias].f_view(along_channels)?)?;
        if !alone {
            let unbiased = tch::no_grad(|| variance.f_mul_scalar(count / (count - 1.0)))?;
            seen.record(&mean, &unbiased)?;
        }
        seen.batches = seen.batches.saturating_add(1);
        Ok(normalised.f_to_kind(kind)?)
    }

    /// The same by the statistics of the real positions alone; what is not real becomes zero. `x` is
    /// `[B, channel, position, band]`, channels innermost in memory, where an utterance's real positions lie side by
    /// side: they are copied together, normalised, and put back.
    fn learn_real(&self, forward: &mut Forward<'_>, x: &Tensor, lengths: &Lengths) -> Result<Tensor> {
        let [batch, channels, positions, bands] = sizes(x)?;
        let rows = x.f_permute([0, 2, 3, 1])?.f_reshape([batch * positions, bands * channels])?;
        let real = lengths.pack(&rows)?.f_view([-1, 1, bands, channels])?.f_permute([0, 3, 1, 2])?;
        let real = self.learn(forward, &real)?;
        let rows = real.f_permute([0, 2, 3, 1])?.f_reshape([-1, bands * channels])?;
        let x = lengths.unpack(&rows)?.f_view([batch, positions, bands, channels])?;
        Ok(x.f_permute([0, 3, 1, 2])?)
    }

    /// The statistics of training are constants by now: BatchNorm(w ∗ x + b) is a convolution with w·s and
    /// (b − mean)·s + β, where s = γ/√(var + ε). `weight` is `[channel, …]`.
    pub(super) fn fold(
        &self,
        forward: &Forward<'_>,
        weight: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let leaves = forward.leaves;
        let seen = &forward.statistics[self.statistics];
        let scale = leaves[self.weight].f_div(&seen.var.f_add_scalar(EPSILON)?.f_sqrt()?)?;
        let mut along_channels = vec![1; weight.dim()];
        along_channels[0] = -1;
        let weight = weight.f_mul(&scale.f_view(along_channels.as_slice())?)?;
        let centred = match bias {
            Some(bias) => bias.f_sub(&seen.mean)?,
            None => seen.mean.f_neg()?,
        };
        let bias = centred.f_mul(&scale)?.f_add(&leaves[self.bias])?;
        Ok((weight.f_to_kind(forward.kind)?, bias.f_to_kind(forward.kind)?))
    }
}

/// The four sizes of an image.
fn sizes(x: &Tensor) -> Result<[i64; 4]> {
    let (a, b, c, d) = x.size4()?;
    Ok([a, b, c, d])
}

/// Layer normalisation, in f32: brings the units at each position to mean 0 and variance 1, then scales and shifts them.
#[derive(Debug)]
pub(super) struct LayerNorm {
    weight: usize,
    bias: usize,
}

impl LayerNorm {
    pub(super) fn new(places: &Places, name: &str) -> Result<Self> {
        let [weight, bias] = places.weight_and_bias(name)?;
        Ok(Self { weight, bias })
    }
}

impl Compute for LayerNorm {
    fn forward(&self, forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        let x = input.units_last()?;
        let (weight, bias) = (&forward.leaves[self.weight], &forward.leaves[self.bias]);
        let x = x.f_layer_norm(weight.size(), Some(weight), Some(bias), EPSILON, true)?;
        Ok(input.with_units_last(x))
    }
}
