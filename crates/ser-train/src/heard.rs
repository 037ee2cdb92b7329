//! What a network has heard in training and validation.

use std::collections::HashSet;

use rayon::prelude::*;
use ser_cache::{EntriesByKey, FeatureSet, StoredSplit, Utterance};
use ser_corpus::split::Side;
use ser_model::{Heard, LearntFrom, SoundDigest};

/// The start of the digest of the sound that `utterance` was computed from, if the cache knows it.
fn sound_of(entries: &EntriesByKey<'_>, utterance: &Utterance) -> Option<SoundDigest> {
    entries.get(&utterance.key)?.row.source.sound.0.first_chunk().copied()
}

/// Whether a network that has `learnt` these sounds has heard the very sound of `utterance` in training or validation.
pub(crate) fn has_heard(learnt: &LearntFrom, entries: &EntriesByKey<'_>, utterance: &Utterance) -> bool {
    sound_of(entries, utterance).is_some_and(|sound| {
        [&learnt.training, &learnt.validation].iter().any(|heard| heard.sounds.contains(&sound))
    })
}

/// The sounds and speakers on the training and validation side of `split`. Augmented copies are of sounds that are there.
pub(crate) fn learnt_from(set: &FeatureSet, split: &StoredSplit) -> LearntFrom {
    let entries = set.by_key();
    let heard = |part: Side| {
        let originals = || split.side(part).par_iter().filter(|utterance| utterance.parent.is_none());
        let sounds: Vec<_> = originals().filter_map(|utterance| sound_of(&entries, utterance)).collect();
        let speakers: HashSet<&str> =
            originals().filter_map(|utterance| utterance.speaker.as_deref()).collect();
        Heard {
            sounds: sounds.into_iter().collect(),
            speakers: speakers.into_iter().map(String::from).collect(),
        }
    };
    let training = split.side(Side::Train);
    let mut frames: Vec<u32> = training.iter().map(|utterance| utterance.frames).collect();
    frames.sort_unstable();
    // Where time is pooled away, frames do not tell how long an utterance is.
    let pooled = matches!(set.shape, [_, _, 1]);
    let mut milliseconds: Vec<u32> =
        training.iter().filter(|_| pooled).map(|utterance| (utterance.duration_s * 1e3) as u32).collect();
    milliseconds.sort_unstable();
    LearntFrom {
        training: heard(Side::Train),
        validation: heard(Side::Val),
        typical_frames: frames.get(frames.len() / 2).copied(),
        typical_ms: milliseconds.get(milliseconds.len() / 2).copied(),
    }
}
