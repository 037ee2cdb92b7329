//! Corpora that follow their own conventions, alone and several in one cache, with and without a label map.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ser_cache::{Cache, StoredSplit, Utterance};
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_core::{ErrorKind, Result};
use ser_corpus::split::Side;
use ser_corpus::{CorpusFolder, LabelSource, MapSource};
use ser_prepare::repair::{RepairOptions, repair};
use ser_prepare::{PrepareOptions, PrepareReport, prepare};
use ser_synth::Emotion;

use crate::common::{contents, options, put, wav};

/// A folder with corpora in it, and a cache beside them.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn cache(&self) -> PathBuf {
        self.folder("cache")
    }

    fn options(&self, corpora: &[&str]) -> PrepareOptions {
        let data = corpora.iter().map(|name| CorpusFolder::from(self.folder(name))).collect();
        PrepareOptions { data, ..options(Path::new(""), &self.cache()) }
    }

    fn prepare(&self, options: &PrepareOptions) -> Result<PrepareReport> {
        prepare(options, &Storage::native(), &Silent)
    }

    fn split(&self, protocol: &str) -> StoredSplit {
        let cache = Cache::open(&self.cache()).unwrap();
        cache.split(cache.feature_set(None).unwrap(), &protocol.parse().unwrap()).unwrap()
    }
}

/// A second of a synthetic voice; another `seed` is another take.
fn speak(emotion: Emotion, seed: u64) -> Vec<u8> {
    let samples = ser_synth::utterance("OAF", "moon", emotion, seed, 8_000).unwrap();
    wav(8_000, &samples.iter().map(|sample| (sample * 32_000.0) as i16).collect::<Vec<_>>())
}

/// 12 actors, two statements, one take of each emotion but the first two: 144 files.
fn ravdess(folder: &Path) {
    let emotions = [Emotion::Happy, Emotion::Sad, Emotion::Angry, Emotion::Fear, Emotion::Disgust];
    for actor in 1..=12 {
        for statement in 1..=2 {
            for (code, emotion) in (3..).zip(emotions).chain([(2, Emotion::Neutral)]) {
                let path = format!("Actor_{actor:02}/03-01-{code:02}-01-{statement:02}-01-{actor:02}.wav");
                put(folder, &path, &speak(emotion, actor * 10 + statement));
            }
        }
    }
}

/// Two speakers in folders, five sentences of each emotion: 60 files.
fn savee(folder: &Path) {
    for (number, speaker) in (0..).zip(["DC", "JK"]) {
        for (code, emotion) in [
            ("a", Emotion::Angry),
            ("d", Emotion::Disgust),
            ("f", Emotion::Fear),
            ("h", Emotion::Happy),
            ("n", Emotion::Neutral),
            ("sa", Emotion::Sad),
        ] {
            for sentence in 1..=5 {
                let sound = speak(emotion, 1000 + number * 100 + sentence);
                put(folder, &format!("{speaker}/{code}{sentence:02}.wav"), &sound);
            }
        }
    }
}

fn utterances(split: &StoredSplit) -> impl Iterator<Item = &Utterance> {
    Side::ALL.iter().flat_map(|part| split.side(*part))
}

// --- one corpus ---

#[test]
fn a_corpus_of_codes_is_labelled_without_being_told_how() {
    let place = Place::new();
    ravdess(&place.folder("RAVDESS"));
    put(&place.folder("RAVDESS"), "Actor_01/03-01-09-01-01-01-01.wav", &speak(Emotion::Sad, 1));
    let report = place.prepare(&place.options(&["RAVDESS"])).unwrap();
    assert_eq!(report.corpora[0].labels_by, "ravdess, as 144 of 145 names say");
    let labels: Vec<&str> = report.labels.keys().map(String::as_str).collect();
    assert_eq!(labels, ["angry", "calm", "disgust", "fear", "happy", "sad"]);
    assert!(report.labels.values().all(|count| *count == 24));
    assert_eq!(report.speakers.len(), 12);
    assert_eq!(report.failed.len(), 1);
    assert!(report.failed[0].text.contains("emotion 09 is not one of 01 to 08"), "{:?}", report.failed);
    assert!(
        ser::tables::preparation(&report)
            .contains("labels by                  ravdess, as 144 of 145 names say")
    );
    assert!(report.splits.contains_key("speakers-5-of-5") && report.splits.contains_key("speaker-12"));
    // With one corpus nothing has its name in front.
    let split = place.split("random");
    assert!(utterances(&split).all(|utterance| utterance.corpus.is_none()));
    assert!(utterances(&split).any(|utterance| utterance.path == "Actor_03/03-01-05-01-02-01-03.wav"));
}

#[test]
fn another_convention_than_names_follow_refuses_them_all() {
    let place = Place::new();
    savee(&place.folder("SAVEE"));
    let mut options = place.options(&["SAVEE"]);
    options.labels = vec!["emo-db".parse().unwrap()];
    let error = place.prepare(&options).unwrap_err();
    assert!(error.to_string().contains("DC/a01.wav: is not named as in emo-db"), "{error}");
    assert!(!place.cache().exists());
}

// --- several ---

#[test]
fn several_corpora_are_kept_apart_in_one_cache() {
    let place = Place::new();
    ravdess(&place.folder("RAVDESS"));
    savee(&place.folder("SAVEE"));
    // The same corpus again, with other sounds: same speakers, same words.
    savee(&place.folder("more/SAVEE"));
    for (path, _) in contents(&place.folder("more/SAVEE")) {
        let sound =
            speak(Emotion::Sad, 5000 + path.bytes().map(u64::from).sum::<u64>() * 31 + path.len() as u64);
        // Some of these sums are equal: such sounds are kept once.
        put(&place.folder("more/SAVEE"), &path, &sound);
    }
    let options = place.options(&["RAVDESS", "SAVEE", "more/SAVEE"]);
    let mut options = PrepareOptions { map: Some("common".parse().unwrap()), ..options };
    options.exclude = vec![];
    let error = place.prepare(&options).unwrap_err();
    // Sounds that are equal under two labels are refused by their full names.
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(error.to_string().contains("SAVEE_2/DC/"), "{error}");

    options.data.pop();
    let report = place.prepare(&options).unwrap();
    assert_eq!((report.found, report.used, report.dropped), (204, 180, 24));
    let names: Vec<(&str, usize)> = report.corpora.iter().map(|c| (c.name.as_str(), c.found)).collect();
    assert_eq!(names, [("RAVDESS", 144), ("SAVEE", 60)]);
    assert!(
        ser::tables::preparation(&report).contains("labels by savee, as 60 of 60 names say"),
        "{}",
        ser::tables::preparation(&report)
    );
    assert_eq!(report.speakers.len(), 14);
    assert!(
        report.speakers.contains(&"RAVDESS-07".to_owned())
            && report.speakers.contains(&"SAVEE-JK".to_owned())
    );

    for protocol in report.splits.keys() {
        for utterance in utterances(&place.split(protocol)) {
            let corpus = utterance.corpus.as_deref().unwrap();
            assert!(utterance.path.starts_with(&format!("{corpus}/")));
            assert!(utterance.speaker.as_ref().unwrap().starts_with(&format!("{corpus}-")));
            assert_eq!(utterance.word.is_some(), corpus == "RAVDESS");
            assert!(utterance.word.iter().all(|word| word.starts_with("RAVDESS-")));
            assert!(place.0.path().join(&utterance.path).is_file());
        }
    }
}

#[test]
fn a_test_across_corpora_learns_from_the_others_alone() {
    let place = Place::new();
    ravdess(&place.folder("RAVDESS"));
    savee(&place.folder("SAVEE"));
    let report = place.prepare(&place.options(&["RAVDESS", "SAVEE"])).unwrap();
    assert_eq!(report.used, 204);
    for (test, train, tested, learnt) in [("SAVEE", "RAVDESS", 50, 120), ("RAVDESS", "SAVEE", 120, 50)] {
        let split = place.split(&format!("corpus-{test}"));
        // Calm is in one, neutral in the other.
        assert_eq!(split.info.labels, ["angry", "disgust", "fear", "happy", "sad"]);
        assert_eq!(split.info.left_out.other_labels, 34);
        let of = |part: Side| -> BTreeSet<&str> {
            split.side(part).iter().map(|utterance| utterance.corpus.as_deref().unwrap()).collect()
        };
        assert_eq!(
            (of(Side::Test), of(Side::Train), of(Side::Val)),
            ([test].into(), [train].into(), [train].into())
        );
        assert_eq!(split.side(Side::Test).len(), tested);
        assert_eq!(split.side(Side::Train).len() + split.side(Side::Val).len(), learnt);
        assert!(split.info.audit.shared_speakers.is_empty());
    }
    assert_eq!(place.split("random").info.labels.len(), 7);
}

#[test]
fn a_corpus_has_the_name_it_is_given_also_where_its_cache_is_repaired() {
    let place = Place::new();
    ravdess(&place.folder("a/audio"));
    savee(&place.folder("b/audio"));
    let mut options = place.options(&["a/audio", "b/audio"]);
    options.data[1].name = Some("Surrey".to_owned());
    options.shard_bytes = 1 << 20;
    place.prepare(&options).unwrap();
    let before = contents(&place.cache());
    let shards: Vec<&String> = before.keys().filter(|path| path.starts_with("shards/")).collect();
    assert!(shards.len() > 4);

    let repaired = |data: Vec<CorpusFolder>| {
        for shard in &shards {
            fs::write(place.cache().join(shard), b"damaged").unwrap();
        }
        let repair_options = RepairOptions { root: place.cache(), data, jobs: 1, wait: true };
        let repair = repair(&repair_options, &Storage::native(), &Silent).unwrap();
        (repair.repaired.len(), repair.left)
    };
    // The report says where they are.
    assert_eq!(repaired(Vec::new()), (shards.len(), Vec::new()));
    assert_eq!(contents(&place.cache()), before);
    // Or a repair.
    fs::rename(place.folder("b/audio"), place.folder("moved")).unwrap();
    let given = |text: String| text.parse::<CorpusFolder>().unwrap();
    let folders = [
        given(place.folder("a/audio").display().to_string()),
        given(format!("Surrey={}", place.folder("moved").display())),
    ];
    assert_eq!(repaired(folders.to_vec()), (shards.len(), Vec::new()));
    let (_, left) = repaired(Vec::new());
    assert!(!left.is_empty());
    assert!(
        left[0].help.contains("data = audio=") && left[0].help.contains("data = Surrey="),
        "{}",
        left[0].help
    );
}

#[test]
fn a_second_corpus_recomputes_nothing_of_the_first() {
    let place = Place::new();
    ravdess(&place.folder("RAVDESS"));
    savee(&place.folder("SAVEE"));
    place.prepare(&place.options(&["RAVDESS"])).unwrap();
    let report = place.prepare(&place.options(&["RAVDESS", "SAVEE"])).unwrap();
    assert_eq!((report.computed, report.reused), (60, 144));
    let again = place.prepare(&place.options(&["RAVDESS", "SAVEE"])).unwrap();
    assert_eq!((again.computed, again.bytes_read), (0, 0));
}

#[test]
fn what_several_corpora_are_asked_for_must_make_sense() {
    let place = Place::new();
    savee(&place.folder("a"));
    savee(&place.folder("b"));
    put(&place.folder("a"), "labels.csv", b"path,label\n");
    let table = LabelSource::Table(place.folder("a/labels.csv"));
    let with = |labels: Vec<LabelSource>, corpora: &[&str]| {
        let error = place.prepare(&PrepareOptions { labels, ..place.options(corpora) }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        error.to_string()
    };
    assert!(with(vec![LabelSource::Auto; 3], &["a", "b"]).contains("3 labels do not match 2 data"));
    assert!(with(vec![LabelSource::Auto; 2], &["a"]).contains("2 labels do not match 1 data"));
    assert!(with(vec![table], &["a", "b"]).contains("describes one corpus"));
    assert!(with(Vec::new(), &["a", "a"]).contains("is given twice"));
    assert!(with(Vec::new(), &["a", "a/DC"]).contains("lies in"));
    assert!(with(Vec::new(), &[]).contains("no folder of recordings"));
}

#[test]
fn each_corpus_may_have_labels_from_elsewhere() {
    let place = Place::new();
    savee(&place.folder("SAVEE"));
    let mut rows = "path,label,speaker,word\n".to_owned();
    for number in 0..12 {
        put(&place.folder("mine"), &format!("{number}.wav"), &speak(Emotion::Sad, 900 + number));
        rows += &format!("{number}.wav,{},me,hello\n", ["sad", "angry"][number as usize % 2]);
    }
    put(&place.folder("mine"), "labels.csv", rows.as_bytes());
    let labels = vec![LabelSource::Auto, LabelSource::Table(place.folder("mine/labels.csv"))];
    let report = place.prepare(&PrepareOptions { labels, ..place.options(&["SAVEE", "mine"]) }).unwrap();
    assert!(report.corpora[1].labels_by.ends_with("labels.csv"));
    assert_eq!(report.speakers, ["SAVEE-DC", "SAVEE-JK", "mine-me"]);
    assert_eq!(place.split("corpus-mine").side(Side::Test).len(), 12);
}

// --- label maps ---

#[test]
fn a_label_map_renames_and_leaves_out_before_anything_is_excluded() {
    let place = Place::new();
    savee(&place.folder("SAVEE"));
    put(
        &place.folder("maps"),
        "map.toml",
        b"drop = [\"disgust\"]\n[labels]\nangry = \"high\"\nhappy = \"high\"\nsad = \"low\"\n\
          [corpus.SAVEE.labels]\nneutral = \"low\"\nfear = \"other\"\n",
    );
    let map = Some(MapSource::File(place.folder("maps/map.toml")));
    let exclude = vec!["other".to_owned()];
    let options = PrepareOptions { map, exclude, ..place.options(&["SAVEE"]) };
    let report = place.prepare(&options).unwrap();
    assert_eq!(report.labels, BTreeMap::from([("high".to_owned(), 20), ("low".to_owned(), 20)]));
    assert_eq!((report.dropped, report.excluded), (10, 10));
    assert!(
        ser::tables::preparation(&report).contains("by the label map"),
        "{}",
        ser::tables::preparation(&report)
    );

    put(&place.folder("maps"), "map.toml", b"[labels]\nangre = \"high\"\n");
    let error = place.prepare(&options).unwrap_err();
    assert!(error.to_string().contains("mentions the label \"angre\"; there is angry, disgust"), "{error}");
    let unknown = PrepareOptions { map: Some("comon".parse().unwrap()), ..options };
    let error = place.prepare(&unknown).unwrap_err().to_string();
    assert!(
        error.contains("comon: cannot be read as a label map") && error.contains("map = common"),
        "{error}"
    );
}

#[test]
fn parts_of_one_published_corpus_are_said_by_the_same_people() {
    let place = Place::new();
    ravdess(&place.folder("RAVDESS_speech"));
    for (path, bytes) in contents(&place.folder("RAVDESS_speech")) {
        // The same actors and statements in other takes.
        let seed = 9_000 + path.bytes().fold(0_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 100_000);
        assert!(!bytes.is_empty());
        put(&place.folder("RAVDESS_song"), &path, &speak(Emotion::Sad, seed));
    }
    let names = ["RAVDESS_speech", "RAVDESS_song"];
    let report = place.prepare(&place.options(&names)).unwrap();
    let speakers: Vec<String> = (1..=12).map(|actor| format!("ravdess-{actor:02}")).collect();
    assert_eq!(report.speakers, speakers);
    assert_eq!(report.audits["corpus-RAVDESS_song"].shared_speakers, speakers);
    assert!(report.audits["corpus-RAVDESS_song"].shared_words > 0);
    for (protocol, audit) in report.audits.iter().filter(|(protocol, _)| protocol.starts_with("speaker")) {
        assert!(audit.shared_speakers.is_empty(), "{protocol}: {audit:?}");
    }
    let both: BTreeSet<Option<String>> = place
        .split("speaker-ravdess-07")
        .side(Side::Test)
        .iter()
        .map(|utterance| utterance.corpus.clone())
        .collect();
    assert_eq!(both.len(), 2);
    // Validation has as much as was asked for, though its speakers are in both parts.
    let split = place.split("speakers-1-of-5");
    let [train, val] = [Side::Train, Side::Val].map(|part| split.side(part).len());
    assert!((0.1..=0.25).contains(&(val as f64 / report.used as f64)) && train > val, "{train} {val}");

    // Other corpora with such names may have the same people in them.
    for (name, seed) in [("mine", 40_000), ("yours", 50_000)] {
        for number in 0..8_u64 {
            let label = ["sad", "angry"][number as usize % 2];
            put(
                &place.folder(name),
                &format!("bea_{label}/{number}.wav"),
                &speak(Emotion::Sad, seed + number),
            );
            put(
                &place.folder(name),
                &format!("sam_{label}/{number}.wav"),
                &speak(Emotion::Sad, seed + 100 + number),
            );
        }
    }
    let report = place.prepare(&place.options(&["mine", "yours"])).unwrap();
    assert_eq!(report.speakers.len(), 4);
    let note = report.notes.iter().find(|note| note.path == "yours").unwrap();
    assert!(note.text.contains("has 2 speakers called as in mine, such as bea"), "{note:?}");
}

// --- augmented copies ---

#[test]
fn copies_reach_manifests_with_their_parents_and_only_in_training() {
    let place = Place::new();
    let mut rows = "path,label,speaker,word,session,parent\n".to_owned();
    for number in 0..24u64 {
        let label = ["sad", "angry"][number as usize % 2];
        let sound = speak(Emotion::Sad, 700 + number);
        put(&place.folder("data"), &format!("{number}.wav"), &sound);
        rows += &format!("{number}.wav,{label},s{},w{},day{},\n", number % 3, number % 8, number % 2);
        put(&place.folder("data"), &format!("{number}-noisy.wav"), &speak(Emotion::Sad, 800 + number));
        rows += &format!("{number}-noisy.wav,{label},,,,{number}.wav\n");
    }
    // The same sound as 0.wav, in a deeper folder: its copy is one of 0.wav then.
    put(&place.folder("data"), "deep/0.wav", &speak(Emotion::Sad, 700));
    put(&place.folder("data"), "deep/0-loud.wav", &speak(Emotion::Sad, 990));
    rows += "deep/0.wav,sad,s0,w0,day0,\ndeep/0-loud.wav,sad,,,,deep/0.wav\n";
    // A copy that is its parent, where it would be kept for its name; and the copy of a file that is not a recording.
    put(&place.folder("data"), "deep/7.wav", &speak(Emotion::Sad, 993));
    put(&place.folder("data"), "7-same.wav", &speak(Emotion::Sad, 993));
    rows += "deep/7.wav,angry,s1,w7,day1,\n7-same.wav,angry,,,,deep/7.wav\n";
    put(&place.folder("data"), "bad.wav", b"");
    put(&place.folder("data"), "bad-noisy.wav", &speak(Emotion::Sad, 991));
    rows += "bad.wav,sad,s0,w0,day0,\nbad-noisy.wav,sad,,,,bad.wav\n";
    put(&place.folder("data"), "labels.csv", rows.as_bytes());

    let labels = vec![LabelSource::Table(place.folder("data/labels.csv"))];
    let report = place.prepare(&PrepareOptions { labels, ..place.options(&["data"]) }).unwrap();
    let failed: Vec<&str> = report.failed.iter().map(|remark| remark.path.as_str()).collect();
    assert_eq!(failed, ["bad-noisy.wav", "bad.wav"]);
    assert!(report.failed[0].text.contains("a copy of bad.wav, which cannot be used"));
    assert_eq!(report.used, 50);
    let kept: Vec<(&str, &str)> =
        (report.duplicates.iter()).map(|d| (d.path.as_str(), d.kept.as_str())).collect();
    assert_eq!(kept, [("7-same.wav", "deep/7.wav"), ("deep/0.wav", "0.wav")]);
    assert_eq!(report.splits.len(), 5);
    for protocol in report.splits.keys() {
        let split = place.split(protocol);
        let learnt: BTreeSet<&str> = split.side(Side::Train).iter().map(|u| u.path.as_str()).collect();
        for part in [Side::Val, Side::Test] {
            assert!(split.side(part).iter().all(|utterance| utterance.parent.is_none()), "{protocol}");
        }
        let mut copies = 0;
        for utterance in utterances(&split) {
            assert!(utterance.session.is_some());
            let Some(parent) = &utterance.parent else { continue };
            copies += 1;
            assert!(learnt.contains(parent.as_str()), "{protocol}: {}", utterance.path);
            if utterance.path == "deep/0-loud.wav" {
                assert_eq!(parent, "0.wav");
            }
        }
        assert!(copies > 0);
        assert_eq!(copies + split.info.left_out.copies, 25, "{protocol}");
    }
}
