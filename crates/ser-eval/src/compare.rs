//! Comparing checkpoints on the same test set.

use std::collections::HashSet;

use ser_core::remedy::Action;
use ser_core::{Error, ErrorKind, Result, remedy};
use serde::Serialize;

use crate::evaluation::unit::resampled;
use crate::evaluation::{Answers, Resampled, RunFigures, TestUtterance, TrainingSettings};
use crate::metrics::{Bootstrap, BootstrapOptions, Interval, McNemar, Replicates, mcnemar};

/// Checkpoints compared with the first of them. Serialised, it is the object that `--json` prints; numbers are not
/// rounded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Protocol of the test set.
    pub protocol: String,
    /// Utterances in it.
    pub n_utterances: u64,
    /// Classes, in index order.
    pub labels: Vec<String>,
    /// What each scored.
    pub checkpoints: Vec<RunFigures>,
    /// For each of them, the settings that they do not share, with its own values.
    pub settings: Vec<Vec<String>>,
    /// Each but the first, compared with the first.
    pub pairs: Vec<PairedComparison>,
    /// What was resampled for the intervals.
    pub resampled: Resampled,
    /// How often.
    pub resamples: u32,
    /// What this shows and does not show.
    pub meaning: String,
}

/// Two checkpoints on the same utterances.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairedComparison {
    /// The first of all.
    pub first: String,
    /// The one compared with it.
    pub second: String,
    /// Second minus first.
    pub accuracy: MetricDifference,
    /// Second minus first.
    pub uar: MetricDifference,
    /// Second minus first.
    pub macro_f1: MetricDifference,
    /// McNemar's test of their accuracies.
    pub mcnemar: McNemar,
    /// Utterances that both got right.
    pub both_right: u64,
    /// Utterances that neither got right.
    pub both_wrong: u64,
    /// Class by class.
    pub classes: Vec<ClassDifference>,
    /// The verdict, in a sentence.
    pub in_words: String,
}

/// A difference with its interval by paired bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MetricDifference {
    /// Second minus first.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Interval,
}

/// A class under both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassDifference {
    /// The class.
    pub label: String,
    /// Its test utterances.
    pub support: u64,
    /// Recall of the first; none without test utterances.
    pub recall_first: Option<f64>,
    /// Recall of the second.
    pub recall_second: Option<f64>,
    /// Second minus first.
    pub difference: Option<f64>,
    /// Utterances of it that only the first got right.
    pub only_first: u64,
    /// Utterances of it that only the second got right.
    pub only_second: u64,
}

impl Comparison {
    /// Compares each of `answers` with the first.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with fewer than two or when `options` are not valid; [`ErrorKind::Mismatch`] where the test
    /// sides are not the same utterances, naming the difference.
    pub fn new(answers: &[Answers], options: BootstrapOptions) -> Result<Self> {
        let [first, others @ ..] = answers else { return Err(too_few()) };
        if others.is_empty() {
            return Err(too_few());
        }
        answers.iter().try_for_each(Answers::check)?;
        others.iter().try_for_each(|other| check_same_utterances(first, other))?;

        let test = &first.test;
        let (resampled, units) = resampled(test);
        let predicted: Vec<&[usize]> = answers.iter().map(|answers| answers.predicted.as_slice()).collect();
        let bootstrap = Bootstrap::new(&test.truth(), &predicted, units.as_deref(), test.labels.len())?;
        let replicates = bootstrap.run(options)?;
        let pairs = (1..answers.len())
            .map(|second| pair(first, &answers[second], &replicates, second))
            .collect::<Result<Vec<PairedComparison>>>()?;
        Ok(Self {
            protocol: test.protocol.clone(),
            n_utterances: test.utterances.len() as u64,
            labels: test.labels.clone(),
            checkpoints: answers.iter().map(Answers::figures).collect::<Result<_>>()?,
            settings: TrainingSettings::differences(
                &answers.iter().map(|answers| &answers.recipe).collect::<Vec<_>>(),
            ),
            meaning: meaning(answers, &resampled),
            pairs,
            resampled,
            resamples: options.resamples,
        })
    }
}

fn too_few() -> Error {
    Error::new(ErrorKind::Usage, "a comparison needs two checkpoints").help(Action::CompareCheckpoints)
}

fn pair(
    first: &Answers,
    second: &Answers,
    replicates: &Replicates,
    index: usize,
) -> Result<PairedComparison> {
    let estimate = replicates
        .difference(0, index)
        .ok_or_else(|| Error::new(ErrorKind::Mismatch, "was not resampled").at(&second.name))?;
    let truth = first.test.truth();
    let rights: Vec<(usize, bool, bool)> = (truth.iter().zip(&first.predicted).zip(&second.predicted))
        .map(|((truth, a), b)| (*truth, a == truth, b == truth))
        .collect();
    let count = |a: bool, b: bool| rights.iter().filter(|(_, x, y)| (*x, *y) == (a, b)).count() as u64;
    let test = mcnemar(count(true, false), count(false, true));
    let difference = |value, interval| MetricDifference { value, interval };
    let accuracy = difference(estimate.observed.accuracy, estimate.accuracy);
    let uar = difference(estimate.observed.uar, estimate.uar);
    Ok(PairedComparison {
        first: first.name.clone(),
        second: second.name.clone(),
        accuracy,
        uar,
        macro_f1: difference(estimate.observed.macro_f1, estimate.macro_f1),
        mcnemar: test,
        both_right: count(true, true),
        both_wrong: count(false, false),
        classes: classes(&first.test.labels, &rights),
        in_words: verdict(&second.name, &uar, &test),
    })
}

fn classes(labels: &[String], rights: &[(usize, bool, bool)]) -> Vec<ClassDifference> {
    let of_class = |(class, label): (usize, &String)| {
        let own: Vec<(bool, bool)> =
            rights.iter().filter(|(truth, ..)| *truth == class).map(|(_, a, b)| (*a, *b)).collect();
        let count = |of: &dyn Fn(&(bool, bool)) -> bool| own.iter().filter(|pair| of(pair)).count() as u64;
        let share = |n: u64| (!own.is_empty()).then(|| n as f64 / own.len() as f64);
        let (recall_first, recall_second) = (share(count(&|(a, _)| *a)), share(count(&|(_, b)| *b)));
        ClassDifference {
            label: label.clone(),
            support: own.len() as u64,
            recall_first,
            recall_second,
            difference: recall_first.zip(recall_second).map(|(a, b)| b - a),
            only_first: count(&|(a, b)| *a && !*b),
            only_second: count(&|(a, b)| !*a && *b),
        }
    };
    labels.iter().enumerate().map(of_class).collect()
}

fn verdict(second: &str, uar: &MetricDifference, test: &McNemar) -> String {
    if test.only_first + test.only_second == 0 {
        return format!("{second} is right and wrong on the very same utterances.");
    }
    let Interval { lower, upper, .. } = uar.interval;
    match uar.value {
        gain if lower > 0.0 => format!(
            "{second} has the higher UAR, by {gain:.4}, and by {lower:.4} to {upper:.4} on test sets drawn like this one."
        ),
        loss if upper < 0.0 => format!(
            "{second} has the lower UAR, by {:.4}, and by {:.4} to {:.4} on test sets drawn like this one.",
            -loss, -upper, -lower
        ),
        _ => format!(
            "The interval of the difference in UAR holds 0: this test set is too small to tell {second} from the first."
        ),
    }
}

fn meaning(answers: &[Answers], resampled: &Resampled) -> String {
    let several = match answers.len() {
        2 => String::new(),
        n => format!(
            " {} comparisons were made and none of the p-values is corrected for that: divide 0.05 by {} before \
             calling one of them small.",
            n - 1,
            n - 1
        ),
    };
    format!(
        "The intervals were made by drawing {}. McNemar's test takes utterances as independent. One run of each is \
         compared, so this says which of these checkpoints does better on such utterances, and not which recipe \
         is better: how seeds differ is not covered. Train several seeds of each and {}.{several}",
        resampled.in_words,
        Action::ReportRuns
    )
}

/// Checks that the test sides of both are the same recordings with the same classes in the same order. Their features may
/// differ, and so may the digests of their splits, which name rows of the cache.
///
/// # Errors
/// [`ErrorKind::Mismatch`], naming the difference.
fn check_same_utterances(first: &Answers, other: &Answers) -> Result<()> {
    let (a, b) = (&first.test, &other.test);
    if a.labels != b.labels {
        let what =
            format!("has the classes {}; {} has {}", b.labels.join(", "), first.name, a.labels.join(", "));
        return Err(mismatch(other, what));
    }
    if a.utterances.len() == b.utterances.len()
        && a.utterances.iter().zip(&b.utterances).all(|(a, b)| is_same(a, b))
    {
        return Ok(());
    }
    let paths: HashSet<&str> = a.utterances.iter().map(|utterance| utterance.path.as_str()).collect();
    let shared = b.utterances.iter().filter(|utterance| paths.contains(utterance.path.as_str())).count();
    let tested = |answers: &Answers| {
        format!("{} utterances of {}", answers.test.utterances.len(), answers.test.protocol)
    };
    let mut what =
        format!("is tested on {}, {} on {}; {shared} are the same", tested(other), first.name, tested(first));
    let pairs = a.utterances.iter().zip(&b.utterances);
    if let Some((a, b)) = pairs.into_iter().find(|(a, b)| !is_same(a, b)).filter(|_| shared > 0) {
        what += &format!("; the first that differ are {} and {}", described(b), described(a));
    }
    Err(mismatch(other, what))
}

fn is_same(a: &TestUtterance, b: &TestUtterance) -> bool {
    a.path == b.path && a.truth == b.truth && a.duration_s == b.duration_s
}

fn described(utterance: &TestUtterance) -> String {
    format!("{} ({:.3} s)", utterance.path, utterance.duration_s)
}

fn mismatch(other: &Answers, what: String) -> Error {
    Error::new(ErrorKind::Mismatch, what)
        .at(&other.name)
        .help(remedy!["compare checkpoints of the same split; for several splits ", Action::ReportRuns])
}
