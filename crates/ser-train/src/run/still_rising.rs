//! Whether a run ended while it was still getting better on the validation side.

use std::fmt;

use ser_core::remedy::Setting;
use ser_model::{EpochRecord, FitConfig, Selection};
use serde::{Serialize, Serializer};

/// A training accuracy from which on a run is taken to have learnt what there is to learn.
const LEARNT: f64 = 0.95;

/// What tells that a run should have been longer. Displayed, and in JSON, it is a sentence that says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StillRising {
    /// The best epoch is the last one.
    BestIsLast,
    /// Where the last epoch is kept, whatever its accuracy: over the last fifth of the epochs the validation accuracy
    /// was clearly above that of the fifth before, and the training side was not learnt yet.
    LastFifthIsBetter,
}

impl StillRising {
    /// That of a run by `config` with these epochs, all of its length, validated on so many `utterances`.
    ///
    /// Where an epoch is selected: of two epochs or more the last is the best, and is not right about every utterance
    /// yet. Where the last is kept, of five epochs or more: the mean validation accuracy p of the last fifth exceeds
    /// that of the fifth before by more than the standard error of p, √(p (1 − p) / `utterances`), and the mean
    /// training accuracy of the last fifth is below 0.95.
    pub fn of(config: &FitConfig, history: &[EpochRecord], utterances: usize) -> Option<Self> {
        let score: fn(&EpochRecord) -> f64 = match config.select {
            Selection::Accuracy => |record| record.val_accuracy,
            Selection::Uar => |record| record.val_uar,
            Selection::Last => {
                return last_fifth_is_better(history, utterances).then_some(Self::LastFifthIsBetter);
            }
        };
        let is_last = history.last().is_some_and(|last| last.best && score(last) < 1.0);
        (history.len() > 1 && is_last).then_some(Self::BestIsLast)
    }
}

fn last_fifth_is_better(history: &[EpochRecord], utterances: usize) -> bool {
    let fifth = history.len() / 5;
    if fifth == 0 || utterances == 0 {
        return false;
    }
    let (rest, last) = history.split_at(history.len() - fifth);
    let before = &rest[rest.len() - fifth..];
    let mean = |records: &[EpochRecord], of: fn(&EpochRecord) -> f64| {
        records.iter().map(of).sum::<f64>() / records.len() as f64
    };
    let accuracy = mean(last, |record| record.val_accuracy);
    let standard_error = (accuracy * (1.0 - accuracy) / utterances as f64).sqrt();
    accuracy - mean(before, |record| record.val_accuracy) > standard_error
        && mean(last, |record| record.train_accuracy) < LEARNT
}

impl fmt::Display for StillRising {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BestIsLast => "the best epoch is the last one: validation was still improving",
            Self::LastFifthIsBetter => {
                "validation accuracy was still rising over the last fifth of the epochs"
            }
        })?;
        write!(f, "; train longer ({} or {})", Setting::Epochs.to("N"), Setting::Steps.to("N"))
    }
}

impl Serialize for StillRising {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Epochs of these validation accuracies, each marked as the best where it is above all before.
    fn history(accuracies: &[f64], train_accuracy: f64) -> Vec<EpochRecord> {
        let mut best = f64::NEG_INFINITY;
        let record = |(&val_accuracy, epoch): (&f64, u32)| {
            let is_best = val_accuracy > best;
            best = best.max(val_accuracy);
            EpochRecord {
                epoch,
                steps: u64::from(epoch),
                train_loss: 1.0,
                train_accuracy,
                val_loss: 1.0,
                val_accuracy,
                val_uar: val_accuracy,
                seconds: 1.0,
                samples_per_s: 1.0,
                waiting_share: 0.0,
                validated_per_s: 1.0,
                finished: 0.0,
                best: is_best,
            }
        };
        accuracies.iter().zip(1..).map(record).collect()
    }

    fn of(select: Selection, history: &[EpochRecord]) -> Option<StillRising> {
        StillRising::of(&FitConfig { select, ..FitConfig::default() }, history, 100)
    }

    #[test]
    fn a_best_epoch_that_is_the_last_of_several_tells_that_validation_was_still_rising() {
        for select in [Selection::Accuracy, Selection::Uar] {
            assert_eq!(of(select, &history(&[0.3, 0.5, 0.6], 0.5)), Some(StillRising::BestIsLast));
            assert_eq!(of(select, &history(&[0.3, 0.6, 0.5], 0.5)), None);
            // Nothing rises above 1, and one epoch tells of no rise.
            assert_eq!(of(select, &history(&[0.3, 0.6, 1.0], 0.5)), None);
            assert_eq!(of(select, &history(&[0.5], 0.5)), None);
            assert_eq!(of(select, &[]), None);
        }
        assert_eq!(
            StillRising::BestIsLast.to_string(),
            "the best epoch is the last one: validation was still improving; train longer (epochs = N or steps = N)"
        );
    }

    #[test]
    fn where_the_last_epoch_is_kept_a_rise_beyond_the_standard_error_tells_it() {
        let fifths = |before: f64, last: f64| [[0.2; 6].as_slice(), &[before; 2], &[last; 2]].concat();
        // √(0.6 · 0.4 / 100) = 0.049
        assert_eq!(
            of(Selection::Last, &history(&fifths(0.55, 0.6), 0.7)),
            Some(StillRising::LastFifthIsBetter)
        );
        assert_eq!(of(Selection::Last, &history(&fifths(0.552, 0.6), 0.7)), None);
        assert_eq!(of(Selection::Last, &history(&fifths(0.6, 0.5), 0.7)), None);
        assert_eq!(
            of(Selection::Last, &history(&fifths(0.5, 0.6), 0.96)),
            None,
            "the training side is learnt"
        );
        assert_eq!(
            of(Selection::Last, &history(&[0.1, 0.2, 0.5, 0.9], 0.7)),
            None,
            "four epochs have no fifth"
        );
    }
}
