//! The validation side: kept apart from training by what the test side is apart by, where that keeps near the share that
//! was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ser_core::random::Random;
use serde::{Deserialize, Serialize};

use crate::split::SplitPlanner;
use crate::split::drawing::apportion;

/// With fewer speakers to learn from, validation cannot have its own: too much would be kept from training.
const FEWEST_SPEAKERS: usize = 5;

/// What keeps validation apart from training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValidationBy {
    /// It has speakers of its own.
    Speakers,
    /// It has words of its own.
    Words,
    /// Nothing: it is drawn from each class and speaker, because whole speakers or words would be far from the share
    /// asked for, or are not known.
    Drawn,
}

impl ValidationBy {
    /// The ways that keep it apart, in the order in which they are tried.
    pub(super) const APART: [Self; 2] = [Self::Speakers, Self::Words];
}

/// After "validation": "has speakers of its own".
impl fmt::Display for ValidationBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Speakers => "has speakers of its own",
            Self::Words => "has words of its own",
            Self::Drawn => "is drawn from each class and speaker",
        })
    }
}

/// A share of utterances to be drawn, and what for: another purpose draws others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw<'p> {
    pub(super) share: f64,
    pub(super) purpose: &'p str,
}

impl Draw<'_> {
    /// Whether `taken` of `all` is near the share: within half of it either way.
    fn is_near(self, taken: usize, all: usize) -> bool {
        let wanted = all as f64 * self.share;
        (taken as f64 - wanted).abs() <= wanted / 2.0
    }
}

impl SplitPlanner<'_> {
    /// Training and validation out of `from`, by the first of `ways` that comes near the share and leaves training every
    /// class; drawn from each class and speaker where none does.
    pub(super) fn hold_out(
        &self,
        from: &[usize],
        draw: Draw<'_>,
        ways: &[ValidationBy],
    ) -> (Vec<usize>, Vec<usize>, ValidationBy) {
        let classes = |side: &[usize]| -> BTreeSet<&str> {
            side.iter().map(|&index| self.utterance(index).label).collect()
        };
        let all = classes(from);
        for &way in ways {
            let sides = match way {
                ValidationBy::Speakers => self.hold_out_speakers(from, draw),
                ValidationBy::Words => self.hold_out_words(from, draw),
                ValidationBy::Drawn => None,
            };
            if let Some((train, val)) = sides
                && draw.is_near(val.len(), from.len())
                && classes(&train) == all
            {
                return (train, val, way);
            }
        }
        let (train, val) = self.stratified(from, draw.share, 1, draw.purpose);
        (train, val, ValidationBy::Drawn)
    }

    /// Whole words, where every utterance of the corpus has one.
    fn hold_out_words(&self, from: &[usize], draw: Draw<'_>) -> Option<(Vec<usize>, Vec<usize>)> {
        self.words.as_ref()?;
        let words = from.iter().filter_map(|&i| self.utterance(i).word).collect();
        let drawn = self.draw_words(&words, draw.share, 1, draw.purpose).ok()?;
        let (val, train) =
            from.iter().partition(|&&i| self.utterance(i).word.is_some_and(|word| drawn.contains(word)));
        Some((train, val))
    }

    /// Whole speakers; nothing where there are too few, or where not every utterance says who speaks.
    fn hold_out_speakers(&self, from: &[usize], draw: Draw<'_>) -> Option<(Vec<usize>, Vec<usize>)> {
        let speakers: BTreeSet<Option<&str>> = from.iter().map(|&i| self.utterance(i).speaker).collect();
        if speakers.len() < FEWEST_SPEAKERS {
            return None;
        }
        self.draw_speakers(from, draw, 1)
    }

    /// Training and validation out of `from`, each with speakers of its own, `fewest` or more: so many of every corpus
    /// in proportion that the number of their utterances comes nearest to the share. Nothing where there are too few
    /// for that, or where not every utterance says who speaks.
    pub(super) fn draw_speakers(
        &self,
        from: &[usize],
        draw: Draw<'_>,
        fewest: usize,
    ) -> Option<(Vec<usize>, Vec<usize>)> {
        let mut speakers: BTreeMap<Option<&str>, BTreeMap<&str, usize>> = BTreeMap::new();
        // Who speaks in several corpora, the parts of one, counts as one person, of the first of these.
        let mut corpus_of: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        for &index in from {
            let subject = self.utterance(index);
            let corpus = corpus_of.entry(subject.speaker?).or_insert(subject.corpus);
            *corpus = subject.corpus.min(*corpus);
        }
        for &index in from {
            let speaker = self.utterance(index).speaker?;
            let corpus = corpus_of.get(speaker).copied().flatten();
            *speakers.entry(corpus).or_default().entry(speaker).or_default() += 1;
        }
        let sizes: Vec<usize> = speakers.values().map(BTreeMap::len).collect();
        let count: usize = sizes.iter().sum();
        let counts = fewest..=count.checked_sub(fewest)?;
        let mean = from.len() / count.max(1);
        let drawn_by = |prefers_usual: bool| -> Option<BTreeSet<&str>> {
            let mut orders: Vec<Vec<(&str, usize)>> = Vec::with_capacity(speakers.len());
            for (corpus, speakers) in &speakers {
                let mut order: Vec<(&str, usize)> = speakers.iter().map(|(id, said)| (*id, *said)).collect();
                let seed = self.seed.to_string();
                Random::new(&["split", &seed, draw.purpose, corpus.unwrap_or("")]).shuffle(&mut order);
                if prefers_usual {
                    order.sort_by_key(|(_, said)| said.abs_diff(mean));
                }
                orders.push(order);
            }
            // What the first speakers of each corpus say together.
            let said: Vec<Vec<usize>> = orders.iter().map(|order| sums(order)).collect();
            let distance = |wanted: usize| {
                let quotas = apportion(&sizes, wanted);
                let taken: usize = said.iter().zip(quotas).map(|(sums, quota)| sums[quota]).sum();
                (taken as f64 - from.len() as f64 * draw.share).abs()
            };
            // Of two that are as near, the one with more voices.
            let wanted = counts.clone().rev().min_by(|a, b| distance(*a).total_cmp(&distance(*b)))?;
            let quotas = apportion(&sizes, wanted);
            let drawn = orders.iter().zip(quotas).flat_map(|(order, quota)| order.iter().take(quota));
            Some(drawn.map(|(id, _)| *id).collect())
        };
        let sides = |drawn: BTreeSet<&str>| -> (Vec<usize>, Vec<usize>) {
            let (val, train) =
                from.iter().partition(|&&i| self.utterance(i).speaker.is_some_and(|id| drawn.contains(id)));
            (train, val)
        };
        let by_chance = sides(drawn_by(false)?);
        match draw.is_near(by_chance.1.len(), from.len()) {
            true => Some(by_chance),
            // Who says very much or very little cannot stand for the share; those who say as much as most can.
            false => Some(sides(drawn_by(true)?)),
        }
    }
}

/// How much the first 0, 1, 2 … speakers say.
fn sums(order: &[(&str, usize)]) -> Vec<usize> {
    let sums = order.iter().scan(0, |sum, (_, said)| {
        *sum += said;
        Some(*sum)
    });
    std::iter::once(0).chain(sums).collect()
}
