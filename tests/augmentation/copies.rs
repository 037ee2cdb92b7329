//! Augmented copies in a cache: their sides, what they are computed from, and that `ser-cache` handles them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use ser_cache::collect::{GarbageOptions, collect};
use ser_cache::difference::compare;
use ser_cache::listing::list;
use ser_cache::verify::verify;
use ser_cache::{Cache, CopySettings, Utterance};
use ser_core::progress::Silent;
use ser_core::random::Random;
use ser_core::storage::Storage;
use ser_corpus::Protocol;
use ser_corpus::split::{Fractions, Side, SplitPlanner, UtteranceInfo};
use ser_features::augmentation::AugmentationRecipe;
use ser_prepare::repair::{RepairOptions, repair};
use ser_prepare::{PrepareOptions, PrepareReport, prepare};

use crate::common::{self, contents, ser_prep};

const RECIPE: &str = "
[[waveform]]
kind = 'pitch-shift'
semitones = [-4, 4]
[[waveform]]
kind = 'noise'
floor_db = [20, 40]
probability = 0.5
";

fn copies(copies: u32, seed: u64) -> CopySettings {
    CopySettings::new(&AugmentationRecipe::from_toml(RECIPE).unwrap(), copies, seed).unwrap()
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn speech(words: usize) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        common::speech(&place.data(), words);
        place
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("corpus")
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn options(&self, augment: Option<CopySettings>) -> PrepareOptions {
        PrepareOptions { augment, shard_bytes: 1 << 20, ..common::options(&self.data(), &self.out()) }
    }

    fn prepare(&self, augment: Option<CopySettings>) -> PrepareReport {
        prepare(&self.options(augment), &Storage::native(), &Silent).unwrap()
    }

    fn is_whole(&self) {
        let found = verify(&self.out(), 0, &Silent).unwrap();
        assert!(found.damage.is_empty(), "{:?}", found.damage);
        assert!(!found.notes.iter().any(|note| note.what.contains("extractor")), "{:?}", found.notes);
    }
}

/// Every utterance of every protocol with the side it is on.
fn sides(cache: &Cache) -> BTreeMap<String, Vec<(Side, Utterance)>> {
    let set = cache.feature_set(None).unwrap();
    let of = |protocol: &Protocol| {
        let split = cache.split(set, protocol).unwrap();
        let on = |part: Side| split.side(part).iter().map(move |one| (part, one.clone())).collect::<Vec<_>>();
        Side::ALL.into_iter().flat_map(on).collect()
    };
    cache.protocols(set).unwrap().iter().map(|protocol| (protocol.to_string(), of(protocol))).collect()
}

#[test]
fn no_copy_is_ever_on_a_different_side_from_its_parent() {
    let place = Place::speech(4);
    for seed in [0, 1, 17] {
        let mut options = place.options(Some(copies(2, 3)));
        options.seed = seed;
        let report = prepare(&options, &Storage::native(), &Silent).unwrap();
        assert_eq!((report.used, report.copies), (56, 112));
        let cache = Cache::open(&place.out()).unwrap();
        let sides = sides(&cache);
        assert_eq!(sides.keys().collect::<Vec<_>>(), ["random", "speaker-OAF", "speaker-YAF", "word"]);
        for (protocol, utterances) in sides {
            let of: HashMap<&str, Side> =
                utterances.iter().map(|(part, one)| (one.path.as_str(), *part)).collect();
            let mut learnt = 0;
            for (part, one) in &utterances {
                let Some(parent) = &one.parent else {
                    learnt += usize::from(*part == Side::Train);
                    continue;
                };
                assert_eq!(*part, Side::Train, "{protocol}: {}", one.path);
                assert_eq!(of.get(parent.as_str()), Some(&Side::Train), "{protocol}: {}", one.path);
                assert!(one.path == format!("{parent}#copy-1") || one.path == format!("{parent}#copy-2"));
            }
            let train = utterances.iter().filter(|(part, _)| *part == Side::Train).count();
            assert_eq!(train, 3 * learnt, "{protocol}: every parent has both of its copies");
            let audit = &report.audits[&protocol];
            assert_eq!(audit.copies_apart, Some(0));
            assert_eq!(audit.near_duplicates_across_sides, Some(0), "{:?}", audit.near_duplicates_list);
        }
        assert!(report.near_duplicates.is_empty(), "{:?}", report.near_duplicates);
    }
    place.is_whole();
}

#[test]
fn no_copy_is_apart_in_splits_over_several_corpora_and_folds_either() {
    // Names alone: two corpora of ten speakers, and a copy or two of everything.
    let mut names: Vec<(String, String, String, String, Option<String>, String)> = Vec::new();
    for corpus in ["A", "B"] {
        for speaker in 0..10 {
            for (word, label) in (0..12).map(|n| (n % 6, if n < 6 { "calm" } else { "cross" })) {
                let path = format!("{corpus}/{speaker}-{word}-{label}.wav");
                let one = |path: String, parent| {
                    let speaker = format!("{corpus}-{speaker}");
                    (path, label.to_owned(), speaker, format!("{corpus}-{word}"), parent, corpus.to_owned())
                };
                names.push(one(path.clone(), None));
                for number in 1..=2 {
                    names.push(one(format!("{path}#copy-{number}"), Some(path.clone())));
                }
            }
        }
    }
    for seed in 0..8 {
        let subjects: Vec<UtteranceInfo<'_>> = names
            .iter()
            .map(|(path, label, speaker, word, parent, corpus)| UtteranceInfo {
                path,
                label,
                speaker: Some(speaker),
                word: Some(word),
                parent: parent.as_deref(),
                corpus: Some(corpus),
                split: None,
                fold: None,
                val_fold: None,
            })
            .collect();
        let planner = SplitPlanner::new(subjects, Fractions::default(), seed).unwrap().with_folds(Some(5));
        let mut protocols = BTreeSet::new();
        for split in planner.splits(|why| panic!("{why}")) {
            protocols.insert(split.protocol.to_string());
            let learnt: BTreeSet<&str> = split.train.iter().map(|&index| names[index].0.as_str()).collect();
            for &index in &split.train {
                assert!(names[index].4.as_ref().is_none_or(|parent| learnt.contains(parent.as_str())));
            }
            for &index in split.val.iter().chain(&split.test) {
                assert_eq!(names[index].4, None, "{}: {}", split.protocol, names[index].0);
            }
            let parents = split.train.iter().filter(|&&index| names[index].4.is_none()).count();
            assert_eq!(split.train.len(), 3 * parents, "{}", split.protocol);
            assert_eq!(split.left_out.copies, 2 * (names.len() / 3 - parents), "{}", split.protocol);
        }
        assert_eq!(protocols.len(), 2 + 20 + 5 + 2, "{protocols:?}");
    }
}

#[test]
fn an_augmented_recording_that_hides_its_parent_is_seen_by_its_sound() {
    let place = Place::speech(3);
    let original = fs::read(place.data().join("YAF_angry/YAF_bar_angry.wav")).unwrap();
    let samples: Vec<f32> = original[44..]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|bytes| f32::from(i16::from_le_bytes(*bytes)) / 32_768.0)
        .collect();
    let recipe = AugmentationRecipe::from_toml(
        "[[waveform]]\nkind = 'gain'\ndb = -9\n[[waveform]]\nkind = 'noise'\ncolour = 'white'\nsnr_db = 35",
    );
    let mut augmenter = ser_features::augmentation::Augmenter::new(&recipe.unwrap(), 16_000).unwrap();
    let mut out = Vec::new();
    augmenter.augment(&samples, &mut Random::new(&["planted"]), &mut |_| None, &mut out).unwrap();
    let planted: Vec<i16> = out.iter().map(|x| (x * 32_767.0).round() as i16).collect();
    common::put(&place.data(), "OAF_angry/OAF_bar_angry.wav", &common::wav(16_000, &planted));
    let report = place.prepare(Some(copies(1, 0)));
    let audit = &report.audits["speaker-YAF"];
    assert!(audit.near_duplicates_across_sides.unwrap() >= 1, "{audit:?}");
    assert!(
        report
            .near_duplicates
            .iter()
            .any(|pair| pair.path.contains("bar_angry") && pair.of.contains("bar_angry"))
    );
}

#[test]
fn what_is_there_is_reused_and_each_recipe_is_a_feature_set_of_its_own() {
    let place = Place::speech(2);
    let plain = place.prepare(None);
    let bytes_of_plain = contents(&place.out());
    let first = place.prepare(Some(copies(2, 0)));
    assert_eq!((first.computed, first.reused, first.copies), (56, 28, 56));
    let again = place.prepare(Some(copies(2, 0)));
    assert_eq!((again.computed, again.reused, again.bytes_written), (0, 84, 0));
    let more = place.prepare(Some(copies(3, 0)));
    assert_eq!((more.computed, more.reused), (28, 84), "a third copy beside the two that are there");
    let other_seed = place.prepare(Some(copies(2, 1)));
    assert_eq!((other_seed.computed, other_seed.reused), (56, 28));
    let back = place.prepare(None);
    assert_eq!((back.computed, back.reused, back.bytes_written), (0, 28, 0));
    let sets: BTreeSet<&String> =
        [&plain, &first, &more, &other_seed, &back].into_iter().map(|report| &report.feature_set).collect();
    assert_eq!(sets.len(), 4);
    assert_eq!(back.feature_set, plain.feature_set);
    let listed = list(&place.out()).unwrap();
    let set = |id: &String| listed.feature_sets.iter().find(|set| set.id == *id).unwrap();
    assert_eq!(set(&plain.feature_set).augmentation, None);
    assert_eq!(set(&more.feature_set).augmentation, Some(copies(3, 0)));
    assert!(listed.feature_sets.iter().any(|set| {
        let copies = set.augmentation.as_ref().map(ToString::to_string).unwrap_or_default();
        copies.starts_with("2 copies with seed 1 by recipe ")
    }));
    // The plain set is what it was: the same shards, the same manifests.
    let now = contents(&place.out());
    for (path, bytes) in &bytes_of_plain {
        if path.starts_with("shards/") || path.starts_with("manifests/") {
            assert_eq!(now.get(path), Some(bytes), "{path}");
        }
    }
    place.is_whole();
    // Other samples than the parent's, and than each other's; the same in a cache that was made at once.
    let cache = Cache::open(&place.out()).unwrap();
    let set = cache.feature_sets().iter().find(|set| set.id == first.feature_set).unwrap();
    assert_eq!(set.entries.len(), 84);
    let sums: BTreeSet<_> = set.entries.iter().map(|entry| entry.row.checksum).collect();
    assert_eq!(sums.len(), 84);
    let elsewhere = place.folder.path().join("elsewhere");
    let options = PrepareOptions { out: elsewhere.clone(), jobs: 1, ..place.options(Some(copies(2, 0))) };
    prepare(&options, &Storage::native(), &Silent).unwrap();
    let fresh = Cache::open(&elsewhere).unwrap();
    let difference = compare((&cache, set), (&fresh, fresh.feature_set(None).unwrap())).unwrap();
    assert!(difference.equal, "{difference:?}");
    let difference =
        compare((&cache, cache.feature_set(None).unwrap()), (&fresh, fresh.feature_set(None).unwrap()))
            .unwrap();
    assert!(!difference.equal && !difference.extractor_differs, "{difference:?}");
    assert_eq!(difference.configuration[0].field, "augmentation");

    drop((cache, fresh));

    // Dropping the sets with copies leaves the plain one whole.
    let drop = vec![first.feature_set, more.feature_set, other_seed.feature_set];
    drop_sets(&place.out(), drop);
    place.is_whole();
    assert_eq!(place.prepare(None).computed, 0);
}

fn drop_sets(root: &Path, drop: Vec<String>) {
    // Another test may be starting a program, which holds the files of this process open until it runs.
    let options = GarbageOptions { root: root.to_owned(), drop, dry_run: false, wait: true };
    collect(&options, &Storage::native()).unwrap();
}

#[test]
fn a_plain_run_after_an_augmented_one_takes_over_the_recordings_alone() {
    let place = Place::speech(2);
    let augmented = place.prepare(Some(copies(1, 0)));
    let plain = place.prepare(None);
    assert_eq!((plain.computed, plain.reused, plain.shards_written), (0, 28, 0));
    place.is_whole();
    let cache = Cache::open(&place.out()).unwrap();
    assert_eq!(cache.feature_set(None).unwrap().entries.len(), 28);
    drop(cache);
    drop_sets(&place.out(), vec![augmented.feature_set]);
    place.is_whole();
    assert_eq!(place.prepare(None).computed, 0);
}

#[test]
fn a_damaged_shard_is_rebuilt_with_its_copies() {
    let place = Place::speech(2);
    let _ = place.prepare(None);
    let _ = place.prepare(Some(copies(2, 5)));
    let shards: Vec<PathBuf> =
        fs::read_dir(place.out().join("shards")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(shards.len() > 2);
    let before = contents(&place.out());
    for shard in &shards {
        let mut bytes = fs::read(shard).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 5000].fill(7);
        fs::write(shard, bytes).unwrap();
    }
    let found = verify(&place.out(), 0, &Silent).unwrap();
    assert_eq!(found.damage.len(), shards.len());
    let options = RepairOptions { root: place.out(), data: Vec::new(), jobs: 0, wait: true };
    let repaired = repair(&options, &Storage::native(), &Silent).unwrap();
    assert!(repaired.is_whole(), "{:?}", repaired.left);
    assert!(repaired.repaired.iter().all(|repaired| repaired.recomputed > 0));
    assert_eq!(contents(&place.out()), before);
}

#[test]
fn a_run_that_was_killed_is_taken_up_where_it_was() {
    let place = Place::speech(2);
    let _ = place.prepare(Some(copies(2, 0)));
    // What a kill after the shards leaves: they are there, and nothing names them.
    fs::remove_file(place.out().join("index.bin")).unwrap();
    fs::remove_file(place.out().join("splits")).unwrap();
    let again = place.prepare(Some(copies(2, 0)));
    assert_eq!((again.computed, again.reused, again.shards_written), (0, 84, 0));
    place.is_whole();
}

#[test]
fn the_command_makes_copies_says_so_and_refuses_invalid_options() {
    let place = Place::speech(2);
    let recipe = place.folder.path().join("recipe.toml");
    fs::write(&recipe, RECIPE).unwrap();
    let (data, out) = (place.data().display().to_string(), place.out().display().to_string());
    let recipe = recipe.display().to_string();
    let base = ["--data", &data, "--out", &out, "--augment", &recipe];
    let dry = ser_prep(base.iter().chain(&["--copies", "3", "--dry-run"])).ends(0);
    assert!(dry.stdout.contains("augmented copies      84   3 of each"), "{}", dry.stdout);
    assert!(!place.out().exists());
    let ran = ser_prep(base.iter().chain(&["--copies", "3"])).ends(0);
    assert!(ran.stdout.contains("augmented copies      84   3 of each"), "{}", ran.stdout);
    let again = ser_prep(base.iter().chain(&["--copies", "3", "--json"])).ends(0);
    let report: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(
        (&report["computed"], &report["copies"], &report["used"]),
        (&0.into(), &84.into(), &28.into())
    );
    let none = ser_prep(base.iter().chain(&["--copies", "0"])).ends(2);
    assert!(none.stderr.contains("0 copies of each recording are not allowed"), "{}", none.stderr);
    ser_prep(["--data", &data, "--out", &out, "--copies", "3"]).ends(2);
    fs::write(&recipe, "[[waveform]]\nkind = 'gain'\ndb = [3, -3]").unwrap();
    let bad = ser_prep(base).ends(2);
    assert!(bad.stderr.contains("recipe.toml: waveform 1 (gain): db = [3, -3]"), "{}", bad.stderr);
}
