//! Tables of labels: segments, published splits and folds, what programs write, and corpora that bring their own.

use std::fs;
use std::path::{Path, PathBuf};

use ser_cache::{Cache, StoredSplit, Utterance};
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_core::{ErrorKind, Result};
use ser_corpus::split::Side;
use ser_corpus::{ColumnNames, LabelSource};
use ser_prepare::{PrepareOptions, PrepareReport, prepare};

use crate::common::{noise, put, ser_prep, wav};

/// A corpus and a cache of it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    /// A recording of noise that no other has.
    fn record(&self, path: &str, seconds: f64) -> Vec<i16> {
        let seed = path.bytes().fold(7u32, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let samples = noise(seed, (seconds * 16_000.0) as usize);
        put(&self.data(), path, &wav(16_000, &samples));
        samples
    }

    fn options(&self, labels: &str) -> PrepareOptions {
        PrepareOptions {
            labels: vec![labels.parse().unwrap()],
            ..PrepareOptions::new(self.data(), self.out())
        }
    }

    /// Prepares it with this table beside the recordings.
    fn with_table(&self, table: impl AsRef<[u8]>) -> Result<PrepareReport> {
        fs::write(self.0.path().join("table"), table).unwrap();
        let mut options = self.options("auto");
        options.labels = vec![LabelSource::Table(self.0.path().join("table"))];
        run(&options)
    }

    /// What the cache has on a side of a split.
    fn side(&self, protocol: &str, part: Side) -> Vec<Utterance> {
        let cache = Cache::open(&self.out()).unwrap();
        let set = cache.feature_set(None).unwrap();
        let place = self.out().join(ser_cache::generation_place(&set.manifests)).join(protocol);
        StoredSplit::read(&place).unwrap().side(part).to_vec()
    }

    /// The paths on the sides of a split: train, validation, test.
    fn sides(&self, protocol: &str) -> [Vec<String>; 3] {
        Side::ALL.map(|part| self.side(protocol, part).into_iter().map(|utterance| utterance.path).collect())
    }

    fn all(&self) -> Vec<Utterance> {
        let mut all: Vec<Utterance> = Side::ALL.iter().flat_map(|part| self.side("random", *part)).collect();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        all
    }
}

fn run(options: &PrepareOptions) -> Result<PrepareReport> {
    prepare(options, &Storage::native(), &Silent)
}

fn notes(report: &PrepareReport) -> String {
    report.notes.iter().map(|note| format!("{}: {}\n", note.path, note.text)).collect()
}

// --- segments ---

/// Two dialogues of two speakers, eight segments in all.
fn dialogues(place: &Place) -> (Vec<i16>, String) {
    let first = place.record("dialogue/1.wav", 4.0);
    place.record("dialogue/2.wav", 4.0);
    let mut table = "path,label,speaker,start,end\n".to_owned();
    for (number, label) in (0..8).zip(["calm", "angry"].into_iter().cycle()) {
        let (file, start) = (1 + number / 4, number % 4);
        // Pandas' way of writing a time is another way of saying the same.
        let start = if number == 1 { "0 days 00:00:01".to_owned() } else { start.to_string() };
        table += &format!("dialogue/{file}.wav,{label},s{},{start},{}.75\n", number % 2, number % 4);
    }
    (first, table)
}

#[test]
fn a_segment_is_an_utterance_like_a_file_with_the_same_samples() {
    let place = Place::new();
    let (first, table) = dialogues(&place);
    let report = place.with_table(&table).unwrap();
    assert_eq!((report.found, report.used, report.computed, report.failed.len()), (2, 8, 8, 0), "{report:?}");
    // Each dialogue was read and decoded once: 44 bytes of header and two a sample.
    assert_eq!(report.bytes_read, 2 * (44 + 2 * 64_000));
    let all = place.all();
    assert_eq!(all[1].path, "dialogue/1.wav#t=1,1.75");
    assert_eq!((all[1].start_s, all[1].end_s, all[1].duration_s), (Some(1.0), Some(1.75), 0.75));
    assert_eq!(all[1].session.as_deref(), Some("dialogue/1.wav"));

    // The same as cut out by hand.
    let cut = Place::new();
    for (number, segment) in first.chunks(16_000).enumerate() {
        put(&cut.data(), &format!("a{}/{number}.wav", number % 2), &wav(16_000, &segment[..12_000]));
    }
    for number in 0..4 {
        cut.record(&format!("a{}/more{number}.wav", number % 2), 0.75);
    }
    run(&cut.options("folder")).unwrap();
    let tensor = |place: &Place, path: &str| {
        let cache = Cache::open(&place.out()).unwrap();
        let set = cache.feature_set(None).unwrap();
        let utterance = place.all().into_iter().find(|utterance| utterance.path == path).unwrap();
        let entry = set.by_key().get(&utterance.key).unwrap().row.clone();
        (entry.checksum, entry.source.sound, entry.frames)
    };
    for second in 0..4 {
        let segment = format!("dialogue/1.wav#t={second},{second}.75");
        assert_eq!(tensor(&place, &segment), tensor(&cut, &format!("a{}/{second}.wav", second % 2)));
    }

    let again = place.with_table(&table).unwrap();
    assert_eq!((again.computed, again.reused, again.bytes_read), (0, 8, 0));
    // One more segment costs that one alone, and moving a file costs nothing.
    let more = place.with_table(format!("{table}dialogue/1.wav,calm,s0,3.8,4\n")).unwrap();
    assert_eq!((more.computed, more.reused), (1, 8));
    fs::rename(place.data().join("dialogue"), place.data().join("moved")).unwrap();
    let moved = place.with_table(table.replace("dialogue/", "moved/")).unwrap();
    assert_eq!((moved.computed, moved.reused), (0, 8));
}

#[test]
fn segments_survive_damage_and_are_augmented_like_recordings() {
    let place = Place::new();
    let (_, table) = dialogues(&place);
    fs::write(place.0.path().join("table"), &table).unwrap();
    let recipe = place.0.path().join("recipe.toml");
    fs::write(&recipe, "[[waveform]]\nkind = 'gain'\ndb = 3.0\n[[waveform]]\nkind = 'noise'\nsnr_db = 20")
        .unwrap();
    let (data, out, table) = (place.data(), place.out(), place.0.path().join("table"));
    let arguments = |more: &[&str]| -> Vec<std::ffi::OsString> {
        let mut all: Vec<std::ffi::OsString> = vec!["--data".into(), data.clone().into(), "--out".into()];
        all.extend([out.clone().into(), "--labels".into(), table.clone().into(), "--quiet".into()]);
        all.extend(more.iter().map(Into::into));
        all
    };
    ser_prep(arguments(&["--augment", recipe.to_str().unwrap(), "--copies", "2"])).ends(0);
    let copies = place.side("random", Side::Train).into_iter().filter(|utterance| utterance.parent.is_some());
    let copies: Vec<Utterance> = copies.collect();
    assert!(
        copies.len() >= 8
            && copies.iter().all(|copy| copy.path.contains("#t=") && copy.path.contains("#copy-"))
    );

    let shards: Vec<PathBuf> =
        fs::read_dir(out.join("shards")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let before: Vec<Vec<u8>> = shards.iter().map(|shard| fs::read(shard).unwrap()).collect();
    let mut damaged = before[0].clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&shards[0], &damaged).unwrap();
    let repaired = std::process::Command::new(env!("CARGO_BIN_EXE_ser-cache"))
        .args(["verify", "--repair", "--cache"])
        .arg(&out)
        .output()
        .unwrap();
    assert!(repaired.status.success(), "{repaired:?}");
    assert_eq!(fs::read(&shards[0]).unwrap(), before[0]);
}

#[test]
fn a_segment_that_is_not_in_its_recording_is_refused_by_name() {
    let place = Place::new();
    let (_, table) = dialogues(&place);
    let report = place
        .with_table(format!("{table}dialogue/2.wav,calm,s0,3.9,4.2\ndialogue/2.wav,calm,s0,9,10\n"))
        .unwrap();
    assert_eq!((report.used, report.failed.len()), (8, 2));
    assert!(
        report.failed[0].text.contains("3.9,4.2 is not inside the recording, which lasts 4.000 s"),
        "{report:?}"
    );
    for (row, says) in [
        ("dialogue/1.wav,calm,s0,2,1", "from 2 s to 1 s is empty"),
        ("dialogue/1.wav,calm,s0,-1,1", "the start \"-1\" is no time"),
        ("dialogue/1.wav,calm,s0,x,1", "the start \"x\" is no time"),
        ("dialogue/1.wav,calm,s0,0,0.75", "names dialogue/1.wav#t=0,0.75 twice"),
        ("dialogue/1.wav,calm,s0,,", "as a whole and a segment of it"),
    ] {
        let error = place.with_table(format!("{table}{row}\n")).unwrap_err().to_string();
        assert!(error.contains(says), "{row}: {error}");
    }
}

#[test]
fn segments_that_overlap_are_noted() {
    let place = Place::new();
    let (_, table) = dialogues(&place);
    let report = place.with_table(format!("{table}dialogue/1.wav,calm,s0,0.5,0.95\n")).unwrap();
    let notes = notes(&report);
    assert!(
        notes.contains("dialogue/1.wav#t=0.5,0.95: shares 0.25 s of sound with the segment 0,0.75"),
        "{notes}"
    );
}

#[test]
fn a_segment_may_lie_in_a_recording_longer_than_an_utterance_may_be() {
    let place = Place::new();
    place.record("long.wav", 330.0);
    let table = "path,label,start,end\n".to_owned()
        + &(0..8)
            .map(|n| format!("long.wav,{},{},{}\n", ["a", "b"][n % 2], 40 * n, 40 * n + 1))
            .collect::<String>();
    let report = place.with_table(&table).unwrap();
    assert_eq!((report.used, report.failed.len()), (8, 0), "{report:?}");
    // A segment itself has the limits of an utterance.
    let report = place.with_table(format!("{table}long.wav,a,2,320\n")).unwrap();
    assert!(report.failed[0].text.contains("more than the limit of 300 s"), "{report:?}");
}

// --- what can be heard is never passed over ---

#[test]
fn channels_in_opposite_phase_are_noted_each_time_and_the_doctor_counts_them() {
    let place = Place::new();
    six(&place);
    let voice = noise(99, 4_000);
    let frames: Vec<u8> =
        voice.iter().flat_map(|x| [x.to_le_bytes(), x.saturating_neg().to_le_bytes()].concat()).collect();
    let mut file = wav(16_000, &[]);
    file[22] = 2;
    file[32] = 4;
    let length = frames.len() as u32;
    file[40..44].copy_from_slice(&length.to_le_bytes());
    file[4..8].copy_from_slice(&(36 + length).to_le_bytes());
    put(&place.data(), "x/phase.wav", &[file, frames].concat());
    let table = format!("path,label\n{}x/phase.wav,sad\n", rows(',', ""));
    for _ in 0..2 {
        let report = place.with_table(&table).unwrap();
        assert_eq!((report.used, report.failed.len(), report.mixed_down), (7, 0, 0), "{report:?}");
        assert!(notes(&report).contains("x/phase.wav: has channels in opposite phase"), "{report:?}");
    }
    let ran = ser_prep([
        "--doctor",
        "--data",
        place.data().to_str().unwrap(),
        "--labels",
        place.0.path().join("table").to_str().unwrap(),
    ]);
    assert!(ran.stdout.contains("channels in opposite phase: 1"), "{ran:?}");
}

#[test]
fn recordings_with_other_names_are_found_by_their_content() {
    let place = Place::new();
    six(&place);
    let data = place.data();
    fs::rename(data.join("x/0.wav"), data.join("x/0")).unwrap();
    fs::rename(data.join("x/1.wav"), data.join("x/1.sph")).unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio");
    fs::copy(fixtures.join("chirp.webm"), data.join("x/2.webm")).unwrap();
    put(&data, "x/call.amr", b"#!AMR\n and so on");
    put(&data, "x/notes.txt", b"what was said");
    let table = "path,label\n".to_owned()
        + "x/0,calm\nx/1.sph,sad\nx/2.webm,calm\nx/2.wav,sad\nx/3.wav,calm\nx/4.wav,sad\nx/5.wav,calm\nx/call.amr,sad\n";
    let report = place.with_table(&table).unwrap();
    assert_eq!((report.used, report.ignored, report.failed.len()), (7, 1, 1), "{report:?}");
    assert!(report.failed[0].path == "x/call.amr" && report.failed[0].text.contains("is AMR"), "{report:?}");
    let arguments = |more: &'static str| {
        let (data, table) =
            (data.to_str().unwrap().to_owned(), place.0.path().join("table").to_str().unwrap().to_owned());
        [more.to_owned(), "--data".into(), data, "--labels".into(), table]
    };
    ser_prep(arguments("--dry-run")).ends(3);
    ser_prep(arguments("--strict")).ends(1);
    assert!(ser_prep(arguments("--doctor")).ends(3).stdout.contains("call.amr"));
}

// --- published splits ---

#[test]
fn the_published_split_is_the_protocol_official() {
    let place = Place::new();
    let mut table = "file,emotion,speaker,split\n".to_owned();
    for number in 0..24 {
        place.record(&format!("{number:02}.wav"), 0.2);
        let split = ["training", "train", "dev", "Test"][number / 6];
        table += &format!("{number:02}.wav,{},s{},{split}\n", ["calm", "sad"][number % 2], number / 3);
    }
    let report = place.with_table(&table).unwrap();
    let [train, val, test] = place.sides("official");
    assert_eq!((train.len(), val.len(), test.len()), (12, 6, 6));
    assert_eq!((val[0].as_str(), test[0].as_str()), ("12.wav", "18.wav"));
    assert!(report.audits.contains_key("official") && !notes(&report).contains("split"), "{report:?}");

    // Without a validation side, speakers of training validate; what is on no side is counted.
    let report = place.with_table(table.replace("dev", "train").replacen(",train\n", ",\n", 1)).unwrap();
    let [train, val, test] = place.sides("official");
    assert_eq!((train.len() + val.len(), test.len()), (17, 6), "{:?}", report.left_out);
    let speakers = |part| {
        place
            .side("official", part)
            .into_iter()
            .map(|u| u.speaker.unwrap())
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert!(speakers(Side::Train).is_disjoint(&speakers(Side::Val)) && !val.is_empty());

    // Beside a test side, an evaluation side is for validation; alone it is for test.
    place.with_table(table.replace("dev", "evaluation")).unwrap();
    assert_eq!(place.sides("official").map(|side| side.len()), [12, 6, 6]);
    place.with_table(table.replace("Test", "eval")).unwrap();
    let [_, val, test] = place.sides("official");
    assert_eq!((val.len(), test.len(), test[0].as_str()), (6, 6, "18.wav"));

    let error = place.with_table(table.replace("dev", "third")).unwrap_err().to_string();
    assert!(error.contains("the split \"third\" is none of train, val and test"), "{error}");
    let report = place.with_table(table.replace("Test", "dev")).unwrap();
    assert!(report.left_out.iter().any(|why| why.contains("no utterance is on its side test")), "{report:?}");
}

#[test]
fn sides_may_be_numbered_and_rows_be_on_none() {
    let place = Place::new();
    let mut table = "path,label,speaker,split\n".to_owned();
    for number in 0..24 {
        place.record(&format!("{number:02}.wav"), 0.2);
        let side = ["Train", "Train", "Train", "Development", "Test1", "unlabelled"][number / 4];
        table += &format!("{number:02}.wav,{},s{},{side}\n", ["calm", "sad"][number % 2], number / 4);
    }
    place.with_table(&table).unwrap();
    assert_eq!(place.sides("official").map(|side| side.len()), [12, 4, 4]);
    let error = place.with_table(table.replace("Test1", "third")).unwrap_err().to_string();
    assert!(error.contains("the split \"third\" is none of train, val and test"), "{error}");
    assert!(error.contains("write train, val or test"), "{error}");
}

#[test]
fn a_speaker_or_a_class_of_a_number_is_one_however_that_is_written() {
    let place = Place::new();
    let mut table = "path,label,speaker\n".to_owned();
    for number in 0..24 {
        place.record(&format!("{number:02}.wav"), 0.2);
        let speaker = ["1", "01", "1.0", "2", "02", "2"][number % 6];
        table += &format!("{number:02}.wav,{},{speaker}\n", ["0", "1", "0.0", "01"][number / 6]);
    }
    let report = place.with_table(&table).unwrap();
    assert_eq!(report.speakers, ["1", "2"]);
    assert_eq!(report.labels, [("0".to_owned(), 12), ("1".to_owned(), 12)].into());
    let said = notes(&report);
    assert!(
        said.contains("1: is also written \"01\" (4), \"1.0\" (4); ways to write one number are one speaker"),
        "{said}"
    );
    assert!(
        said.contains("0: is also written \"0.0\" (6); ways to write one number are one class"),
        "{said}"
    );
}

#[test]
fn published_folds_are_protocols_of_their_own() {
    let place = Place::new();
    let mut table = "path,label,speaker,fold,val_fold\n".to_owned();
    for number in 0..24 {
        place.record(&format!("{number:02}.wav"), 0.2);
        let fold = number / 6 + 1;
        // What is test in fold 1 validates fold 2, and so on; fold 1 has no validation of its own.
        let validates = if fold < 4 { (fold + 1).to_string() } else { String::new() };
        table +=
            &format!("{number:02}.wav,{},s{},{fold},{validates}\n", ["calm", "sad"][number % 2], number / 2);
    }
    place.with_table(&table).unwrap();
    let sides = place.sides("official-2");
    assert_eq!(sides.clone().map(|side| side.len()), [12, 6, 6]);
    assert_eq!((sides[1][0].as_str(), sides[2][0].as_str()), ("00.wav", "06.wav"));
    let [train, val, test] = place.sides("official-1");
    assert_eq!((train.len() + val.len(), test.len()), (18, 6));
    assert!(!val.is_empty() && !place.out().join("splits/official").exists());
}

#[test]
fn a_sound_on_two_sides_of_the_published_split_is_named() {
    let place = Place::new();
    let mut table = "path,label,split\n".to_owned();
    for number in 0..12 {
        place.record(&format!("{number:02}.wav"), 0.2);
        table +=
            &format!("{number:02}.wav,{},{}\n", ["a", "b"][number % 2], ["train", "val", "test"][number / 4]);
    }
    fs::copy(place.data().join("00.wav"), place.data().join("99.wav")).unwrap();
    let report = place.with_table(format!("{table}99.wav,a,test\n")).unwrap();
    let notes = notes(&report);
    assert!(
        notes.contains("00.wav: is on the side train of the published split, and as 99.wav on its side test"),
        "{notes}"
    );
}

// --- what tables look like ---

/// Three calm and three sad recordings.
fn six(place: &Place) {
    for number in 0..6 {
        place.record(&format!("x/{number}.wav"), 0.2);
    }
}

fn rows(separator: char, prefix: &str) -> String {
    let label = |number: usize| ["müde", "sad"][number % 2];
    (0..6).map(|number| format!("{prefix}x/{number}.wav{separator}{}\n", label(number))).collect()
}

#[test]
fn tables_are_read_whatever_program_saved_them() {
    let place = Place::new();
    six(&place);
    let with = |separator: char, header: &str| {
        format!("{}\n{}", header.replace(',', &separator.to_string()), rows(separator, ""))
    };
    let plain = with(',', "path,label");
    let utf16: Vec<u8> = format!("\u{feff}{plain}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for table in [
        plain.clone().into_bytes(),
        with(';', "Filepath,Class").into_bytes(),
        with('\t', "file_name,emotion").into_bytes(),
        format!("\u{feff}{}", plain.replace('\n', "\r\n")).into_bytes(),
        utf16,
        format!("path,label\n{}", rows(',', ".\\").replace('/', "\\")).into_bytes(),
        format!("path,label\n{}", rows(',', &format!("{}/", place.data().display()))).into_bytes(),
    ] {
        let report = place.with_table(&table).unwrap();
        assert_eq!((report.used, report.labels["müde"]), (6, 3), "{}", String::from_utf8_lossy(&table));
    }
    let latin1: Vec<u8> = plain.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    let error = place.with_table(latin1).unwrap_err().to_string();
    assert!(error.contains("byte 0xfc in line 2") && error.contains("save it as UTF-8"), "{error}");
}

#[test]
fn other_columns_are_named_and_chosen() {
    let place = Place::new();
    six(&place);
    let table = "clip,mood,age\n".to_owned() + &rows(',', "").replace('\n', ",40\n");
    let error = place.with_table(&table).unwrap_err().to_string();
    assert!(error.contains("has no column for the path, only \"clip\", \"mood\", \"age\""), "{error}");
    let columns: ColumnNames = "path=clip,label=mood".parse().unwrap();
    let mut options = place.options("auto");
    options.labels = vec![LabelSource::Table(place.0.path().join("table"))];
    let report = run(&PrepareOptions { columns, ..options }).unwrap();
    assert!(
        report.used == 6 && notes(&report).contains("says nothing that is used in its columns \"age\""),
        "{report:?}"
    );

    let channels = "path,label,channel\n".to_owned()
        + &rows(',', "").replace("müde\n", "müde,1\n").replace("sad\n", "sad,2\n");
    let error = place.with_table(&channels).unwrap_err();
    assert!(error.to_string().contains("\"channel\", which cannot be passed over"), "{error}");
}

#[test]
fn rows_that_match_no_file_are_counted_and_explained() {
    let place = Place::new();
    six(&place);
    let error = place.with_table(format!("path,label\n{}", rows(',', "audio/"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    let text = error.to_string();
    assert!(text.contains("0 of 6 rows match a recording") && text.contains("\"audio/x/0.wav\""), "{text}");
    assert!(text.contains("give the folder that holds audio/"), "{text}");
    let names =
        place.with_table(format!("path,label\n{}", rows(',', "").replace("x/", ""))).unwrap_err().to_string();
    assert!(names.contains("6 have the file name of a recording"), "{names}");
    let elsewhere =
        place.with_table(format!("path,label\n{}", rows(',', "C:\\corpus\\"))).unwrap_err().to_string();
    assert!(elsewhere.contains("is not inside the folder of the corpus"), "{elsewhere}");

    let report = place.with_table(format!("path,label\n{}gone.wav,sad\n", rows(',', ""))).unwrap();
    let notes = notes(&report);
    assert!(notes.contains("6 of the 7 recordings it names are there, 1 are not"), "{notes}");
    assert!(notes.contains("gone.wav: has a row in") && report.used == 6, "{notes}");
}

// --- corpora with tables of their own ---

#[test]
fn an_audiofolder_is_read_by_its_metadata() {
    for (name, text) in
        [("train/metadata.csv", "file_name,emotion,speaker_id\n"), ("train/metadata.jsonl", "")]
    {
        let place = Place::new();
        for split in ["train", "test"] {
            let mut table = text.to_owned();
            for number in 0..6 {
                place.record(&format!("{split}/clips/{number}.wav"), 0.2);
                let label = ["calm", "sad"][number % 2];
                table += &match text {
                    "" => format!(
                        "{{\"file_name\": \"clips/{number}.wav\", \"emotion\": \"{label}\", \"speaker_id\": {number}}}\n"
                    ),
                    _ => format!("clips/{number}.wav,{label},{number}\n"),
                };
            }
            put(&place.data(), &name.replace("train", split), table.as_bytes());
        }
        for labels in ["huggingface", "auto"] {
            let report = run(&place.options(labels)).unwrap();
            assert_eq!((report.used, report.labels.len(), report.speakers.len()), (12, 2, 6), "{report:?}");
            assert!(report.corpora[0].labels_by.starts_with("huggingface, as "), "{report:?}");
            assert!(place.sides("official")[2].iter().all(|path| path.starts_with("test/")));
        }
    }
}

#[test]
fn an_audformat_database_is_read_with_its_splits_segments_and_speakers() {
    for storage in ["csv", "parquet"] {
        let place = Place::new();
        for name in ["03a", "03b", "08a", "08b", "08c"] {
            place.record(&format!("wav/{name}.wav"), 1.25);
        }
        let fixture =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/corpus/audformat_{storage}"));
        for file in fs::read_dir(fixture).unwrap().map(|entry| entry.unwrap().path()) {
            fs::copy(&file, place.data().join(file.file_name().unwrap())).unwrap();
        }
        for labels in ["audformat", "auto"] {
            let report = run(&place.options(labels)).unwrap();
            assert_eq!((report.used, report.failed.len()), (7, 0), "{report:?}");
            assert_eq!((report.labels["anger"], report.labels["neutral"]), (3, 4));
            assert_eq!(report.speakers, ["3", "8"]);
            assert!(notes(&report).contains("\"confidence\""), "{report:?}");
            let all = place.all();
            let paths: Vec<&str> = all.iter().map(|utterance| utterance.path.as_str()).collect();
            let expected = [
                "wav/03a.wav#t=0,0.5",
                "wav/03a.wav#t=0.5,1.25",
                "wav/03b.wav#t=0.25,0.75",
                "wav/03b.wav#t=0.75",
            ];
            assert_eq!(paths[..4], expected);
            assert_eq!(all[3].duration_s, 0.5);
        }
    }
    // Nothing but what is said is done with what cannot be read.
    let place = Place::new();
    place.record("wav/03a.wav", 0.5);
    put(&place.data(), "db.yaml", b"tables: {emotion: {type: filewise}}\n");
    put(&place.data(), "db.emotion.pkl", b"x");
    let error = run(&place.options("auto")).unwrap_err().to_string();
    assert!(error.contains("a pickle can run code"), "{error}");
    put(&place.data(), "db.emotion.parquet", &[b"PAR1".as_slice(), &[255; 64], b"PAR1"].concat());
    let error = run(&place.options("auto")).unwrap_err().to_string();
    assert!(error.contains("db.emotion.parquet: cannot be read as a Parquet table"), "{error}");
    put(&place.data(), "db.yaml", b"tables: [1, {\n");
    assert!(
        run(&place.options("auto"))
            .unwrap_err()
            .to_string()
            .contains("is not the header of an audformat database")
    );
}

#[test]
fn a_kaldi_directory_is_read_with_its_segments() {
    let place = Place::new();
    let (_, _) = dialogues(&place);
    let data = place.data();
    put(
        &data,
        "wav.scp",
        format!("d1 {}\nd2 dialogue/2.wav\n", data.join("dialogue/1.wav").display()).as_bytes(),
    );
    let [mut segments, mut speakers, mut labels] = [const { String::new() }; 3];
    for number in 0..8 {
        segments += &format!("u{number} d{} {}.00 {}.50\n", 1 + number / 4, number % 4, number % 4);
        speakers += &format!("u{number} spk{}\n", number % 2);
        labels += &format!("u{number} {}\n", ["calm", "very angry"][number % 2]);
    }
    for (name, text) in [("segments", &segments), ("utt2spk", &speakers), ("utt2emo", &labels)] {
        put(&data, name, text.as_bytes());
    }
    for labels in ["kaldi", "auto"] {
        let report = run(&place.options(labels)).unwrap();
        assert_eq!(
            (report.used, report.labels["very angry"], report.speakers.len()),
            (8, 4, 2),
            "{report:?}"
        );
    }
    assert_eq!(place.all()[1].path, "dialogue/1.wav#t=1,1.5");
    put(&data, "wav.scp", b"d1 sox dialogue/1.wav -t wav - |\nd2 dialogue/2.wav\n");
    let error = run(&place.options("kaldi")).unwrap_err().to_string();
    assert!(error.contains("line 1: d1 is the output of a command"), "{error}");
}

#[test]
fn a_table_that_is_recognised_and_not_understood_is_an_error_and_labels_are_not_guessed() {
    let place = Place::new();
    let (mut plain, mut json) = ("file_name,major_emotion\n".to_owned(), String::new());
    for (number, speaker) in (0..12).zip(["bea", "sam"].into_iter().cycle()) {
        let path = format!("{speaker}/{number}.wav");
        place.record(&path, 0.2);
        let label = ["calm", "sad"][number / 6];
        plain += &format!("{path},{label}\n");
        let valence = if number == 3 { "NaN" } else { "0.5" };
        json += &format!("{{\"file_name\": \"{path}\", \"label\": \"{label}\", \"valence\": {valence}}}\n");
    }
    let labelled = plain.replace("major_emotion", "label");
    let ragged = format!("{labelled}bea/0.wav,sad,more\n");
    let latin1: Vec<u8> = labelled
        .replace("label", "label,name")
        .replace("calm", "calm,x")
        .replace("sad", "sad,Jos\u{e9}")
        .chars()
        .map(|letter| u8::try_from(u32::from(letter)).unwrap())
        .collect();
    for (name, content, says) in [
        ("metadata.csv", ragged.as_bytes(), "has 3 columns in line 14, where its header has 2"),
        ("metadata.csv", &latin1, "is not UTF-8 (byte 0xe9 in line 8)"),
        ("metadata.csv", plain.as_bytes(), "no column for the label, only \"file_name\", \"major_emotion\""),
        ("metadata.jsonl", json.as_bytes(), "line 4 is not a JSON object"),
    ] {
        put(&place.data(), name, content);
        let error = run(&place.options("auto")).unwrap_err().to_string();
        assert!(error.contains(&format!("{name}: ")) && error.contains(says), "{error}");
        fs::remove_file(place.data().join(name)).unwrap();
    }
    // A table of that name with other columns is somebody's own.
    put(&place.data(), "metadata.csv", b"title,year\nx,1999\n");
    assert_eq!(run(&place.options("auto")).unwrap().labels.len(), 2);

    put(&place.data(), "metadata.csv", plain.as_bytes());
    let with = |columns: &str, labels: &str| {
        run(&PrepareOptions { columns: columns.parse().unwrap(), ..place.options(labels) })
    };
    let report = with("label=major_emotion", "auto").unwrap();
    assert_eq!(report.labels.keys().collect::<Vec<_>>(), ["calm", "sad"]);
    let misspelt = with("label=major_emotion,speaker=sp", "auto").unwrap_err().to_string();
    assert!(misspelt.contains("speaker=sp: no table has such a column"), "{misspelt}");
    let without = with("label=major_emotion", "folder").unwrap_err();
    assert_eq!(without.kind(), ErrorKind::Usage);
    assert!(without.to_string().contains("no labels come from a table"), "{without}");
}

#[test]
fn what_programs_write_for_nothing_is_nothing_and_an_open_start_is_that_of_the_recording() {
    let place = Place::new();
    six(&place);
    let table = format!("path,label,speaker\n{}", rows(',', "").replace("\n", ",nan\n"));
    let report = place.with_table(&table).unwrap();
    assert!(report.speakers.is_empty(), "{report:?}");
    let error = place.with_table(table.replacen("sad,", "nan,", 1)).unwrap_err().to_string();
    assert!(error.contains("line 3: lacks its path or its label"), "{error}");

    let table = format!("path,label,start,duration\n{}", rows(',', "").replace("\n", ",,0.1\n"));
    assert_eq!(place.with_table(&table).unwrap().used, 6);
    let all = place.all();
    assert_eq!((all[0].path.as_str(), all[0].duration_s), ("x/0.wav#t=0,0.1", 0.1));
}

#[test]
fn a_fold_that_is_validated_and_not_there_is_refused() {
    let place = Place::new();
    six(&place);
    let folds: String = rows(',', "")
        .lines()
        .zip(0..)
        .map(|(row, n)| format!("{row},{},{}.0\n", n % 3 + 1, (n + 1) % 3 + 1))
        .collect();
    let error = place.with_table(format!("path,label,fold,val_fold\n{folds}")).unwrap_err().to_string();
    assert!(
        error.contains("has a val_fold \"2.0\" that is none of its folds \"1\", \"2\", \"3\""),
        "{error}"
    );
    let error = place.with_table(format!("path,label,x,val_fold\n{folds}")).unwrap_err().to_string();
    assert!(error.contains("and no folds"), "{error}");
}

#[test]
fn segments_without_a_label_are_counted_and_segments_of_several_channels_refused() {
    let place = Place::new();
    dialogues(&place);
    let data = place.data();
    put(&data, "wav.scp", b"d1 dialogue/1.wav\nd2 dialogue/2.wav\n");
    let [mut segments, mut labels] = [const { String::new() }; 2];
    for number in 0..8 {
        segments += &format!("u{number} d{} {}.00 {}.50 0\n", 1 + number / 4, number % 4, number % 4);
        if number < 6 {
            labels += &format!("u{number} {}\n", ["calm", "sad"][number % 2]);
        }
    }
    put(&data, "segments", segments.as_bytes());
    put(&data, "utt2emo", labels.as_bytes());
    let report = run(&place.options("auto")).unwrap();
    let notes = notes(&report);
    assert!(report.used == 6 && notes.contains("2 of the segments in"), "{notes}");
    assert!(notes.contains("such as u6"), "{notes}");
    let doctor = ser_prep(["--doctor", "--data", data.to_str().unwrap()]);
    assert!(doctor.stdout.contains("not clear from tables and folders: 1"), "{doctor:?}");
    put(&data, "segments", segments.replacen("0.50 0\n", "0.50 1\n", 1).as_bytes());
    let error = run(&place.options("auto")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("a segment cannot choose a channel"), "{error}");
}

#[test]
fn tables_of_an_audformat_database_complete_and_never_contradict_one_another() {
    let place = Place::new();
    six(&place);
    let header = "splits: {train: {type: train}, test: {type: test}}\n\
                  tables: {e.test: {split_id: test}, e.train: {split_id: train}, files: {}}\n";
    put(&place.data(), "db.yaml", header.as_bytes());
    let table = |numbers: std::ops::Range<usize>| -> String {
        let row = |n: usize| format!("x/{n}.wav,{}\n", ["calm", "sad"][n % 2]);
        format!("file,emotion\n{}", numbers.map(row).collect::<String>())
    };
    let speakers: String = (0..6).map(|n| format!("x/{n}.wav,0 days,,s{}\n", n % 2)).collect();
    put(&place.data(), "db.files.csv", format!("file,start,end,speaker\n{speakers}").as_bytes());
    put(&place.data(), "db.e.train.csv", table(0..4).as_bytes());
    put(&place.data(), "db.e.test.csv", table(4..6).as_bytes());
    // A segment that is the whole file says what it says of the file.
    let report = run(&place.options("auto")).unwrap();
    assert_eq!((report.used, report.speakers.as_slice()), (6, ["s0", "s1"].map(str::to_owned).as_slice()));
    put(&place.data(), "db.e.train.csv", table(0..5).as_bytes());
    let error = run(&place.options("auto")).unwrap_err().to_string();
    assert!(
        error.contains("the split of x/4.wav is \"train\" here, but \"test\" in the table e.test"),
        "{error}"
    );
}

#[test]
fn a_segment_is_exported_with_its_times_and_its_session() {
    let place = Place::new();
    let (_, table) = dialogues(&place);
    place.with_table(&table).unwrap();
    let file = place.0.path().join("utterances.csv");
    let exported = std::process::Command::new(env!("CARGO_BIN_EXE_ser-cache"))
        .arg("export")
        .args([place.out(), "--csv".into(), file.clone()])
        .output()
        .unwrap();
    assert!(exported.status.success(), "{exported:?}");
    let mut reader = csv::Reader::from_path(&file).unwrap();
    let header = reader.headers().unwrap().clone();
    let row = reader.records().map(Result::unwrap).find(|row| &row[1] == "dialogue/1.wav#t=1,1.75").unwrap();
    let cell = |name: &str| row.get(header.iter().position(|column| column == name).unwrap()).unwrap();
    let cells = ["start_s", "end_s", "session", "parent", "corpus"].map(cell);
    assert_eq!(cells, ["1", "1.75", "dialogue/1.wav", "", ""]);
}
