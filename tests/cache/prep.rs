//! The command `ser-prep`: exit codes, options, messages, and every bad recording it may meet.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Instant;

use ser_synth::{Oddity, SynthCorpus};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Ran, contents, noise, plain_corpus, put, ser_prep, wav, wav_of};

/// A corpus of two classes of four recordings, and where its cache goes.
struct Place {
    data: TempDir,
    out: TempDir,
}

impl Place {
    fn empty() -> Self {
        Self { data: tempfile::tempdir().unwrap(), out: tempfile::tempdir().unwrap() }
    }

    fn plain() -> Self {
        let place = Self::empty();
        plain_corpus(place.data(), &["calm", "loud"], 4);
        place
    }

    fn data(&self) -> &Path {
        self.data.path()
    }

    /// A folder that does not exist yet.
    fn out(&self) -> std::path::PathBuf {
        self.out.path().join("cache")
    }

    fn prep(&self, more: &[&str]) -> Ran {
        let (data, out) = (self.data().to_str().unwrap(), self.out());
        ser_prep([&["--data", data, "--out", out.to_str().unwrap()], more].concat())
    }

    /// Runs with `--json` and gives the object.
    fn json(&self, code: i32, more: &[&str]) -> Value {
        let ran = self.prep(&[&["--json"], more].concat()).ends(code);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&fs::read(self.out().join("prep-report.json")).unwrap()).unwrap()
    }
}

/// The remarks of a kind, text by path.
fn remarks(report: &Value, kind: &str) -> BTreeMap<String, String> {
    let text = |remark: &Value, field: &str| remark[field].as_str().unwrap().to_owned();
    report[kind]
        .as_array()
        .unwrap()
        .iter()
        .map(|remark| (text(remark, "path"), text(remark, "text")))
        .collect()
}

// --- exit codes and printing ---

#[test]
fn a_whole_corpus_ends_with_0_a_table_and_a_report() {
    let place = Place::plain();
    let ran = place.prep(&[]).ends(0);
    for line in [
        "recordings found         8",
        "computed               8",
        "utterances               8",
        "calm 4, loud 4",
        "random ",
    ] {
        assert!(ran.stdout.contains(line), "{line:?} in {}", ran.stdout);
    }
    assert!(ran.stdout.contains("no speaker split: not every file says who speaks"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
    assert!(place.out().join("splits/random/train.jsonl").is_file());
}

#[test]
fn unusable_files_end_with_3_and_are_named_whatever_is_printed() {
    let place = Place::plain();
    put(place.data(), "calm/bad.wav", b"");
    let table = place.prep(&[]).ends(3);
    assert!(table.stdout.contains("calm/bad.wav: is empty (0 bytes); copy it again"), "{}", table.stdout);
    let quiet = place.prep(&["--quiet"]).ends(3);
    assert_eq!(quiet.stdout, "");
    assert!(quiet.stderr.contains("calm/bad.wav: is empty"), "{}", quiet.stderr);
    let json = place.json(3, &[]);
    assert!(remarks(&json, "failed")["calm/bad.wav"].contains("is empty"));
    assert_eq!(json["used"], 8);
}

#[test]
fn quiet_prints_nothing_where_all_is_well() {
    let ran = Place::plain().prep(&["--quiet"]).ends(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
}

#[test]
fn json_prints_one_object_which_is_the_report() {
    let place = Place::plain();
    let printed = place.json(0, &[]);
    assert_eq!(printed, place.report());
    let fields: BTreeSet<&str> = printed.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "arguments",
        "audio_seconds",
        "audits",
        "bytes_read",
        "bytes_written",
        "computed",
        "corpora",
        "cut",
        "data",
        "doubts",
        "dropped",
        "dry_run",
        "duplicates",
        "excluded",
        "failed",
        "feature_set",
        "found",
        "ignored",
        "labels",
        "left_out",
        "map",
        "max_frames",
        "mixed_down",
        "near_duplicates",
        "notes",
        "out",
        "real_time_factor",
        "reused",
        "seconds",
        "shards_written",
        "speakers",
        "splits",
        "used",
    ];
    assert_eq!(fields, expected.into());
    assert_eq!(
        (&printed["found"], &printed["computed"], &printed["used"]),
        (&8.into(), &8.into(), &8.into())
    );
    assert_eq!(printed["splits"]["random"], serde_json::json!({"train": 4, "val": 2, "test": 2}));
    assert!((printed["audio_seconds"].as_f64().unwrap() - 0.8).abs() < 1e-9);
    assert_eq!(printed["bytes_read"], 8 * (44 + 3200));
    let factor = printed["seconds"].as_f64().unwrap() / printed["audio_seconds"].as_f64().unwrap();
    assert!((printed["real_time_factor"].as_f64().unwrap() - factor).abs() < 1e-9);
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_possible() {
    let place = Place::plain();
    for (arguments, says) in [
        (&["--no-such-option"][..], "unexpected argument"),
        (&["--quiet", "--json"], "cannot be used with"),
        (&["--val-fraction", "0.5", "--test-fraction", "0.5"], "not usable fractions"),
        (&["--test-fraction", "0"], "not usable fractions"),
        (&["--hop-length", "0"], "hop_length = 0 is not allowed; it must be 1 to"),
        (&["--n-mfcc", "65"], "not more than n_mels"),
        (&["--window", "kaiser"], "hann, hamming"),
        (&["--top-db", "much"], "give a number of dB or none"),
        (&["--preset", "librosa", "--features", "x.toml"], "cannot be used with"),
        (&["--jobs", "100000"], "--jobs 100000 is far too many; give at most 1024"),
        (&["--jobs=-1"], "--jobs"),
        (&["--min-duration", "2", "--max-duration", "1"], "no recording can last from 2 to 1 seconds"),
        (&["--max-duration", "NaN"], "--max-duration"),
        (&["--min-duration", "NaN"], "--min-duration"),
        (&["--exclude", "claim"], "--exclude claim: there is no such class; choose among calm, loud"),
    ] {
        let ran = place.prep(arguments).ends(2);
        assert!(ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
        assert!(!place.out().exists(), "{arguments:?} left something behind");
    }
    let ran = ser_prep::<&str>([]).ends(2);
    assert!(ran.stderr.contains("--data"), "{}", ran.stderr);
}

#[test]
fn help_and_version_end_with_0() {
    let help = ser_prep(["--help"]).ends(0);
    for option in ["--dry-run", "--strict", "--features", "--max-frames", "--preset"] {
        assert!(help.stdout.contains(option), "{option}");
    }
    assert!(ser_prep(["--version"]).ends(0).stdout.starts_with("ser-prep "));
}

#[test]
fn strict_ends_with_1_and_leaves_the_cache_as_it_was() {
    let place = Place::plain();
    put(place.data(), "calm/bad.wav", b"not a recording at all");
    put(place.data(), "loud/worse.wav", b"");
    let ran = place.prep(&["--strict"]).ends(1);
    assert!(ran.stderr.contains("2 recordings cannot be used"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("calm/bad.wav: is not audio") && ran.stderr.contains("loud/worse.wav: is empty")
    );
    for name in ["index.bin", "splits", "manifests", "prep-report.json"] {
        assert!(!place.out().join(name).exists(), "{name}");
    }
    place.prep(&[]).ends(3);
    let before = contents(&place.out());
    put(place.data(), "loud/fine.wav", &wav(16_000, &noise(99, 1600)));
    place.prep(&["--strict"]).ends(1);
    let after = contents(&place.out());
    for (name, bytes) in before.iter().filter(|(name, _)| *name != ".lock") {
        assert_eq!(after.get(name), Some(bytes), "{name}");
    }
    fs::remove_file(place.data().join("calm/bad.wav")).unwrap();
    fs::remove_file(place.data().join("loud/worse.wav")).unwrap();
    let report = place.json(0, &["--strict"]);
    // What the refused run had computed is not computed again.
    assert_eq!((&report["computed"], &report["reused"], &report["used"]), (&0.into(), &9.into(), &9.into()));
}

#[test]
fn a_dry_run_says_what_would_be_done_and_writes_nothing() {
    let place = Place::plain();
    let ran = place.prep(&["--dry-run"]).ends(0);
    assert!(ran.stdout.contains("new or changed         8   would be read"), "{}", ran.stdout);
    assert!(ran.stdout.contains("nothing was done"), "{}", ran.stdout);
    assert!(!place.out().exists());

    place.prep(&[]).ends(0);
    let before = contents(&place.out());
    put(place.data(), "loud/new.wav", &wav(16_000, &noise(99, 1600)));
    let plan = place.json(0, &["--dry-run"]);
    assert_eq!((&plan["dry_run"], &plan["reused"], &plan["computed"]), (&true.into(), &8.into(), &1.into()));
    let other = place.json(0, &["--dry-run", "--n-mfcc", "20"]);
    assert_eq!((&other["reused"], &other["computed"]), (&0.into(), &9.into()));
    assert_eq!(contents(&place.out()), before);

    put(place.data(), "nowhere.wav", b"");
    assert!(
        remarks(&place.json(3, &["--dry-run"]), "failed")["nowhere.wav"].contains("directly in the corpus")
    );
    place.prep(&["--dry-run", "--strict"]).ends(1);
    assert_eq!(contents(&place.out()), before);
}

#[test]
fn a_cache_that_cannot_be_written_ends_with_1_and_names_the_place() {
    let place = Place::plain();
    fs::write(place.out(), b"a file").unwrap();
    let ran = place.prep(&[]).ends(1);
    assert!(ran.stderr.contains("cache: cannot be created as a folder"), "{}", ran.stderr);
    assert!(ran.stderr.contains("move that file away"), "{}", ran.stderr);
    assert_eq!(fs::read(place.out()).unwrap(), b"a file");
}

// --- options ---

#[test]
fn every_feature_option_makes_another_feature_set() {
    let place = Place::plain();
    let id = |options: &[&str]| {
        let report = place.json(0, &[&["--dry-run"], options].concat());
        report["feature_set"].as_str().unwrap().to_owned()
    };
    let default = id(&[]);
    let mut seen: BTreeMap<String, Vec<&str>> = [(default.clone(), vec![])].into();
    for options in [
        &["--sample-rate", "22050"][..],
        &["--normalisation", "rms"],
        &["--normalisation", "none"],
        &["--n-fft", "1024"],
        &["--win-length", "400"],
        &["--hop-length", "160"],
        &["--window", "hamming"],
        &["--center", "false"],
        &["--pad-mode", "reflect"],
        &["--n-mels", "80"],
        &["--f-min", "20"],
        &["--f-max", "7600"],
        &["--mel-scale", "htk"],
        &["--mel-norm", "none"],
        &["--amin", "1e-8"],
        &["--top-db", "60"],
        &["--top-db", "none"],
        &["--n-mfcc", "20"],
        &["--delta-width", "5"],
        &["--delta-order", "1"],
        &["--max-frames", "100"],
        &["--preset", "librosa"],
    ] {
        if let Some(twin) = seen.insert(id(options), options.to_vec()) {
            panic!("{options:?} is the same as {twin:?}");
        }
    }
    assert_eq!(seen.len(), 23);
    // Giving a default explicitly, or an equivalent value, changes nothing.
    assert_eq!(id(&["--n-fft", "512", "--hop-length", "256", "--preset", "default"]), default);
    let librosa = ["--n-fft", "2048", "--hop-length", "512", "--n-mels", "128"];
    assert_eq!(id(&["--preset", "librosa"]), id(&librosa));
}

#[test]
fn options_reach_the_tensors() {
    let place = Place::plain();
    place.prep(&["--preset", "librosa", "--max-frames", "3", "--delta-order", "0", "--n-mfcc", "13"]).ends(0);
    let report = place.report();
    assert_eq!(report["cut"], 8, "a tenth of a second has 4 frames of 32 ms: {report}");
    let cache = ser_cache::Cache::open(&place.out()).unwrap();
    let set = cache.feature_set(None).unwrap();
    assert_eq!(set.shape, [1, 13, 3]);
    assert!(set.configuration.contains("\"n_fft\":2048"), "{}", set.configuration);
}

#[test]
fn a_features_file_is_read_and_options_override_it() {
    let place = Place::plain();
    let file = place.out.path().join("features.toml");
    let path = file.to_str().unwrap();
    fs::write(&file, "n_mfcc = 13\nhop_length = 160\n").unwrap();
    let id = |options: &[&str]| place.json(0, &[&["--dry-run"], options].concat())["feature_set"].clone();
    assert_eq!(id(&["--features", path]), id(&["--n-mfcc", "13", "--hop-length", "160"]));
    assert_eq!(id(&["--features", path, "--n-mfcc", "40"]), id(&["--hop-length", "160"]));

    for (text, says) in [
        ("n_mfcc = 13\nhop_lenght = 160\n", "line 2: unknown field `hop_lenght`"),
        ("n_mfcc = \"many\"\n", "line 1"),
        ("n_mfcc = 400\n", "n_mfcc = 400 is not allowed"),
        ("= 3", "line 1"),
    ] {
        fs::write(&file, text).unwrap();
        let ran = place.prep(&["--features", path]).ends(2);
        assert!(ran.stderr.contains(says) && ran.stderr.contains("features.toml"), "{}", ran.stderr);
    }
    let ran = place.prep(&["--features", "nowhere.toml"]).ends(1);
    assert!(ran.stderr.contains("nowhere.toml: cannot be read"), "{}", ran.stderr);
}

#[test]
fn a_configuration_that_is_hardly_meant_is_warned_of() {
    let place = Place::plain();
    let ran = place.prep(&["--dry-run", "--n-mels", "256"]).ends(0);
    assert!(ran.stderr.contains("mel bands"), "{}", ran.stderr);
    assert_eq!(place.prep(&["--dry-run", "--n-mels", "256", "--quiet"]).ends(0).stderr, "");
}

#[test]
fn labels_come_from_a_table_or_file_names_if_asked() {
    let place = Place::plain();
    let table = place.out.path().join("labels.csv");
    let rows: String = (0..8)
        .map(|n| (["calm", "loud"][n % 2], ["x", "y"][n % 2], n / 2))
        .map(|(folder, label, n)| format!("{folder}/{n:03}.wav,{label},s{},w{n}\n", n / 2))
        .collect();
    fs::write(&table, format!("path,label,speaker,word\n{rows}")).unwrap();
    let report = place.json(0, &["--labels", table.to_str().unwrap()]);
    assert_eq!(report["labels"], serde_json::json!({"x": 4, "y": 4}));
    assert_eq!(report["speakers"], serde_json::json!(["s0", "s1"]));
    assert!(report["splits"]["speaker-s0"].is_object(), "{report}");

    let ran = place.prep(&["--labels", "filename"]).ends(1);
    assert!(ran.stderr.contains("has a name that is not <speaker>_<word>_<emotion>"), "{}", ran.stderr);
    fs::write(&table, "path,label,speaker\ncalm/000.wav,x,../../etc\n").unwrap();
    let ran = place.prep(&["--labels", table.to_str().unwrap()]).ends(1);
    assert!(ran.stderr.contains("cannot be a speaker's ID"), "{}", ran.stderr);
}

#[test]
fn a_class_can_be_left_out() {
    let place = Place::plain();
    plain_corpus(place.data(), &["calm", "loud", "odd"], 4);
    let report = place.json(0, &["--exclude", "odd"]);
    assert_eq!((&report["excluded"], &report["used"]), (&4.into(), &8.into()));
    assert_eq!(report["labels"], serde_json::json!({"calm": 4, "loud": 4}));
}

#[test]
fn a_second_run_says_the_same_of_the_splits_though_it_writes_none() {
    let place = Place::plain();
    let (first, again) = (place.json(0, &[]), place.json(0, &[]));
    assert_eq!(first["left_out"].as_array().unwrap().len(), 2);
    assert_eq!((&again["left_out"], &again["splits"]), (&first["left_out"], &first["splits"]));
}

#[test]
fn a_second_run_computes_nothing_through_the_command_as_well() {
    let place = Place::plain();
    assert_eq!(place.json(0, &[])["computed"], 8);
    let again = place.json(0, &["--jobs", "1"]);
    assert_eq!(
        (&again["computed"], &again["reused"], &again["bytes_read"]),
        (&0.into(), &8.into(), &0.into())
    );
    let rehashed = place.json(0, &["--rehash"]);
    assert_eq!((&rehashed["computed"], &rehashed["bytes_read"]), (&0.into(), &(8 * 3244).into()));
}

// --- bad recordings and bad corpora ---

#[test]
fn every_oddity_is_reported_handled_or_refused_with_its_reason() {
    let place = Place::empty();
    let options = ser_synth::SynthOptions { words: 4, oddities: Oddity::ALL.to_vec(), ..Default::default() };
    let planted = SynthCorpus::new(options).unwrap().write(place.data()).unwrap().oddities;
    let report = place.json(3, &[]);
    let (failed, notes) = (remarks(&report, "failed"), remarks(&report, "notes"));

    let mut refused = BTreeSet::new();
    for (oddity, reason) in [
        (Oddity::Truncated, "is cut short: its header declares"),
        (Oddity::Empty, "is empty (0 bytes)"),
        (Oddity::Silent, "is digital silence"),
        (Oddity::NotAudio, "is not audio of a known kind"),
        (Oddity::Nan, "holds a sample that is not a finite number"),
    ] {
        for path in &planted[&oddity] {
            assert!(failed[path].contains(reason), "{path}: {}", failed[path]);
            refused.insert(path.clone());
        }
    }
    assert_eq!(failed.keys().cloned().collect::<BTreeSet<_>>(), refused);

    let mut noted = BTreeSet::new();
    for (oddity, remark) in [
        (Oddity::Aiff, "is AIFF inside .wav"),
        (Oddity::Rate, "has 96000 Hz where most have 24414 Hz"),
        (Oddity::Name, "its folder says speaker"),
    ] {
        for path in &planted[&oddity] {
            assert!(notes[path].contains(remark), "{path}: {}", notes[path]);
            noted.insert(path.clone());
        }
    }
    assert_eq!(notes.keys().cloned().collect::<BTreeSet<_>>(), noted);

    let [copy] = planted[&Oddity::Duplicate].as_slice() else { panic!() };
    assert_eq!(report["duplicates"][0]["path"].as_str(), Some(copy.as_str()));
    assert!(copy.ends_with(report["duplicates"][0]["kept"].as_str().unwrap()));
    assert!(planted[&Oddity::List].len() > 10, "and none of them is worth a word");
    assert_eq!((&report["found"], &report["used"]), (&57.into(), &51.into()));
    let names: Vec<&String> = report["splits"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["random", "speaker-OAF", "speaker-YAF", "word"]);
}

/// Adds one bad recording to a good corpus; the run must name it with `reason` and use the others.
fn refused(name: &str, bytes: &[u8], reason: &str, options: &[&str]) {
    let place = Place::plain();
    put(place.data(), &format!("calm/{name}"), bytes);
    let report = place.json(3, options);
    let failed = remarks(&report, "failed");
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[&format!("calm/{name}")].contains(reason), "{failed:?}");
    assert_eq!(report["used"], 8);
}

#[test]
fn a_damaged_empty_or_foreign_file_is_named_and_the_rest_is_used() {
    let whole = wav(16_000, &noise(50, 1600));
    refused(
        "half.wav",
        &whole[..whole.len() / 2],
        "is cut short: its header declares 0.100 s (1600 samples)",
        &[],
    );
    refused("head.wav", &whole[..20], "", &[]);
    refused("empty.wav", b"", "is empty (0 bytes)", &[]);
    refused("text.wav", b"this is not a recording", "is not audio of a known kind", &[]);
    refused("page.wav", b"<html><body>404</body></html>", "is a web page", &[]);
    refused("picture.flac", b"\x89PNG\r\n\x1a\n0000", "is an image", &[]);
    refused("zeros.mp3", &[0; 4096], "is empty space (zero bytes)", &[]);
}

#[test]
fn recordings_of_no_one_or_silent_samples_are_named() {
    refused("none.wav", &wav(16_000, &[]), "holds no samples", &[]);
    refused("one.wav", &wav(16_000, &[5]), "lasts only 0.0001 s (1 samples)", &[]);
    refused("silent.wav", &wav(16_000, &[0; 1600]), "is digital silence", &[]);
    // One sample is enough if nothing longer is required.
    let place = Place::plain();
    put(place.data(), "calm/one.wav", &wav(16_000, &[5]));
    put(place.data(), "loud/one.wav", &wav(44_100, &[-7, 3]));
    assert_eq!(place.json(0, &["--min-duration", "0"])["used"], 10);
    // And an uncentred frame does not fit into it.
    let report = place.json(3, &["--min-duration", "0", "--center", "false"]);
    assert_eq!((&report["used"], remarks(&report, "failed").len()), (&8.into(), 2));
}

#[test]
fn floats_that_are_not_numbers_are_named() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut samples: Vec<f32> =
            noise(60, 1600).into_iter().map(|sample| f32::from(sample) / 32768.0).collect();
        samples[800] = bad;
        let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        refused(
            "nan.wav",
            &wav_of(3, 32, 16_000, &data),
            "not a finite number, at 0.050 s (sample 800)",
            &[],
        );
    }
    let huge: Vec<u8> =
        (0..1600).flat_map(|n| (if n % 2 == 0 { f32::MAX } else { f32::MIN }).to_le_bytes()).collect();
    let place = Place::plain();
    put(place.data(), "calm/huge.wav", &wav_of(3, 32, 16_000, &huge));
    // Whether it is used or refused, no tensor may hold anything but numbers.
    let ran = place.prep(&[]);
    assert!([Some(0), Some(3)].contains(&ran.code), "{ran:?}");
    let cache = ser_cache::Cache::open(&place.out()).unwrap();
    let set = cache.feature_set(None).unwrap();
    let split = cache.split(set, &ser_corpus::Protocol::Random).unwrap();
    for part in ser_corpus::split::Side::ALL {
        let dataset = cache.side(set, &split, part).unwrap();
        let all: Vec<usize> = (0..dataset.len()).collect();
        assert!(dataset.stretches(&all).unwrap().concat().iter().all(|value| value.is_finite()));
    }
}

#[test]
fn a_recording_of_an_hour_is_refused_at_once_and_used_if_asked_for() {
    let place = Place::plain();
    let mut data = vec![128u8; 3600 * 8000];
    data.iter_mut().step_by(7).for_each(|sample| *sample = 140);
    put(place.data(), "loud/hour.wav", &wav_of(1, 8, 8_000, &data));
    let started = Instant::now();
    let failed = remarks(&place.json(3, &[]), "failed");
    assert!(started.elapsed().as_secs_f64() < 10.0);
    assert!(failed["loud/hour.wav"].contains("lasts 3600.000 s, more than the limit of 300 s"), "{failed:?}");
    let failed = remarks(&place.json(3, &["--max-bytes", "1000000"]), "failed");
    assert!(failed["loud/hour.wav"].contains("more than the limit of 1000000"), "{failed:?}");
    let report = place.json(0, &["--max-duration", "4000"]);
    assert_eq!((&report["used"], &report["cut"]), (&9.into(), &1.into()));
    // Its tensor is there now, but the limit holds again.
    let failed = remarks(&place.json(3, &[]), "failed");
    assert!(failed["loud/hour.wav"].contains("more than the limit of 300 s"), "{failed:?}");
}

#[test]
fn a_recording_that_takes_too_long_to_decode_is_named_and_the_rest_is_used() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio");
    let flac = fs::read(folder.join("chirp.flac")).unwrap();
    let reason = "takes more than the limit of 0.0000001 s to decode";
    refused("slow.flac", &flac, reason, &["--file-timeout", "0.0000001"]);
    let place = Place::plain();
    put(place.data(), "calm/quick.flac", &flac);
    assert_eq!(place.json(0, &[])["used"], 9);
    for wrong in ["0", "-1", "NaN", "inf"] {
        let ran = place.prep(&[&format!("--file-timeout={wrong}")]);
        assert!(ran.ends(2).stderr.contains("give a --file-timeout above 0"));
    }
}

#[cfg(unix)]
#[test]
fn what_cannot_be_opened_is_named_and_nothing_waits_for_it() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let place = Place::plain();
    let at = |path: &str| place.data().join(path);
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        at("calm/fifo.wav"),
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
    )
    .unwrap();
    symlink("gone.wav", at("calm/link.wav")).unwrap();
    symlink("/dev/zero", at("calm/zero.wav")).unwrap();
    symlink("..", at("calm/loop")).unwrap();
    let failed = remarks(&place.json(3, &[]), "failed");
    for (path, reason) in [
        ("calm/fifo.wav", "is a FIFO, not a file"),
        ("calm/link.wav", "cannot be accessed"),
        ("calm/zero.wav", "is a device, not a file"),
        ("calm/loop", "is a link back to"),
    ] {
        assert!(failed[path].contains(reason), "{path}: {failed:?}");
    }
    assert_eq!(failed.len(), 4);

    put(place.data(), "calm/closed.wav", &wav(16_000, &noise(70, 1600)));
    put(place.data(), "locked/1.wav", &wav(16_000, &noise(71, 1600)));
    fs::set_permissions(at("calm/closed.wav"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(at("locked"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(at("calm/closed.wav")).is_ok() {
        eprintln!("SKIPPED: this user may read everything");
        return;
    }
    let failed = remarks(&place.json(3, &[]), "failed");
    fs::set_permissions(at("locked"), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(failed["calm/closed.wav"].contains("cannot read: Permission denied"), "{failed:?}");
    assert!(failed["locked"].contains("cannot be accessed"), "{failed:?}");
}

#[test]
fn an_unusable_corpus_ends_with_its_message_and_leaves_nothing_behind() {
    let place = Place::empty();
    let refused = |code: i32, says: &str| {
        let ran = place.prep(&[]).ends(code);
        assert!(ran.stderr.contains(says), "{says:?} in {}", ran.stderr);
        assert!(!ran.stderr.contains('\t') && ran.stdout.is_empty(), "{ran:?}");
        assert!(!place.out().exists(), "{says}");
    };
    refused(1, "holds no recordings (0 other files); recordings are files named .wav");
    put(place.data(), "a/notes.txt", b"x");
    refused(1, "holds no recordings (1 other files)");
    for number in 0..5 {
        put(place.data(), &format!("loose{number}.wav"), &wav(16_000, &noise(number + 1, 1600)));
    }
    refused(1, "lies directly in the corpus");
    for number in 0..5 {
        fs::remove_file(place.data().join(format!("loose{number}.wav"))).unwrap();
    }
    plain_corpus(place.data(), &["calm"], 4);
    refused(1, "all recordings (4) are of one class, \"calm\"");
    plain_corpus(place.data(), &["calm", "loud"], 1);
    refused(1, "a class needs 3 usable recordings, one each for train, validation and test: \"loud\" has 1");
    plain_corpus(place.data(), &["calm", "loud"], 2);
    refused(1, "\"loud\" has 2; add recordings, or leave the class out with --exclude LABEL");
    place.prep(&["--dry-run"]).ends(1);

    let missing = ser_prep(["--data", "/no/such/folder", "--out", place.out().to_str().unwrap()]).ends(1);
    assert!(missing.stderr.contains("/no/such/folder: cannot open the corpus"), "{}", missing.stderr);
    let file = place.data().join("calm/000.wav");
    let ran = ser_prep(["--data", file.to_str().unwrap(), "--out", place.out().to_str().unwrap()]).ends(2);
    assert!(ran.stderr.contains("000.wav: is not a folder"), "{}", ran.stderr);
    assert!(!place.out().exists());
}

#[test]
fn a_class_that_is_too_small_only_for_its_damaged_files_says_so() {
    let place = Place::plain();
    plain_corpus(place.data(), &["calm", "loud", "rare"], 3);
    put(place.data(), "rare/000.wav", b"");
    let ran = place.prep(&[]).ends(1);
    assert!(
        ran.stderr.contains("\"rare\" has 2") && ran.stderr.contains("rare/000.wav: is empty"),
        "{}",
        ran.stderr
    );
    assert!(!place.out().join("index.bin").exists());
}

#[test]
fn a_corpus_of_which_nothing_can_be_used_is_an_error_and_no_empty_cache() {
    let place = Place::empty();
    for path in ["a/1.wav", "a/2.wav", "a/3.wav", "b/1.wav", "b/2.wav", "b/3.wav"] {
        put(place.data(), path, b"nothing");
    }
    let ran = place.prep(&[]).ends(1);
    assert!(ran.stderr.contains("not one recording can be used"), "{}", ran.stderr);
    assert!(ran.stderr.contains("b/3.wav: is not audio"), "{}", ran.stderr);
    assert!(!place.out().join("index.bin").exists());
}

#[test]
fn a_reader_of_the_table_may_go_away() {
    let place = Place::plain();
    let command = format!(
        "{} --data {} --out {} | true; exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_ser-prep"),
        place.data().display(),
        place.out().display()
    );
    let output = std::process::Command::new("bash").args(["-c", &command]).output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

// --- the real corpus ---

#[test]
fn all_of_tess_is_used_its_oddities_are_noted_and_a_second_run_computes_nothing() {
    let Some(root) = std::env::var_os("SER_TESS") else {
        eprintln!("SKIPPED: set SER_TESS to the folder of TESS that holds OAF_angry to run this test");
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let run = || {
        let arguments = ["--json".into(), "--data".into(), root.clone(), "--out".into(), out.path().into()];
        serde_json::from_str::<Value>(&ser_prep(arguments).ends(0).stdout).unwrap()
    };
    let report = run();
    for (field, count) in [("found", 2798), ("used", 2798), ("computed", 2798), ("cut", 0), ("mixed_down", 0)]
    {
        assert_eq!(report[field], count, "{field}");
    }
    assert!(
        report["failed"].as_array().unwrap().is_empty()
            && report["duplicates"].as_array().unwrap().is_empty()
    );
    let notes = remarks(&report, "notes");
    let named: BTreeMap<&str, &str> =
        notes.iter().map(|(path, text)| (path.rsplit_once('/').unwrap().1, text.as_str())).collect();
    assert_eq!(
        named,
        [
            ("OAF_food_fear.wav", "has 96000 Hz where most have 24414 Hz; resampled like the rest"),
            ("OA_bite_neutral.wav", "its folder says speaker OAF, its name says OA"),
            ("YAF_germ_angry.wav", "is AIFF inside .wav"),
            ("YAF_neat_fear.wav", "is AIFF inside .wav"),
        ]
        .into()
    );
    let expected = serde_json::json!({
        "angry": 399, "disgust": 400, "fear": 400, "happy": 400, "neutral": 400, "pleasant_surprise": 400, "sad": 399
    });
    assert_eq!(report["labels"], expected);
    let splits = &report["splits"];
    assert_eq!(splits["random"], serde_json::json!({"train": 1958, "val": 420, "test": 420}));
    assert_eq!(splits["speaker-OAF"]["test"], 1399);
    assert_eq!(splits["speaker-YAF"]["test"], 1399);
    let word: u64 = splits["word"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!((word, splits.as_object().unwrap().len()), (2798, 4));
    assert!((418..=420).contains(&splits["word"]["test"].as_u64().unwrap()), "{splits}");

    let before = contents(&out.path().join("shards"));
    let again = run();
    assert_eq!(
        (&again["computed"], &again["reused"], &again["used"]),
        (&0.into(), &2798.into(), &2798.into())
    );
    assert!(again["seconds"].as_f64().unwrap() < 2.0, "{}", again["seconds"]);
    assert_eq!(again["splits"], report["splits"]);
    assert!(contents(&out.path().join("shards")) == before, "shards differ");
    eprintln!("TESS: {} s, then {} s", report["seconds"], again["seconds"]);
}

// --- frames ---

/// A corpus of two classes, with recordings of a second and one of six.
fn long_and_short() -> Place {
    let place = Place::empty();
    for (number, class) in ["calm", "loud"].into_iter().enumerate() {
        for file in 0..8 {
            let seconds = if (number, file) == (0, 0) { 6 } else { 1 };
            let samples = noise((number * 100 + file + 1) as u32, seconds * 16_000);
            put(place.data(), &format!("{class}/{file}.wav"), &wav(16_000, &samples));
        }
    }
    place
}

#[test]
fn what_is_cut_off_is_said_with_its_share_and_the_frames_that_would_lose_none() {
    let place = long_and_short();
    // 376 frames and fifteen times 63.
    let share = 176.0 / (376.0 + 15.0 * 63.0);
    let report = place.json(0, &[]);
    let cut = &report["cut_frames"];
    assert_eq!(
        (cut["recordings"].as_u64(), cut["of"].as_u64(), cut["longest"].as_u64()),
        (Some(1), Some(16), Some(376))
    );
    assert!((cut["share"].as_f64().unwrap() - share).abs() < 1e-9);
    let table = place.prep(&[]).ends(0).stdout;
    assert!(
        table.contains("13.3 % of all sound is lost at 200 frames; --max-frames 376 loses none"),
        "{table}"
    );
    let table = place.prep(&["--max-frames", "376"]).ends(0).stdout;
    assert!(!table.contains("is lost"), "{table}");
}

#[test]
fn automatic_frames_keep_almost_all_and_are_the_configuration_of_that_number() {
    let place = long_and_short();
    let auto = place.json(0, &["--max-frames", "auto"]);
    // 0.5 % of 1,321 frames are 6.6, so 370 are needed, and 376 is the next multiple of eight.
    assert_eq!(auto["max_frames"].as_u64(), Some(376));
    let given = place.json(0, &["--max-frames", "376"]);
    assert_eq!(given["feature_set"], auto["feature_set"]);
    assert_eq!((given["computed"].as_u64(), given["reused"].as_u64()), (Some(0), Some(16)));
    // Again, from what the cache knows, and on one thread.
    let again = place.json(0, &["--max-frames", "auto", "--jobs", "1"]);
    assert_eq!((again["max_frames"].as_u64(), again["computed"].as_u64()), (Some(376), Some(0)));
    let table = place.prep(&["--max-frames", "auto"]).ends(0).stdout;
    assert!(table.contains("376   which keep 99.5 % of all"), "{table}");
    let ran = place.prep(&["--max-frames", "some"]).ends(2);
    assert!(ran.stderr.contains("give a number of frames or auto"), "{ran:?}");
}

#[test]
fn automatic_frames_count_what_trimming_leaves() {
    let place = Place::empty();
    for (number, class) in ["calm", "loud"].into_iter().enumerate() {
        for file in 0..4 {
            // A second of sound between seconds of nothing.
            let sound = noise((number * 10 + file + 1) as u32, 16_000);
            let samples = [vec![0; 16_000], sound, vec![0; 32_000]].concat();
            put(place.data(), &format!("{class}/{file}.wav"), &wav(16_000, &samples));
        }
    }
    let trimmed = place.json(0, &["--preset", "log-mel", "--max-frames", "auto"]);
    let frames = trimmed["max_frames"].as_u64().unwrap();
    assert!((56..=72).contains(&frames), "{frames}");
}

#[test]
fn many_speakers_are_one_line_of_the_table_and_splits_lists_each() {
    let place = Place::empty();
    let mut table = "path,label,speaker\n".to_owned();
    for speaker in 0..8_u32 {
        for file in 0..6 {
            let path = format!("{speaker}-{file}.wav");
            put(place.data(), &path, &wav(16_000, &noise(speaker * 100 + file + 1, 1600)));
            table.push_str(&format!("{path},{},s{speaker}\n", ["calm", "loud"][file as usize % 2]));
        }
    }
    let labels = place.out.path().join("labels.csv");
    fs::write(&labels, table).unwrap();
    let labels = ["--labels", labels.to_str().unwrap()];
    let text = place.prep(&labels).ends(0).stdout;
    assert!(text.contains("speaker-* (8)") && !text.contains("speaker-s3"), "{text}");
    assert!(text.contains("validation has speakers of its own: speaker-* (8)"), "{text}");
    let text = place.prep(&[&labels[..], &["--splits"]].concat()).ends(0).stdout;
    assert!(text.contains("speaker-s3") && !text.contains("speaker-*"), "{text}");
    let report = place.json(0, &labels);
    assert_eq!(report["splits"]["speaker-s3"]["train"].as_u64(), Some(36));
    assert_eq!(report["validation"]["speaker-s3"], "speakers");
    let info = fs::read_to_string(place.out().join("splits/speaker-s3/split.toml")).unwrap();
    assert!(info.contains("validation = \"speakers\""), "{info}");
}
