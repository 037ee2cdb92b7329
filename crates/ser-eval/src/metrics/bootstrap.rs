//! Percentile bootstrap of accuracy, UAR and macro-F1.
//!
//! Efron and Tibshirani, *An Introduction to the Bootstrap* (1993), chapters 6 and 13: the test set is resampled,
//! with replacement, many times; the middle 95 % of a metric's values are its interval. What is drawn is a *unit*:
//! an utterance, or all utterances of a speaker or a word at once where those are what another test set would have
//! others of. The interval tells how much depends on these units, and nothing about units that were held fixed.

use std::collections::HashMap;

use rayon::prelude::*;
use ser_core::random::Random;
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::metrics::scores::Tally;
use crate::metrics::{Interval, MAX_CLASSES, Scores};

/// Confidence level of every interval.
const LEVEL: f64 = 0.95;
/// Most resamples; at 10 classifiers they take 240 MB.
const MAX_RESAMPLES: u32 = 1_000_000;

/// How often to resample, and from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootstrapOptions {
    /// Number of resamples.
    pub resamples: u32,
    /// Seed of the draws. Each resample has a generator of its own, so that the number of threads changes nothing.
    pub seed: u64,
}

impl Default for BootstrapOptions {
    fn default() -> Self {
        Self { resamples: 10_000, seed: 0 }
    }
}

impl BootstrapOptions {
    /// Checks that they make sense.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for too few resamples to have a 2.5 % tail, or more than are kept.
    pub fn validate(self) -> Result<Self> {
        match self.resamples {
            100..=MAX_RESAMPLES => Ok(self),
            n => Err(Error::new(ErrorKind::Usage, format!("{n} resamples are not valid")).help(remedy![
                "give ",
                Setting::Resamples,
                format!(" a number from 100 to {MAX_RESAMPLES}")
            ])),
        }
    }

    fn generator(self, resample: u32) -> Random {
        Random::new(&["bootstrap", &self.seed.to_string(), &resample.to_string()])
    }
}

/// The answers of one or more classifiers to the same utterances, ready to be resampled.
///
/// Utterances of one class that got the same answer from every classifier are interchangeable, so they are counted
/// rather than kept.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    n_classes: usize,
    n_classifiers: usize,
    /// The different rows `[truth, answer of each classifier]`, one after another.
    rows: Vec<u16>,
    /// What each unit holds: rows, and how many utterances of each.
    units: Vec<Vec<(u32, u32)>>,
}

impl Bootstrap {
    /// Prepares the answers `predicted[classifier][utterance]` to utterances of the classes `truth`. Utterances with
    /// the same number in `units` are drawn together; without, each utterance is a unit.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] without utterances or classifiers, [`ErrorKind::Mismatch`] where lengths differ or an
    /// index is not below `n_classes`, [`ErrorKind::Limit`] with more classes or utterances than are counted.
    pub fn new(
        truth: &[usize],
        predicted: &[&[usize]],
        units: Option<&[usize]>,
        n_classes: usize,
    ) -> Result<Self> {
        check(truth, predicted, units, n_classes)?;
        let mut known: HashMap<Vec<u16>, u32> = HashMap::new();
        let mut positions: HashMap<usize, usize> = HashMap::new();
        let (mut rows, mut members): (Vec<u16>, Vec<Vec<u32>>) = (Vec::new(), Vec::new());
        for (utterance, class) in truth.iter().enumerate() {
            let answers = predicted.iter().map(|answers| answers[utterance]);
            // Below MAX_CLASSES, which `check` has seen to.
            let row: Vec<u16> = std::iter::once(*class).chain(answers).map(|class| class as u16).collect();
            let next = known.len() as u32;
            let index = *known.entry(row).or_insert_with_key(|row| {
                rows.extend(row);
                next
            });
            let unit = units.map_or(utterance, |units| units[utterance]);
            let position = *positions.entry(unit).or_insert_with(|| {
                members.push(Vec::new());
                members.len() - 1
            });
            members[position].push(index);
        }
        let units = members.into_iter().map(counted).collect();
        Ok(Self { n_classes, n_classifiers: predicted.len(), rows, units })
    }

    /// Draws as many units as there are, with replacement, and scores every classifier on them; again and again.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when `options` are not valid.
    pub fn run(&self, options: BootstrapOptions) -> Result<Replicates> {
        let options = options.validate()?;
        let n_rows = self.rows.len() / (self.n_classifiers + 1);
        let scratch = || (vec![0u64; n_rows], Tally::new(self.n_classes));
        let drawn = (0..options.resamples)
            .into_par_iter()
            .map_init(scratch, |(counts, tally), resample| {
                let mut random = options.generator(resample);
                counts.fill(0);
                for _ in 0..self.units.len() {
                    let unit = random.below(self.units.len() as u64) as usize;
                    self.units[unit].iter().for_each(|(row, n)| counts[*row as usize] += u64::from(*n));
                }
                self.scores(counts, tally)
            })
            .flatten_iter()
            .collect();
        let mut counts = vec![0; n_rows];
        self.units.iter().flatten().for_each(|(row, n)| counts[*row as usize] += u64::from(*n));
        let observed = self.scores(&counts, &mut Tally::new(self.n_classes));
        Ok(Replicates { observed, drawn })
    }

    /// Scores of each classifier where row `i` occurs `counts[i]` times.
    fn scores(&self, counts: &[u64], tally: &mut Tally) -> Vec<Scores> {
        let score = |classifier: usize| {
            tally.clear();
            for (row, n) in self.rows.chunks_exact(self.n_classifiers + 1).zip(counts) {
                tally.add(usize::from(row[0]), usize::from(row[1 + classifier]), *n);
            }
            tally.scores()
        };
        (0..self.n_classifiers).map(score).collect()
    }
}

fn check(truth: &[usize], predicted: &[&[usize]], units: Option<&[usize]>, n_classes: usize) -> Result<()> {
    if truth.is_empty() || predicted.is_empty() {
        return Err(Error::new(ErrorKind::Unusable, "there is no answer to resample"));
    }
    if n_classes > MAX_CLASSES || truth.len() > u32::MAX as usize {
        let what =
            format!("{} utterances of {n_classes} classes are more than can be resampled", truth.len());
        return Err(Error::new(ErrorKind::Limit, what));
    }
    let lengths = predicted.iter().map(|answers| answers.len()).chain(units.map(<[usize]>::len));
    if let Some(other) = lengths.into_iter().find(|length| *length != truth.len()) {
        let what = format!("{} utterances, but {other} answers or units", truth.len());
        return Err(Error::new(ErrorKind::Mismatch, what));
    }
    match truth.iter().chain(predicted.iter().copied().flatten()).find(|class| **class >= n_classes) {
        Some(class) => Err(Error::new(ErrorKind::Mismatch, format!("class {class} of {n_classes} classes"))),
        None => Ok(()),
    }
}

/// How often each value occurs, ascending.
fn counted(mut values: Vec<u32>) -> Vec<(u32, u32)> {
    values.sort_unstable();
    values.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u32)).collect()
}

/// What every classifier scored on every resample.
#[derive(Debug, Clone)]
pub struct Replicates {
    /// Of each classifier, on the test set as it is.
    observed: Vec<Scores>,
    /// Of each classifier on the first resample, then on the second, and so on.
    drawn: Vec<Scores>,
}

impl Replicates {
    /// What each classifier scores on the test set as it is.
    pub fn observed(&self) -> &[Scores] {
        &self.observed
    }

    /// The mean over the classifiers: all of them are scored on the same resample and averaged, so the interval is that
    /// of the mean.
    pub fn mean(&self) -> Estimate {
        self.estimate(Scores::mean)
    }

    /// By how much classifier `second` scores higher than classifier `first` on the same utterances; none if there is no
    /// such classifier.
    pub fn difference(&self, first: usize, second: usize) -> Option<Estimate> {
        let there = first.max(second) < self.observed.len();
        there.then(|| self.estimate(|scores| scores[second] - scores[first]))
    }

    fn estimate(&self, combine: impl Fn(&[Scores]) -> Scores) -> Estimate {
        let drawn = self.drawn.chunks_exact(self.observed.len()).map(&combine).collect();
        Estimate::new(combine(&self.observed), drawn)
    }
}

/// The mean of `scores`, each of a unit of its own such as a speaker, and its interval when those units are drawn.
///
/// # Errors
/// [`ErrorKind::Unusable`] without scores, [`ErrorKind::Usage`] when `options` are not valid.
pub fn bootstrap_mean(scores: &[Scores], options: BootstrapOptions) -> Result<Estimate> {
    let options = options.validate()?;
    if scores.is_empty() {
        return Err(Error::new(ErrorKind::Unusable, "there is no score to resample"));
    }
    let draw = |resample| {
        let mut random = options.generator(resample);
        let drawn: Vec<Scores> =
            scores.iter().map(|_| scores[random.below(scores.len() as u64) as usize]).collect();
        Scores::mean(&drawn)
    };
    Ok(Estimate::new(Scores::mean(scores), (0..options.resamples).into_par_iter().map(draw).collect()))
}

/// A figure with its 95 % interval, for each of the three metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// On the test set as it is.
    pub observed: Scores,
    /// Interval of the accuracy.
    pub accuracy: Interval,
    /// Interval of the UAR.
    pub uar: Interval,
    /// Interval of the macro-F1.
    pub macro_f1: Interval,
}

impl Estimate {
    fn new(observed: Scores, drawn: Vec<Scores>) -> Self {
        let interval = |metric: fn(&Scores) -> f64| {
            let mut values: Vec<f64> = drawn.iter().map(metric).collect();
            values.sort_unstable_by(f64::total_cmp);
            let tail = (1.0 - LEVEL) / 2.0;
            Interval { level: LEVEL, lower: quantile(&values, tail), upper: quantile(&values, 1.0 - tail) }
        };
        Self {
            observed,
            accuracy: interval(|scores| scores.accuracy),
            uar: interval(|scores| scores.uar),
            macro_f1: interval(|scores| scores.macro_f1),
        }
    }
}

/// The quantile of `sorted` values at `share`, interpolated linearly between neighbours as NumPy's `percentile` does.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * sorted.len().saturating_sub(1) as f64;
    let below = sorted.get(position as usize).copied().unwrap_or(f64::NAN);
    let above = sorted.get(position as usize + 1).copied().unwrap_or(below);
    below + (above - below) * position.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTH: [usize; 8] = [0, 0, 0, 1, 1, 1, 2, 2];
    const ANSWERS: [usize; 8] = [0, 0, 1, 1, 1, 2, 2, 0];

    fn options(seed: u64) -> BootstrapOptions {
        BootstrapOptions { resamples: 500, seed }
    }

    #[test]
    fn the_number_of_threads_changes_nothing_and_the_seed_does() {
        let bootstrap = Bootstrap::new(&TRUTH, &[&ANSWERS, &TRUTH], None, 3).unwrap();
        let on = |threads, seed| {
            let pool = ser_core::threads::fixed_pool(threads).unwrap();
            pool.install(|| bootstrap.run(options(seed)).unwrap().drawn)
        };
        assert_eq!(on(1, 0), on(5, 0));
        assert_ne!(on(1, 0), on(1, 1));
    }

    #[test]
    fn what_is_observed_are_the_metrics_themselves() {
        let replicates = Bootstrap::new(&TRUTH, &[&ANSWERS], None, 3).unwrap().run(options(0)).unwrap();
        let metrics = crate::metrics::Metrics::of(&TRUTH, &ANSWERS, 3).unwrap();
        let expected = Scores { accuracy: metrics.accuracy, uar: metrics.uar, macro_f1: metrics.macro_f1() };
        assert_eq!(replicates.observed(), [expected]);
    }

    #[test]
    fn units_are_drawn_whole() {
        // Two units, one all right and one all wrong: a resample holds 0, 1 or 2 of the right one.
        let bootstrap =
            Bootstrap::new(&[0; 6], &[&[0, 0, 0, 1, 1, 1]], Some(&[7, 7, 7, 9, 9, 9]), 2).unwrap();
        assert_eq!(bootstrap.units.len(), 2);
        let drawn = bootstrap.run(options(0)).unwrap().drawn;
        assert!(drawn.iter().all(|scores| [0.0, 0.5, 1.0].contains(&scores.accuracy)));
        let halves = drawn.iter().filter(|scores| scores.accuracy == 0.5).count();
        assert!((190..310).contains(&halves), "{halves}");
    }

    #[test]
    fn a_classifier_never_differs_from_itself() {
        let bootstrap = Bootstrap::new(&TRUTH, &[&ANSWERS, &ANSWERS], None, 3).unwrap();
        let replicates = bootstrap.run(options(0)).unwrap();
        let difference = replicates.difference(0, 1).unwrap();
        assert_eq!((difference.uar.lower, difference.uar.upper), (0.0, 0.0));
        assert!(replicates.difference(0, 2).is_none());
    }

    #[test]
    fn answers_that_do_not_fit_are_refused() {
        let kind = |truth: &[usize], predicted: &[&[usize]], units: Option<&[usize]>, n| {
            Bootstrap::new(truth, predicted, units, n).unwrap_err().kind()
        };
        assert_eq!(kind(&[], &[&[]], None, 2), ErrorKind::Unusable);
        assert_eq!(kind(&[0], &[], None, 2), ErrorKind::Unusable);
        assert_eq!(kind(&[0], &[&[0, 1]], None, 2), ErrorKind::Mismatch);
        assert_eq!(kind(&[0], &[&[0]], Some(&[0, 0]), 2), ErrorKind::Mismatch);
        assert_eq!(kind(&[0], &[&[2]], None, 2), ErrorKind::Mismatch);
        assert_eq!(kind(&[0], &[&[0]], None, usize::MAX), ErrorKind::Limit);
        let bootstrap = Bootstrap::new(&[0], &[&[0]], None, 1).unwrap();
        assert_eq!(
            bootstrap.run(BootstrapOptions { resamples: 0, seed: 0 }).unwrap_err().kind(),
            ErrorKind::Usage
        );
        assert_eq!(bootstrap_mean(&[], options(0)).unwrap_err().kind(), ErrorKind::Unusable);
    }
}
