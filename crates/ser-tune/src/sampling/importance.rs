//! How much each option matters: PED-ANOVA (Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying
//! Hyperparameter Importance in Arbitrary Subspaces", 2023), which is Optuna's default since its version 5.
//!
//! An option matters if its values in the best tenth of the trials differ in distribution from all: the measure is the
//! Pearson divergence between Parzen estimators of the two. fANOVA would need a random forest for little more.

use std::collections::{BTreeMap, BTreeSet};

use crate::sampling::parzen::Parzen;
use crate::{Direction, Distribution, Trial, TrialState};

/// Share of the trials that count as the best.
const BEST_SHARE: f64 = 0.1;
/// With fewer trials than this, nothing is said of a way in which an option was chosen.
const FEWEST: f64 = 2.0;
/// Points of the grid on which an option's values are counted.
const GRID: usize = 50;

/// The importance of each option of the complete trials, adding up to 1; nothing if fewer than two are complete.
pub(crate) fn importance<'a>(
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
    let names: BTreeSet<&String> = all.iter().flat_map(|trial| trial.params.keys()).collect();
    let divergences: BTreeMap<String, f64> =
        names.into_iter().map(|name| (name.clone(), over_all_values(name, &best, &all))).collect();
    let sum: f64 = divergences.values().sum();
    let count = divergences.len() as f64;
    divergences
        .into_iter()
        .map(|(name, divergence)| (name, if sum > 0.0 { divergence / sum } else { 1.0 / count }))
        .collect()
}

/// The divergence of an option that only some trials may have, or that was chosen from other values at other times: the
/// sum over those ways, each weighed by the square of its share of the best over its share of all ("Conditional
/// PED-ANOVA", <https://arxiv.org/abs/2601.20800>, theorem 4.2).
fn over_all_values(name: &str, best: &[&Trial], all: &[&Trial]) -> f64 {
    let mut ways: Vec<&Distribution> = Vec::new();
    for (distribution, _) in all.iter().filter_map(|trial| trial.params.get(name)) {
        if !ways.contains(&distribution) {
            ways.push(distribution);
        }
    }
    let weighed = |distribution: &Distribution| {
        let of = |trials: &[&'_ Trial]| {
            trials.iter().filter(|trial| has(trial, name, distribution)).count() as f64
        };
        let (of_best, of_all) = (of(best) / best.len() as f64, of(all) / all.len() as f64);
        match of_best > 0.0 && of(all) >= FEWEST {
            true => of_best.powi(2) / of_all * divergence(name, distribution, best, all),
            false => 0.0,
        }
    };
    ways.into_iter().map(weighed).sum()
}

/// Whether an option of `trial` was chosen from `distribution`.
fn has(trial: &Trial, name: &str, distribution: &Distribution) -> bool {
    trial.params.get(name).is_some_and(|(chosen_from, _)| chosen_from == distribution)
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
    // However many steps there are, and were it one too many for any number.
    let points = |steps: f64| steps.clamp(0.0, GRID as f64 - 1.0) as usize + 1;
    let (low, high, log, points) = match *distribution {
        Distribution::Categorical { ref choices } => (0.0, choices.len() as f64 - 1.0, false, choices.len()),
        Distribution::Float { low, high, log, step } => {
            let steps = step.map_or(f64::INFINITY, |step| ((high - low) / step).round());
            (low, high, log, points(steps))
        }
        Distribution::Int { low, high, log, step } => {
            let (low, high) = (low as f64, high as f64);
            let steps = match log {
                true => (libm::log(high - low + 1.0) / libm::log(2.0)).ceil(),
                false => ((high - low) / step as f64).round(),
            };
            (low, high, log, points(steps))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_a_point_for_each_value_and_never_more_than_its_size() {
        let float = |step| Distribution::Float { low: 0.0, high: 1.0, log: false, step };
        let int = |low, high, step, log| Distribution::Int { low, high, step, log };
        for (distribution, points) in [
            (float(None), GRID),
            (float(Some(0.25)), 5),
            (float(Some(1e-300)), GRID),
            (float(Some(0.0)), GRID),
            (int(0, 9, 3, false), 4),
            (int(i64::MIN, i64::MAX, 1, false), GRID),
            (int(0, 1, 0, false), GRID),
            (int(1, 1024, 1, true), 11),
            (int(1, i64::MAX, 1, true), GRID),
        ] {
            assert_eq!(count_on_grid(&distribution, &[]).len(), points, "{distribution:?}");
        }
    }
}
