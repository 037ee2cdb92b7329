//! The sampler: tree-structured Parzen estimators (Bergstra, Bardenet, Bengio and Kégl, "Algorithms for Hyper-Parameter
//! Optimization", 2011), with the constants of Optuna's `TPESampler` and, as there since version 5, all options at once
//! ("multivariate"), since a learning rate is good for a batch size and not by itself.
//!
//! Trials are divided into the best tenth and the rest. Of the recipes that an estimator of the first draws, that one
//! is chosen with the highest ratio of likelihoods, best over rest. Running trials count among the rest, so that
//! workers do not all try the same ("constant liar").
//!
//! Options with a condition are drawn after the one that decides, those with the same condition together, and only from
//! trials that have them, as Optuna does it with `group=True`.
//!
//! This is our own rather than a crate's: `tpe` knows neither steps nor trials that were pruned or are running, and
//! `optimizer` and Optuna were compared with it in `docs/design.md`, "Hyperparameter search: why ours". Here a suggestion
//! follows from the seed, the number of the trial and the trials before, on every machine to the same bit.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use ser_core::random::Random;

use crate::sampling::parzen::Joint;
use crate::{Direction, Distribution, Space, Trial, TrialState};

/// This many trials are drawn at random before any estimate.
const STARTUP_TRIALS: usize = 10;
/// How many values are drawn and compared.
const CANDIDATES: usize = 24;
/// Share and largest number of trials that count as the best.
const BEST_SHARE: f64 = 0.1;
const MOST_BEST: usize = 25;

/// The options of trial `number`, in the internal representation, for the history `trials`. Options whose condition does
/// not hold are left out.
pub fn suggest<'a>(
    space: &Space,
    direction: Direction,
    seed: u64,
    number: u64,
    trials: impl Iterator<Item = &'a Trial>,
) -> BTreeMap<String, (Distribution, f64)> {
    let trials: Vec<&Trial> = trials.filter(|trial| trial.number != number).collect();
    let finished = trials.iter().filter(|trial| has_finished_value(trial)).count();
    let random = |what: &str| Random::new(&["suggestion", &seed.to_string(), &number.to_string(), what]);
    let mut suggested = BTreeMap::<String, (Distribution, f64)>::new();
    for (condition, options) in space.groups() {
        let value_of = |key: &str| suggested.get(key).map(|(_, value)| *value);
        if condition.is_some_and(|it| !value_of(it.key()).is_some_and(|value| it.holds(value))) {
            continue;
        }
        let values: Vec<f64> = if finished < STARTUP_TRIALS {
            options.iter().map(|(name, distribution)| at_random(distribution, &mut random(name))).collect()
        } else {
            let what = condition.map_or("all options".to_owned(), ToString::to_string);
            promising(&options, direction, &trials, &mut random(&what))
        };
        for ((name, distribution), value) in options.into_iter().zip(values) {
            suggested.insert(name.clone(), (distribution.clone(), value));
        }
    }
    suggested
}

/// Evenly from all values.
fn at_random(distribution: &Distribution, random: &mut Random) -> f64 {
    match *distribution {
        Distribution::Categorical { ref choices } => random.below(choices.len() as u64) as f64,
        Distribution::Float { low, high, log: true, .. } => {
            let (from, to) = (libm::log(low), libm::log(high));
            libm::exp(from + (to - from) * random.uniform()).clamp(low, high)
        }
        Distribution::Float { low, high, step: None, .. } => low + (high - low) * random.uniform(),
        Distribution::Float { low, high, step: Some(step), .. } => {
            let steps = ((high - low) / step + 1e-9).floor();
            low + step * random.below(steps as u64 + 1) as f64
        }
        Distribution::Int { low, high, log: true, .. } => {
            let (from, to) = (libm::log(low as f64 - 0.5), libm::log(high as f64 + 0.5));
            libm::exp(from + (to - from) * random.uniform()).round().clamp(low as f64, high as f64)
        }
        Distribution::Int { low, high, step, .. } => {
            low as f64
                + step as f64 * random.below((high.abs_diff(low) / step.unsigned_abs().max(1)) + 1) as f64
        }
    }
}

/// The values of options that are there together, with the largest expected improvement among those that the estimator
/// of the best draws.
fn promising(
    options: &[(&String, &Distribution)],
    direction: Direction,
    trials: &[&Trial],
    random: &mut Random,
) -> Vec<f64> {
    // An option with one value tells nothing, and the width of its kernels would be 0.
    let open = || options.iter().filter(|(_, distribution)| !distribution.is_single());
    // Another branch of the space, or another program, may lack an option.
    let values = |trial: &Trial| -> Option<Vec<f64>> {
        open().map(|(name, distribution)| trial.param(name, distribution)).collect()
    };
    let comparable: Vec<&Trial> = trials.iter().copied().filter(|trial| values(trial).is_some()).collect();
    let (best, rest) = divide(&comparable, direction);
    let distributions: Vec<&Distribution> = open().map(|(_, distribution)| *distribution).collect();
    let estimate = |trials: &[&Trial]| {
        let observed: Vec<Vec<f64>> = trials.iter().filter_map(|trial| values(trial)).collect();
        Joint::of_observations(&distributions, &observed)
    };
    let (best, rest) = (estimate(&best), estimate(&rest));
    let mut chosen = (Vec::new(), f64::NEG_INFINITY);
    for _ in 0..CANDIDATES {
        let values = best.draw(random);
        let gain = libm::log(best.density(&values)) - libm::log(rest.density(&values));
        if chosen.0.is_empty() || gain > chosen.1 {
            chosen = (values, gain);
        }
    }
    let mut chosen = chosen.0.into_iter();
    let value = |(_, distribution): &(&String, &Distribution)| match distribution.is_single() {
        true => at_random(distribution, random),
        false => chosen.next().unwrap_or_default(),
    };
    options.iter().map(value).collect()
}

fn has_finished_value(trial: &Trial) -> bool {
    matches!(trial.state, TrialState::Complete | TrialState::Pruned)
}

/// The best and the rest, each in the order of their numbers. Complete trials come before pruned ones, and of pruned
/// ones those that lasted longer; trials that failed are left out.
fn divide<'a>(trials: &[&'a Trial], direction: Direction) -> (Vec<&'a Trial>, Vec<&'a Trial>) {
    let mut finished: Vec<&Trial> =
        trials.iter().copied().filter(|trial| has_finished_value(trial)).collect();
    let count = ((BEST_SHARE * finished.len() as f64).ceil() as usize).min(MOST_BEST);
    finished.sort_by(|a, b| rank(a, direction).partial_cmp(&rank(b, direction)).unwrap_or(Ordering::Equal));
    let mut rest = finished.split_off(count.min(finished.len()));
    rest.extend(trials.iter().filter(|trial| trial.state == TrialState::Running));
    finished.sort_by_key(|trial| trial.number);
    rest.sort_by_key(|trial| trial.number);
    (finished, rest)
}

/// Sorts the better before the worse.
fn rank(trial: &Trial, direction: Direction) -> (u8, i128, f64) {
    let loss = |value: f64| if value.is_nan() { f64::INFINITY } else { direction.loss(value) };
    match (trial.state, trial.last_intermediate()) {
        (TrialState::Complete, _) => (0, 0, loss(trial.value.unwrap_or(f64::NAN))),
        (_, Some((epoch, value))) => (1, -i128::from(epoch), loss(value)),
        (_, None) => (1, 1, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Space {
        let choices = ["a", "b", "c"].map(serde_json::Value::from).to_vec();
        Space::from_iter([
            ("x".to_owned(), Distribution::Float { low: -10.0, high: 10.0, log: false, step: None }),
            ("lr".to_owned(), Distribution::Float { low: 1e-5, high: 1.0, log: true, step: None }),
            ("width".to_owned(), Distribution::Int { low: 8, high: 256, log: false, step: 8 }),
            ("kind".to_owned(), Distribution::Categorical { choices }),
        ])
    }

    fn loss(params: &BTreeMap<String, (Distribution, f64)>) -> f64 {
        let value = |name: &str| params[name].1;
        let kind = if value("kind") == 1.0 { 0.0 } else { 3.0 };
        ((value("x") - 2.0) / 5.0).powi(2)
            + (value("lr").log10() + 3.0).powi(2)
            + (value("width") / 64.0 - 2.0).powi(2)
            + kind
    }

    fn trial(number: u64, params: BTreeMap<String, (Distribution, f64)>, value: f64) -> Trial {
        Trial {
            id: number,
            number,
            state: TrialState::Complete,
            value: Some(value),
            params,
            intermediate_values: BTreeMap::new(),
            user_attrs: BTreeMap::new(),
            system_attrs: BTreeMap::new(),
        }
    }

    /// The losses of 80 trials in a row.
    fn losses(seed: u64, learning: bool) -> Vec<f64> {
        let mut trials = Vec::new();
        for number in 0..80 {
            let seen = if learning { trials.as_slice() } else { &[] };
            let params = suggest(&space(), Direction::Minimize, seed, number, seen.iter());
            for (name, (distribution, value)) in &params {
                assert!(distribution.contains(*value), "{name}: {value}");
            }
            let value = loss(&params);
            trials.push(trial(number, params, value));
        }
        trials.iter().filter_map(|trial| trial.value).collect()
    }

    #[test]
    fn it_finds_better_values_than_chance_for_every_seed_and_always_the_same() {
        let (mut better, mut sum) = (0, 0.0);
        for seed in 0..10 {
            let (tpe, random) = (losses(seed, true), losses(seed, false));
            let best = |losses: &[f64]| losses.iter().copied().fold(f64::INFINITY, f64::min);
            let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
            let ratio = mean(&tpe[20..]) / mean(&random[20..]);
            assert!(ratio < 0.75, "seed {seed}: {ratio}");
            sum += ratio;
            better += u32::from(best(&tpe) < best(&random));
        }
        assert!(better >= 8 && sum / 10.0 < 0.5, "{better} of 10, with losses of {} of chance", sum / 10.0);
        assert_eq!(losses(3, true), losses(3, true));
        assert_ne!(losses(3, true), losses(4, true));
    }

    #[test]
    fn options_with_a_condition_are_there_only_where_it_holds_and_are_learnt_from_trials_that_have_them() {
        let space = Space::parse(
            "kind = { categorical = ['a', 'b'] }\n\
             x = { float = [-10.0, 10.0], when = { kind = 'a' } }\n\
             y = { float = [-10.0, 10.0], when = { kind = 'b' } }",
        );
        let space = space.unwrap();
        let mut trials: Vec<Trial> = Vec::new();
        for number in 0..120 {
            let params = suggest(&space, Direction::Minimize, 0, number, trials.iter());
            let keys: Vec<&str> = params.keys().map(String::as_str).collect();
            let is_a = params["kind"].1 == 0.0;
            assert_eq!(keys, if is_a { ["kind", "x"] } else { ["kind", "y"] });
            // With b it can be better than with a, once y is right.
            let loss = if is_a { 1.0 + (params["x"].1 - 5.0).abs() } else { (params["y"].1 + 5.0).abs() };
            trials.push(trial(number, params, loss));
        }
        let late = |key: &str| {
            let value = |trial: &Trial| trial.params.get(key).map(|(_, value)| *value);
            trials[40..].iter().filter_map(value).collect::<Vec<f64>>()
        };
        let y = late("y");
        let near = y.iter().filter(|y| (**y + 5.0).abs() < 2.0).count();
        assert!(y.len() > 50 && near * 2 > y.len(), "{near} of {} near the best", y.len());
    }

    #[test]
    fn an_option_with_one_value_does_not_blind_the_search() {
        let one = ("one".to_owned(), Distribution::Float { low: 0.5, high: 0.5, log: false, step: None });
        let more = Space::from_iter(
            space().iter().map(|(name, distribution)| (name.clone(), distribution.clone())).chain([one]),
        );
        let mut trials: Vec<Trial> = Vec::new();
        for number in 0..40 {
            let mut params = suggest(&more, Direction::Minimize, 0, number, trials.iter());
            assert_eq!(params["one"].1, 0.5);
            let value = loss(&params);
            let suggested = suggest(&space(), Direction::Minimize, 0, number, trials.iter());
            params.remove("one");
            assert_eq!(params, suggested, "trial {number} is as without it");
            params.insert(
                "one".to_owned(),
                (Distribution::Float { low: 0.5, high: 0.5, log: false, step: None }, 0.5),
            );
            trials.push(trial(number, params, value));
        }
    }

    #[test]
    fn startup_trials_are_the_same_as_without_a_history() {
        assert_eq!(losses(0, true)[..STARTUP_TRIALS], losses(0, false)[..STARTUP_TRIALS]);
    }

    #[test]
    fn a_running_trial_is_kept_away_from() {
        let mut trials: Vec<Trial> = Vec::new();
        for number in 0..20 {
            let params = suggest(&space(), Direction::Minimize, 0, number, trials.iter());
            let value = loss(&params);
            trials.push(trial(number, params, value));
        }
        let near = |trials: &[Trial], at: f64| {
            let draw = |seed| suggest(&space(), Direction::Minimize, seed, 100, trials.iter())["x"].1;
            (0..200).filter(|seed| (draw(*seed) - at).abs() < 0.5).count()
        };
        let favourite = suggest(&space(), Direction::Minimize, 7, 100, trials.iter());
        let at = favourite["x"].1;
        let before = near(&trials, at);
        for number in 20..24 {
            trials.push(Trial {
                state: TrialState::Running,
                value: None,
                ..trial(number, favourite.clone(), 0.0)
            });
        }
        assert!(near(&trials, at) < before, "{before}");
    }
}
