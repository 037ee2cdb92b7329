//! Which splits a corpus allows, and those by chance, by word and by one speaker; `folds`, `across_corpora` and `official` hold
//! the others.

use std::collections::BTreeSet;

use ser_core::Result;

use crate::split::check_classes;
use crate::split::copies::CopiesOfParents;
use crate::split::official::evaluation_validates;
use crate::split::utterances::{UtteranceInfo, Utterances};
use crate::split::validation::{Draw, ValidationBy};
use crate::{Fractions, Protocol, Split};

/// A split for each speaker is only made as long as these splits together have no more utterances than this: each
/// of them lists all, about 300 bytes for each in the manifests.
pub const MOST_LINES: usize = 2_000_000;

/// Default number of folds of speakers.
const FOLDS: u32 = 5;

/// A side of a split by folds has this many speakers or more: one voice does not stand for the others.
pub(super) const FEWEST_VOICES: usize = 2;

/// Makes splits one at a time, so that no more than one need be in memory.
pub struct SplitPlanner<'a> {
    utterances: Box<dyn Utterances<'a> + 'a>,
    /// All but copies, in the order of their paths.
    by_path: Vec<usize>,
    copies: CopiesOfParents,
    /// All words, if every utterance has one.
    pub(super) words: Option<BTreeSet<&'a str>>,
    /// All speakers, if every utterance has one.
    speakers: Option<BTreeSet<&'a str>>,
    /// All corpora, if there are several.
    corpora: BTreeSet<&'a str>,
    /// The corpora whose published side `evaluation` is for validation.
    pub(super) evaluation_validates: BTreeSet<Option<&'a str>>,
    pub(super) fractions: Fractions,
    pub(super) seed: u64,
    folds: Option<u32>,
}

impl<'a> SplitPlanner<'a> {
    /// For `utterances`; the indices in splits are their positions.
    ///
    /// # Errors
    /// When there is only one class, a class has fewer than three utterances that are not copies, or a copy has no
    /// parent among them or one that is a copy itself.
    pub fn new(utterances: impl Utterances<'a> + 'a, fractions: Fractions, seed: u64) -> Result<Self> {
        let all = || (0..utterances.count()).map(|index| utterances.at(index));
        let copies = CopiesOfParents::of(all)?;
        let originals = || all().filter(|utterance| utterance.parent.is_none());
        check_classes(originals().map(|utterance| utterance.label))?;
        let mut by_path: Vec<usize> =
            (0..utterances.count()).filter(|&index| utterances.at(index).parent.is_none()).collect();
        by_path.sort_unstable_by_key(|&index| utterances.at(index).path);
        let words = originals().map(|utterance| utterance.word).collect();
        let speakers = originals().map(|utterance| utterance.speaker).collect();
        let corpora = originals().filter_map(|utterance| utterance.corpus).collect();
        let evaluation_validates = evaluation_validates(all());
        Ok(Self {
            evaluation_validates,
            utterances: Box::new(utterances),
            by_path,
            copies,
            words,
            speakers,
            corpora,
            fractions,
            seed,
            folds: None,
        })
    }

    /// The utterance at `index`.
    pub(super) fn utterance(&self, index: usize) -> UtteranceInfo<'a> {
        self.utterances.at(index)
    }

    /// All utterances.
    pub(super) fn all(&self) -> impl Iterator<Item = UtteranceInfo<'a>> {
        (0..self.utterances.count()).map(|index| self.utterance(index))
    }

    /// How many utterances are no copies.
    pub(super) fn originals(&self) -> usize {
        self.by_path.len()
    }

    /// Assigns the speakers to `folds` folds, 0 for none. By default there are five, if there are enough speakers.
    #[must_use]
    pub fn with_folds(self, folds: Option<u32>) -> Self {
        Self { folds, ..self }
    }

    /// Every split that the corpus allows, each made when it is asked for. `leave_out` is told why others cannot be.
    pub fn splits(&self, mut leave_out: impl FnMut(String)) -> impl Iterator<Item = Split> {
        let mut protocols = vec![Ok(Protocol::Random)];
        protocols.push(match &self.words {
            None => Err("no word split: not every file says which word is spoken".to_owned()),
            Some(_) => Ok(Protocol::Word),
        });
        match &self.speakers {
            None => protocols.push(Err("no speaker split: not every file says who speaks".to_owned())),
            Some(speakers) if speakers.len() < 2 => {
                protocols.push(Err("no speaker split: there is just one speaker".to_owned()));
            }
            Some(speakers) => {
                let lines = speakers.len().saturating_mul(self.utterances.count());
                match lines <= MOST_LINES {
                    true => protocols.extend(speakers.iter().map(|id| Ok(Protocol::Speaker((*id).to_owned())))),
                    false => protocols.push(Err(format!(
                        "no split for each of the {} speakers: their manifests would have {lines} lines, more than \
                         {MOST_LINES}",
                        speakers.len()
                    ))),
                }
                protocols.extend(self.fold_protocols(speakers.len()));
            }
        }
        if self.corpora.len() > 1 {
            protocols.extend(self.corpora.iter().map(|name| Ok(Protocol::Corpus((*name).to_owned()))));
        }
        protocols.extend(self.official_protocols());
        let folds = self.speakers.as_ref().map(|speakers| self.deal_speakers(speakers, self.folds()));
        let split = move |protocol: Protocol| {
            let split = match &protocol {
                Protocol::Random => Ok(self.random()),
                Protocol::Word => return self.by_word().map_err(|why| format!("no word split: {why}")),
                Protocol::Speaker(id) => self.by_speaker(id),
                Protocol::SpeakerFold { fold, of } => self.by_fold(*fold, *of, folds.as_ref()),
                Protocol::Corpus(name) => self.by_corpus(name),
                Protocol::Official => self.as_published(),
                Protocol::OfficialFold(fold) => self.by_published_fold(fold),
            };
            split.map_err(|why| format!("no split {protocol}: {why}"))
        };
        protocols.into_iter().filter_map(move |protocol| {
            let split = protocol.and_then(&split).map_err(&mut leave_out).ok()?;
            Some(self.finished(split))
        })
    }

    fn folds(&self) -> u32 {
        self.folds.unwrap_or(FOLDS)
    }

    /// At least [`FEWEST_VOICES`] speakers in each fold.
    fn fold_protocols(&self, speakers: usize) -> Vec<Result<Protocol, String>> {
        let of = self.folds();
        let needed = FEWEST_VOICES * of as usize;
        match (speakers >= needed, self.folds) {
            (true, _) => (1..=of).map(|fold| Ok(Protocol::SpeakerFold { fold, of })).collect(),
            (false, None) => Vec::new(),
            (false, Some(_)) => {
                vec![Err(format!(
                    "no folds of speakers: {of} folds need {needed} speakers, there are {speakers}"
                ))]
            }
        }
    }

    /// Adds copies to the side of training, and puts every side in order.
    fn finished(&self, mut split: Split) -> Split {
        split.left_out.copies = self.copies.join(&mut split.train, self.utterances.count());
        for part in [&mut split.train, &mut split.val, &mut split.test] {
            part.sort_unstable();
        }
        split
    }

    fn random(&self) -> Split {
        let all = self.by_path.clone();
        let (rest, test) = self.stratified(&all, self.fractions.test, 2, "test");
        let of_rest = self.fractions.val / (1.0 - self.fractions.test);
        let (train, val) = self.stratified(&rest, of_rest, 1, "val");
        Split::new(Protocol::Random, train, val, test)
    }

    fn by_word(&self) -> Result<Split, String> {
        let no_words = BTreeSet::new();
        let words = self.words.as_ref().unwrap_or(&no_words);
        let test_words = self.draw_words(words, self.fractions.test, 2, "word-test")?;
        let of_rest = self.fractions.val / (1.0 - self.fractions.test);
        let (test, rest) =
            self.partition(|i| self.utterance(i).word.is_some_and(|word| test_words.contains(word)));
        let draw = Draw { share: of_rest, purpose: "word-val" };
        let (train, val, by) = self.hold_out(&rest, draw, &[ValidationBy::Words]);
        let split = Split::new(Protocol::Word, train, val, test);
        self.with_every_class(Split { validation: Some(by), ..split })
    }

    fn by_speaker(&self, speaker: &str) -> Result<Split, String> {
        let (test, rest) = self.partition(|i| self.utterance(i).speaker == Some(speaker));
        let draw = Draw { share: self.fractions.val, purpose: "speaker-val" };
        let (train, val, by) = self.hold_out(&rest, draw, &ValidationBy::APART);
        let split = Split::new(Protocol::Speaker(speaker.to_owned()), train, val, test);
        self.with_every_class(Split { validation: Some(by), ..split })
    }

    /// Utterances that are not copies, first those for which `is` holds.
    pub(super) fn partition(&self, is: impl Fn(usize) -> bool) -> (Vec<usize>, Vec<usize>) {
        self.by_path.iter().partition(|&&index| is(index))
    }

    /// Refuses a split whose test or validation side asks for a class that training never shows.
    pub(super) fn with_every_class(&self, split: Split) -> Result<Split, String> {
        let labels = |part: &[usize]| -> BTreeSet<&str> {
            part.iter().map(|&index| self.utterance(index).label).collect()
        };
        if split.train.is_empty() || split.val.is_empty() || split.test.is_empty() {
            return Err("a side would be empty".to_owned());
        }
        let learnt = labels(&split.train);
        let asked = labels(&split.test).into_iter().chain(labels(&split.val));
        match asked.into_iter().find(|label| !learnt.contains(label)) {
            Some(label) => Err(format!("training would hold no {label:?}")),
            None => Ok(split),
        }
    }
}
