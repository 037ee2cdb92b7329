//! The learning rate at each step.

use std::f64::consts::PI;

use ser_model::{FitConfig, RunLength, Schedule};

/// Share of the steps in which one cycle rises, unless a warm-up says otherwise, and where it starts: PyTorch's defaults
/// for `OneCycleLR`.
const RISING_SHARE: f64 = 0.3;
const FIRST_SHARE: f64 = 1.0 / 25.0;

/// The learning rates of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LearningRates {
    schedule: Schedule,
    highest: f64,
    /// Share of the highest that it ends at.
    last: f64,
    /// Steps of the warm-up.
    warmup: f64,
    /// Steps of the run.
    steps: f64,
}

impl LearningRates {
    /// Those of `config` for a run of this `length`.
    pub(crate) fn new(config: &FitConfig, length: RunLength) -> Self {
        Self {
            schedule: config.schedule,
            highest: config.lr,
            last: config.final_lr,
            warmup: length.warmup as f64,
            steps: length.steps() as f64,
        }
    }

    /// The learning rate of step `step`, from 0 over all epochs.
    pub(crate) fn at(&self, step: u64) -> f64 {
        let step = step as f64;
        self.highest
            * match self.schedule {
                Schedule::Constant | Schedule::Cosine if step < self.warmup => (step + 1.0) / self.warmup,
                Schedule::Constant => 1.0,
                Schedule::Cosine => fall(1.0, self.last, share(step, self.warmup, self.steps)),
                Schedule::OneCycle => {
                    let rising = if self.warmup > 0.0 { self.warmup } else { RISING_SHARE * self.steps };
                    let top = rising - 1.0;
                    match step <= top {
                        true => fall(FIRST_SHARE, 1.0, share(step, 0.0, top)),
                        false => fall(1.0, self.last, share(step, top, self.steps - 1.0)),
                    }
                }
            }
    }
}

/// How far `step` is on the way from `first` to `last`, at most 1.
fn share(step: f64, first: f64, last: f64) -> f64 {
    ((step - first) / (last - first).max(1e-9)).clamp(0.0, 1.0)
}

/// From `start` to `end` along half a cosine.
fn fall(start: f64, end: f64, share: f64) -> f64 {
    end + (start - end) * 0.5 * (1.0 + (PI * share).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule, warmup_epochs: f64) -> LearningRates {
        let config = FitConfig { schedule, warmup_epochs, epochs: 10, lr: 0.1, ..FitConfig::default() };
        LearningRates::new(&config, RunLength::of(&config, 10 * config.batch_size as usize).unwrap())
    }

    #[test]
    fn a_constant_rate_is_reached_by_the_end_of_the_warm_up() {
        let rates = rates(Schedule::Constant, 0.5);
        let first: Vec<f64> = (0..7).map(|step| (rates.at(step) * 1e6).round() / 1e6).collect();
        assert_eq!(first, [0.02, 0.04, 0.06, 0.08, 0.1, 0.1, 0.1]);
        assert_eq!(rates.at(10_000), 0.1);
    }

    #[test]
    fn a_cosine_falls_from_the_end_of_the_warm_up_to_the_final_share() {
        let rates = rates(Schedule::Cosine, 1.0);
        for (step, rate) in [(0, 0.01), (9, 0.1), (10, 0.1), (55, 0.051), (100, 0.002)] {
            assert!((rates.at(step) - rate).abs() < 1e-12, "step {step}: {}", rates.at(step));
        }
        assert!((10..100).all(|step| rates.at(step) >= rates.at(step + 1)));
    }

    #[test]
    fn one_cycle_goes_as_pytorchs() {
        // torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=100, final_div_factor=2) with lr read
        // before each step: its last rate is initial_lr / final_div_factor = 0.1 / 25 / 2, a share of 0.02.
        let rates = rates(Schedule::OneCycle, 0.0);
        let expected = [(0, 0.004), (10, PYTORCH_AT_10), (29, 0.1), (60, PYTORCH_AT_60), (99, 0.002)];
        for (step, rate) in expected {
            assert!((rates.at(step) - rate).abs() < 1e-9, "step {step}: {} is not {rate}", rates.at(step));
        }
    }
    const PYTORCH_AT_10: f64 = 0.029_516_394_846_4;
    const PYTORCH_AT_60: f64 = 0.059_749_287_845_1;
}
