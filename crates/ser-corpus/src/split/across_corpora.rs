//! Across corpora: test on one, learn from the others, over the classes that both have.

use std::collections::BTreeSet;

use ser_core::remedy::Setting;

use crate::split::SplitPlanner;
use crate::split::validation::{Draw, ValidationBy};
use crate::{Protocol, Split, Unassigned};

impl SplitPlanner<'_> {
    /// Everything of `corpus` is test.
    pub(super) fn by_corpus(&self, corpus: &str) -> Result<Split, String> {
        let (test, rest) = self.partition(|i| self.utterance(i).corpus == Some(corpus));
        let labels =
            |part: &[usize]| -> BTreeSet<&str> { part.iter().map(|&i| self.utterance(i).label).collect() };
        let (asked, learnt) = (labels(&test), labels(&rest));
        let shared: BTreeSet<&str> = asked.intersection(&learnt).copied().collect();
        if shared.len() < 2 {
            let names = |labels: BTreeSet<&str>| labels.into_iter().collect::<Vec<_>>().join(", ");
            return Err(format!(
                "it has {}, the others have {}: they share {} classes ({} gives them common names)",
                names(asked),
                names(learnt),
                shared.len(),
                Setting::Map
            ));
        }
        let all = test.len() + rest.len();
        let of_shared = |part: Vec<usize>| -> Vec<usize> {
            part.into_iter().filter(|&i| shared.contains(self.utterance(i).label)).collect()
        };
        let (test, rest) = (of_shared(test), of_shared(rest));
        let other_labels = all - test.len() - rest.len();
        let draw = Draw { share: self.fractions.val, purpose: "corpus-val" };
        let (train, val, by) = self.hold_out(&rest, draw, &ValidationBy::APART);
        let left_out = Unassigned { other_labels, ..Unassigned::default() };
        let split = Split::new(Protocol::Corpus(corpus.to_owned()), train, val, test);
        self.with_every_class(Split { left_out, validation: Some(by), ..split })
    }
}
