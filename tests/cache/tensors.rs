//! The tensor cache: what it recomputes, what it writes, what damage it finds, and what others read from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ser_audio::Container;
use ser_cache::{
    Cache, Checksum, FeatureSet, Generation, Hex, Index, ReadOptions, RowInfo, Sha, Shard, ShardBuffer,
    ShardLayout, SourceChannels, SplitManifest, TensorSource, shard_path,
};
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind};
use ser_corpus::Protocol;
use ser_corpus::split::Side;
use ser_features::{FeatureConfig, ValueType};
use ser_prepare::{PrepareOptions, PrepareReport, prepare};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::checked::check;
use crate::common::{contents, noise, options, plain_corpus, put, ser_prep, speech, wav};
use crate::common_python::python_with;

/// A corpus and a cache of it.
struct Made {
    data: TempDir,
    out: TempDir,
}

impl Made {
    /// 42 synthetic utterances with all protocols.
    fn speech() -> Self {
        let made = Self { data: tempfile::tempdir().unwrap(), out: tempfile::tempdir().unwrap() };
        speech(made.data.path(), 3);
        made.prepare();
        made
    }

    /// Two folders of four short recordings.
    fn plain() -> Self {
        let made = Self { data: tempfile::tempdir().unwrap(), out: tempfile::tempdir().unwrap() };
        plain_corpus(made.data.path(), &["calm", "loud"], 4);
        made.prepare();
        made
    }

    fn data(&self) -> &Path {
        self.data.path()
    }

    fn out(&self) -> &Path {
        self.out.path()
    }

    fn options(&self) -> PrepareOptions {
        options(self.data(), self.out())
    }

    fn prepare(&self) -> PrepareReport {
        prepare(&self.options(), &Storage::native(), &Silent).unwrap()
    }

    fn cache(&self) -> Cache {
        Cache::open(self.out()).unwrap()
    }

    fn shards(&self) -> Vec<PathBuf> {
        let mut shards: Vec<PathBuf> =
            fs::read_dir(self.out().join("shards")).unwrap().map(|entry| entry.unwrap().path()).collect();
        shards.sort();
        shards
    }

    fn index(&self) -> PathBuf {
        self.out().join("index.bin")
    }

    /// The folder of the newest manifests of the protocol `random`.
    fn random(&self) -> PathBuf {
        self.out().join("splits/random").canonicalize().unwrap()
    }
}

fn counts(report: &PrepareReport) -> (usize, usize, usize) {
    (report.computed, report.reused, report.used)
}

/// What a run leaves that does not depend on the clock: all but the report.
fn kept(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut kept = contents(out);
    for name in ["prep-report.json", ".lock"] {
        kept.remove(name);
    }
    kept
}

/// Opens everything and compares every tensor with its checksum.

// --- what is recomputed ---

#[test]
fn a_second_run_over_the_same_corpus_computes_nothing_and_changes_nothing() {
    let made = Made::speech();
    let before = kept(made.out());
    assert_eq!(counts(&made.prepare()), (0, 42, 42));
    let again = made.prepare();
    assert_eq!((again.bytes_read, again.bytes_written, again.shards_written), (0, 0, 0));
    assert_eq!(kept(made.out()), before);
    let rehashed =
        prepare(&PrepareOptions { rehash: true, ..made.options() }, &Storage::native(), &Silent).unwrap();
    assert_eq!(counts(&rehashed), (0, 42, 42));
    assert!(rehashed.bytes_read > 0);
    assert_eq!(kept(made.out()), before);
}

#[test]
fn renaming_moving_and_touching_files_recomputes_nothing() {
    let made = Made::plain();
    let old = made.data().join("calm/000.wav");
    fs::rename(&old, made.data().join("calm/renamed.wav")).unwrap();
    fs::create_dir(made.data().join("deeper")).unwrap();
    fs::rename(made.data().join("loud"), made.data().join("deeper/loud")).unwrap();
    let touched = fs::File::options().write(true).open(made.data().join("calm/001.wav")).unwrap();
    touched.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let report = made.prepare();
    assert_eq!(counts(&report), (0, 8, 8));
    assert_eq!(report.shards_written, 0);
    let split = made.cache().split(made.cache().feature_set(None).unwrap(), &Protocol::Random).unwrap();
    let paths: BTreeSet<&str> =
        split.sides.values().flatten().map(|utterance| utterance.path.as_str()).collect();
    assert!(paths.contains("calm/renamed.wav") && paths.contains("deeper/loud/000.wav"), "{paths:?}");
    assert!(!paths.contains("calm/000.wav"));
}

#[test]
fn one_changed_byte_recomputes_one_file() {
    let made = Made::plain();
    let path = made.data().join("calm/002.wav");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(counts(&made.prepare()), (1, 7, 8));
    assert_eq!(check(made.out()).unwrap(), 8);
}

#[test]
fn a_change_is_seen_though_size_and_modification_time_are_as_before() {
    let made = Made::plain();
    let path = made.data().join("calm/002.wav");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    assert_eq!(counts(&made.prepare()), (1, 7, 8));
}

#[test]
fn an_added_file_costs_one_file_and_a_removed_one_leaves_the_splits() {
    let made = Made::plain();
    put(made.data(), "loud/new.wav", &wav(16_000, &noise(77, 1600)));
    let report = made.prepare();
    assert_eq!(counts(&report), (1, 8, 9));
    assert_eq!(report.shards_written, 1);
    fs::remove_file(made.data().join("loud/new.wav")).unwrap();
    let report = made.prepare();
    assert_eq!(counts(&report), (0, 8, 8));
    let manifests = contents(&made.random());
    assert!(manifests.values().all(|text| !String::from_utf8_lossy(text).contains("new.wav")));
    // Its tensor is still there, should the file come back.
    put(made.data(), "loud/back.wav", &wav(16_000, &noise(77, 1600)));
    assert_eq!(counts(&made.prepare()), (0, 9, 9));
}

#[test]
fn another_configuration_adds_a_feature_set_and_leaves_the_first() {
    let made = Made::plain();
    let first = made.cache().feature_set(None).unwrap().clone();
    let features = FeatureConfig { n_mfcc: 13, delta_order: 0, max_frames: 20, ..FeatureConfig::default() };
    let report =
        prepare(&PrepareOptions { features, ..made.options() }, &Storage::native(), &Silent).unwrap();
    assert_eq!(counts(&report), (8, 0, 8));
    let cache = made.cache();
    assert_eq!(cache.feature_sets().len(), 2);
    assert_eq!(cache.feature_sets()[0], first);
    let newest = cache.feature_set(None).unwrap();
    assert_eq!((newest.id.as_str(), newest.shape), (report.feature_set.as_str(), [1, 13, 20]));
    assert_eq!(cache.feature_set(Some(&first.id[..6])).unwrap().shape, [3, 40, 200]);
    assert_eq!(cache.feature_set(Some("zz")).unwrap_err().kind(), ErrorKind::Missing);
    assert_eq!(cache.feature_set(Some("")).unwrap_err().kind(), ErrorKind::Missing);
    assert_eq!(check(made.out()).unwrap(), 16);
    // Back to the first: all of it is still there, and it is the newest again.
    assert_eq!(counts(&made.prepare()), (0, 8, 8));
    assert_eq!(made.cache().feature_set(None).unwrap().id, first.id);
}

#[test]
fn another_seed_changes_the_splits_and_no_tensor() {
    let made = Made::speech();
    let before = made.random();
    let report = prepare(&PrepareOptions { seed: 1, ..made.options() }, &Storage::native(), &Silent).unwrap();
    assert_eq!(counts(&report), (0, 42, 42));
    assert_ne!(made.random(), before);
    assert!(before.join("train.jsonl").is_file(), "a reader may still be at work there");
}

#[test]
fn a_moved_cache_stays_valid() {
    let made = Made::plain();
    let elsewhere = tempfile::tempdir().unwrap();
    let moved = elsewhere.path().join("a/moved cache");
    fs::create_dir(elsewhere.path().join("a")).unwrap();
    fs::rename(made.out(), &moved).unwrap();
    assert_eq!(check(&moved).unwrap(), 8);
    assert!(moved.join("splits/random/train.jsonl").is_file());
    let report = prepare(&options(made.data(), &moved), &Storage::native(), &Silent).unwrap();
    assert_eq!(counts(&report), (0, 8, 8));
    for (name, bytes) in contents(&moved).iter().filter(|(name, _)| *name != "prep-report.json") {
        let path = made.out().to_str().unwrap().as_bytes();
        assert!(!bytes.windows(path.len()).any(|window| window == path), "{name} holds an absolute path");
    }
}

#[cfg(unix)]
#[test]
fn a_copy_that_followed_the_links_stays_valid_and_gets_its_link_back() {
    let made = Made::speech();
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy");
    assert!(Command::new("cp").arg("-rL").args([made.out(), &copy]).status().unwrap().success());
    assert!(copy.join("splits").is_dir() && !copy.join("splits").is_symlink());
    assert_eq!(check(&copy).unwrap(), 42);
    assert_eq!(
        counts(&prepare(&options(made.data(), &copy), &Storage::native(), &Silent).unwrap()),
        (0, 42, 42)
    );
    assert!(copy.join("splits").is_symlink());
    assert!(copy.join("splits/word/test.jsonl").is_file());
}

#[test]
fn a_folder_called_splits_that_is_not_ours_is_left_alone() {
    for content in ["splits/thesis.txt", "splits/random/notes.txt", "splits"] {
        let made = Made { data: tempfile::tempdir().unwrap(), out: tempfile::tempdir().unwrap() };
        plain_corpus(made.data(), &["calm", "loud"], 3);
        put(made.out(), content, b"years of work");
        let error = prepare(&made.options(), &Storage::native(), &Silent).unwrap_err();
        assert!(error.to_string().contains("splits: is where"), "{error}");
        assert_eq!(fs::read(made.out().join(content)).unwrap(), b"years of work");
        assert!(!made.index().exists());
    }
}

// --- what is written ---

/// 42 utterances in several shards: 10 rows fill one.
fn long_rows(made: &Made) -> PrepareOptions {
    let features = FeatureConfig { max_frames: 5000, ..FeatureConfig::default() };
    PrepareOptions { features, ..made.options() }
}

#[test]
fn one_thread_and_four_write_the_same_bytes() {
    let made = Made { data: tempfile::tempdir().unwrap(), out: tempfile::tempdir().unwrap() };
    let four = tempfile::tempdir().unwrap();
    speech(made.data(), 3);
    prepare(&PrepareOptions { jobs: 1, ..long_rows(&made) }, &Storage::native(), &Silent).unwrap();
    prepare(
        &PrepareOptions { jobs: 4, out: four.path().to_owned(), ..long_rows(&made) },
        &Storage::native(),
        &Silent,
    )
    .unwrap();
    let one = kept(made.out());
    assert!(one.keys().filter(|name| name.starts_with("shards/")).count() >= 4, "{:?}", one.keys());
    assert!(one == kept(four.path()), "contents differ");
}

#[test]
fn whole_shards_of_an_interrupted_run_are_taken_over() {
    let made = Made { data: tempfile::tempdir().unwrap(), out: tempfile::tempdir().unwrap() };
    speech(made.data(), 3);
    prepare(&long_rows(&made), &Storage::native(), &Silent).unwrap();
    let whole = kept(made.out());

    // Killed before the commit: every shard is there, nothing names them.
    for name in ["index.bin", "splits", "prep-report.json"] {
        fs::remove_file(made.out().join(name)).unwrap();
    }
    fs::remove_dir_all(made.out().join("manifests")).unwrap();
    let report = prepare(&long_rows(&made), &Storage::native(), &Silent).unwrap();
    assert_eq!((counts(&report), report.shards_written), ((0, 42, 42), 0));
    assert!(kept(made.out()) == whole, "contents differ");

    // Killed while the last shard was written: half of it is under a scratch name.
    fs::remove_file(made.index()).unwrap();
    let index = Index::decode(&whole["index.bin"]).unwrap();
    let last = index.feature_sets[0].shards.last().unwrap();
    let last = made.out().join(format!("shards/{last}.safetensors"));
    let half = fs::read(&last).unwrap();
    fs::write(made.out().join("shards/.scratch-4711-0"), &half[..half.len() / 2]).unwrap();
    fs::remove_file(&last).unwrap();
    let report = prepare(&long_rows(&made), &Storage::native(), &Silent).unwrap();
    assert_eq!(report.shards_written, 1);
    assert!((1..=10).contains(&report.computed), "{}", report.computed);
    assert!(kept(made.out()) == whole, "contents differ");
}

#[test]
fn scratch_files_of_dead_writers_are_removed_and_nothing_else() {
    let made = Made::plain();
    for path in
        [".scratch-1-0", "shards/.scratch-99-7", "manifests/.scratch-99/random/train.jsonl", "mine.txt"]
    {
        put(made.out(), path, b"half");
    }
    made.prepare();
    let names: Vec<String> = contents(made.out()).into_keys().collect();
    assert!(names.iter().all(|name| !name.contains(".scratch-")), "{names:?}");
    assert!(names.contains(&"mine.txt".to_owned()));
    assert!(!made.out().join("manifests/.scratch-99").exists());
}

#[test]
fn tensors_start_at_a_page() {
    let made = Made::speech();
    for shard in made.shards() {
        let bytes = fs::read(shard).unwrap();
        let header_len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        assert_eq!((8 + header_len) % 4096, 0);
        let header: Value = serde_json::from_slice(&bytes[8..8 + header_len]).unwrap();
        assert_eq!(header["features"]["data_offsets"][0], 0);
        assert_eq!(header["features"]["dtype"], "F32");
        assert_eq!(header["frames"]["dtype"], "I32");
        assert_eq!(header["frames"]["data_offsets"][1], bytes.len() - 8 - header_len);
    }
}

#[test]
fn rows_that_lie_one_after_another_are_one_view() {
    let made = Made::speech();
    let cache = made.cache();
    let set = cache.feature_set(None).unwrap();
    let split = cache.split(set, &Protocol::Random).unwrap();
    let train = cache.side(set, &split, Side::Train).unwrap();
    assert_eq!(train.shape(), [3, 40, 200]);
    let all: Vec<usize> = (0..train.len()).collect();
    let rows: Vec<u32> = split.side(Side::Train).iter().map(|utterance| utterance.row).collect();
    let breaks = rows.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    let stretches = train.stretches(&all).unwrap();
    assert_eq!(stretches.len(), breaks + 1);
    assert_eq!(stretches.iter().map(|stretch| stretch.len()).sum::<usize>(), train.len() * 3 * 40 * 200);
    let shuffled = train.stretches(&[5, 0, 0]).unwrap();
    assert_eq!(shuffled[1], shuffled[2]);
    assert!(train.stretches(&[]).unwrap().is_empty());
}

/// In a mapping this would be SIGBUS, which ends the process.
#[test]
fn a_shard_cut_short_under_its_reader_is_an_error() {
    for map in [true, false] {
        let made = Made::plain();
        made.prepare();
        let cache = made.cache().with_access(ReadOptions { map, verify: true });
        let set = cache.feature_set(None).unwrap();
        let split = cache.split(set, &Protocol::Random).unwrap();
        let train = cache.side(set, &split, Side::Train).unwrap();
        let all: Vec<usize> = (0..train.len()).collect();
        train.stretches(&all).unwrap();
        let shard = made.shards().remove(0);
        fs::File::options().write(true).open(&shard).unwrap().set_len(4096).unwrap();
        let error = train.stretches(&all).unwrap_err().to_string();
        assert!(error.contains(shard.to_str().unwrap()), "{error}");
        assert!(error.contains("was changed while it was being read; repair the cache"), "{error}");
    }
}

#[test]
fn a_tensor_is_compared_with_its_checksum_once_if_it_is_mapped_and_else_always() {
    for (map, verify, found) in [(true, true, 0), (false, true, 1), (true, false, 0), (false, false, 0)] {
        let made = Made::plain();
        made.prepare();
        let cache = made.cache().with_access(ReadOptions { map, verify });
        let set = cache.feature_set(None).unwrap();
        let split = cache.split(set, &Protocol::Random).unwrap();
        let train = cache.side(set, &split, Side::Train).unwrap();
        train.stretches(&[0]).unwrap();
        // Flipped in place, which our writers never do.
        let shard = made.shards().remove(0);
        let mut bytes = fs::read(&shard).unwrap();
        let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for at in (data..bytes.len()).step_by(3 * 40 * 200 * 4) {
            bytes[at] ^= 1;
        }
        let mut file = fs::File::options().write(true).open(&shard).unwrap();
        std::io::Write::write_all(&mut file, &bytes).unwrap();
        assert_eq!(usize::from(train.stretches(&[0]).is_err()), found, "map {map}, verify {verify}");
        assert_eq!(train.stretches(&[1]).is_err(), verify, "map {map}, verify {verify}");
    }
}

// --- identical sounds ---

#[test]
fn the_same_sound_with_other_metadata_or_in_another_container_is_kept_once() {
    let made = Made::plain();
    let samples = noise(1, 1600);
    let mut with_list = wav(16_000, &samples);
    with_list.extend(b"LIST\x04\0\0\0INFO");
    let size = (with_list.len() as u32 - 8).to_le_bytes();
    with_list[4..8].copy_from_slice(&size);
    put(made.data(), "calm/with-list.wav", &with_list);
    put(made.data(), "calm/as-aiff.wav", &aiff(16_000, &samples));
    put(made.data(), "copy/calm/000.wav", &wav(16_000, &samples));
    let mut report = made.prepare();
    // The two other files are other content, so they have tensors; the byte-identical one does not.
    assert_eq!(counts(&report), (2, 9, 8));
    report.duplicates.sort_by(|a, b| a.path.cmp(&b.path));
    let pairs: Vec<(&str, &str)> = report
        .duplicates
        .iter()
        .map(|duplicate| (duplicate.path.as_str(), duplicate.kept.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("calm/as-aiff.wav", "calm/000.wav"),
            ("calm/with-list.wav", "calm/000.wav"),
            ("copy/calm/000.wav", "calm/000.wav")
        ]
    );
}

#[test]
fn the_same_sound_under_two_labels_is_an_error_that_names_both_and_changes_nothing() {
    let made = Made::plain();
    let before = kept(made.out());
    put(made.data(), "loud/also.wav", &wav(16_000, &noise(1, 1600)));
    let error = prepare(&made.options(), &Storage::native(), &Silent).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    let text = error.to_string();
    assert!(text.contains("calm/000.wav (calm)") && text.contains("loud/also.wav (loud)"), "{text}");
    assert!(kept(made.out()) == before, "contents differ");
    assert_eq!(check(made.out()).unwrap(), 8);
}

fn aiff(sample_rate: u32, samples: &[i16]) -> Vec<u8> {
    let count = samples.len() as u32;
    let leading = sample_rate.leading_zeros();
    let mut comm = 1u16.to_be_bytes().to_vec();
    comm.extend(count.to_be_bytes());
    comm.extend(16u16.to_be_bytes());
    comm.extend((16_383 + 31 - leading as u16).to_be_bytes());
    comm.extend((u64::from(sample_rate) << (32 + leading)).to_be_bytes());
    let mut ssnd = vec![0; 8];
    ssnd.extend(samples.iter().flat_map(|sample| sample.to_be_bytes()));
    let mut body = b"AIFF".to_vec();
    for (id, content) in [(b"COMM", comm), (b"SSND", ssnd)] {
        body.extend(id);
        body.extend((content.len() as u32).to_be_bytes());
        body.extend(content);
    }
    [b"FORM".as_slice(), &(body.len() as u32).to_be_bytes(), &body].concat()
}

// --- damage ---

#[test]
fn an_index_with_any_byte_wrong_missing_or_too_much_is_refused() {
    let made = Made::plain();
    let whole = fs::read(made.index()).unwrap();
    assert!(Index::decode(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(Index::decode(&whole[..length]).is_err(), "cut to {length}");
    }
    let mut altered = whole.clone();
    for at in 0..whole.len() {
        altered[at] ^= 1 << (at % 8);
        assert!(Index::decode(&altered).is_err(), "byte {at}");
        altered[at] = whole[at];
    }
    assert!(Index::decode(&[whole.as_slice(), b"\0"].concat()).is_err());

    fs::write(made.index(), &whole[..whole.len() - 1]).unwrap();
    for error in [
        Cache::open(made.out()).unwrap_err(),
        prepare(&made.options(), &Storage::native(), &Silent).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.to_string().contains("index.bin: is not a valid index"), "{error}");
        assert!(error.to_string().contains("delete it and prepare the corpus again"), "{error}");
    }
    // And its advice works.
    fs::remove_file(made.index()).unwrap();
    assert_eq!(counts(&made.prepare()), (0, 8, 8));
    assert_eq!(fs::read(made.index()).unwrap(), whole);
}

#[test]
fn an_index_of_another_version_is_told_from_a_damaged_one() {
    let made = Made::plain();
    let mut bytes = fs::read(made.index()).unwrap();
    bytes[8] = 2;
    let error = Index::decode(&bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("version 2; this program reads version 1"), "{error}");
}

/// Changes the index as no damage could: with a valid checksum.
fn forge(made: &Made, change: impl FnOnce(&mut Index)) {
    let mut index = Index::read(&made.index()).unwrap().unwrap();
    change(&mut index);
    index.write(&Storage::native(), &made.index()).unwrap();
}

#[test]
fn an_index_that_contradicts_itself_is_refused() {
    type Change = fn(&mut FeatureSet);
    let changes: [(&str, Change); 6] = [
        ("shard that is not listed", |set| set.entries[0].shard = 9),
        ("more frames than its tensor", |set| set.entries[0].row.frames = 201),
        ("share a row", |set| set.entries[0].position = set.entries[1].position),
        ("not sorted", |set| set.entries.swap(0, 1)),
        ("impossible shape", |set| set.shape = [u32::MAX, u32::MAX, 200]),
        ("impossible shape", |set| set.shape = [0, 40, 200]),
    ];
    for (says, change) in changes {
        let made = Made::plain();
        forge(&made, |index| change(&mut index.feature_sets[0]));
        let error = Cache::open(made.out()).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn an_index_that_contradicts_the_manifests_is_refused() {
    let changes: [fn(&mut FeatureSet); 3] = [
        |set| set.entries.iter_mut().for_each(|entry| entry.row.frames += 1),
        |set| set.entries.iter_mut().for_each(|entry| entry.position += 1),
        |set| set.entries.clear(),
    ];
    for change in changes {
        let made = Made::plain();
        forge(&made, |index| change(&mut index.feature_sets[0]));
        let error = check(made.out()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch);
        assert!(error.to_string().contains("differs between a manifest and the index"), "{error}");
    }
}

/// Replaces the manifests, digests and all, as no damage could.
fn forge_manifests(made: &Made, change: impl Fn(&mut ser_cache::Utterance)) {
    let cache = made.cache();
    let mut split = cache.split(cache.feature_set(None).unwrap(), &Protocol::Random).unwrap();
    split.sides.values_mut().flatten().for_each(change);
    let splits = [SplitManifest { info: split.info, sides: split.sides }];
    let generation = Generation::of(splits.clone()).unwrap();
    generation.write(&Storage::native(), &made.out().join("manifests"), splits).unwrap();
    forge(made, |index| index.feature_sets[0].manifests = generation.name());
}

#[test]
fn frames_that_index_and_manifests_agree_on_but_the_shard_does_not_are_found() {
    let made = Made::plain();
    forge_manifests(&made, |utterance| utterance.frames -= 1);
    forge(&made, |index| index.feature_sets[0].entries.iter_mut().for_each(|entry| entry.row.frames -= 1));
    let error = check(made.out()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("frames, not"), "{error}");
}

#[test]
fn a_manifest_can_point_nowhere_but_where_its_tensor_lies() {
    let changes: [fn(&mut ser_cache::Utterance); 6] = [
        |utterance| utterance.row += 1,
        |utterance| utterance.row = u32::MAX,
        |utterance| utterance.frames = 3,
        |utterance| utterance.shard = "../../etc/passwd".to_owned(),
        |utterance| utterance.shard = format!("./{}", utterance.shard),
        |utterance| utterance.key = ser_cache::Sha::of(&[b"another"]),
    ];
    for change in changes {
        let made = Made::plain();
        forge_manifests(&made, change);
        let error = check(made.out()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Mismatch | ErrorKind::Damaged), "{error}");
    }
    let made = Made::plain();
    forge_manifests(&made, |utterance| utterance.label = "bored".to_owned());
    assert!(check(made.out()).unwrap_err().to_string().contains("is labelled \"bored\""));
}

#[test]
fn a_manifest_with_any_byte_wrong_missing_or_extra_is_found_and_rebuilt() {
    let made = Made::plain();
    let whole = kept(made.out());
    for name in ["train.jsonl", "test.jsonl", "split.toml"] {
        let path = made.random().join(name);
        let original = fs::read(&path).unwrap();
        let refused = |bytes: &[u8], what: String| {
            fs::write(&path, bytes).unwrap();
            let error = check(made.out()).expect_err(&what);
            let kinds = [ErrorKind::Damaged, ErrorKind::Io];
            assert!(
                kinds.contains(&error.kind()) && error.to_string().contains("prepare the corpus again"),
                "{error}"
            );
        };
        for length in [0, 1, original.len() / 2, original.len() - 1] {
            refused(&original[..length], format!("{name} cut to {length}"));
        }
        for at in (0..original.len()).step_by(original.len() / 40 + 1) {
            let mut altered = original.clone();
            altered[at] ^= 1 << (at % 8);
            refused(&altered, format!("{name} byte {at}"));
        }
        refused(&[original.as_slice(), b"\n"].concat(), format!("{name} longer"));
        assert_eq!(counts(&made.prepare()), (0, 8, 8));
        assert!(kept(made.out()) == whole, "contents differ");
    }
    fs::remove_file(made.random().join("val.jsonl")).unwrap();
    assert!(check(made.out()).is_err());
    made.prepare();
    assert!(kept(made.out()) == whole, "contents differ");
}

#[test]
fn a_truncated_or_extended_shard_is_refused_and_rebuilt() {
    let made = Made::plain();
    let [path] = made.shards().try_into().unwrap();
    let whole = fs::read(&path).unwrap();
    let layout = made.cache().feature_set(None).unwrap().layout();
    for length in [0, 1, 7, 8, 9, 4095, 4096, 4097, whole.len() / 2, whole.len() - 4, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = Shard::open(&path, &layout).expect_err(&length.to_string());
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        assert!(error.to_string().contains("prepare the corpus again"), "{error}");
        assert!(check(made.out()).is_err(), "{length}");
    }
    fs::write(&path, [whole.as_slice(), b"\0\0\0\0"].concat()).unwrap();
    assert!(Shard::open(&path, &layout).is_err());
    assert_eq!(counts(&made.prepare()), (8, 0, 8));
    assert_eq!(fs::read(&path).unwrap(), whole);
    assert_eq!(check(made.out()).unwrap(), 8);
}

#[test]
fn a_flipped_bit_in_a_tensor_is_found_and_the_advice_helps() {
    let made = Made::plain();
    let [path] = made.shards().try_into().unwrap();
    let whole = fs::read(&path).unwrap();
    let data = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let frames = whole.len() - 8 * 4;
    for at in (data..frames).step_by((frames - data) / 30).chain(frames..whole.len()) {
        let mut altered = whole.clone();
        altered[at] ^= 1 << (at % 8);
        fs::write(&path, altered).unwrap();
        let error = check(made.out()).expect_err(&format!("byte {at}"));
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.to_string().contains("row"), "{error}");
    }
    fs::remove_file(&path).unwrap();
    assert!(check(made.out()).unwrap_err().to_string().contains("cannot be opened"));
    assert_eq!(counts(&made.prepare()), (8, 0, 8));
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn a_damaged_shard_that_no_index_names_is_not_taken_over_but_replaced() {
    let made = Made::plain();
    let [path] = made.shards().try_into().unwrap();
    let whole = fs::read(&path).unwrap();
    for at in [100, 3000, 5000, whole.len() - 1] {
        let mut altered = whole.clone();
        altered[at] ^= 4;
        fs::write(&path, altered).unwrap();
        let _ = fs::remove_file(made.index());
        assert_eq!(counts(&made.prepare()), (8, 0, 8), "byte {at}");
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn a_shard_in_half_precision_is_as_safe_as_one_in_single() {
    let layout = ShardLayout { shape: [2, 3, 2], dtype: ValueType::F16, configuration: "{}".to_owned() };
    let mut buffer = ShardBuffer::default();
    let tensor = |number: usize| -> Vec<f32> { (0..12).map(|n| 0.25 * (n * number) as f32 - 2.0).collect() };
    let row = |number: usize| RowInfo {
        key: Sha::of(&[&[number as u8]]),
        frames: 2,
        frames_cut: 0,
        checksum: Checksum::of_row(&tensor(number), layout.dtype, 2),
        source: TensorSource {
            sample_rate: 16_000,
            channels: SourceChannels::new(1, None),
            container: Container::Wav,
            samples: 100,
            sound: Hex([0; 16]),
        },
    };
    for number in 0..5 {
        buffer.push(&tensor(number), layout.dtype, row(number));
    }
    let folder = tempfile::tempdir().unwrap();
    let (name, bytes) = buffer.write(&Storage::native(), folder.path(), &layout).unwrap();
    let path = shard_path(folder.path(), &name);
    assert_eq!(bytes, 4096 + 5 * (12 * 2 + 4));
    for map in [true, false] {
        let shard = Shard::open_by(&path, &layout, map).unwrap();
        assert_eq!(shard.features(1, 2).unwrap(), [tensor(1), tensor(2)].concat());
        assert_eq!(*shard.beginning(4, 3).unwrap(), tensor(4)[..3]);
        assert_eq!(shard.verified_rows().unwrap(), (0..5).map(row).collect::<Vec<_>>());
        assert!(shard.features(4, 2).is_err() && shard.beginning(0, 13).is_err());
    }
    let single = ShardLayout { dtype: ValueType::F32, ..layout.clone() };
    assert!(
        Shard::open(&path, &single).unwrap_err().to_string().contains("no tensor \"features\" of type F32")
    );

    // One row is damaged; the others are found in what is left.
    let mut damaged = fs::read(&path).unwrap();
    damaged[4096 + 2 * 24] ^= 1;
    fs::write(&path, damaged).unwrap();
    let shard = Shard::open(&path, &layout).unwrap();
    let error = shard.check(2, 2, &row(2).checksum).unwrap_err();
    assert!(error.to_string().contains("row 2 has changed since it was written"), "{error}");
    shard.check(3, 2, &row(3).checksum).unwrap();
}

#[test]
fn a_shard_that_promises_what_it_does_not_hold_is_refused() {
    let layout = ShardLayout { shape: [1, 2, 4], dtype: ValueType::F32, configuration: "{}".to_owned() };
    let row = 8 * 4;
    let metadata = json!({"format": "ser-shard", "version": "1", "configuration": "{}", "rows": "[]"});
    let features =
        |shape: Value, range: [usize; 2]| json!({"dtype": "F32", "shape": shape, "data_offsets": range});
    let frames = |n: usize, range: [usize; 2]| json!({"dtype": "I32", "shape": [n], "data_offsets": range});
    let two = || (features(json!([2, 1, 2, 4]), [0, 2 * row]), frames(2, [2 * row, 2 * row + 8]));
    let header = |features: Value, frames: Value| json!({"__metadata__": metadata, "features": features, "frames": frames});
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let open = |header: &[u8], align: usize, data: usize| {
        let mut padded = header.to_vec();
        padded.resize((padded.len() + 8).next_multiple_of(align) - 8, b' ');
        let mut bytes = (padded.len() as u64).to_le_bytes().to_vec();
        bytes.extend(padded);
        bytes.extend(vec![0; data]);
        fs::write(&path, bytes).unwrap();
        Shard::open(&path, &layout)
    };
    let text = |header: Value| serde_json::to_vec(&header).unwrap();
    let (f, n) = two();
    let good = open(&text(header(f.clone(), n.clone())), 4096, 2 * row + 8).unwrap();
    assert_eq!(
        (good.rows(), good.features(1, 1).unwrap(), good.frames(1).unwrap()),
        (2, [0.0; 8].as_slice().into(), 0)
    );
    for (first, count) in [(2, 1), (0, 3), (1, usize::MAX), (usize::MAX, 1), (usize::MAX, usize::MAX)] {
        assert!(good.features(first, count).is_err());
    }
    assert!(good.frames(2).is_err() && good.frames(usize::MAX).is_err());

    let mut other_format = header(f.clone(), n.clone());
    other_format["__metadata__"]["format"] = json!("pt");
    let mut other_version = header(f.clone(), n.clone());
    other_version["__metadata__"]["version"] = json!("2");
    let mut other_features = header(f.clone(), n.clone());
    other_features["__metadata__"]["configuration"] = json!("{\"n_fft\":1}");
    let doubles = json!({"dtype": "F64", "shape": [2, 1, 2, 4], "data_offsets": [0, 4 * row]});
    let wrong: Vec<(&str, Value, usize, usize)> = vec![
        ("another format", other_format, 4096, 2 * row + 8),
        ("another version", other_version, 4096, 2 * row + 8),
        ("another configuration", other_features, 4096, 2 * row + 8),
        ("unaligned", header(f.clone(), n.clone()), 8, 2 * row + 8),
        ("overlapping", header(f.clone(), frames(2, [2 * row - 8, 2 * row])), 4096, 2 * row),
        ("with a hole", header(f.clone(), frames(2, [2 * row + 8, 2 * row + 16])), 4096, 2 * row + 16),
        ("of doubles", header(doubles, frames(2, [4 * row, 4 * row + 8])), 4096, 4 * row + 8),
        ("of another shape", header(features(json!([2, 2, 4]), [0, 64]), n.clone()), 4096, 2 * row + 8),
        ("transposed", header(features(json!([2, 1, 4, 2]), [0, 64]), n.clone()), 4096, 2 * row + 8),
        ("with other rows", header(f.clone(), frames(1, [2 * row, 2 * row + 4])), 4096, 2 * row + 4),
        ("too large", header(features(json!([1u64 << 62, 1, 2, 4]), [0, 64]), n.clone()), 4096, 2 * row + 8),
        ("backwards", header(features(json!([2, 1, 2, 4]), [64, 0]), n.clone()), 4096, 2 * row + 8),
        ("without frames", json!({"__metadata__": metadata, "features": f}), 4096, 2 * row),
        ("without tensors", json!({"__metadata__": metadata}), 4096, 0),
        ("without metadata", json!({"features": f, "frames": n}), 4096, 2 * row + 8),
        ("a list", json!([1, 2, 3]), 4096, 0),
    ];
    for (what, header, align, data) in wrong {
        assert!(open(&text(header), align, data).is_err(), "{what}");
    }
    for nonsense in [&b"{"[..], b"\xff\xff", "[".repeat(100_000).as_bytes()] {
        assert!(open(nonsense, 4096, 0).is_err());
    }
    for header_len in [u64::MAX, u64::MAX - 7, 1 << 40, 100_000_001, 5] {
        fs::write(&path, [&header_len.to_le_bytes()[..], &[b'{'; 64]].concat()).unwrap();
        assert!(Shard::open(&path, &layout).is_err(), "{header_len}");
    }
    // A shape of nothing in one place and of everything in another.
    let empty = header(features(json!([0, 1, 2, 4]), [0, 0]), frames(0, [0, 0]));
    assert_eq!(open(&text(empty), 4096, 0).unwrap().rows(), 0);
    assert!(Shard::open(folder.path(), &layout).is_err(), "a folder");
}

// --- two writers ---

#[test]
fn a_second_writer_fails_at_once_and_names_the_first() {
    let made = Made::plain();
    let lock = hold(made.out());
    let started = Instant::now();
    let ran =
        ser_prep(["--data".as_ref(), made.data().as_os_str(), "--out".as_ref(), made.out().as_os_str()])
            .ends(1);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(ran.stderr.contains("is being written by another process (process 4711)"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--wait"), "{}", ran.stderr);
    drop(lock);
    made.prepare();
}

#[test]
fn a_waiting_writer_continues_when_the_first_is_done() {
    let made = Made::plain();
    put(made.data(), "loud/new.wav", &wav(16_000, &noise(77, 1600)));
    let lock = hold(made.out());
    let mut waiting = Command::new(env!("CARGO_BIN_EXE_ser-prep"))
        .args(["--wait", "--quiet", "--data"])
        .arg(made.data())
        .arg("--out")
        .arg(made.out())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(waiting.try_wait().unwrap(), None, "it did not wait");
    drop(lock);
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(check(made.out()).unwrap(), 9);
}

#[test]
fn readers_keep_their_version_while_a_writer_replaces_it() {
    let made = Made::plain();
    let cache = made.cache();
    let set = cache.feature_set(None).unwrap();
    put(made.data(), "loud/new.wav", &wav(16_000, &noise(77, 1600)));
    fs::remove_file(made.data().join("calm/000.wav")).unwrap();
    prepare(&PrepareOptions { seed: 9, ..made.options() }, &Storage::native(), &Silent).unwrap();
    let split = cache.split(set, &Protocol::Random).unwrap();
    assert_eq!(split.sides.values().map(Vec::len).sum::<usize>(), 8);
    cache.side(set, &split, Side::Train).unwrap().check().unwrap();
}

/// Takes the writers' lock as process 4711 would.
fn hold(out: &Path) -> fs::File {
    let path = out.join(".lock");
    fs::write(&path, "process 4711\n").unwrap();
    let file = fs::File::open(path).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    file
}

#[test]
fn a_folder_that_holds_no_cache_says_how_to_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let error: Error = Cache::open(folder.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().contains("holds no cache; prepare a corpus into "), "{error}");
    let made = Made::plain();
    let cache = made.cache();
    let missing = cache.split(cache.feature_set(None).unwrap(), &Protocol::Word).unwrap_err();
    assert!(missing.to_string().contains("holds no split \"word\"; choose one of random"), "{missing}");
}

// --- what others read ---

/// Prints, for each utterance of each side, its key, label, frames and the sum of its tensor's bytes.
const PYTHON: &str = r#"
import json, sys
from safetensors import safe_open
root, shards = sys.argv[1], {}
for part in ("train", "val", "test"):
    for line in open(f"{root}/splits/random/{part}.jsonl", encoding="utf-8"):
        u = json.loads(line)
        f = shards.setdefault(u["shard"], safe_open(f"{root}/{u['shard']}", "np"))
        row = f.get_slice("features")[u["row"]:u["row"] + 1]
        assert f.get_slice("frames")[u["row"]:u["row"] + 1][0] == u["frames"]
        assert row.dtype == "float32"
        print(part, u["key"], u["label"], u["frames"], sum(row.tobytes()), *row.shape[1:])
"#;

#[test]
fn python_reads_the_same_values_with_json_and_safetensors_alone() {
    let Some(python) = python_with("safetensors.numpy") else { return };
    let made = Made::speech();
    let output = Command::new(python).args(["-c", PYTHON]).arg(made.out()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let cache = made.cache();
    let set = cache.feature_set(None).unwrap();
    let split = cache.split(set, &Protocol::Random).unwrap();
    let mut expected = String::new();
    for part in Side::ALL {
        let dataset = cache.side(set, &split, part).unwrap();
        for (index, utterance) in split.side(part).iter().enumerate() {
            let [row] = dataset.stretches(&[index]).unwrap().try_into().unwrap();
            let bytes: &[u8] = bytemuck::cast_slice(&row);
            let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
            let [channels, n_mfcc, frames] = dataset.shape();
            expected += &format!(
                "{part} {} {} {} {sum} {channels} {n_mfcc} {frames}\n",
                utterance.key, utterance.label, utterance.frames
            );
        }
    }
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn the_python_example_of_the_specification_works() {
    let specification =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("cache/README.md")).unwrap();
    let (_, rest) = specification.split_once("```python\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let Some(python) = python_with("safetensors.numpy") else { return };
    let made = Made::speech();
    // The example reads ./cache.
    let folder = tempfile::tempdir().unwrap();
    fs::rename(made.out(), folder.path().join("cache")).unwrap();
    let output = Command::new(python).arg("-c").arg(example).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let cache = Cache::open(&folder.path().join("cache")).unwrap();
    let train =
        cache.split(cache.feature_set(None).unwrap(), &Protocol::Random).unwrap().side(Side::Train).len();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains(&format!("({train}, 3, 40, 200)")), "{printed}");
}
