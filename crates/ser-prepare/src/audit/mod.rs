//! Computes what the sides of a split have in common.
//!
//! Names say which speakers, words and sessions are on both sides of the test; [`Measured`] says it of the sounds
//! themselves; a [`Shortcut`] says what is reached without listening.

mod align;
mod apart;
mod bands;
mod measured;
mod near_duplicates;
mod originals;
mod overlaps;
mod shortcuts;
mod sketch;
mod sketches;
mod waveform;

use std::collections::{BTreeSet, HashMap, HashSet};

use ser_cache::audit::{Audit, Cue, Measured, NearDuplicate, NearDuplicatePairKeys, Shortcut};
use ser_cache::{ManifestLine, TensorKey, Utterance};

pub(crate) use measured::measured;
pub(crate) use originals::{Originals, RecordingPaths};

/// How many pairs of paths are listed; all are counted.
const LISTED: usize = 100;

/// Compares the sides of a split: training, validation, test. `labels` are the classes, `measured` what the
/// tensors of all utterances say.
pub fn audit_split<L: ManifestLine>(
    [train, val, test]: [&[L]; 3],
    labels: &[String],
    measured: &Measured<'_>,
) -> Audit {
    let rest = [train, val];
    let speakers = SharedNames::of(rest, test, |utterance| utterance.speaker);
    let words = SharedNames::of(rest, test, |utterance| utterance.word);
    let sessions = SharedNames::of(rest, test, |utterance| utterance.session);
    let owned = |names: &BTreeSet<&str>| names.iter().map(|&name| name.to_owned()).collect();
    let mut copies_apart_list = apart::copies_apart([train, val, test]);
    let mut near_duplicates_list = near_duplicates_across(rest, test, measured);
    let counts = (copies_apart_list.len(), near_duplicates_list.len());
    copies_apart_list.truncate(LISTED);
    near_duplicates_list.truncate(LISTED);
    Audit {
        speakers_known: speakers.known,
        test_speakers: owned(&speakers.test),
        shared_speakers: owned(&speakers.shared),
        words_known: words.known,
        test_words: words.test.len(),
        shared_words: words.shared.len(),
        identical_sounds_across_sides: identical_sounds(rest, test),
        sessions_known: sessions.known,
        test_sessions: sessions.test.len(),
        shared_sessions: sessions.shared.len(),
        overlapping_segments: overlaps::overlapping_segments(rest, test),
        copies_apart: Some(counts.0),
        near_duplicates_across_sides: measured.looked_for_near_duplicates().then_some(counts.1),
        shortcuts: shortcuts_of(train, test, labels, measured),
        copies_apart_list,
        near_duplicates_list,
    }
}

/// The utterances of a side, each made when it is asked for.
fn lines<L: ManifestLine>(side: &[L]) -> impl Iterator<Item = Utterance<&str>> + Clone {
    side.iter().map(L::line)
}

/// How many utterances of the test side have a sound that the rest has too.
fn identical_sounds<L: ManifestLine>(rest: [&[L]; 2], test: &[L]) -> usize {
    // Of the smaller side, which the larger one is compared with.
    let of_test: HashSet<TensorKey> = lines(test).map(|utterance| utterance.key).collect();
    let shared: HashSet<TensorKey> = (rest.into_iter().flat_map(lines))
        .map(|utterance| utterance.key)
        .filter(|key| of_test.contains(key))
        .collect();
    lines(test).filter(|utterance| shared.contains(&utterance.key)).count()
}

/// Names of the test side, and those of them that the rest has too; none where some are not known.
#[derive(Default)]
struct SharedNames<'a> {
    known: bool,
    test: BTreeSet<&'a str>,
    shared: BTreeSet<&'a str>,
}

impl<'a> SharedNames<'a> {
    fn of<L: ManifestLine>(
        rest: [&'a [L]; 2],
        test: &'a [L],
        name: impl Fn(Utterance<&'a str>) -> Option<&'a str>,
    ) -> Self {
        let names = |side: &'a [L]| -> Option<BTreeSet<&'a str>> { lines(side).map(&name).collect() };
        let [train, val] = rest.map(names);
        let test = names(test);
        match (train, val, &test) {
            (Some(train), Some(val), Some(names)) => {
                let shared = names.iter().filter(|name| train.contains(*name) || val.contains(*name));
                Self { known: true, shared: shared.copied().collect(), test: test.unwrap_or_default() }
            }
            _ => Self { known: false, test: test.unwrap_or_default(), ..Self::default() },
        }
    }
}

fn near_duplicates_across<L: ManifestLine>(
    rest: [&[L]; 2],
    test: &[L],
    measured: &Measured<'_>,
) -> Vec<NearDuplicate> {
    let pairs: Vec<NearDuplicatePairKeys> = measured.near_duplicates().collect();
    if pairs.is_empty() {
        return Vec::new();
    }
    let wanted: HashSet<TensorKey> = pairs.iter().flat_map(|pair| [pair.first, pair.second]).collect();
    let paths_of = |side: &[L]| -> Vec<(TensorKey, String)> {
        let of_pairs = lines(side).filter(|utterance| wanted.contains(&utterance.key));
        of_pairs.map(|utterance| (utterance.key, utterance.path.to_owned())).collect()
    };
    let test: HashMap<TensorKey, String> = paths_of(test).into_iter().collect();
    let rest: HashMap<TensorKey, String> = rest.into_iter().flat_map(paths_of).collect();
    let across = pairs.iter().filter_map(|NearDuplicatePairKeys { first, second, similarity }| {
        let sides = test.get(first).zip(rest.get(second)).or_else(|| test.get(second).zip(rest.get(first)));
        let (test, other) = sides?;
        Some(NearDuplicate { test: test.clone(), other: other.clone(), similarity: *similarity })
    });
    let mut across: Vec<NearDuplicate> = across.collect();
    across.sort_by(|a, b| (&a.test, &a.other).cmp(&(&b.test, &b.other)));
    across
}

fn shortcuts_of<L: ManifestLine>(
    train: &[L],
    test: &[L],
    labels: &[String],
    measured: &Measured<'_>,
) -> Vec<Shortcut> {
    let index: HashMap<&str, usize> = labels.iter().map(String::as_str).zip(0..).collect();
    let of = |cue: Cue| {
        let value = |utterance: Utterance<&str>| {
            let value = match cue {
                Cue::Duration => Some(utterance.duration_s),
                Cue::Silence => measured.silence(&utterance.key),
                Cue::Level => measured.level_db(&utterance.key),
            };
            Some((*index.get(utterance.label)?, shortcuts::value(cue, value?)))
        };
        let side = |side: &[L]| lines(side).map(value).collect::<Option<Vec<_>>>();
        shortcuts::shortcut(cue, labels.len(), side(train)?.into_iter(), side(test)?.into_iter())
    };
    [Cue::Duration, Cue::Silence, Cue::Level].into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare;
    use crate::prepare::PrepareOptions;
    use ser_cache::audit::{Requirement, require};
    use ser_cache::{Cache, CopySettings};
    use ser_core::progress::Silent;
    use ser_core::storage::Storage;
    use ser_corpus::Corpora;
    use ser_corpus::split::Side;
    use ser_features::augmentation::AugmentationRecipe;

    struct NoPaths;

    impl RecordingPaths for NoPaths {
        fn path(&self, _: &TensorKey) -> Option<&str> {
            None
        }
    }

    fn utterance(path: &str, session: &str, parent: Option<&str>) -> Utterance {
        Utterance {
            key: TensorKey::of(&[path.as_bytes()]),
            start_s: None,
            end_s: None,
            path: path.to_owned(),
            label: "sad".to_owned(),
            speaker: None,
            word: None,
            session: Some(session.to_owned()),
            parent: parent.map(str::to_owned),
            corpus: None,
            sample_rate: 16_000,
            duration_s: 1.0,
            frames: 63,
            shard: String::new(),
            row: 0,
        }
    }

    fn audit(sides: [&[Utterance]; 3]) -> Audit {
        let [train, val, test] = sides.map(|side| side.iter().collect::<Vec<_>>());
        audit_split([&train, &val, &test], &["sad".to_owned()], &Measured::nothing())
    }

    #[test]
    fn a_session_on_both_sides_of_the_test_is_counted() {
        let rest = [utterance("a", "1", None), utterance("b", "2", None)];
        let found = audit([&rest[..1], &rest[1..], &[utterance("c", "2", None), utterance("d", "3", None)]]);
        assert_eq!((found.sessions_known, found.test_sessions, found.shared_sessions), (true, 2, 1));
        assert!(found.in_short().contains("shares 1 of 2 sessions"), "{}", found.in_short());
        require(&[Requirement::SessionIndependent], "random", &found).unwrap_err();
        let found = audit([&rest[..1], &rest[1..], &[utterance("c", "4", None)]]);
        require(&[Requirement::SessionIndependent], "random", &found).unwrap();
    }

    #[test]
    fn an_augmented_copy_on_another_side_than_its_parent_or_sibling_is_named() {
        let train = [utterance("a.wav", "1", None), utterance("a-noisy.wav", "1", Some("a.wav"))];
        let together = audit([&train, &[], &[utterance("b.wav", "1", None)]]);
        assert_eq!(together.copies_apart, Some(0));
        let test = [utterance("a-fast.wav", "1", Some("a.wav")), utterance("c-fast.wav", "1", Some("c.wav"))];
        let val = [utterance("c-noisy.wav", "1", Some("c.wav"))];
        let found = audit([&train, &val, &test]);
        let apart: Vec<_> =
            found.copies_apart_list.iter().map(|copy| (copy.path.as_str(), copy.parent.as_str())).collect();
        assert_eq!(apart, [("a-fast.wav", "a.wav"), ("c-noisy.wav", "c-fast.wav")]);
        assert_eq!(found.copies_apart, Some(2));
        require(&[Requirement::NoNearDuplicates], "random", &found).unwrap_err();
    }

    #[test]
    fn segments_that_share_sound_across_the_test_are_counted() {
        let segment = |recording: &str, start: f64, end: Option<f64>| {
            let times = end.map_or(format!("{start}"), |end| format!("{start},{end}"));
            let whole = utterance(&format!("{recording}#t={times}"), "1", None);
            Utterance { start_s: Some(start), end_s: end, ..whole }
        };
        // The first is long, and overlaps what starts after the second, which does not.
        let train = [segment("a.wav", 0.0, Some(9.0)), segment("a.wav", 2.0, Some(3.0))];
        let val = [segment("b.wav", 5.0, None)];
        let of = |test: &[Utterance]| audit([&train, &val, test]);
        let shared = [
            segment("a.wav", 8.5, Some(10.0)),
            segment("b.wav", 7.0, Some(8.0)),
            segment("b.wav", 1.0, None),
        ];
        let found = of(&shared);
        assert_eq!(found.overlapping_segments, 3);
        assert!(found.in_short().contains("3 overlapping segments"), "{}", found.in_short());
        // As if near-duplicates had been looked for, and none been found.
        let found = Audit { near_duplicates_across_sides: Some(0), ..found };
        let error = require(&[Requirement::NoNearDuplicates], "random", &found).unwrap_err().to_string();
        assert!(error.contains("segments that overlap one in training or validation: 3"), "{error}");
        let apart = [
            // Rounded times meet at 9 s and at 5 s.
            segment("a.wav", 8.99, Some(10.0)),
            segment("b.wav", 1.0, Some(5.01)),
            segment("c.wav", 0.0, Some(9.0)),
        ];
        assert_eq!(of(&apart).overlapping_segments, 0);
        let whole = [utterance("a.wav", "1", None), segment("c.wav", 0.0, Some(1.0))];
        assert_eq!(of(&whole).overlapping_segments, 1);
    }

    #[test]
    fn a_copy_in_a_cache_that_is_planted_on_another_side_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (corpus, root) = (folder.path().join("corpus"), folder.path().join("cache"));
        let speech =
            ser_synth::SynthOptions { words: 3, sample_rate: 16_000, ..ser_synth::SynthOptions::default() };
        ser_synth::SynthCorpus::new(speech).unwrap().write(&corpus).unwrap();
        let gain = AugmentationRecipe::from_toml("[[waveform]]\nkind = 'gain'\ndb = 3").unwrap();
        let augment = Some(CopySettings::new(&gain, 1, 0).unwrap());
        let options = PrepareOptions { augment, ..PrepareOptions::new(&corpus, &root) };
        prepare(&options, &Storage::native(), &Silent).unwrap();
        let cache = Cache::open(&root).unwrap();
        let set = cache.feature_set(None).unwrap();
        let split = cache.split(set, &"speaker-YAF".parse().unwrap()).unwrap();
        let [mut train, val, mut test] = Side::ALL.map(|part| split.side(part).iter().collect::<Vec<_>>());
        let corpora = Corpora::new(&options.data).unwrap();
        let originals = Originals::new(&set.configuration, &corpora, &NoPaths);
        let measured = measured(&root, set, set.entries.iter(), &originals, 1).unwrap();
        let found = audit_split([&train, &val, &test], &split.info.labels, &measured);
        assert_eq!(found.copies_apart, Some(0));
        let planted = train.remove(train.iter().position(|one| one.parent.is_some()).unwrap());
        test.push(planted);
        let found = audit_split([&train, &val, &test], &split.info.labels, &measured);
        assert_eq!(found.copies_apart, Some(1));
        assert_eq!(found.copies_apart_list[0].path, planted.path);
        require(&[Requirement::NoNearDuplicates], "speaker-YAF", &found).unwrap_err();
    }
}
