//! Deals utterances to train, validation and test: the protocols `random`, `word` and `speaker-<ID>`.
//!
//! A split depends on the utterances (path, label, speaker, word), the seed and the fractions, and on nothing
//! else: neither on the order they come in nor on the number of threads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Annotation;
use super::naming::is_speaker_id;
use crate::random::Random;
use crate::{Error, ErrorKind, Result};

/// How utterances are dealt to train, validation and test.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// At random, stratified by label and speaker.
    Random,
    /// Test words occur neither in train nor in validation.
    Word,
    /// Everything this speaker says is test; the others are train and validation.
    Speaker(String),
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random => f.write_str("random"),
            Self::Word => f.write_str("word"),
            Self::Speaker(id) => write!(f, "speaker-{id}"),
        }
    }
}

impl FromStr for Protocol {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match (text, text.strip_prefix("speaker-")) {
            ("random", _) => Ok(Self::Random),
            ("word", _) => Ok(Self::Word),
            (_, Some(id)) if is_speaker_id(id) => Ok(Self::Speaker(id.to_owned())),
            _ => Err(Error::new(ErrorKind::Usage, format!("there is no protocol {text:?}"))
                .mend("use random, word or speaker-<ID>")),
        }
    }
}

/// A side of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The network learns from these.
    Train,
    /// The best epoch is chosen by these.
    Val,
    /// The report is about these.
    Test,
}

impl Part {
    /// All three, in the order they are used.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        })
    }
}

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
            format!("validation {} and test {} are no usable fractions", self.val, self.test),
        )
        .mend("give two positive numbers whose sum is at most 0.8"))
    }
}

/// One protocol's split: for each part the indices of its utterances, ascending.
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
}

impl Split {
    /// The utterances of one part.
    pub fn part(&self, part: Part) -> &[usize] {
        match part {
            Part::Train => &self.train,
            Part::Val => &self.val,
            Part::Test => &self.test,
        }
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
    let planner = SplitPlanner::new(utterances, fractions, seed)?;
    let mut left_out = Vec::new();
    let splits = planner.splits(|why| left_out.push(why)).collect();
    Ok(SplitPlan { splits, left_out })
}

/// Makes splits one at a time, so that no more than one need be in memory.
pub struct SplitPlanner<'a> {
    utterances: Vec<Subject<'a>>,
    by_path: Vec<usize>,
    /// All words, if every utterance has one.
    words: Option<BTreeSet<&'a str>>,
    /// All speakers, if every utterance has one.
    speakers: Option<BTreeSet<&'a str>>,
    fractions: Fractions,
    seed: u64,
}

/// What splits depend on.
struct Subject<'a> {
    path: &'a str,
    label: &'a str,
    speaker: Option<&'a str>,
    word: Option<&'a str>,
}

/// Checks that a corpus with these labels, one for each utterance, can be learnt from and split.
///
/// # Errors
/// When there are none or but one class, or a class has fewer than three utterances.
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
            .mend("give the folder that holds one folder for each class; a classifier needs two or more"));
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
    .mend("add recordings, or leave the class out with --exclude LABEL"))
}

impl<'a> SplitPlanner<'a> {
    /// For `utterances`, each path with its annotation; the indices in splits are positions in it.
    ///
    /// # Errors
    /// When there is but one class, or a class has fewer than three utterances.
    pub fn new<T: AsRef<str>>(
        utterances: &[(&'a str, &'a Annotation<T>)],
        fractions: Fractions,
        seed: u64,
    ) -> Result<Self> {
        let utterances: Vec<Subject<'a>> = (utterances.iter())
            .map(|(path, annotation)| Subject {
                path,
                label: annotation.label.as_ref(),
                speaker: annotation.speaker.as_ref().map(T::as_ref),
                word: annotation.word.as_ref().map(T::as_ref),
            })
            .collect();
        check_classes(utterances.iter().map(|subject| subject.label))?;
        let mut by_path: Vec<usize> = (0..utterances.len()).collect();
        by_path.sort_unstable_by_key(|&index| utterances[index].path);
        let words = utterances.iter().map(|subject| subject.word).collect();
        let speakers = utterances.iter().map(|subject| subject.speaker).collect();
        Ok(Self { utterances, by_path, words, speakers, fractions, seed })
    }

    /// Every split that the corpus allows, each made when it is asked for. `leave_out` is told why others cannot be.
    pub fn splits(&self, mut leave_out: impl FnMut(String)) -> impl Iterator<Item = Split> {
        let mut protocols = vec![Ok(Protocol::Random)];
        protocols.push(match &self.words {
            None => Err("no word split: not every file says which word is spoken"),
            Some(_) => Ok(Protocol::Word),
        });
        match &self.speakers {
            None => protocols.push(Err("no speaker split: not every file says who speaks")),
            Some(speakers) if speakers.len() < 2 => {
                protocols.push(Err("no speaker split: there is only one speaker"));
            }
            Some(speakers) => {
                protocols.extend(speakers.iter().map(|id| Ok(Protocol::Speaker((*id).to_owned()))));
            }
        }
        let split = |protocol: Protocol| match &protocol {
            Protocol::Random => Ok(self.random()),
            Protocol::Word => self.by_word().map_err(|why| format!("no word split: {why}")),
            Protocol::Speaker(id) => self.by_speaker(id).map_err(|why| format!("no split {protocol}: {why}")),
        };
        protocols.into_iter().filter_map(move |protocol| {
            protocol.map_err(str::to_owned).and_then(split).map_err(&mut leave_out).ok()
        })
    }

    fn random(&self) -> Split {
        let all = self.by_path.clone();
        let (rest, test) = self.stratified(&all, self.fractions.test, 2, "test");
        let of_rest = self.fractions.val / (1.0 - self.fractions.test);
        let (train, val) = self.stratified(&rest, of_rest, 1, "val");
        split(Protocol::Random, train, val, test)
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
        let (test, rest): (Vec<_>, Vec<_>) = self.by_path.iter().partition(|&&i| has(&test_words, i));
        let (val, train) = rest.into_iter().partition(|&i| has(&val_words, i));
        self.with_every_class(split(Protocol::Word, train, val, test))
    }

    fn by_speaker(&self, speaker: &str) -> Result<Split, String> {
        let (test, rest): (Vec<_>, Vec<_>) =
            self.by_path.iter().partition(|&&i| self.utterances[i].speaker == Some(speaker));
        let (train, val) = match &self.words {
            Some(_) => {
                let words = rest.iter().filter_map(|&i: &usize| self.utterances[i].word).collect();
                let val_words = self.draw_words(&words, self.fractions.val, 1, "speaker-val")?;
                let (val, train) = rest
                    .into_iter()
                    .partition(|&i| self.utterances[i].word.is_some_and(|word| val_words.contains(word)));
                (train, val)
            }
            None => self.stratified(&rest, self.fractions.val, 1, "speaker-val"),
        };
        self.with_every_class(split(Protocol::Speaker(speaker.to_owned()), train, val, test))
    }

    /// Takes a share of `from`, the same share of every label and, within a label, of every speaker: at least one
    /// of every label, as long as `least` of it stay. Returns (what stays, what was taken).
    fn stratified(
        &self,
        from: &[usize],
        share: f64,
        least: usize,
        purpose: &str,
    ) -> (Vec<usize>, Vec<usize>) {
        let mut strata: BTreeMap<&str, BTreeMap<Option<&str>, Vec<usize>>> = BTreeMap::new();
        for &index in from {
            let Subject { label, speaker, .. } = self.utterances[index];
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
        stay.sort_unstable_by_key(|&index| self.utterances[index].path);
        (stay, taken)
    }

    /// Draws a share of `words`: at least one, as long as `least` of them stay.
    fn draw_words<'w>(
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

    /// Refuses a split whose test or validation part asks for a class that training never shows.
    fn with_every_class(&self, split: Split) -> Result<Split, String> {
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

/// Shares `wanted` among groups in proportion to their `sizes`, by the largest remainder; no group gets more than
/// its size.
fn apportion(sizes: &[usize], wanted: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    if total == 0 {
        return vec![0; sizes.len()];
    }
    let wanted = wanted.min(total);
    let mut quotas: Vec<usize> = sizes.iter().map(|size| size * wanted / total).collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|&group| std::cmp::Reverse(sizes[group] * wanted % total));
    let missing = wanted - quotas.iter().sum::<usize>();
    for &group in by_remainder.iter().take(missing) {
        quotas[group] += 1;
    }
    quotas
}

fn split(protocol: Protocol, mut train: Vec<usize>, mut val: Vec<usize>, mut test: Vec<usize>) -> Split {
    for part in [&mut train, &mut val, &mut test] {
        part.sort_unstable();
    }
    Split { protocol, train, val, test }
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

    #[test]
    fn protocols_read_back_as_they_print() {
        for name in ["random", "word", "speaker-OAF"] {
            assert_eq!(name.parse::<Protocol>().unwrap().to_string(), name);
        }
        assert!("speaker-".parse::<Protocol>().is_err());
        assert!("speaker-../../x".parse::<Protocol>().is_err());
        assert!("sentence".parse::<Protocol>().is_err());
    }

    #[test]
    fn fractions_must_leave_something_to_learn_from() {
        assert!(Fractions::default().validate().is_ok());
        for (val, test) in [(0.0, 0.15), (0.5, 0.5), (f64::NAN, 0.1), (0.1, f64::INFINITY)] {
            assert!(Fractions { val, test }.validate().is_err(), "{val} {test}");
        }
    }
}
