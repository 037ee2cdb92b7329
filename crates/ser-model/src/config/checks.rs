//! Which values of a recipe are valid.

use std::fmt::Display;

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result};

use super::{FitConfig, MOST_MEMBERS};
use crate::choices::{Averaging, Selection};

/// Most passes over the training side that a recipe may ask for.
const MOST_EPOCHS: u32 = 100_000;

/// Most steps that a recipe may ask for.
const MOST_STEPS: u32 = 100_000_000;

impl FitConfig {
    /// Checks that every value is valid.
    ///
    /// # Errors
    /// On the first that is not, naming its option and what is allowed.
    pub fn validate(&self) -> Result<()> {
        self.augment.validate()?;
        self.check_length()?;
        self.check_steps()?;
        self.check_warmup()?;
        self.check_regularisation()?;
        self.check_averaging()?;
        self.check_selection()?;
        self.check_members()?;
        require(self.threads <= 4096, Setting::Threads, self.threads, "0 for all, or up to 4096")?;
        self.network.validate()
    }

    /// Epochs or steps, and not both.
    fn check_length(&self) -> Result<()> {
        let &Self { epochs, steps, .. } = self;
        if epochs > 0 && steps > 0 {
            let [epochs, steps] = [Setting::Epochs.to(epochs), Setting::Steps.to(steps)];
            return Err(Error::new(
                ErrorKind::Usage,
                format!("{epochs} and {steps} both say how long to train"),
            )
            .help("give one of them"));
        }
        let allowed = format!("a number from 1 to {MOST_STEPS}");
        require(steps <= MOST_STEPS, Setting::Steps, steps, &allowed)?;
        let allowed = format!("a number from 1 to {MOST_EPOCHS}");
        require(steps > 0 || (1..=MOST_EPOCHS).contains(&epochs), Setting::Epochs, epochs, &allowed)
    }

    /// How large a step is, in utterances and in learning rate.
    fn check_steps(&self) -> Result<()> {
        let &Self { batch_size, lr, final_lr, .. } = self;
        let valid = (1..=65_536).contains(&batch_size);
        require(valid, Setting::BatchSize, batch_size, "a number from 1 to 65536")?;
        let valid = lr > 0.0 && lr <= 10.0;
        require(valid, Setting::Lr, lr, "a positive number up to 10, such as 0.001")?;
        let allowed = format!("a fraction of {} from 0 to 1", Setting::Lr);
        require((0.0..=1.0).contains(&final_lr), Setting::FinalLr, final_lr, &allowed)
    }

    /// A warm-up in epochs or in steps, and not both, that is no longer than the run.
    fn check_warmup(&self) -> Result<()> {
        let &Self { epochs, steps, warmup_epochs, warmup_steps, .. } = self;
        if warmup_epochs > 0.0 && warmup_steps > 0 {
            let [epochs, steps] =
                [Setting::WarmupEpochs.to(warmup_epochs), Setting::WarmupSteps.to(warmup_steps)];
            let what = format!("{epochs} and {steps} both say how long the warm-up is");
            return Err(Error::new(ErrorKind::Usage, what).help("give one of them"));
        }
        let valid = steps > 0 || (0.0..=f64::from(epochs)).contains(&warmup_epochs);
        let allowed = format!("a number from 0 to {}", Setting::Epochs);
        require(valid, Setting::WarmupEpochs, warmup_epochs, &allowed)?;
        // How many epochs so many steps are is known with the size of the training side.
        let valid = (0.0..=f64::from(MOST_STEPS)).contains(&warmup_epochs);
        require(valid, Setting::WarmupEpochs, warmup_epochs, "a number from 0 on")?;
        let most = if steps > 0 { steps } else { MOST_STEPS };
        let allowed = format!("a number from 0 to {}", Setting::Steps);
        require(warmup_steps <= most, Setting::WarmupSteps, warmup_steps, &allowed)
    }

    fn check_regularisation(&self) -> Result<()> {
        let &Self { weight_decay, gradient_clip, label_smoothing, .. } = self;
        let valid = (0.0..=1.0).contains(&weight_decay);
        require(valid, Setting::WeightDecay, weight_decay, "a number from 0 to 1, such as 0.01")?;
        let valid = gradient_clip >= 0.0 && gradient_clip.is_finite();
        require(valid, Setting::GradientClip, gradient_clip, "0 for none, or a norm such as 5")?;
        let valid = (0.0..1.0).contains(&label_smoothing);
        require(valid, Setting::LabelSmoothing, label_smoothing, "a number from 0 to below 1")
    }

    fn check_averaging(&self) -> Result<()> {
        let &Self { ema_decay, averaging, average_from, .. } = self;
        let valid = (0.0..1.0).contains(&ema_decay);
        require(valid, Setting::EmaDecay, ema_decay, "a number from 0 to below 1, such as 0.98")?;
        // How many epochs so many steps are is known with the size of the training side.
        let most = if self.steps > 0 { u32::MAX } else { self.epochs };
        let valid = averaging == Averaging::None || (1..=most).contains(&average_from);
        let allowed = format!("an epoch from 1 to {}", Setting::Epochs);
        require(valid, Setting::AverageFrom, average_from, &allowed)
    }

    fn check_selection(&self) -> Result<()> {
        let valid = self.patience == 0 || self.select != Selection::Last;
        let allowed = format!("0 with {}, which has no best epoch", Setting::Select.to("last"));
        require(valid, Setting::Patience, self.patience, &allowed)
    }

    /// How many there are, and that a seed can be written for each.
    fn check_members(&self) -> Result<()> {
        let &Self { members, seed, .. } = self;
        let valid = (1..=MOST_MEMBERS).contains(&members);
        require(valid, Setting::Members, members, &format!("a number from 1 to {MOST_MEMBERS}"))?;
        let most = (i64::MAX as u64 + 1) / u64::from(members) - 1;
        let valid = self.member_seed(members - 1).is_some();
        require(valid, Setting::Seed, seed, &format!("a number up to {most}"))
    }
}

/// Refuses the `value` of a setting that is not `valid`, and says what is `allowed`, such as "a number from 1 to 7".
fn require(valid: bool, setting: Setting, value: impl Display, allowed: &str) -> Result<()> {
    match valid {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Usage, format!("{setting} {value} is not valid"))
            .help(format!("give {allowed}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{CnnBilstmConfig, NetworkConfig};

    #[test]
    fn the_seed_of_every_member_can_be_written_in_toml() {
        for members in [1, 2, 7, 100] {
            let most = (1 << 63) / u64::from(members) - 1;
            let config = FitConfig { seed: most, members, ..FitConfig::default() };
            config.validate().unwrap();
            let last = FitConfig { seed: config.member_seed(members - 1).unwrap(), ..FitConfig::default() };
            assert_eq!(toml::from_str::<FitConfig>(&toml::to_string(&last).unwrap()).unwrap(), last);
            let error = FitConfig { seed: most + 1, ..config }.validate().unwrap_err();
            assert!(error.to_string().contains(&format!("a number up to {most}")), "{error}");
        }
    }

    #[test]
    fn invalid_values_are_refused_by_the_name_of_their_option() {
        let network = |network| FitConfig { network: NetworkConfig::new(network), ..FitConfig::default() };
        let cases = [
            (FitConfig { epochs: 0, ..FitConfig::default() }, "epochs 0"),
            (FitConfig { batch_size: 0, ..FitConfig::default() }, "batch_size 0"),
            (FitConfig { lr: f64::NAN, ..FitConfig::default() }, "lr NaN"),
            (FitConfig { lr: -1.0, ..FitConfig::default() }, "lr -1"),
            (FitConfig { seed: u64::MAX, ..FitConfig::default() }, "seed 18446744073709551615"),
            (FitConfig { members: 0, ..FitConfig::default() }, "members 0"),
            (FitConfig { threads: 5000, ..FitConfig::default() }, "threads 5000"),
            (network(CnnBilstmConfig { dropout: 1.0, ..CnnBilstmConfig::default() }), "network.dropout 1"),
            (network(CnnBilstmConfig { hidden: 0, ..CnnBilstmConfig::default() }), "network.hidden 0"),
        ];
        for (config, said) in cases {
            let error = config.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().starts_with(said), "{error}");
        }
    }
}
