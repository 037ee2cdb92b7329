//! The ways in which folders name a speaker and a class.

use crate::lexicon::{is_corpus, is_emotion, is_group, is_qualifier};

/// Which folders, or parts of one's name, are the speaker and the label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// One folder, of two parts with `_` between.
    Joined { cut: Cut, order: Order },
    /// Two folders, one in the other.
    Nested(Order),
    /// The innermost folder that is named for an emotion; those in it and around it are not speakers'.
    Emotion,
}

/// Where a name of two parts is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    FirstUnderscore,
    LastUnderscore,
    /// So that the label is a word for an emotion, the longest.
    Emotion,
}

/// Which of the two comes first, or is the outer folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    SpeakerFirst,
    LabelFirst,
}

/// All but the last resort.
pub(super) const RULES: [Rule; 8] = {
    use {Cut::*, Order::*};
    [
        Rule::Joined { cut: FirstUnderscore, order: SpeakerFirst },
        Rule::Joined { cut: LastUnderscore, order: SpeakerFirst },
        Rule::Joined { cut: Cut::Emotion, order: SpeakerFirst },
        Rule::Joined { cut: FirstUnderscore, order: LabelFirst },
        Rule::Joined { cut: LastUnderscore, order: LabelFirst },
        Rule::Joined { cut: Cut::Emotion, order: LabelFirst },
        Rule::Nested(SpeakerFirst),
        Rule::Nested(LabelFirst),
    ]
};

impl Rule {
    /// The folders around those that it takes, without those that are no person's: `male`, `session1`, a corpus.
    pub(super) fn around(self, folder: &str) -> String {
        let taken = if matches!(self, Self::Nested(_)) { 2 } else { 1 };
        let mut folders: Vec<&str> = folder.split('/').collect();
        folders.truncate(folders.len().saturating_sub(taken));
        folders.retain(|name| !is_qualifier(name) && !is_group(name) && !is_corpus(name));
        folders.join("/")
    }

    /// Speaker and label of the recordings in `folder`, as far as its form says.
    pub(super) fn pair(self, folder: &str) -> Option<(&str, &str)> {
        let (first, second, order) = match self {
            Self::Emotion => return Some(("", folder.rsplit('/').find(|name| is_emotion(name))?)),
            Self::Nested(order) => {
                let (outer, inner) = folder.rsplit_once('/')?;
                (last(outer), inner, order)
            }
            Self::Joined { cut, order } => {
                let (first, second) = cut.apply(last(folder), order)?;
                (first, second, order)
            }
        };
        let is_name = |text: &str| !text.trim().is_empty();
        let (speaker, label) = match order {
            Order::SpeakerFirst => (first, second),
            Order::LabelFirst => (second, first),
        };
        (is_name(speaker) && is_name(label)).then_some((speaker, label))
    }
}

impl Cut {
    fn apply(self, name: &str, order: Order) -> Option<(&str, &str)> {
        match (self, order) {
            (Self::FirstUnderscore, _) => name.split_once('_'),
            (Self::LastUnderscore, _) => name.rsplit_once('_'),
            (Self::Emotion, Order::SpeakerFirst) => cuts(name).find(|(_, label)| is_emotion(label)),
            (Self::Emotion, Order::LabelFirst) => cuts(name).filter(|(label, _)| is_emotion(label)).last(),
        }
    }
}

/// `name` in two, at each underscore.
fn cuts(name: &str) -> impl Iterator<Item = (&str, &str)> {
    name.match_indices('_').filter_map(|(place, _)| Some((name.get(..place)?, name.get(place + 1..)?)))
}

/// The innermost of `folders`.
pub(super) fn last(folders: &str) -> &str {
    folders.rsplit_once('/').map_or(folders, |(_, last)| last)
}
