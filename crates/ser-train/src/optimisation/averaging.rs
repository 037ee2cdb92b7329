//! Averages of the weights over the course of training, which generalise better than the weights it ends with.
//!
//! Exponential moving average: B. T. Polyak and A. B. Juditsky, "Acceleration of stochastic approximation by averaging",
//! SIAM Journal on Control and Optimization 30 (1992). Stochastic weight averaging: P. Izmailov et al., "Averaging weights
//! leads to wider optima and better generalization", UAI (2018). BatchNorm's statistics are averaged like the weights.

use ser_core::{Error, ErrorKind};
use ser_model::checkpoint::{Checkpoint, Value};
use ser_model::{Averaging, FitConfig};
use tch::Tensor;

use crate::network::Network;
use crate::network::parameters::{export_f32, import_f32};
use ser_torch::Result;

/// The name of the average in a checkpoint.
const KEY: &str = "average";

/// An average in progress.
#[derive(Debug)]
pub(crate) struct WeightAverage {
    averaging: Averaging,
    decay: f64,
    /// The epoch at whose beginning it starts.
    from: u32,
    /// How many weights are in it.
    count: i64,
    /// `[total]`, then BatchNorm's statistics.
    values: Vec<Tensor>,
}

impl WeightAverage {
    /// What `config` asks for over the course of training `network`, if anything.
    pub(crate) fn new(config: &FitConfig, network: &Network) -> Result<Option<Self>> {
        let &FitConfig { averaging, ema_decay: decay, average_from: from, .. } = config;
        if averaging == Averaging::None {
            return Ok(None);
        }
        let values = network.state().iter().map(copy_of).collect::<Result<_>>()?;
        Ok(Some(Self { averaging, decay, from, count: 0, values }))
    }

    /// Takes in the weights after a step of `epoch`.
    pub(crate) fn update_after_step(&mut self, network: &Network, epoch: u32) -> Result<()> {
        match self.averaging {
            Averaging::Ema if epoch >= self.from => {
                self.take(network, if self.count == 0 { 1.0 } else { 1.0 - self.decay })
            }
            _ => Ok(()),
        }
    }

    /// Takes in the weights at the end of `epoch`.
    pub(crate) fn update_after_epoch(&mut self, network: &Network, epoch: u32) -> Result<()> {
        match self.averaging {
            Averaging::Swa if epoch >= self.from => self.take(network, 1.0 / (self.count + 1) as f64),
            _ => Ok(()),
        }
    }

    fn take(&mut self, network: &Network, share: f64) -> Result<()> {
        tch::no_grad(|| {
            for (average, value) in self.values.iter_mut().zip(network.state()) {
                let _ = average.f_lerp_(&value, share)?;
            }
            self.count += 1;
            Ok(())
        })
    }

    /// Swaps the average with the weights of `network`, if there is one yet. A second call undoes it.
    pub(crate) fn exchange(&mut self, network: &mut Network) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        tch::no_grad(|| {
            for (average, mut value) in self.values.iter_mut().zip(network.state()) {
                let kept = copy_of(&value)?;
                value.f_copy_(average)?;
                *average = kept;
            }
            Ok(())
        })
    }

    /// As `last.pt` carries it.
    pub(crate) fn to_entry(&self) -> Result<(String, Value)> {
        let values = self.values.iter().map(|value| export_f32(value).map(Value::Tensor));
        let entry = Value::dict([
            ("count", Value::Int(self.count)),
            ("values", Value::List(values.collect::<Result<_>>()?)),
        ]);
        Ok((KEY.to_owned(), entry))
    }

    /// Restores what `checkpoint` carries.
    ///
    /// # Errors
    /// When it carries none, or that of another network.
    pub(crate) fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let damaged = || {
            Error::new(
                ErrorKind::Damaged,
                "lacks the average of its weights, so the run cannot continue from it",
            )
            .help("start a new run")
        };
        let entry = checkpoint.extra(KEY).ok_or_else(damaged)?;
        let count = entry.get("count").and_then(Value::as_int).filter(|count| *count >= 0);
        let stored = entry.get("values").and_then(Value::as_list).ok_or_else(damaged)?;
        if stored.len() != self.values.len() {
            return Err(damaged().into());
        }
        for (value, stored) in self.values.iter_mut().zip(stored) {
            let stored = stored.as_tensor().ok_or_else(damaged)?;
            value.f_copy_(&import_f32(stored, &value.size(), KEY)?)?;
        }
        self.count = count.ok_or_else(damaged)?;
        Ok(())
    }
}

/// A tensor with memory of its own.
fn copy_of(tensor: &Tensor) -> Result<Tensor> {
    let mut copy = tensor.f_zeros_like()?;
    copy.f_copy_(tensor)?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::network::parameters::to_vec_f32;
    use ser_model::network::Architecture;
    use ser_model::network::CnnBilstmConfig;
    use ser_model::network::NetworkConfig;

    fn network() -> Network {
        let sizes = CnnBilstmConfig { channels: [2, 3], hidden: 2, dense: 2, dropout: 0.0 };
        let model = Architecture::new(&NetworkConfig::new(sizes), [1, 4, 4], 2).unwrap();
        Network::new(&model, 0, Device::Cpu).unwrap()
    }

    /// Gives every weight and every statistic the same value.
    fn set(network: &Network, value: f64) {
        tch::no_grad(|| network.state().iter_mut().for_each(|tensor| _ = tensor.fill_(value)));
    }

    fn values(network: &Network) -> Vec<f32> {
        network.state().iter().flat_map(|tensor| to_vec_f32(tensor).unwrap()).collect()
    }

    fn all_are(network: &Network, expected: f32) {
        let values = values(network);
        // 2 and 3 channels have a mean and a variance each.
        assert_eq!(values.len() as u64, network.architecture().n_parameters().unwrap() + 10);
        assert!(values.iter().all(|value| (value - expected).abs() < 1e-6), "not {expected}: {values:?}");
    }

    fn average(averaging: Averaging, network: &Network) -> WeightAverage {
        let config = FitConfig { averaging, ema_decay: 0.8, average_from: 2, ..FitConfig::default() };
        WeightAverage::new(&config, network).unwrap().unwrap()
    }

    #[test]
    fn a_step_leaves_the_exponential_average_its_decay_and_adds_the_rest() {
        let mut network = network();
        let mut average = average(Averaging::Ema, &network);
        set(&network, 100.0);
        average.update_after_step(&network, 1).unwrap(); // too early
        average.exchange(&mut network).unwrap();
        all_are(&network, 100.0);
        for (value, expected) in [(2.0, 2.0), (7.0, 0.8 * 2.0 + 0.2 * 7.0), (7.0, 0.64 * 2.0 + 0.36 * 7.0)] {
            set(&network, value);
            average.update_after_step(&network, 2).unwrap();
            average.update_after_epoch(&network, 2).unwrap(); // nothing is added
            average.exchange(&mut network).unwrap();
            all_are(&network, expected);
            average.exchange(&mut network).unwrap();
            all_are(&network, value as f32);
        }
    }

    #[test]
    fn every_epoch_counts_alike_in_the_stochastic_average() {
        let mut network = network();
        let mut average = average(Averaging::Swa, &network);
        for (epoch, value) in [(1, 100.0), (2, 2.0), (3, 4.0), (4, 9.0)] {
            set(&network, value);
            average.update_after_step(&network, epoch).unwrap(); // nothing is added
            average.update_after_epoch(&network, epoch).unwrap();
        }
        average.exchange(&mut network).unwrap();
        all_are(&network, 5.0);
    }
}
