//! The utterances that are to be split: what of each a split depends on.

use crate::{Annotation, PublishedSide};

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
