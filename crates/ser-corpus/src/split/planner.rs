//! Which splits a corpus allows, and how each is drawn: by chance, by word, by one speaker, by folds of speakers and by
//! corpus.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use ser_core::Result;
use ser_core::random::Random;
use ser_core::remedy::Setting;

use crate::split::official::evaluation_validates;
use crate::split::validation::{Draw, ValidationBy};
use crate::split::{check_classes, check_parents};
use crate::{Annotation, Fractions, Protocol, PublishedSide, Split, Unassigned};

/// A split for each speaker is only made as long as these splits together have no more utterances than this: each
/// of them lists all, about 300 bytes for each in the manifests.
pub const MOST_LINES: usize = 2_000_000;

/// Default number of folds of speakers.
const FOLDS: u32 = 5;

/// A side of a split by folds has this many speakers or more: one voice does not stand for the others.
const FEWEST_VOICES: usize = 2;

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

/// What splits depend on.
#[derive(Debug, Clone, Copy)]
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
    /// Its side of the published split.
    pub split: Option<PublishedSide>,
    /// Its published fold.
    pub fold: Option<&'a str>,
    /// The published fold that it validates.
    pub val_fold: Option<&'a str>,
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
            split: annotation.split,
            fold: name(&annotation.fold),
            val_fold: name(&annotation.val_fold),
        }
    }
}

/// The utterances that are to be split, asked for one at a time: whoever holds a million of them need not hold them twice.
pub trait Utterances<'a> {
    /// How many there are.
    fn count(&self) -> usize;

    /// The one at `index`, below [`Utterances::count`].
    fn at(&self, index: usize) -> UtteranceInfo<'a>;
}

impl<'a> Utterances<'a> for Vec<UtteranceInfo<'a>> {
    fn count(&self) -> usize {
        self.len()
    }

    fn at(&self, index: usize) -> UtteranceInfo<'a> {
        self[index]
    }
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

// --- folds of speakers: each is test once, and no speaker of it is heard in training or validation ---

/// The fold of each speaker, from 1.
type Folds<'a> = BTreeMap<&'a str, u32>;

impl<'a> SplitPlanner<'a> {
    /// Assigns the speakers to `folds` folds of similar size: those with most utterances first, each to the fold that
    /// has the fewest. The seed decides between equals.
    fn deal_speakers(&self, speakers: &BTreeSet<&'a str>, folds: u32) -> Folds<'a> {
        let mut utterances: BTreeMap<&str, usize> = speakers.iter().map(|speaker| (*speaker, 0)).collect();
        for utterance in self.all().filter(|utterance| utterance.parent.is_none()) {
            if let Some(count) = utterance.speaker.and_then(|speaker| utterances.get_mut(speaker)) {
                *count += 1;
            }
        }
        let mut order: Vec<(&str, usize)> = speakers
            .iter()
            .map(|speaker| (*speaker, utterances.get(speaker).copied().unwrap_or(0)))
            .collect();
        Random::new(&["split", &self.seed.to_string(), "speaker-folds"]).shuffle(&mut order);
        order.sort_by_key(|(_, count)| Reverse(*count));
        let mut loads: Vec<(usize, usize, u32)> = (1..=folds).map(|fold| (0, 0, fold)).collect();
        let mut fold_of = Folds::new();
        for (speaker, count) in order {
            let Some((load, voices, fold)) = loads.iter_mut().min() else { break };
            *load += count;
            *voices += 1;
            fold_of.insert(speaker, *fold);
        }
        fold_of
    }

    /// Test is `fold`; validation are two or more of the other speakers, so many that it comes nearest to its share of
    /// all utterances.
    fn by_fold(&self, fold: u32, of: u32, folds: Option<&Folds<'_>>) -> Result<Split, String> {
        let fold_of =
            |index: usize| folds.and_then(|folds| folds.get(self.utterance(index).speaker?)).copied();
        let (test, rest) = self.partition(|i| fold_of(i) == Some(fold));
        let protocol = Protocol::SpeakerFold { fold, of };
        let share = self.fractions.val * self.by_path.len() as f64 / rest.len().max(1) as f64;
        let draw = Draw { share, purpose: &format!("{protocol}-val") };
        let (train, val) = (self.draw_speakers(&rest, draw, FEWEST_VOICES))
            .ok_or("too few speakers remain for training and validation")?;
        self.with_every_class(Split::new(protocol, train, val, test))
    }
}

// --- across corpora: test on one, learn from the others, over the classes that both have ---

impl SplitPlanner<'_> {
    /// Everything of `corpus` is test.
    fn by_corpus(&self, corpus: &str) -> Result<Split, String> {
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

// --- drawing a share at random: of utterances, evenly over labels and speakers, or of words as a whole ---

impl SplitPlanner<'_> {
    /// Takes a share of `from`, the same share of every label and, within a label, of every speaker: at least one
    /// of every label, as long as `least` of it stay. Returns (what stays, what was taken).
    pub(super) fn stratified(
        &self,
        from: &[usize],
        share: f64,
        least: usize,
        purpose: &str,
    ) -> (Vec<usize>, Vec<usize>) {
        let mut strata: BTreeMap<&str, BTreeMap<Option<&str>, Vec<usize>>> = BTreeMap::new();
        for &index in from {
            let UtteranceInfo { label, speaker, .. } = self.utterance(index);
            strata.entry(label).or_default().entry(speaker).or_default().push(index);
        }
        let sizes: Vec<usize> = strata.values().map(|s| s.values().map(Vec::len).sum()).collect();
        let wanted = (from.len() as f64 * share).round() as usize;
        let (mut stay, mut taken) = (Vec::new(), Vec::new());
        for ((label, speakers), quota) in strata.into_iter().zip(apportion(&sizes, wanted)) {
            let sizes: Vec<usize> = speakers.values().map(Vec::len).collect();
            let most = sizes.iter().sum::<usize>().saturating_sub(least);
            let quota = quota.max(1).min(most);
            for ((speaker, mut members), quota) in speakers.into_iter().zip(apportion(&sizes, quota)) {
                let seed = self.seed.to_string();
                let purpose = ["split", &seed, "random", purpose, label, speaker.unwrap_or("")];
                Random::new(&purpose).shuffle(&mut members);
                let rest = members.split_off(quota.min(members.len()));
                taken.extend(members);
                stay.extend(rest);
            }
        }
        stay.sort_unstable_by_key(|&index| self.utterance(index).path);
        (stay, taken)
    }

    /// Draws a share of `words`: at least one, as long as `least` of them stay.
    pub(super) fn draw_words<'w>(
        &self,
        words: &BTreeSet<&'w str>,
        share: f64,
        least: usize,
        purpose: &str,
    ) -> Result<BTreeSet<&'w str>, String> {
        if words.len() <= least {
            return Err(format!("{} words are too few to keep some apart", words.len()));
        }
        let mut order: Vec<&str> = words.iter().copied().collect();
        Random::new(&["split", &self.seed.to_string(), purpose]).shuffle(&mut order);
        let count = (words.len() as f64 * share).round() as usize;
        order.truncate(count.clamp(1, words.len() - least));
        Ok(order.into_iter().collect())
    }
}

/// Shares `wanted` among groups in proportion to their `sizes`, by the largest remainder; no group gets more than
/// its size.
pub(super) fn apportion(sizes: &[usize], wanted: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    if total == 0 {
        return vec![0; sizes.len()];
    }
    let wanted = wanted.min(total);
    let mut quotas: Vec<usize> = sizes.iter().map(|size| size * wanted / total).collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|&group| Reverse(sizes[group] * wanted % total));
    let missing = wanted - quotas.iter().sum::<usize>();
    for &group in by_remainder.iter().take(missing) {
        quotas[group] += 1;
    }
    quotas
}

// --- augmented copies ---

/// The augmented copies of a corpus: each follows the recording it was made from to its side.
#[derive(Default)]
struct CopiesOfParents {
    /// Index of each copy, with that of its parent.
    parents: Vec<(usize, usize)>,
}

impl CopiesOfParents {
    /// # Errors
    /// Those of [`check_parents`].
    fn of<'a, I: Iterator<Item = UtteranceInfo<'a>> + Clone>(utterances: impl Fn() -> I) -> Result<Self> {
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
    fn join(&self, train: &mut Vec<usize>, utterances: usize) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_follow_the_sizes() {
        assert_eq!(apportion(&[200, 200, 199], 90), [30, 30, 30]);
        assert_eq!(apportion(&[1, 1, 1], 2).iter().sum::<usize>(), 2);
        assert_eq!(apportion(&[10, 0, 30], 4), [1, 0, 3]);
        assert_eq!(apportion(&[2, 3], 99), [2, 3]);
        assert_eq!(apportion(&[0, 0], 5), [0, 0]);
    }
}
