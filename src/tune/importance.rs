//! How much each option matters: PED-ANOVA (Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying
//! Hyperparameter Importance in Arbitrary Subspaces", 2023), which is Optuna's default since its version 5.
//!
//! An option matters if its values in the best tenth of the trials are spread otherwise than in all: the measure is the
//! Pearson divergence between Parzen estimators of the two. fANOVA would need a random forest for little more.

use std::collections::BTreeMap;

use super::distribution::Distribution;
use super::objective::Direction;
use super::parzen::Parzen;
use super::trial::{Trial, TrialState};

/// Share of the trials that count as the best.
const BEST_SHARE: f64 = 0.1;
/// Points of the grid on which an option's values are counted.
const GRID: usize = 50;

/// The importance of each option of the complete `trials`, adding up to 1; nothing if there are fewer than two.
pub fn importance<'a>(
    trials: impl Iterator<Item = &'a Trial>,
    direction: Direction,
) -> BTreeMap<String, f64> {
    let complete: Vec<(&Trial, f64)> = trials
        .filter(|trial| trial.state == TrialState::Complete)
        .filter_map(|trial| Some((trial, direction.loss(trial.value.filter(|value| value.is_finite())?))))
        .collect();
    if complete.len() < 2 {
        return BTreeMap::new();
    }
    let mut losses: Vec<f64> = complete.iter().map(|(_, loss)| *loss).collect();
    losses.sort_by(f64::total_cmp);
    let last = (BEST_SHARE * losses.len() as f64).ceil() as usize;
    let bound = losses.get(last.saturating_sub(1)).copied().unwrap_or(f64::INFINITY);
    let all: Vec<&Trial> = complete.iter().map(|(trial, _)| *trial).collect();
    let best: Vec<&Trial> =
        complete.iter().filter(|(_, loss)| *loss <= bound).map(|(trial, _)| *trial).collect();
    let options =
        all.iter().flat_map(|trial| &trial.params).map(|(name, (distribution, _))| (name, distribution));
    // Of an option that was chosen from several distributions, the newest counts.
    let options: BTreeMap<&String, &Distribution> = options.collect();
    let divergences: BTreeMap<String, f64> = options
        .into_iter()
        .map(|(name, distribution)| (name.clone(), divergence(name, distribution, &best, &all)))
        .collect();
    let sum: f64 = divergences.values().sum();
    let count = divergences.len() as f64;
    divergences
        .into_iter()
        .map(|(name, divergence)| (name, if sum > 0.0 { divergence / sum } else { 1.0 / count }))
        .collect()
}

/// Pearson's divergence between how the option is spread over the `best` and over `all`.
fn divergence(name: &str, distribution: &Distribution, best: &[&Trial], all: &[&Trial]) -> f64 {
    if distribution.is_single() {
        return 0.0;
    }
    let is_categorical = matches!(distribution, Distribution::Categorical { .. });
    let estimate = |trials: &[&Trial]| {
        let values: Vec<f64> = trials.iter().filter_map(|trial| trial.param(name, distribution)).collect();
        let counts = count_on_grid(distribution, &values);
        let parzen = Parzen::of_counts(&counts, is_categorical);
        (0..counts.len()).map(|point| parzen.density(point as f64) + 1e-12).collect::<Vec<f64>>()
    };
    let (best, all) = (estimate(best), estimate(all));
    best.iter().zip(all).map(|(best, all)| all * (best / all - 1.0).powi(2)).sum()
}

/// How often values fall on each point of a grid over the distribution.
fn count_on_grid(distribution: &Distribution, values: &[f64]) -> Vec<u64> {
    let (low, high, log, points) = match *distribution {
        Distribution::Categorical { ref choices } => (0.0, choices.len() as f64 - 1.0, false, choices.len()),
        Distribution::Float { low, high, log, step } => {
            let points = step.map_or(GRID, |step| ((high - low) / step).round() as usize + 1);
            (low, high, log, points.min(GRID))
        }
        Distribution::Int { low, high, log, step } => {
            let (low, high) = (low as f64, high as f64);
            let points = if log {
                (libm::log(high - low + 1.0) / libm::log(2.0)).ceil() as usize + 1
            } else {
                ((high - low) / step as f64).round() as usize + 1
            };
            (low, high, log, points.min(GRID))
        }
    };
    let scale = |value: f64| if log { libm::log(value) } else { value };
    let (low, high) = (scale(low), scale(high));
    let width = (high - low) / (points as f64 - 1.0).max(1.0);
    let mut counts = vec![0; points.max(1)];
    for value in values {
        // Between two points, the lower one counts.
        let point = ((scale(*value) - low) / width - 0.5).ceil().clamp(0.0, points as f64 - 1.0);
        if let Some(count) = counts.get_mut(point as usize) {
            *count += 1;
        }
    }
    counts
}
