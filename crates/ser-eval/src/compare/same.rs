//! Whether two checkpoints were tested on the same utterances.

use std::collections::HashSet;

use ser_core::{Error, ErrorKind, Result};

use crate::{Answers, TestUtterance};

/// Checks that the test sides of both are the same recordings with the same classes in the same order. Their features may
/// differ, and so may the digests of their splits, which name rows of the cache.
///
/// # Errors
/// [`ErrorKind::Mismatch`], naming the difference.
pub(super) fn check(first: &Answers, other: &Answers) -> Result<()> {
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
        .help("compare checkpoints of the same split; for several splits use ser-report --runs")
}
