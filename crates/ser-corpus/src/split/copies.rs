//! The augmented copies of a corpus: each follows the recording it was made from to its side.

use std::collections::HashMap;

use ser_core::Result;

use crate::split::{UtteranceInfo, check_parents};

/// The augmented copies of a corpus: each follows the recording it was made from to its side.
#[derive(Default)]
pub(super) struct CopiesOfParents {
    /// Index of each copy, with that of its parent.
    parents: Vec<(usize, usize)>,
}

impl CopiesOfParents {
    /// # Errors
    /// Those of [`check_parents`].
    pub(super) fn of<'a, I: Iterator<Item = UtteranceInfo<'a>> + Clone>(
        utterances: impl Fn() -> I,
    ) -> Result<Self> {
        if utterances().all(|utterance| utterance.parent.is_none()) {
            return Ok(Self::default());
        }
        check_parents(utterances().map(|utterance| (utterance.path, utterance.parent)))?;
        let places: HashMap<&str, usize> = utterances().map(|utterance| utterance.path).zip(0..).collect();
        let parents = (utterances().enumerate())
            .filter_map(|(copy, utterance)| Some((copy, *places.get(utterance.parent?)?)))
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
