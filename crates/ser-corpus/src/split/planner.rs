//! Which splits a corpus allows, and those by chance, by word and by one speaker.

use std::collections::BTreeSet;

use ser_core::Result;

use crate::split::check_classes;
use crate::split::copies::CopiesOfParents;
use crate::{Annotation, Fractions, Protocol, Split};

/// A split for each speaker is only made as long as these splits together have no more utterances than this: each
/// of them lists all, about 300 bytes for each in the manifests.
pub const MOST_LINES: usize = 2_000_000;

/// Default number of folds of speakers.
const FOLDS: u32 = 5;

/// Makes splits one at a time, so that no more than one need be in memory.
pub struct SplitPlanner<'a> {
    pub(super) utterances: Vec<UtteranceInfo<'a>>,
    /// All but copies, in the order of their paths.
    by_path: Vec<usize>,
    copies: CopiesOfParents,
    /// All words, if every utterance has one.
    words: Option<BTreeSet<&'a str>>,
    /// All speakers, if every utterance has one.
    speakers: Option<BTreeSet<&'a str>>,
    /// All corpora, if there are several.
    corpora: BTreeSet<&'a str>,
    pub(super) fractions: Fractions,
    pub(super) seed: u64,
    folds: Option<u32>,
}

/// What splits depend on.
#[derive(Debug, Clone)]
pub struct UtteranceInfo<'a> {
    /// Its path.
    pub path: &'a str,
    /// Its class.
    pub label: &'a str,
    /// Who speaks, if known.
    pub speaker: Option<&'a str>,
    /// What is said, if known.
    pub word: Option<&'a str>,
    /// The path of the recording it was made from, if it is an augmented copy.
    pub parent: Option<&'a str>,
    /// The corpus it is from, where there are several.
    pub corpus: Option<&'a str>,
}

impl<'a> UtteranceInfo<'a> {
    /// The utterance at `path`, with what is known of it.
    pub fn of<T: AsRef<str>>(path: &'a str, annotation: &'a Annotation<T>) -> Self {
        let name = |name: &'a Option<T>| name.as_ref().map(T::as_ref);
        Self {
            path,
            label: annotation.label.as_ref(),
            speaker: name(&annotation.speaker),
            word: name(&annotation.word),
            parent: name(&annotation.parent),
            corpus: name(&annotation.corpus),
        }
    }
}

impl<'a> SplitPlanner<'a> {
    /// For `utterances`; the indices in splits are positions in it.
    ///
    /// # Errors
    /// When there is only one class, a class has fewer than three utterances that are not copies, or a copy has no
    /// parent among them or one that is a copy itself.
    pub fn new(utterances: Vec<UtteranceInfo<'a>>, fractions: Fractions, seed: u64) -> Result<Self> {
        let copies = CopiesOfParents::of(&utterances)?;
        let originals = || utterances.iter().filter(|subject| subject.parent.is_none());
        check_classes(originals().map(|subject| subject.label))?;
        let mut by_path: Vec<usize> =
            (0..utterances.len()).filter(|&index| utterances[index].parent.is_none()).collect();
        by_path.sort_unstable_by_key(|&index| utterances[index].path);
        let words = originals().map(|subject| subject.word).collect();
        let speakers = originals().map(|subject| subject.speaker).collect();
        let corpora = originals().filter_map(|subject| subject.corpus).collect();
        Ok(Self { utterances, by_path, copies, words, speakers, corpora, fractions, seed, folds: None })
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
                let lines = speakers.len().saturating_mul(self.utterances.len());
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
        let folds = self.speakers.as_ref().map(|speakers| self.deal_speakers(speakers, self.folds()));
        let split = move |protocol: Protocol| {
            let split = match &protocol {
                Protocol::Random => Ok(self.random()),
                Protocol::Word => return self.by_word().map_err(|why| format!("no word split: {why}")),
                Protocol::Speaker(id) => self.by_speaker(id),
                Protocol::SpeakerFold { fold, of } => self.by_fold(*fold, *of, folds.as_ref()),
                Protocol::Corpus(name) => self.by_corpus(name),
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

    /// At least two speakers in each fold: one voice is not a validation side.
    fn fold_protocols(&self, speakers: usize) -> Vec<Result<Protocol, String>> {
        let of = self.folds();
        match (speakers >= 2 * of as usize, self.folds) {
            (true, _) => (1..=of).map(|fold| Ok(Protocol::SpeakerFold { fold, of })).collect(),
            (false, None) => Vec::new(),
            (false, Some(_)) => {
                vec![Err(format!(
                    "no folds of speakers: {of} folds need {} speakers, there are {speakers}",
                    2 * of
                ))]
            }
        }
    }

    /// Adds copies to the side of training, and puts every side in order.
    fn finished(&self, mut split: Split) -> Split {
        split.left_out.copies = self.copies.join(&mut split.train, self.utterances.len());
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
        let rest: BTreeSet<&str> = words.difference(&test_words).copied().collect();
        let of_rest = self.fractions.val / (1.0 - self.fractions.test);
        let val_words = self.draw_words(&rest, of_rest, 1, "word-val")?;
        let has = |set: &BTreeSet<&str>, index: usize| {
            self.utterances[index].word.is_some_and(|word| set.contains(word))
        };
        let (test, rest) = self.partition(|i| has(&test_words, i));
        let (val, train) = rest.into_iter().partition(|&i| has(&val_words, i));
        self.with_every_class(Split::new(Protocol::Word, train, val, test))
    }

    fn by_speaker(&self, speaker: &str) -> Result<Split, String> {
        let (test, rest) = self.partition(|i| self.utterances[i].speaker == Some(speaker));
        let (train, val) = self.hold_out_words(rest, "speaker-val")?;
        self.with_every_class(Split::new(Protocol::Speaker(speaker.to_owned()), train, val, test))
    }

    /// Utterances that are not copies, first those for which `is` holds.
    pub(super) fn partition(&self, is: impl Fn(usize) -> bool) -> (Vec<usize>, Vec<usize>) {
        self.by_path.iter().partition(|&&index| is(index))
    }

    /// Training and validation without a word in common, where every utterance of the corpus has one.
    pub(super) fn hold_out_words(
        &self,
        from: Vec<usize>,
        purpose: &str,
    ) -> Result<(Vec<usize>, Vec<usize>), String> {
        if self.words.is_none() {
            return Ok(self.stratified(&from, self.fractions.val, 1, purpose));
        }
        let words = from.iter().filter_map(|&i| self.utterances[i].word).collect();
        let val_words = self.draw_words(&words, self.fractions.val, 1, purpose)?;
        let (val, train) = from
            .into_iter()
            .partition(|&i| self.utterances[i].word.is_some_and(|word| val_words.contains(word)));
        Ok((train, val))
    }

    /// Refuses a split whose test or validation part asks for a class that training never shows.
    pub(super) fn with_every_class(&self, split: Split) -> Result<Split, String> {
        let labels = |part: &[usize]| -> BTreeSet<&str> {
            part.iter().map(|&index| self.utterances[index].label).collect()
        };
        if split.train.is_empty() || split.val.is_empty() || split.test.is_empty() {
            return Err("a part would be empty".to_owned());
        }
        let learnt = labels(&split.train);
        let asked = labels(&split.test).into_iter().chain(labels(&split.val));
        match asked.into_iter().find(|label| !learnt.contains(label)) {
            Some(label) => Err(format!("training would hold no {label:?}")),
            None => Ok(split),
        }
    }
}
