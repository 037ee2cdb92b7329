//! The splits that a corpus is published with: sides named by a table or by folders, and folds.

use std::collections::BTreeSet;

use crate::split::validation::Draw;
use crate::split::{Side, SplitPlanner, UtteranceInfo, ValidationBy};
use crate::{Protocol, PublishedSide, Split, Unassigned};

impl SplitPlanner<'_> {
    /// The protocols that the annotations of the utterances give; why there is none where some say something.
    pub(super) fn official_protocols(&self) -> Vec<Result<Protocol, String>> {
        let mut protocols = Vec::new();
        let is_any = |part: Side| self.all().any(|utterance| self.published_side(&utterance) == Some(part));
        match (is_any(Side::Train), is_any(Side::Test)) {
            (true, true) => protocols.push(Ok(Protocol::Official)),
            (false, false) if !is_any(Side::Val) => {}
            (has_train, _) => {
                let lacking = if has_train { Side::Test } else { Side::Train };
                protocols.push(Err(format!("no official split: no utterance is on its side {lacking}")));
            }
        }
        let folds: BTreeSet<&str> = self.all().filter_map(|utterance| utterance.fold).collect();
        match folds.len() {
            0 => {}
            1 => protocols.push(Err("no official folds: there is just one fold".to_owned())),
            _ => {
                protocols.extend(folds.iter().map(|fold| match Protocol::OfficialFold((*fold).to_owned()) {
                    // A fold's name becomes that of a folder.
                    protocol
                        if protocol.to_string().parse().is_ok_and(|parsed: Protocol| parsed == protocol) =>
                    {
                        Ok(protocol)
                    }
                    _ => Err(format!("no official split for the fold {fold:?}: that cannot name a folder")),
                }))
            }
        }
        protocols
    }

    /// The published split as it is; where it has no validation, that is held out of training.
    pub(super) fn as_published(&self) -> Result<Split, String> {
        self.published(Protocol::Official, |i| self.published_side(&self.utterance(i)))
    }

    /// Test is what the corpus is published with as `fold`; validation is what says so of that fold, or else is held out
    /// of training.
    pub(super) fn by_published_fold(&self, fold: &str) -> Result<Split, String> {
        let side = |i: usize| {
            let utterance = self.utterance(i);
            match utterance.fold? {
                of if of == fold => Some(Side::Test),
                _ if utterance.val_fold == Some(fold) => Some(Side::Val),
                _ => Some(Side::Train),
            }
        };
        self.published(Protocol::OfficialFold(fold.to_owned()), side)
    }

    /// The side of an utterance in the published split.
    fn published_side(&self, UtteranceInfo { split, corpus, .. }: &UtteranceInfo<'_>) -> Option<Side> {
        Some(match (*split)? {
            PublishedSide::Train => Side::Train,
            PublishedSide::Val => Side::Val,
            PublishedSide::Test => Side::Test,
            PublishedSide::Evaluation if self.evaluation_validates.contains(corpus) => Side::Val,
            PublishedSide::Evaluation => Side::Test,
        })
    }

    fn published(&self, protocol: Protocol, side: impl Fn(usize) -> Option<Side>) -> Result<Split, String> {
        let (unpublished, sided) = self.partition(|i| side(i).is_none());
        let on = |part: Side| sided.iter().copied().filter(|&i| side(i) == Some(part)).collect::<Vec<_>>();
        let (mut train, mut val, test) = (on(Side::Train), on(Side::Val), on(Side::Test));
        let mut validation = None;
        if val.is_empty() {
            let purpose = format!("{protocol}-val");
            let draw = Draw { share: self.fractions.val, purpose: &purpose };
            let (rest, held, by) = self.hold_out(&train, draw, &ValidationBy::APART);
            (train, val, validation) = (rest, held, Some(by));
        }
        let split = Split { validation, ..Split::new(protocol, train, val, test) };
        let left_out = Unassigned { unpublished: unpublished.len(), ..Unassigned::default() };
        self.with_every_class(Split { left_out, ..split })
    }
}

/// The corpora whose side `evaluation` is for validation: those that have a test side as well, and no other for it.
pub(super) fn evaluation_validates<'a>(
    utterances: impl Iterator<Item = UtteranceInfo<'a>>,
) -> BTreeSet<Option<&'a str>> {
    let sides: BTreeSet<(Option<&str>, PublishedSide)> =
        utterances.filter_map(|utterance| Some((utterance.corpus, utterance.split?))).collect();
    let has = |corpus, side| sides.contains(&(corpus, side));
    let corpora = sides.iter().map(|(corpus, _)| *corpus);
    corpora.filter(|corpus| has(*corpus, PublishedSide::Test) && !has(*corpus, PublishedSide::Val)).collect()
}
