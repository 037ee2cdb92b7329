//! A run that was trained for longer than its recipe would have let it.

use ser_core::remedy::{Assignment, Setting};
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_model::{EpochRecord, FitConfig, RunLength};

/// Refuses to continue a run of this `history` by a recipe that would have ended it before: it would be called by that recipe,
/// which has not made it.
///
/// # Errors
/// [`ErrorKind::Mismatch`] with the length or the patience that it can be continued with.
pub(crate) fn check(history: &[EpochRecord], config: &FitConfig, length: RunLength) -> Result<()> {
    let (trained, epochs) = (history.len(), length.epochs);
    let refuse = |what: String| Error::new(ErrorKind::Mismatch, what);
    if trained > epochs as usize {
        let what = format!("was trained for {trained} epochs already, and the recipe has {epochs}");
        let as_long = length_of(trained as u64, config, length);
        return Err(refuse(what).help(remedy!["continue it with ", as_long, ", or start a new run"]));
    }
    let patience = config.patience as usize;
    let mut since_best = 0;
    for (number, record) in history.iter().enumerate() {
        since_best = if record.best { 0 } else { since_best + 1 };
        if patience > 0 && since_best >= patience && number + 1 < trained {
            let what = format!(
                "was trained for {trained} epochs already, and {} would have ended it after {}",
                Setting::Patience.to(patience),
                number + 1
            );
            return Err(refuse(what).help("give the patience that it was trained with, or start a new run"));
        }
    }
    Ok(())
}

/// Refuses to call a run of this `history` finished whose best checkpoint is of the epoch `kept`, which is none of it: it was
/// stopped between that checkpoint and its newest.
///
/// # Errors
/// [`ErrorKind::Mismatch`] with the length that it can be continued with.
pub(crate) fn check_kept(
    history: &[EpochRecord],
    kept: Option<u32>,
    config: &FitConfig,
    length: RunLength,
) -> Result<()> {
    if history.iter().rev().find(|record| record.best).map(|best| best.epoch) == kept {
        return Ok(());
    }
    let what = "has a best checkpoint of an epoch that it has not finished";
    let longer = length_of(history.len() as u64 + 1, config, length);
    Err(Error::new(ErrorKind::Mismatch, what).help(remedy!["continue it with ", longer]))
}

/// The option for so many epochs, by what the recipe says its length.
fn length_of(epochs: u64, config: &FitConfig, length: RunLength) -> Assignment {
    match config.steps {
        0 => Setting::Epochs.to(epochs),
        _ => Setting::Steps.to(epochs * length.steps_per_epoch),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(best: &[bool], config: &FitConfig) -> String {
        let history: Vec<EpochRecord> = best.iter().map(|&best| EpochRecord { best, ..epoch() }).collect();
        let length = RunLength::of(config, 320).unwrap();
        check(&history, config, length).err().map_or_else(String::new, |error| error.to_string())
    }

    fn epoch() -> EpochRecord {
        let numbers = r#""epoch":1,"train_loss":1,"train_accuracy":0,"val_loss":1,"val_accuracy":0,"val_uar":0,"seconds":1"#;
        let rest = r#""samples_per_s":1,"waiting_share":0,"validated_per_s":1,"finished":0,"best":false"#;
        serde_json::from_str(&format!("{{{numbers},{rest}}}")).unwrap()
    }

    #[test]
    fn fewer_epochs_than_it_has_had_are_refused() {
        let epochs = |epochs| FitConfig { epochs, ..FitConfig::default() };
        assert_eq!(said(&[true; 3], &epochs(3)), "");
        assert_eq!(
            said(&[true; 3], &epochs(2)),
            "was trained for 3 epochs already, and the recipe has 2; continue it with epochs = 3, or start a new run"
        );
        let steps = FitConfig { epochs: 0, steps: 15, ..FitConfig::default() };
        assert!(
            said(&[true; 3], &steps).contains("continue it with steps = 30"),
            "{}",
            said(&[true; 3], &steps)
        );
    }

    #[test]
    fn a_patience_that_would_have_ended_it_before_is_refused() {
        let patience = |patience| FitConfig { patience, ..FitConfig::default() };
        let history = [true, false, false, true, false];
        assert_eq!(said(&history, &patience(3)), "");
        assert!(
            said(&history, &patience(2))
                .contains("5 epochs already, and patience = 2 would have ended it after 3")
        );
        // It may end where it has got to.
        assert_eq!(said(&history[..3], &patience(2)), "");
    }
}
