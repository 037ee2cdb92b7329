//! What a folder means: every arrangement that people have, given to the command and to the doctor, which must agree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ser_cache::Cache;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Ran, noise, put, ser_prep, wav};

/// A corpus and a cache beside it.
struct Place {
    folder: TempDir,
    sounds: u32,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), sounds: 0 }
    }

    /// A corpus of empty names: each path is a recording of a tenth of a second, each another sound.
    fn with<S: AsRef<str>>(paths: impl IntoIterator<Item = S>) -> Self {
        let mut place = Self::new();
        paths.into_iter().for_each(|path| place.record(path.as_ref()));
        place
    }

    fn record(&mut self, path: &str) {
        self.sounds += 1;
        put(&self.data(), path, &wav(8_000, &noise(self.sounds, 800)));
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn run(&self, more: &[&str]) -> Ran {
        let (data, cache) = (self.data(), self.cache());
        let mut words = vec!["--data", data.to_str().unwrap(), "--out", cache.to_str().unwrap()];
        words.extend(more);
        ser_prep(words)
    }

    /// The report of a preparation that ends with `code`.
    fn report(&self, code: i32, more: &[&str]) -> Value {
        let mut words = vec!["--json"];
        words.extend(more);
        serde_json::from_str(&self.run(&words).ends(code).stdout).unwrap()
    }

    fn doctor(&self, code: i32, more: &[&str]) -> Value {
        let data = self.data();
        let mut words = vec!["--doctor", "--json", "--data", data.to_str().unwrap()];
        words.extend(more);
        serde_json::from_str(&ser_prep(words).ends(code).stdout).unwrap()
    }
}

fn keys(value: &Value) -> Vec<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// Label → recordings, as the doctor counts them.
fn classes(doctor: &Value) -> BTreeMap<String, u64> {
    let class =
        |class: &Value| (class["label"].as_str().unwrap().to_owned(), class["recordings"].as_u64().unwrap());
    doctor["numbers"]["classes"].as_array().unwrap().iter().map(class).collect()
}

/// Path and text of each remark of this kind in a report.
fn remarks<'a>(report: &'a Value, kind: &str) -> Vec<(&'a str, &'a str)> {
    let remark = |remark: &'a Value| (remark["path"].as_str().unwrap(), remark["text"].as_str().unwrap());
    report[kind].as_array().unwrap().iter().map(remark).collect()
}

/// The texts of a finding of this kind.
fn findings<'a>(doctor: &'a Value, kind: &str) -> Vec<&'a str> {
    let of_kind = doctor["findings"].as_array().unwrap().iter().find(|finding| finding["kind"] == kind);
    let items = of_kind.map_or(&[][..], |finding| finding["items"].as_array().unwrap());
    items.iter().map(|item| item["text"].as_str().unwrap()).collect()
}

/// Checks that command and doctor conclude the same of a corpus without problems; returns the report.
fn agreed(place: &Place, labels: &[&str], speakers: &[&str], labels_by: &str) -> Value {
    let report = place.report(0, &[]);
    assert_eq!(keys(&report["labels"]), labels);
    assert_eq!(texts(&report["speakers"]), speakers);
    let by = report["corpora"][0]["labels_by"].as_str().unwrap();
    assert!(by.starts_with(labels_by), "{by}");
    let doctor = place.doctor(0, &[]);
    assert_eq!(doctor["labels_by"], by);
    assert_eq!(classes(&doctor).into_keys().collect::<Vec<_>>(), labels);
    assert_eq!(keys(&doctor["numbers"]["speakers"]), speakers);
    report
}

fn takes(folders: &[&str]) -> Vec<String> {
    folders.iter().flat_map(|folder| (1..=4).map(move |take| format!("{folder}/{take}.wav"))).collect()
}

// --- a bundle ---

fn bundle() -> Vec<String> {
    let mut paths = Vec::new();
    for (code, sentence) in [("ANG", "DFA"), ("SAD", "IEO"), ("HAP", "IOM")] {
        paths.extend((1001..1005).map(|actor| format!("Crema/{actor}_{sentence}_{code}_XX.wav")));
    }
    for (emotion, actor) in
        [3, 4, 5].into_iter().flat_map(|emotion| (1..=4).map(move |actor| (emotion, actor)))
    {
        let name = format!("03-01-{emotion:02}-01-01-01-{actor:02}.wav");
        paths.push(format!("Ravdess/audio_speech_actors_01-24/Actor_{actor:02}/{name}"));
    }
    for code in ["a", "h", "sa"] {
        paths.extend((1..=4).map(|number| format!("Savee/DC_{code}{number:02}.wav")));
    }
    for (emotion, word) in
        ["angry", "sad", "happy"].into_iter().flat_map(|e| ["back", "bar", "base", "bath"].map(|w| (e, w)))
    {
        paths.push(format!("Tess/OAF_{emotion}/OAF_{word}_{emotion}.wav"));
    }
    paths
}

#[test]
fn each_corpus_of_a_bundle_is_one_of_its_own() {
    let place = Place::with(bundle());
    let report = place.report(0, &[]);
    let corpora: Vec<(&str, &str)> = report["corpora"]
        .as_array()
        .unwrap()
        .iter()
        .map(|corpus| (corpus["name"].as_str().unwrap(), corpus["labels_by"].as_str().unwrap()))
        .collect();
    assert_eq!(
        corpora,
        [
            ("Crema", "crema-d, as 12 of 12 names say"),
            ("Ravdess", "ravdess, as 12 of 12 names say"),
            ("Savee", "savee, as 12 of 12 names say"),
            ("Tess", "tess, as 12 of 12 names say"),
        ]
    );
    assert_eq!(keys(&report["labels"]), ["angry", "happy", "sad"]);
    assert!(texts(&report["speakers"]).contains(&"Ravdess-02"), "{report}");
    let notes = remarks(&report, "notes");
    assert!(
        notes[0].1.contains("a bundle of 4 corpora") && notes[0].1.contains("Crema (crema-d)"),
        "{notes:?}"
    );
    assert!(keys(&report["splits"]).contains(&"corpus-Tess".to_owned()));
    // What comes after finds the recordings again, without being told that it is a bundle.
    let corpora = ser_cache::corpora_of(&place.cache()).unwrap();
    let first = corpora.location("Tess/OAF_sad/OAF_back_sad.wav").unwrap();
    assert_eq!(first, place.data().join("Tess/OAF_sad/OAF_back_sad.wav"));

    let doctor = place.doctor(3, &[]);
    let members: Vec<&str> = doctor["bundle"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["known_by"].as_str().unwrap())
        .collect();
    assert_eq!(members, ["crema-d", "ravdess", "savee", "tess"]);
    let names: Vec<&str> = doctor["reports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["corpus"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["CREMA-D", "RAVDESS (speech)", "SAVEE", "TESS"]);
    let text = ser_prep(["--doctor", "--data", place.data().to_str().unwrap()]).ends(3).stdout;
    assert!(text.contains("is a bundle of 4 corpora") && text.contains("This is a part of TESS"), "{text}");
}

#[test]
fn what_lies_beside_the_corpora_of_a_bundle_is_named() {
    let mut place = Place::with(bundle());
    place.record("loose.wav");
    let report = place.report(3, &[]);
    assert_eq!(report["corpora"].as_array().unwrap().len(), 4);
    let failed = remarks(&report, "failed");
    assert!(
        failed[0].0.ends_with("data/loose.wav") && failed[0].1.contains("in none of the corpora"),
        "{failed:?}"
    );
    assert_eq!(place.doctor(3, &[])["bundle"]["outside"][0], "loose.wav");
    assert!(!place.run(&["--strict"]).ends(1).stderr.is_empty());
}

#[test]
fn a_bundle_that_a_person_calls_folders_of_classes_is_that() {
    let place = Place::with(takes(&["Crema/angry", "Crema/sad", "Tess/angry", "Tess/sad"]));
    let report = place.report(0, &["--labels", "folder"]);
    assert_eq!(report["corpora"].as_array().unwrap().len(), 1);
    let report = place.report(0, &[]);
    assert_eq!(report["corpora"].as_array().unwrap().len(), 2);
}

// --- speakers and classes ---

#[test]
fn folders_of_a_speaker_and_a_class_are_both_whatever_the_words() {
    let place = Place::with(takes(&[
        "bea_Amused",
        "bea_Sleepy",
        "sam_Amused",
        "sam_Sleepy",
        "josh_Amused",
        "josh_Sleepy",
    ]));
    let report = agreed(
        &place,
        &["Amused", "Sleepy"],
        &["bea", "josh", "sam"],
        "folders <speaker>_<label>, as 24 of 24 recordings lie: 3 speakers, 2 classes",
    );
    assert!(keys(&report["splits"]).contains(&"speaker-bea".to_owned()));
    let place = Place::with(takes(&["kim_glorp", "kim_zorb", "lee_glorp", "lee_zorb"]));
    agreed(&place, &["glorp", "zorb"], &["kim", "lee"], "folders <speaker>_<label>");
    let place = Place::with(takes(&["joy_kim", "frustration_kim", "joy_lee", "frustration_lee"]));
    agreed(&place, &["frustration", "joy"], &["kim", "lee"], "folders <label>_<speaker>");
}

#[test]
fn speakers_have_names_in_any_script_and_so_have_their_splits() {
    let speakers = ["José", "Mrs. Bing", "Speaker 1", "说话人1"];
    let folders: Vec<String> = speakers
        .iter()
        .flat_map(|speaker| ["anger", "joy"].map(|label| format!("{speaker}_{label}")))
        .collect();
    let place = Place::with(takes(&folders.iter().map(String::as_str).collect::<Vec<_>>()));
    agreed(&place, &["anger", "joy"], &speakers, "folders <speaker>_<label>");
    let cache = Cache::open(&place.cache()).unwrap();
    let set = cache.feature_set(None).unwrap();
    for speaker in speakers {
        let split = cache.split(set, &format!("speaker-{speaker}").parse().unwrap()).unwrap();
        let test = split.side(ser_corpus::split::Side::Test);
        assert!(test.len() == 8 && test.iter().all(|one| one.speaker.as_deref() == Some(speaker)));
        assert!(place.cache().join("splits").join(format!("speaker-{speaker}/test.jsonl")).is_file());
    }
    assert_eq!(cache.protocols(set).unwrap().len(), 1 + speakers.len());
    let cache = place.cache();
    let verify = std::process::Command::new(env!("CARGO_BIN_EXE_ser-cache"))
        .args(["verify", cache.to_str().unwrap()])
        .output()
        .unwrap();
    Ran::of(&verify).ends(0);
}

#[test]
fn a_table_may_name_speakers_in_any_script() {
    let place = Place::with(takes(&["x"]).into_iter().chain(takes(&["y"])));
    let row = |n: usize, label: &str, folder: &str| {
        let speaker = ["Mrs. Bing", "说话人1", "Jose\u{301}", "O'Brien"][n - 1];
        format!("{folder}/{n}.wav,{label},{speaker}\n")
    };
    let rows: String = (1..=4).flat_map(|n| [row(n, "joy", "x"), row(n, "anger", "y")]).collect();
    put(place.folder.path(), "labels.csv", format!("path,label,speaker\n{rows}").as_bytes());
    let table = place.folder.path().join("labels.csv");
    let report = place.report(0, &["--labels", table.to_str().unwrap()]);
    assert_eq!(texts(&report["speakers"]), ["José", "Mrs. Bing", "O'Brien", "说话人1"]);
}

#[test]
fn folders_within_folders_are_speakers_and_classes_and_sides_of_a_split() {
    for sides in [["", "", ""], ["train/", "evaluation/", "test/"]] {
        let mut paths = Vec::new();
        for speaker in ["0011", "0012", "0013"] {
            for label in ["Angry", "Happy", "Sad"] {
                let below =
                    sides.iter().enumerate().map(|(n, side)| format!("{speaker}/{label}/{side}{n}.wav"));
                paths.extend(below);
            }
        }
        let above: Vec<String> = (paths.iter())
            .filter_map(|path| match &path.split('/').collect::<Vec<_>>()[..] {
                [speaker, label, side, file] => Some(format!("{side}/{speaker}/{label}/{file}")),
                _ => None,
            })
            .collect();
        for paths in [paths, above].into_iter().filter(|paths| !paths.is_empty()) {
            let place = Place::with(&paths);
            let report = agreed(
                &place,
                &["Angry", "Happy", "Sad"],
                &["0011", "0012", "0013"],
                "folders <speaker>/<label>, as 27 of 27 recordings lie: 3 speakers, 3 classes",
            );
            let by = report["corpora"][0]["labels_by"].as_str().unwrap();
            assert_eq!(by.contains("sides of a split"), !sides[0].is_empty(), "{by}");
        }
    }
    let place = Place::with(takes(&["anger/kim", "anger/lee", "joy/kim", "joy/lee"]));
    agreed(&place, &["anger", "joy"], &["kim", "lee"], "folders <label>/<speaker>");
}

#[test]
fn sessions_and_rooms_between_folders_are_neither_speakers_nor_classes() {
    let below = |outer: &[&str], middle: &[&str], inner: &[&str]| -> Vec<String> {
        let pairs = outer.iter().flat_map(|a| middle.iter().map(move |b| format!("{a}/{b}")));
        let folders = pairs.flat_map(|pair| inner.iter().map(move |c| format!("{pair}/{c}")));
        folders.collect()
    };
    let emotions = ["angry", "happy", "sad"];
    let (names, numbers) = (["bea", "kim", "sam"], ["0011", "0012", "0013"]);
    for folders in [
        below(&names, &["s1", "s2"], &emotions),
        below(&names, &["indoor", "outdoor"], &emotions),
        below(&names, &["s1", "s2"], &["x"])
            .iter()
            .flat_map(|f| emotions.map(|e| f.replace("/x", &format!("_{e}"))))
            .collect(),
    ] {
        let place = Place::with(takes(&folders.iter().map(String::as_str).collect::<Vec<_>>()));
        let report = place.report(0, &[]);
        assert_eq!(
            (keys(&report["labels"]), texts(&report["speakers"]).len()),
            (emotions.map(str::to_owned).into(), 0)
        );
        let notes = remarks(&report, "notes");
        assert!(notes.iter().any(|(_, text)| text.contains("lies in \"bea\" and in \"kim\"")), "{notes:?}");
        let refused = place.run(&["--require", "speaker-independent"]).ends(1).stderr;
        assert!(refused.contains("not every recording names its speaker"), "{refused}");
        assert_eq!(findings(&place.doctor(0, &[]), "unclear").len(), 1);
    }
    for folders in
        [below(&emotions, &numbers, &["studio", "outdoor"]), below(&emotions, &names, &["s1", "s2"])]
    {
        let place = Place::with(takes(&folders.iter().map(String::as_str).collect::<Vec<_>>()));
        agreed(&place, &emotions, &[], "folders <label>/…, as 72 of 72 recordings lie: 3 classes");
    }
    let folders = below(&numbers, &["improvised", "scripted"], &emotions);
    let place = Place::with(takes(&folders.iter().map(String::as_str).collect::<Vec<_>>()));
    agreed(
        &place,
        &emotions,
        &numbers,
        "folders <speaker>/…/<label>, as 72 of 72 recordings lie: 3 speakers",
    );
}

#[test]
fn names_of_three_parts_are_not_tess_for_that() {
    let speakers = ["bea", "kim", "sam"];
    let of = |label: &str| {
        speakers.map(|s| ["dog", "kids"].map(|word| format!("{label}/{s}_{word}_{label}.wav"))).concat()
    };
    let place = Place::with(["happy", "sad", "surprise"].map(of).concat());
    agreed(&place, &["happy", "sad", "surprise"], &[], "folder: the one a recording lies in names its class");
    let numbered = |label: &str| ["01", "02", "03"].map(|n| format!("{label}/{n}_bea_{label}.wav"));
    let place = Place::with(["angry", "sad"].map(numbered).concat());
    agreed(&place, &["angry", "sad"], &[], "folder: the one a recording lies in names its class");
}

#[test]
fn a_recording_that_lies_otherwise_than_the_rest_is_unusable_by_name() {
    let folders: Vec<String> =
        (1..=12).flat_map(|n| ["Angry", "Sad"].map(|label| format!("{n:04}/{label}"))).collect();
    let mut place = Place::with(takes(&folders.iter().map(String::as_str).collect::<Vec<_>>()));
    place.record("0001/loose.wav");
    let report = place.report(3, &["--dry-run"]);
    assert_eq!(keys(&report["labels"]), ["Angry", "Sad"]);
    let failed = remarks(&report, "failed");
    assert!(failed.len() == 1 && failed[0].0 == "0001/loose.wav", "{failed:?}");
    assert!(failed[0].1.contains("not <speaker>/<label>"), "{failed:?}");
    assert_eq!(findings(&place.doctor(3, &[]), "unlabelled").len(), 1);
}

#[test]
fn words_about_recordings_name_no_speakers() {
    for outer in [["wav", "flac"], ["studio", "phone"], ["YouTube", "Movies"], ["2019", "2020"], ["en", "de"]]
    {
        let folders: Vec<String> =
            outer.iter().flat_map(|name| ["angry", "sad"].map(|label| format!("{name}/{label}"))).collect();
        let place = Place::with(takes(&folders.iter().map(String::as_str).collect::<Vec<_>>()));
        let report = place.report(0, &[]);
        assert_eq!(
            (keys(&report["labels"]), texts(&report["speakers"]).len()),
            (vec!["angry".into(), "sad".into()], 0)
        );
        let notes = remarks(&report, "notes");
        let is_said =
            |(name, text): &(&str, &str)| outer.contains(name) && text.contains("no name of a person");
        assert!(notes.iter().any(is_said), "{notes:?}");
        place.run(&["--require", "speaker-independent"]).ends(1);
        assert_eq!(findings(&place.doctor(0, &[]), "unclear").len(), 1);
    }
    for outer in
        [["males", "females"], ["hommes", "femmes"], ["男", "女"], ["kids", "adults"], ["split1", "split2"]]
    {
        let folders: Vec<String> =
            outer.iter().flat_map(|name| ["angry", "sad"].map(|label| format!("{name}/{label}"))).collect();
        let place = Place::with(takes(&folders.iter().map(String::as_str).collect::<Vec<_>>()));
        agreed(&place, &["angry", "sad"], &[], "folder: the one a recording lies in names its class");
    }
}

#[test]
fn folders_that_begin_with_the_word_for_a_side_are_the_published_split() {
    for sides in [["train_set", "test_set"], ["train80", "test20"], ["TrainData", "Test1"]] {
        let folders: Vec<String> =
            sides.iter().flat_map(|side| ["angry", "sad"].map(|label| format!("{side}/{label}"))).collect();
        let place = Place::with(takes(&folders.iter().map(String::as_str).collect::<Vec<_>>()));
        let report =
            agreed(&place, &["angry", "sad"], &[], "folder: the one a recording lies in names its class");
        assert!(keys(&report["splits"]).contains(&"official".to_owned()), "{report}");
    }
    let place = Place::with(takes(&["train_angry", "train_sad", "test_angry", "test_sad"]));
    let report = place.report(3, &["--dry-run"]);
    let doubts = remarks(&report, "doubts");
    assert!(
        doubts.len() == 4 && doubts.iter().all(|(_, text)| text.contains("a side of a split")),
        "{doubts:?}"
    );
    let report = place.report(0, &["--labels", "pattern:{split}_{label}/{}"]);
    assert!(keys(&report["splits"]).contains(&"official".to_owned()), "{report}");
    assert_eq!(keys(&report["labels"]), ["angry", "sad"]);
}

#[test]
fn what_stands_before_an_emotion_makes_another_class_of_it() {
    let folders = ["cold_anger", "hot_anger", "not_angry", "sad"];
    let place = Place::with(takes(&folders));
    for labels in [vec![], vec!["--labels", "folder"]] {
        let report = place.report(0, &labels);
        assert_eq!(
            (keys(&report["labels"]), texts(&report["speakers"]).len()),
            (folders.map(str::to_owned).into(), 0)
        );
    }
}

#[test]
fn a_published_corpus_in_folders_of_other_emotions_is_doubted() {
    let codes = [("ANG", "angry"), ("HAP", "happy"), ("SAD", "sad")];
    let path = |number: usize| {
        let (code, meant) = codes[number % 3];
        let heard = if number.is_multiple_of(2) { meant } else { "neutral" };
        format!("{heard}/{}_DFA_{code}_XX.wav", 1001 + number)
    };
    let place = Place::with((0..24).map(path));
    let report = place.report(3, &[]);
    assert_eq!(keys(&report["labels"]), ["angry", "happy", "sad"]);
    let doubts = remarks(&report, "doubts");
    assert_eq!(doubts.iter().map(|(label, _)| *label).collect::<Vec<_>>(), ["angry", "happy", "sad"]);
    assert!(doubts[0].1.contains("4 of its 8 recordings"), "{doubts:?}");
    let notes = remarks(&report, "notes");
    let said = notes.iter().filter(|(_, text)| text.contains("its folder says neutral, its name says "));
    assert_eq!(said.count(), 12);
    assert_eq!(findings(&place.doctor(3, &[]), "mislabelled").len(), 12);
    // Who says which of the two counts is not contradicted.
    assert_eq!(keys(&place.report(0, &["--labels", "crema-d"])["labels"]), ["angry", "happy", "sad"]);
    assert_eq!(
        keys(&place.report(0, &["--labels", "folder"])["labels"]),
        ["angry", "happy", "neutral", "sad"]
    );
}

// --- spellings ---

#[test]
fn names_that_differ_in_case_or_composition_are_one_class_and_that_is_said() {
    let place = Place::with(takes(&["angry", "Angry", "ANGRY", "mu\u{308}de", "müde"]));
    let report = place.report(0, &[]);
    assert_eq!(report["labels"], serde_json::json!({"angry": 12, "müde": 8}));
    let notes = remarks(&report, "notes");
    assert_eq!(notes.iter().map(|(label, _)| *label).collect::<Vec<_>>(), ["angry", "müde"]);
    assert!(notes[0].1.contains("\"ANGRY\" (4), \"Angry\" (4)"), "{notes:?}");
    let doctor = place.doctor(0, &[]);
    assert_eq!(classes(&doctor), [("angry".to_owned(), 12), ("müde".to_owned(), 8)].into());
    let said = findings(&doctor, "spelling");
    assert!(
        said.len() == 2 && said.iter().zip(&notes).all(|(said, (_, note))| said.ends_with(note)),
        "{said:?}"
    );
}

#[test]
fn classes_of_several_corpora_are_written_alike_before_they_are_left_out() {
    let place = Place::with(takes(&["angry", "sad", "joy"]));
    let other = Place::with(takes(&["Angry", "Sad", "Joy"]).iter().map(|path| format!("more/{path}")));
    // Other sounds than the first corpus has.
    let other_data = other.data().join("more");
    for (n, path) in takes(&["Angry", "Sad", "Joy"]).iter().enumerate() {
        put(&other_data, path, &wav(8_000, &noise(500 + n as u32, 800)));
    }
    let given = format!("B={}", other_data.display());
    let report = place.report(0, &["--data", &given, "--exclude", "joy", "--dry-run"]);
    assert_eq!(report["labels"], serde_json::json!({"angry": 8, "sad": 8}));
    assert_eq!(report["excluded"], 8);
    assert_eq!(remarks(&report, "notes").len(), 3);
}

#[test]
fn a_map_is_about_classes_in_any_case() {
    let place = Place::with(takes(&["Angry", "Calm", "HAPPINESS", "Sad"]));
    let report = place.report(0, &["--map", "common"]);
    assert_eq!(keys(&report["labels"]), ["Angry", "Sad", "happy"]);
    assert_eq!(report["dropped"], 4);
}

#[cfg(unix)]
#[test]
fn names_of_classes_do_not_reach_the_terminal_as_they_are() {
    // The second looks like a corpus, and is doubtful.
    let place = Place::with(takes(&["x\n\u{1b}[31m", "Crema\u{202e}"]));
    let table = place.run(&["--labels", "folder"]).ends(0).stdout;
    assert!(table.contains("Crema\\u{202e} 4, x\\n\\u{1b}[31m 4"), "{table}");
    for text in [table, place.run(&["--dry-run"]).ends(3).stdout, place.run(&["--quiet"]).ends(3).stderr] {
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    }
}

// --- patterns ---

fn flat() -> Vec<String> {
    let mut names = Vec::new();
    for (gender, speaker) in [("F", "MONIKA"), ("M", "JAN")] {
        for (text, label) in ["NEUTRAL", "ANGER", "JOY"].into_iter().enumerate() {
            names.extend((1..=4).map(|take| format!("{gender}_0{text}_{speaker}_S_{take}_{label}_5.wav")));
        }
    }
    names
}

const PATTERN: &str = "pattern:{gender}_{}_{speaker}_{}_{word}_{label}_{}";

#[test]
fn flat_names_are_refused_with_the_pattern_that_they_seem_to_follow_and_read_by_it() {
    let place = Place::with(flat());
    let refused = place.run(&[]).ends(1).stderr;
    assert!(refused.contains("--labels 'pattern:{}_{}_{speaker}_{}_{}_{label}_{}'"), "{refused}");
    let doctor = ser_prep(["--doctor", "--data", place.data().to_str().unwrap()]).ends(3).stdout;
    let joined = doctor.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(joined.contains("'pattern:{}_{}_{speaker}_{}_{}_{label}_{}'"), "{doctor}");

    let report = place.report(0, &["--labels", PATTERN]);
    assert_eq!(keys(&report["labels"]), ["ANGER", "JOY", "NEUTRAL"]);
    assert_eq!(texts(&report["speakers"]), ["JAN", "MONIKA"]);
    assert_eq!(report["corpora"][0]["labels_by"], PATTERN);
    assert_eq!(place.doctor(0, &["--labels", PATTERN])["numbers"]["words"], 4);
}

#[test]
fn a_name_that_does_not_fit_the_pattern_is_unusable_and_a_pattern_that_none_fits_is_wrong() {
    let mut place = Place::with(flat());
    place.record("notes.wav");
    let report = place.report(3, &["--labels", PATTERN, "--dry-run"]);
    let failed = remarks(&report, "failed");
    assert!(failed.len() == 1 && failed[0].0 == "notes.wav", "{failed:?}");
    assert!(failed[0].1.contains("after {gender} there is no \"_\""), "{failed:?}");
    assert_eq!(findings(&place.doctor(3, &["--labels", PATTERN]), "unlabelled").len(), 1);

    let wrong = place.run(&["--labels", "pattern:{speaker}-{label}"]).ends(2).stderr;
    assert!(wrong.contains("fits none of the 25 names, such as F_00_MONIKA_S_1_NEUTRAL_5.wav"), "{wrong}");
    let no_label = place.run(&["--labels", "pattern:{speaker}_{}"]).ends(2).stderr;
    assert!(no_label.contains("has no {label}"), "{no_label}");
}

// --- links, and what is to be doubted ---

#[cfg(unix)]
#[test]
fn a_corpus_behind_a_link_is_called_as_it_is_typed() {
    let place = Place::with(takes(&["calm", "loud"]));
    let link = place.folder.path().join("EMO-DB");
    std::os::unix::fs::symlink("data", &link).unwrap();
    let cache = place.cache();
    let ran =
        ser_prep(["--json", "--dry-run", "--data", link.to_str().unwrap(), "--out", cache.to_str().unwrap()]);
    let report: Value = serde_json::from_str(&ran.ends(0).stdout).unwrap();
    assert_eq!(report["corpora"][0]["name"], "EMO-DB");
}

#[test]
fn a_class_that_looks_like_something_else_ends_with_3() {
    let place = Place::with(takes(&["Actor_01", "Crema", "angry", "test", "test/sad"]));
    let report = place.report(3, &[]);
    assert_eq!(keys(&report["labels"]), ["Actor_01", "Crema", "angry", "sad"]);
    let doubts = remarks(&report, "doubts");
    assert_eq!(doubts.iter().map(|(label, _)| *label).collect::<Vec<_>>(), ["Actor_01", "Crema"]);
    assert!(doubts[0].1.contains("looks like a speaker") && doubts[1].1.contains("looks like a corpus"));
    let failed = remarks(&report, "failed");
    assert!(
        failed.len() == 4
            && failed
                .iter()
                .all(|(path, text)| path.starts_with("test/") && text.contains("side of a split"))
    );
    let doctor = place.doctor(3, &[]);
    assert_eq!(findings(&doctor, "doubtful").len(), 2);
    assert_eq!(findings(&doctor, "unlabelled").len(), 4);
    // A table for people, and nothing at all but this with --quiet.
    assert!(place.run(&["--dry-run"]).ends(3).stdout.contains("doubtful:\n  Actor_01: looks like a speaker"));
    assert!(place.run(&["--quiet"]).ends(3).stderr.contains("Crema: looks like a corpus"));
    assert!(place.run(&["--strict", "--exclude", "angry"]).ends(1).stderr.contains("cannot be used"));
    // Who says that these are classes is not contradicted.
    let report = place.report(0, &["--labels", "folder", "--dry-run"]);
    assert_eq!(report["doubts"], serde_json::json!([]));
    assert!(keys(&report["labels"]).contains(&"test".to_owned()));
}

#[test]
fn folders_of_which_none_is_an_emotion_are_doubted() {
    let place = Place::with(takes(&[
        "Session1/wav/Ses01F_impro01",
        "Session1/wav/Ses01F_script01_1",
        "Session2/wav/Ses02F_impro01",
    ]));
    let doubts = place.report(3, &["--dry-run"]);
    let doubts = remarks(&doubts, "doubts");
    assert!(doubts.len() == 1 && doubts[0].1.contains("nor are the others of 3 classes"), "{doubts:?}");
    let place = Place::with(takes(&["female", "male"]));
    assert_eq!(remarks(&place.report(3, &["--dry-run"]), "doubts").len(), 1);
    assert_eq!(place.report(0, &["--dry-run", "--labels", "folder"])["doubts"], serde_json::json!([]));
    let place = Place::with(takes(&["female", "session2", "angry"]));
    assert_eq!(remarks(&place.report(3, &["--dry-run"]), "doubts").len(), 2);
    let place = Place::with(takes(&["positive/S1", "positive/S2", "negative/S1", "negative/S2"]));
    agreed(&place, &["negative", "positive"], &["S1", "S2"], "folders <label>/<speaker>");
}

#[test]
fn doubtful_classes_that_are_left_out_are_not_doubted() {
    let place = Place::with(takes(&["angry", "sad", "Actor_01"]));
    assert_eq!(remarks(&place.report(3, &["--dry-run"]), "doubts").len(), 1);
    assert_eq!(place.report(0, &["--dry-run", "--exclude", "Actor_01"])["doubts"], serde_json::json!([]));
}

#[test]
fn folders_of_people_whose_files_say_emotions_are_doubted_with_a_pattern() {
    let mut paths = Vec::new();
    for person in ["alice", "bob"] {
        paths.extend(
            ["angry", "sad"]
                .into_iter()
                .flat_map(|label| (1..=4).map(move |n| format!("{person}/{label}_{n}.wav"))),
        );
    }
    let place = Place::with(&paths);
    let doubts = place.report(3, &["--dry-run"]);
    assert!(remarks(&doubts, "doubts")[0].1.contains("such as angry"), "{doubts}");
    let report = place.report(0, &["--labels", "pattern:{speaker}/{label}_{}"]);
    assert_eq!(
        (keys(&report["labels"]), texts(&report["speakers"])),
        (vec!["angry".to_owned(), "sad".to_owned()], vec!["alice", "bob"])
    );
}

// --- the corpora as they are distributed ---

fn real(variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).filter(|root| !root.is_empty()).map(PathBuf::from);
    if found.is_none() {
        eprintln!("SKIPPED: set {variable} to its folder to run this test");
    }
    found
}

fn labelled_by(root: &Path) -> (String, usize, usize) {
    let paths: Vec<String> =
        ser_corpus::scan(root).unwrap().files.into_iter().map(|file| file.path).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let labelling = ser_corpus::Labelling::new(
        &ser_corpus::LabelSource::Auto,
        &ser_corpus::ColumnNames::default(),
        Path::new("nowhere"),
        &paths,
    )
    .unwrap();
    let labels: std::collections::BTreeSet<String> =
        paths.iter().map(|path| labelling.annotations(path).unwrap()[0].label.clone()).collect();
    assert!(labelling.doubts().is_empty() && labelling.merged().next().is_none());
    (labelling.labels_by(), labels.len(), paths.len())
}

#[test]
fn the_real_tess_is_tess() {
    let Some(root) = real("SER_TESS") else { return };
    let (by, classes, names) = labelled_by(&root);
    assert_eq!((by, classes), (format!("tess, as {names} of {names} names say"), 7));
}

#[test]
fn the_real_ravdess_is_ravdess() {
    let Some(root) = real("SER_RAVDESS") else { return };
    let (by, classes, names) = labelled_by(&root);
    assert_eq!((by, classes), (format!("ravdess, as {names} of {names} names say"), 8));
}
