//! Augmented copies: each follows the recording it was made from to its side.

use std::collections::HashMap;

use ser_core::{Error, ErrorKind, Result};

use crate::UtteranceInfo;

/// The copies of a corpus.
#[derive(Default)]
pub(super) struct CopiesOfParents {
    /// Index of each copy, with that of its parent.
    parents: Vec<(usize, usize)>,
}

impl CopiesOfParents {
    /// # Errors
    /// Those of [`check_parents`].
    pub(super) fn of(utterances: &[UtteranceInfo<'_>]) -> Result<Self> {
        if utterances.iter().all(|subject| subject.parent.is_none()) {
            return Ok(Self::default());
        }
        check_parents(utterances.iter().map(|subject| (subject.path, subject.parent)))?;
        let places: HashMap<&str, usize> = utterances.iter().map(|subject| subject.path).zip(0..).collect();
        let parents = (utterances.iter().enumerate())
            .filter_map(|(copy, subject)| Some((copy, *places.get(subject.parent?)?)))
            .collect();
        Ok(Self { parents })
    }

    /// Adds to `train` the copies of what it holds, of `utterances` in all; how many others there are.
    pub(super) fn join(&self, train: &mut Vec<usize>, utterances: usize) -> usize {
        if self.parents.is_empty() {
            return 0;
        }
        let mut is_learnt = vec![false; utterances];
        train.iter().for_each(|&index| is_learnt[index] = true);
        let before = train.len();
        train.extend(self.parents.iter().filter(|(_, parent)| is_learnt[*parent]).map(|(copy, _)| copy));
        self.parents.len() - (train.len() - before)
    }
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
