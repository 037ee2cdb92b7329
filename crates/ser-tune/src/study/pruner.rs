//! When a trial is stopped early: by its objective after an epoch, compared with that of others.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{Direction, Trial, TrialState};

/// A rule for stopping trials. What is an epoch here is a split, with its mean over the splits so far, in a search over
/// several: then every trial is compared after the same splits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "lowercase")]
pub enum Pruner {
    /// None: every trial is trained to its end.
    None,
    /// Asynchronous successive halving (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020), as
    /// Optuna's `SuccessiveHalvingPruner`: after epochs `min_epochs`, `min_epochs · reduction_factor`,
    /// `min_epochs · reduction_factor²`, … only the best of each `reduction_factor` trials continue.
    Asha {
        /// The epoch of the first comparison.
        min_epochs: u32,
        /// One in this many continues.
        reduction_factor: u32,
    },
    /// Stops a trial whose best value so far is worse than the median of the complete trials' values after the same
    /// epoch, as Optuna's `MedianPruner` does.
    Median {
        /// The first epoch after which trials are compared.
        min_epochs: u32,
        /// This many trials must be complete before any is stopped.
        startup_trials: u32,
    },
}

/// What a pruner decides after an epoch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PrunerDecision {
    /// Whether the trial is stopped.
    pub stop: bool,
    /// Attributes to record with the trial, which later decisions need.
    pub remarks: Vec<(String, f64)>,
}

impl Pruner {
    /// Judges `trial` after its latest intermediate value, among the `others` of its study.
    pub fn judge<'a>(
        self,
        trial: &Trial,
        direction: Direction,
        others: impl Iterator<Item = &'a Trial>,
    ) -> PrunerDecision {
        let others: Vec<&Trial> = others.filter(|other| other.id != trial.id).collect();
        match self {
            Self::None => PrunerDecision::default(),
            Self::Asha { min_epochs, reduction_factor } => {
                halve(trial, direction, &others, u64::from(min_epochs), u64::from(reduction_factor))
            }
            Self::Median { min_epochs, startup_trials } => {
                let stop = is_below_median(
                    trial,
                    direction,
                    &others,
                    u64::from(min_epochs),
                    startup_trials as usize,
                );
                PrunerDecision { stop, remarks: Vec::new() }
            }
        }
    }
}

/// Optuna's name for what a trial had at a rung.
fn rung_key(rung: u32) -> String {
    format!("completed_rung_{rung}")
}

fn halve(
    trial: &Trial,
    direction: Direction,
    others: &[&Trial],
    min_epochs: u64,
    factor: u64,
) -> PrunerDecision {
    let mut verdict = PrunerDecision::default();
    let Some((epoch, value)) = trial.last_intermediate() else { return verdict };
    let mut rung = (0..).find(|rung| !trial.system_attrs.contains_key(&rung_key(*rung))).unwrap_or(0);
    loop {
        let due = factor.checked_pow(rung).and_then(|power| power.checked_mul(min_epochs));
        if due.is_none_or(|due| epoch < due) {
            return verdict;
        }
        if value.is_nan() {
            return PrunerDecision { stop: true, ..verdict };
        }
        let key = rung_key(rung);
        let at_rung = others.iter().filter_map(|other| other.system_attrs.get(&key).and_then(Json::as_f64));
        let mut losses: Vec<f64> = at_rung.chain([value]).map(|value| direction.loss(value)).collect();
        losses.sort_by(f64::total_cmp);
        verdict.remarks.push((key, value));
        // Of the first few, only the best continues.
        let last_promoted = (losses.len() as u64 / factor.max(1)).saturating_sub(1);
        let bound = losses.get(last_promoted as usize).copied().unwrap_or(f64::INFINITY);
        if direction.loss(value) > bound {
            return PrunerDecision { stop: true, ..verdict };
        }
        rung += 1;
    }
}

fn is_below_median(
    trial: &Trial,
    direction: Direction,
    others: &[&Trial],
    min_epochs: u64,
    startup_trials: usize,
) -> bool {
    let complete: Vec<&&Trial> = others.iter().filter(|other| other.state == TrialState::Complete).collect();
    let Some((epoch, _)) = trial.last_intermediate() else { return false };
    if complete.is_empty() || complete.len() < startup_trials || epoch < min_epochs {
        return false;
    }
    let numbers = trial.intermediate_values.values().filter(|value| !value.is_nan());
    let Some(best) = numbers.map(|value| direction.loss(*value)).min_by(f64::total_cmp) else { return true };
    let after_same_epoch = complete.iter().filter_map(|other| other.intermediate_values.get(&epoch));
    let mut losses: Vec<f64> =
        after_same_epoch.filter(|value| !value.is_nan()).map(|value| direction.loss(*value)).collect();
    losses.sort_by(f64::total_cmp);
    let middle = losses.len() / 2;
    match losses.len() {
        0 => false,
        count if count % 2 == 1 => best > losses[middle],
        _ => best > (losses[middle - 1] + losses[middle]) / 2.0,
    }
}
