//! What is known about an utterance besides its sound.

use crate::published_side::PublishedSide;
use crate::segment::Segment;

/// What is known about an utterance besides its sound.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Annotation<T = String> {
    /// The class.
    pub label: T,
    /// Who speaks, if known.
    pub speaker: Option<T>,
    /// Which word or sentence is spoken, in lower case, if known.
    pub word: Option<T>,
    /// In which recording session, if known. Utterances of a session share a room, a microphone and a day.
    pub session: Option<T>,
    /// The recording this one was made from, by its path in the corpus, if it is an augmented copy.
    pub parent: Option<T>,
    /// The corpus it is from, where there are several.
    pub corpus: Option<T>,
    /// The part of its recording that it is, if it is not all of it.
    pub segment: Option<Segment>,
    /// Its side of the split that the corpus is published with.
    pub split: Option<PublishedSide>,
    /// Its fold of those that the corpus is published with: it is test where that fold is.
    pub fold: Option<T>,
    /// The published fold in whose split it is on the side of validation.
    pub val_fold: Option<T>,
    /// Oddities: names that contradict each other.
    pub notes: Vec<String>,
}

impl Annotation {
    /// An utterance with only its class known.
    pub fn labelled(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            speaker: None,
            word: None,
            session: None,
            parent: None,
            corpus: None,
            segment: None,
            split: None,
            fold: None,
            val_fold: None,
            notes: Vec::new(),
        }
    }

    /// The same, with its names held in another way: a corpus has few names and many utterances.
    pub fn map_names<T>(self, mut hold: impl FnMut(String) -> T) -> Annotation<T> {
        Annotation {
            label: hold(self.label),
            speaker: self.speaker.map(&mut hold),
            word: self.word.map(&mut hold),
            session: self.session.map(&mut hold),
            parent: self.parent.map(&mut hold),
            corpus: self.corpus.map(&mut hold),
            fold: self.fold.map(&mut hold),
            val_fold: self.val_fold.map(&mut hold),
            segment: self.segment,
            split: self.split,
            notes: self.notes,
        }
    }
}
