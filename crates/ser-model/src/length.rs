//! How long a run is: a recipe says it in epochs or in steps, and the size of the training side decides the other.

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result};

use crate::{Averaging, FitConfig};

/// The length of a run on a training side of known size.
///
/// A run of `steps` has so many epochs that it takes these steps or more: ⌈`steps` / steps of an epoch⌉. Everything
/// else goes by those whole epochs, as if the recipe had stated their number.
///
/// ```
/// use ser_model::{FitConfig, RunLength};
///
/// let config = FitConfig { epochs: 0, steps: 100, batch_size: 32, ..FitConfig::default() };
/// let length = RunLength::of(&config, 500)?;
/// assert_eq!((length.steps_per_epoch, length.epochs, length.steps()), (16, 7, 112));
/// # Ok::<(), ser_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLength {
    /// Passes over the training side.
    pub epochs: u32,
    /// Steps of each of them.
    pub steps_per_epoch: u64,
    /// Steps over which the learning rate rises from 0.
    pub warmup: u64,
}

impl RunLength {
    /// That of a run by `config` on a training side of so many `utterances`.
    ///
    /// # Errors
    /// When the warm-up does not end within it, or averaging does not begin within it.
    pub fn of(config: &FitConfig, utterances: usize) -> Result<Self> {
        let steps_per_epoch = (utterances as u64).div_ceil(u64::from(config.batch_size.max(1))).max(1);
        let epochs = match config.steps {
            0 => config.epochs,
            // No more epochs than steps, which are a `u32`.
            steps => u32::try_from(u64::from(steps).div_ceil(steps_per_epoch)).unwrap_or(steps),
        };
        let warmup = match config.warmup_steps {
            0 => (config.warmup_epochs * steps_per_epoch as f64).round() as u64,
            steps => u64::from(steps),
        };
        let length = Self { epochs, steps_per_epoch, warmup };
        let steps = length.steps();
        if warmup > steps {
            let setting = if config.warmup_steps > 0 { Setting::WarmupSteps } else { Setting::WarmupEpochs };
            let what = format!("the warm-up of {warmup} steps is longer than the run of {steps} steps");
            return Err(Error::new(ErrorKind::Usage, what)
                .help(format!("give a smaller {setting}, or train for longer")));
        }
        if config.averaging != Averaging::None && config.average_from > epochs {
            let what = format!(
                "averaging would begin at epoch {}, but {} are {epochs} epochs of {steps_per_epoch}",
                config.average_from,
                Setting::Steps.to(config.steps),
            );
            return Err(Error::new(ErrorKind::Usage, what).help(format!(
                "give an epoch from 1 to {epochs} as {}, or train for longer",
                Setting::AverageFrom
            )));
        }
        Ok(length)
    }

    /// Steps of the run in all.
    pub fn steps(&self) -> u64 {
        u64::from(self.epochs) * self.steps_per_epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_steps(steps: u32) -> FitConfig {
        FitConfig { epochs: 0, steps, ..FitConfig::default() }
    }

    #[test]
    fn steps_are_rounded_up_to_whole_epochs() {
        for (steps, utterances, epochs) in
            [(1, 320, 1), (10, 320, 1), (11, 320, 2), (1200, 320, 120), (1200, 321, 110), (7, 1, 7)]
        {
            let length = RunLength::of(&of_steps(steps), utterances).unwrap();
            assert_eq!(length.epochs, epochs, "{steps} steps, {utterances} utterances");
            assert!(length.steps() >= u64::from(steps));
            assert!(length.steps() < u64::from(steps) + length.steps_per_epoch);
        }
        let length = RunLength::of(&FitConfig::default(), 320).unwrap();
        assert_eq!((length.epochs, length.steps(), length.warmup), (20, 200, 0));
    }

    #[test]
    fn a_warm_up_is_said_in_steps_or_in_epochs_and_ends_within_the_run() {
        let with = |warmup_epochs, warmup_steps| FitConfig { warmup_epochs, warmup_steps, ..of_steps(100) };
        assert_eq!(RunLength::of(&with(0.25, 0), 320).unwrap().warmup, 3);
        assert_eq!(RunLength::of(&with(0.0, 40), 320).unwrap().warmup, 40);
        let said = |config: FitConfig| RunLength::of(&config, 320).unwrap_err().to_string();
        assert_eq!(
            said(with(11.0, 0)),
            "the warm-up of 110 steps is longer than the run of 100 steps; give a smaller warmup_epochs, or train \
             for longer"
        );
        let by_epochs = FitConfig { epochs: 2, warmup_steps: 21, ..FitConfig::default() };
        assert!(said(by_epochs).contains("give a smaller warmup_steps"));
    }

    #[test]
    fn averaging_begins_within_the_run() {
        let config = FitConfig { averaging: Averaging::Ema, average_from: 3, ..of_steps(20) };
        let said = RunLength::of(&config, 320).unwrap_err().to_string();
        assert!(
            said.starts_with("averaging would begin at epoch 3, but steps = 20 are 2 epochs of 10"),
            "{said}"
        );
        assert!(said.contains("an epoch from 1 to 2 as average_from"), "{said}");
        assert_eq!(RunLength::of(&config, 32).unwrap().epochs, 20);
    }
}
