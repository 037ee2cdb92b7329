//! Assigns utterances to train, validation and test, by the protocols of [`Protocol`].
//!
//! A split depends on the utterances (path, label, speaker, word, parent, corpus, published split and fold), the seed and the fractions, and on
//! nothing else: neither on the order they come in nor on the number of threads.

mod across_corpora;
mod copies;
mod drawing;
mod folds;
mod official;
mod planner;
mod side;
mod utterances;
mod validation;

use std::collections::{BTreeMap, HashMap};

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use serde::{Deserialize, Serialize};

use crate::{Annotation, Protocol};

pub use planner::{MOST_LINES, SplitPlanner};
pub use side::Side;
pub use utterances::{UtteranceInfo, Utterances};
pub use validation::ValidationBy;

/// Which share of the utterances (or words) goes to validation and test; the rest is train.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fractions {
    /// Share of validation.
    pub val: f64,
    /// Share of test.
    pub test: f64,
}

impl Default for Fractions {
    fn default() -> Self {
        Self { val: 0.15, test: 0.15 }
    }
}

impl Fractions {
    /// Checks that both are positive and leave most for training.
    ///
    /// # Errors
    /// When they do not.
    pub fn validate(self) -> Result<Self> {
        let sensible = self.val > 0.0 && self.test > 0.0 && self.val + self.test <= 0.8;
        if sensible {
            return Ok(self);
        }
        Err(Error::new(
            ErrorKind::Usage,
            format!("validation {} and test {} are not usable fractions", self.val, self.test),
        )
        .help("give two positive numbers whose sum is at most 0.8"))
    }
}

/// One protocol's split: for each side the indices of its utterances, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The protocol it follows.
    pub protocol: Protocol,
    /// Utterances to learn from.
    pub train: Vec<usize>,
    /// Utterances to choose the best epoch by.
    pub val: Vec<usize>,
    /// Utterances to report on.
    pub test: Vec<usize>,
    /// What is on no side.
    pub left_out: Unassigned,
    /// What keeps validation apart from training, where the protocol's name does not say it.
    pub validation: Option<ValidationBy>,
}

/// How many utterances of the corpus a split has on no side, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Unassigned {
    /// Augmented copies of recordings that are not in training.
    #[serde(default)]
    pub copies: usize,
    /// Utterances of classes that the test side or the others do not have.
    #[serde(default)]
    pub other_labels: usize,
    /// Utterances that the published split has on no side.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unpublished: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Unassigned {
    /// Whether every utterance is on a side.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Split {
    /// The utterances of one side.
    pub fn side(&self, side: Side) -> &[usize] {
        match side {
            Side::Train => &self.train,
            Side::Val => &self.val,
            Side::Test => &self.test,
        }
    }

    fn new(protocol: Protocol, train: Vec<usize>, val: Vec<usize>, test: Vec<usize>) -> Self {
        Self { protocol, train, val, test, left_out: Unassigned::default(), validation: None }
    }
}

/// The splits of a corpus, and why others could not be made.
#[derive(Debug, Default)]
pub struct SplitPlan {
    /// One for each protocol.
    pub splits: Vec<Split>,
    /// A line for each protocol left out.
    pub left_out: Vec<String>,
}

/// The fewest utterances a class can have: one on each side.
const FEWEST_OF_A_CLASS: usize = 3;

/// Makes every split the corpus allows. `utterances` pairs each path with its annotation; the indices in the
/// result are positions in it.
///
/// # Errors
/// Those of [`SplitPlanner::new`].
pub fn plan_splits<T: AsRef<str>>(
    utterances: &[(&str, &Annotation<T>)],
    fractions: Fractions,
    seed: u64,
) -> Result<SplitPlan> {
    let subjects: Vec<_> =
        utterances.iter().map(|(path, annotation)| UtteranceInfo::of(path, annotation)).collect();
    let planner = SplitPlanner::new(subjects, fractions, seed)?;
    let mut left_out = Vec::new();
    let splits = planner.splits(|why| left_out.push(why)).collect();
    Ok(SplitPlan { splits, left_out })
}

/// Checks that a corpus with these labels, one for each utterance, can be learnt from and split.
///
/// # Errors
/// When there are no classes or only one, or a class has fewer than three utterances.
pub fn check_classes<'a>(labels: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    for label in labels {
        *classes.entry(label).or_default() += 1;
    }
    match classes.iter().collect::<Vec<_>>()[..] {
        [] => return Err(Error::new(ErrorKind::Unusable, "not one recording can be used")),
        [(only, count)] => {
            return Err(Error::new(
                ErrorKind::Unusable,
                format!("all recordings ({count}) are of one class, {only:?}"),
            )
            .help("give the folder that holds one folder for each class; a classifier needs two or more"));
        }
        _ => {}
    }
    let small: Vec<String> = (classes.iter())
        .filter(|(_, count)| **count < FEWEST_OF_A_CLASS)
        .map(|(label, count)| format!("{label:?} has {count}"))
        .collect();
    if small.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unusable,
        format!(
            "a class needs {FEWEST_OF_A_CLASS} usable recordings, one each for train, validation and test: {}",
            small.join(", ")
        ),
    )
    .help(remedy!["add recordings, or leave the class out with ", Setting::Exclude.to("LABEL")]))
}

/// Checks that the parent of every copy is there and no copy itself. Each recording is given as its path and, if it is
/// a copy, its parent's.
///
/// # Errors
/// Naming both.
pub fn check_parents<'a>(recordings: impl Iterator<Item = (&'a str, Option<&'a str>)> + Clone) -> Result<()> {
    let mut copies: HashMap<&str, &str> = HashMap::new();
    copies.extend(recordings.clone().filter_map(|(path, parent)| Some((path, parent?))));
    if copies.is_empty() {
        return Ok(());
    }
    let mut missing: HashMap<&str, &str> = copies.iter().map(|(copy, parent)| (*parent, *copy)).collect();
    recordings.for_each(|(path, _)| _ = missing.remove(path));
    // The first by name, so that the same corpus has the same error.
    let unknown = missing.into_iter().map(|(parent, copy)| (copy, parent, "is not a recording here")).min();
    let nested = (copies.iter())
        .filter(|(_, parent)| copies.contains_key(*parent))
        .map(|(copy, parent)| (*copy, *parent, "is a copy itself"))
        .min();
    match unknown.or(nested) {
        None => Ok(()),
        Some((copy, parent, what)) => Err(Error::new(
            ErrorKind::Mismatch,
            format!("is a copy of {parent}, which {what}, so which side it may be on is not known"),
        )
        .at(copy)
        .help("name the recording it was made from as its parent, or leave the copy out")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_must_leave_something_to_learn_from() {
        assert!(Fractions::default().validate().is_ok());
        for (val, test) in [(0.0, 0.15), (0.5, 0.5), (f64::NAN, 0.1), (0.1, f64::INFINITY)] {
            assert!(Fractions { val, test }.validate().is_err(), "{val} {test}");
        }
    }
}
