//! Answers for recordings that no cache holds: the same as those of reports, whatever is asked about.
#![cfg(feature = "torch")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test stops at the first failure"
)]

mod common_fit;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use ser_audio::Limits;
use ser_predict::{Model, ModelOptions};
use serde_json::Value;

use common_fit::{
    Prepared, SMALL_FEATURES, fail, manifest, ser_fit, ser_predict, ser_prep, ser_report, stderr, stdout,
    succeed,
};

fn prepared() -> &'static Prepared {
    common_fit::prepared(&SMALL_FEATURES)
}

/// A checkpoint of a few epochs on the synthetic corpus.
fn checkpoint() -> &'static Path {
    static CHECKPOINT: OnceLock<PathBuf> = OnceLock::new();
    CHECKPOINT.get_or_init(|| {
        let Prepared { cache, recipe, .. } = prepared();
        let folder = cache.parent().unwrap();
        let mut fit = ser_fit(folder);
        fit.arg("--config").arg(recipe).arg("--cache").arg(cache);
        succeed(fit.args(["--epochs", "6", "--run", "run", "--quiet"]));
        folder.join("run/best.pt")
    })
}

fn predict(folder: &Path) -> Command {
    let mut command = ser_predict(folder);
    command.args(["--threads", "1", "--checkpoint"]).arg(checkpoint());
    command
}

fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut csv = csv::Reader::from_path(path).unwrap();
    csv.deserialize().map(|row| row.unwrap()).collect()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Paths of the test side, in the corpus.
fn test_side(prepared: &Prepared) -> Vec<PathBuf> {
    let utterances = manifest(&prepared.cache, "random", "test");
    utterances.iter().map(|line| prepared.corpus.join(line["path"].as_str().unwrap())).collect()
}

#[test]
fn answers_are_those_of_the_report_to_the_last_digit() {
    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    let list: String = test_side(prepared).iter().map(|path| format!("{}\n", path.display())).collect();
    std::fs::write(folder.path().join("list.txt"), list).unwrap();
    succeed(predict(folder.path()).args(["list.txt", "--csv", "answers.csv", "--quiet"]));
    let mut report = ser_report(folder.path());
    report.arg("--checkpoint").arg(checkpoint()).args(["--threads", "1", "--quiet", "--csv", "report.csv"]);
    succeed(&mut report);
    let answers = rows(&folder.path().join("answers.csv"));
    let reported = rows(&folder.path().join("report.csv"));
    assert!(answers.len() > 10 && answers.len() == reported.len(), "{} answers", answers.len());
    for (answer, reported) in answers.iter().zip(&reported) {
        assert!(answer["path"].ends_with(&reported["path"]), "{answer:?} {reported:?}");
        assert_eq!(answer["label"], reported["predicted"]);
        assert_eq!(answer["set"], reported["set"]);
        assert_eq!(answer["share_as_unusual"], reported["share_as_unusual"]);
        assert_eq!((answer["heard_before"].as_str(), answer["error"].as_str()), ("false", ""));
        for (column, probability) in reported.iter().filter(|(column, _)| column.starts_with("probability_"))
        {
            assert_eq!(answer[column], *probability, "{column} of {}", answer["path"]);
        }
    }
}

/// The features of every clip of the test side, to the bit.
fn features_are_those_of_the_cache(model: &Model, cache: &Path, corpus: &Path) {
    let mut front_end = model.front_end(Limits::default()).unwrap();
    let opened = ser_cache::Cache::open(cache).unwrap();
    let set = opened.feature_sets().last().unwrap();
    let split = opened.split(set, &ser_corpus::Protocol::Random).unwrap();
    let test = opened.side(set, &split, ser_corpus::Side::Test).unwrap();
    assert!(test.len() > 10);
    for (index, utterance) in split.side(ser_corpus::Side::Test).iter().enumerate() {
        let clip = front_end.file(&corpus.join(&utterance.path)).unwrap();
        assert_eq!((clip.frames, clip.features.len()), (test.frames(index), test.shape().iter().product()));
        let row: Vec<f32> = test.stretches(&[index]).unwrap().iter().flat_map(|part| part.to_vec()).collect();
        let same = clip.features.iter().zip(&row).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same, "{}", utterance.path);
    }
}

#[test]
fn features_are_those_of_preparation_to_the_bit() {
    let model = Model::open(checkpoint(), &ModelOptions::default()).unwrap();
    features_are_those_of_the_cache(&model, &prepared().cache, &prepared().corpus);
}

#[test]
fn features_and_answers_of_tess_are_those_of_its_cache_and_report() {
    let Some(tess) = std::env::var_os("SER_TESS").filter(|path| !path.is_empty()).map(PathBuf::from) else {
        eprintln!("SKIPPED: SER_TESS is not set; it names the folder of the TESS corpus");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    succeed(ser_prep(folder.path()).arg("--data").arg(&tess).args(["--out", "cache", "--quiet"]));
    let mut fit = ser_fit(folder.path());
    fit.arg("--config").arg(&prepared().recipe).args(["--cache", "cache", "--epochs", "1", "--quiet"]);
    succeed(&mut fit);
    let model = Model::open(&at("best.pt"), &ModelOptions::default()).unwrap();
    features_are_those_of_the_cache(&model, &at("cache"), &tess);

    let clips = manifest(&at("cache"), "random", "test");
    let list: String =
        clips.iter().map(|line| format!("{}/{}\n", tess.display(), line["path"].as_str().unwrap())).collect();
    std::fs::write(at("list.txt"), list).unwrap();
    succeed(ser_predict(folder.path()).args(["list.txt", "--csv", "answers.csv", "--quiet"]));
    succeed(ser_report(folder.path()).args(["--csv", "report.csv", "--quiet"]));
    let (answers, reported) = (rows(&at("answers.csv")), rows(&at("report.csv")));
    assert!(answers.len() > 400 && answers.len() == reported.len());
    for (answer, reported) in answers.iter().zip(&reported) {
        for (column, value) in reported.iter().filter(|(column, _)| column.starts_with("probability_")) {
            assert_eq!(answer[column], *value, "{column} of {}", answer["path"]);
        }
    }
}

#[test]
fn what_cannot_be_used_is_named_and_the_rest_goes_on() {
    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    let at = |name: &str| folder.path().join(name);
    let clip = test_side(prepared).swap_remove(0);
    let whole = std::fs::read(&clip).unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    std::fs::create_dir(at("nothing")).unwrap();
    std::fs::write(at("folder/empty.wav"), b"").unwrap();
    std::fs::write(at("folder/good.wav"), &whole).unwrap();
    std::fs::write(at("folder/short.wav"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(at("folder/text.wav"), b"no audio at all, but named as if it were").unwrap();
    std::os::unix::fs::symlink("nowhere", at("folder/link.wav")).unwrap();
    let fifo = Command::new("mkfifo").arg(at("pipe.wav")).status().unwrap();
    assert!(fifo.success());
    let asked = ["missing.wav", "nothing", "folder", "pipe.wav", "-"];
    let mut command = predict(folder.path());
    let output = command.args(asked).arg("--json").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let lines = lines(&stdout(&output));
    let named = |name: &str| {
        let found = lines.iter().find(|line| line["path"].as_str().unwrap().ends_with(name));
        found.unwrap_or_else(|| panic!("{name} is not in {lines:#?}"))
    };
    assert!(named("folder/good.wav")["error"].is_null());
    for (name, part) in [
        ("missing.wav", "No such file"),
        ("nothing", "holds no recording"),
        ("folder/empty.wav", "empty"),
        ("folder/short.wav", "cut short"),
        ("folder/text.wav", "no audio"),
        ("folder/link.wav", "cannot be accessed"),
        ("pipe.wav", "regular file"),
        ("-", "empty"),
    ] {
        let error = named(name)["error"].as_str().unwrap_or_else(|| panic!("{name} was answered"));
        assert!(error.contains(part) || name.ends_with("text.wav"), "{name}: {error}");
    }
    assert_eq!(lines.len(), 9, "{lines:#?}");
    let complaint = fail(predict(folder.path()).args(["folder", "--strict", "--quiet"]), 1);
    assert!(complaint.contains("folder/short.wav") && complaint.lines().count() == 4, "{complaint}");
}

#[test]
fn standard_input_is_a_recording_like_any_other() {
    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    let clip = test_side(prepared).swap_remove(0);
    let of_file = succeed(predict(folder.path()).arg(&clip).arg("--json"));
    let mut command = predict(folder.path());
    command.args(["-", "--json"]).stdin(std::fs::File::open(&clip).unwrap());
    let output = command.output().unwrap();
    let (mut a, mut b) = (lines(&of_file).swap_remove(0), lines(&stdout(&output)).swap_remove(0));
    assert_eq!(b["path"], "-");
    a["path"].take();
    b["path"].take();
    assert_eq!(a, b);
    let probabilities: f64 =
        a["probabilities"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).sum();
    assert!((probabilities - 1.0).abs() < 1e-5, "{a:#}");
    assert!(a["set"].as_array().unwrap().contains(&a["label"]), "{a:#}");
}

#[test]
fn a_sound_that_was_trained_on_is_said_to_be() {
    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    let heard = manifest(&prepared.cache, "random", "train").swap_remove(0);
    let heard = prepared.corpus.join(heard["path"].as_str().unwrap());
    let said = succeed(predict(folder.path()).arg(&heard).arg(test_side(prepared).swap_remove(0)));
    let told: Vec<&str> = said.lines().filter(|line| line.contains("heard in training")).collect();
    assert!(told[0].contains(heard.to_str().unwrap()), "{said}");
    assert!(said.contains("2 answered") && said.contains("voices it was trained on"), "{said}");
    // The line on each, and the sum.
    assert_eq!(told.len(), 2, "{said}");
}

#[test]
fn answers_and_timelines_say_on_which_side_a_sound_was_heard() {
    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    for (part, side) in [("train", Some("training")), ("val", Some("validation")), ("test", None)] {
        let line = manifest(&prepared.cache, "random", part).swap_remove(0);
        let clip = prepared.corpus.join(line["path"].as_str().unwrap());
        for extra in [&[][..], &["--timeline"]] {
            let said = succeed(predict(folder.path()).arg(&clip).args(extra));
            assert_eq!(said.contains("heard in "), side.is_some(), "{said}");
            assert!(side.is_none_or(|side| said.contains(&format!("heard in {side}"))), "{said}");
            let told =
                lines(&succeed(predict(folder.path()).arg(&clip).arg("--json").args(extra))).swap_remove(0);
            assert_eq!(told["heard_before"], side.is_some(), "{told:#}");
            assert_eq!(told["heard_in"].as_str(), side, "{told:#}");
        }
        let _ = std::fs::remove_file(folder.path().join("answers.csv"));
        succeed(predict(folder.path()).arg(&clip).args(["--quiet", "--csv", "answers.csv"]));
        assert_eq!(rows(&folder.path().join("answers.csv"))[0]["heard_in"], side.unwrap_or_default());
    }
}

#[test]
fn one_run_at_a_time_writes_a_csv_file() {
    use rustix::fs::{FlockOperation, flock};

    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    let path = folder.path().join("answers.csv");
    let clip = test_side(prepared).swap_remove(0);
    let run = |extra: &[&str]| {
        let mut command = predict(folder.path());
        command.arg(&clip).args(["--quiet", "--csv", "answers.csv"]).args(extra);
        command
    };
    succeed(&mut run(&[]));
    let whole = std::fs::read(&path).unwrap();
    // As a run would that has just begun to write its last row.
    std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let other = std::fs::File::options().write(true).open(&path).unwrap();
    flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
    let error = fail(&mut run(&["--resume"]), 1);
    assert!(error.contains("answers.csv: another run is writing it; wait for it to end"), "{error}");
    assert!(std::fs::read(&path).unwrap() == whole[..whole.len() - 9], "it stays as it is");
    drop(other);
    succeed(&mut run(&["--resume"]));
    assert!(std::fs::read(&path).unwrap() == whole);
}

#[test]
fn a_stopped_run_goes_on_where_it_was() {
    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    let at = |name: &str| folder.path().join(name);
    let run = |extra: &[&str]| {
        let mut command = predict(folder.path());
        command.arg(&prepared.corpus).args(["--quiet", "--csv", "answers.csv"]).args(extra);
        command
    };
    succeed(&mut run(&[]));
    let whole = std::fs::read(at("answers.csv")).unwrap();
    let error = fail(&mut run(&[]), 2);
    assert!(error.contains("answers.csv") && error.contains("--resume"), "{error}");
    assert_eq!(std::fs::read(at("answers.csv")).unwrap(), whole);
    for kept in [0, 3, whole.len() / 3, whole.len() - 1, whole.len()] {
        std::fs::write(at("answers.csv"), &whole[..kept]).unwrap();
        succeed(&mut run(&["--resume"]));
        assert!(std::fs::read(at("answers.csv")).unwrap() == whole, "after {kept} bytes");
    }
    // What it did not write stays as it is.
    for foreign in ["{\"notes\": 1}", "path,label\na,b", "path,\"label\nunfinished", "pat"] {
        std::fs::write(at("answers.csv"), foreign).unwrap();
        let ours = foreign == "pat";
        match ours {
            true => drop(succeed(&mut run(&["--resume"]))),
            false => {
                let error = fail(&mut run(&["--resume"]), 1);
                assert!(error.contains("answers.csv") && error.contains("name another file"), "{error}");
            }
        }
        let expected: &[u8] = if ours { &whole } else { foreign.as_bytes() };
        assert!(std::fs::read(at("answers.csv")).unwrap() == expected, "{foreign}");
    }
    // Another coverage, other recordings, another model: nothing is mixed.
    let error = fail(&mut run(&["--resume", "--coverage", "0.8"]), 1);
    assert!(error.contains("a coverage of 0.9, where 0.8 is asked for now"), "{error}");
    let mut other = predict(folder.path());
    other.arg(prepared.corpus.join("missing.wav")).args(["--csv", "answers.csv", "--resume"]);
    let error = fail(&mut other, 1);
    assert!(error.contains("recordings have changed"), "{error}");
    let error = fail(&mut run(&["--resume", "--max-duration", "0.4"]), 1);
    assert!(error.contains("answers.csv") && error.contains("other limits"), "{error}");
    assert!(error.contains("give the same limits as before"), "{error}");
    assert!(std::fs::read(at("answers.csv")).unwrap() == whole, "it stays as it is");
    let text = String::from_utf8(whole).unwrap();
    let digest = rows(&at("answers.csv"))[0]["model"].clone();
    std::fs::write(at("answers.csv"), text.replace(&digest, &"0".repeat(digest.len()))).unwrap();
    let error = fail(&mut run(&["--resume"]), 1);
    assert!(error.contains("another model"), "{error}");
}

/// The first clip of a label, as samples at 16,000 Hz.
fn clip_of(prepared: &Prepared, label: &str) -> Vec<f32> {
    let lines = manifest(&prepared.cache, "random", "train");
    let line = lines.iter().find(|line| line["label"] == label).unwrap();
    let bytes = std::fs::read(prepared.corpus.join(line["path"].as_str().unwrap())).unwrap();
    let samples = bytes[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    samples.map(|sample| f32::from(sample) / 32768.0).collect()
}

#[test]
fn a_long_recording_becomes_a_timeline_in_every_format() {
    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    let at = |name: &str| folder.path().join(name);
    let mut samples = vec![0.0; 16_000];
    for label in ["angry", "sad"] {
        samples.extend(clip_of(prepared, label));
        samples.extend(vec![0.0; 24_000]);
    }
    std::fs::write(at("talk.wav"), ser_audio::pcm16_wav(&samples, 16_000)).unwrap();
    let seconds = samples.len() as f64 / 16_000.0;
    let mut command = predict(folder.path());
    command.args(["talk.wav", "--timeline", "--json", "--speech-threshold", "0.3"]);
    for ending in ["csv", "json", "txt", "vtt", "srt", "TextGrid", "svg"] {
        command.arg("--save").arg(format!("{{}}.{ending}"));
    }
    let timeline = lines(&succeed(&mut command)).swap_remove(0);
    assert!((timeline["seconds"].as_f64().unwrap() - seconds).abs() < 1e-9, "{timeline:#}");
    // Limits are those of recordings, not of windows.
    let mut limited = predict(folder.path());
    limited.args(["talk.wav", "--timeline", "--json", "--speech-threshold", "0.3", "--min-duration", "3"]);
    assert_eq!(lines(&succeed(&mut limited)).swap_remove(0)["passages"], timeline["passages"]);
    let passages = timeline["passages"].as_array().unwrap();
    assert!(!passages.is_empty(), "{timeline:#}");
    let mut until = 0.0;
    for passage in passages {
        let (start, end) = (passage["start_s"].as_f64().unwrap(), passage["end_s"].as_f64().unwrap());
        assert!(start >= until && end > start && end <= seconds + 1e-6, "{timeline:#}");
        until = end;
    }
    // Nothing is said of the silence before, between and after.
    let first = passages[0]["start_s"].as_f64().unwrap();
    assert!((0.7..2.0).contains(&first) && until < seconds - 1.0, "{timeline:#}");
    for ending in ["csv", "json", "txt", "vtt", "srt", "TextGrid", "svg"] {
        assert!(std::fs::metadata(at(&format!("talk.{ending}"))).unwrap().len() > 20, "{ending}");
    }

    std::fs::write(at("silence.wav"), ser_audio::pcm16_wav(&vec![0.001; 32_000], 16_000)).unwrap();
    let said = succeed(predict(folder.path()).args(["silence.wav", "--timeline"]));
    assert!(said.contains("no speech was found"), "{said}");
    let error = fail(predict(folder.path()).args(["talk.wav", "--timeline", "--save", "x.docx"]), 2);
    assert!(error.contains("x.docx") && error.contains(".vtt"), "{error}");
    let twice = ["talk.wav", "talk.wav", "--timeline", "--save", "one.vtt", "--speech-threshold", "0.3"];
    let error = fail(predict(folder.path()).args(twice), 2);
    assert!(error.contains("one.vtt") && error.contains("{}"), "{error}");
    let error = fail(predict(folder.path()).args(["talk.wav", "--timeline", "--hop", "9"]), 2);
    assert!(error.contains("--hop"), "{error}");
    // Nothing is written over, not even what is asked about.
    std::fs::write(at("list.txt"), "talk.wav\n").unwrap();
    for taken in ["talk.csv", "list.txt"] {
        let before = std::fs::read(at(taken)).unwrap();
        let error = fail(predict(folder.path()).args(["list.txt", "--timeline", "--save", taken]), 2);
        assert!(error.contains(&format!("{taken}: is there already")), "{error}");
        assert!(std::fs::read(at(taken)).unwrap() == before, "{taken}");
    }
}

#[test]
fn places_of_timelines_are_refused_before_the_first_recording_is_listened_to() {
    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    let at = |name: &str| folder.path().join(name);
    let clip = std::fs::read(test_side(prepared).swap_remove(0)).unwrap();
    for name in ["one/a.wav", "one/b.wav", "two/b.wav"] {
        std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        std::fs::write(at(name), &clip).unwrap();
    }
    std::fs::write(at("b.csv"), "mine").unwrap();
    for (asked, place, words) in [
        (&["one", "two"][..], "{}.vtt", "b.vtt: would be written for one/b.wav and for two/b.wav"),
        (&["one"], "{}.csv", "b.csv: is there already"),
        (&["one"], "out/{}.csv", "out/a.csv: cannot be written: there is no folder out"),
        (&["one"], "{}.csv", "--resume"),
    ] {
        let mut command = predict(folder.path());
        command.args(asked).args(["--timeline", "--quiet", "--save", place]);
        let error = fail(&mut command, 2);
        assert!(error.contains(words), "{error}");
        assert!(!at("a.vtt").exists() && !at("a.csv").exists(), "{words}: one was listened to");
    }
    assert_eq!(std::fs::read(at("b.csv")).unwrap(), b"mine");
}

#[test]
fn stopped_timelines_go_on_with_the_recordings_that_are_left() {
    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    let at = |name: &str| folder.path().join(name);
    let clip = std::fs::read(test_side(prepared).swap_remove(0)).unwrap();
    for name in ["a.wav", "b.wav", "c.wav"] {
        std::fs::write(at(name), &clip).unwrap();
    }
    let run = |extra: &[&str]| {
        let mut command = predict(folder.path());
        command.args(["a.wav", "b.wav", "c.wav", "--timeline"]).args(extra);
        command.args(["--save", "{}.csv", "--save", "{}.vtt"]);
        command
    };
    succeed(&mut run(&["--quiet"]));
    let whole = std::fs::read(at("c.csv")).unwrap();
    // As a run leaves them that was stopped amid the second recording.
    for name in ["b.vtt", "c.csv", "c.vtt"] {
        std::fs::remove_file(at(name)).unwrap();
    }
    std::fs::write(at("a.csv"), "kept").unwrap();
    let said = succeed(&mut run(&["--resume"]));
    assert!(said.contains("1 left out, whose files are all there"), "{said}");
    assert!(!said.contains("a.wav: ") && said.contains("b.wav: ") && said.contains("c.wav: "), "{said}");
    assert_eq!(std::fs::read(at("a.csv")).unwrap(), b"kept");
    assert!(at("b.vtt").exists() && at("c.vtt").exists() && std::fs::read(at("c.csv")).unwrap() == whole);
    let error = fail(predict(folder.path()).args(["a.wav", "--timeline", "--resume"]), 2);
    assert!(error.contains("--resume") && error.contains("--save"), "{error}");
}

#[test]
fn recordings_without_a_timeline_are_objects_for_programs_and_the_rest_goes_on() {
    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    std::fs::write(folder.path().join("bad.wav"), b"no sound").unwrap();
    let clip = test_side(prepared).swap_remove(0);
    let mut command = predict(folder.path());
    command.args(["bad.wav", "missing.wav"]).arg(&clip).args(["--timeline", "--json"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let lines = lines(&stdout(&output));
    assert_eq!(lines.len(), 3, "{lines:#?}");
    for (line, path) in lines.iter().zip(["bad.wav", "missing.wav"]) {
        assert_eq!((&line["path"], &line["model"]), (&path.into(), &"best".into()), "{line:#}");
        assert!(line["error"].is_string() && line.as_object().unwrap().len() == 3, "{line:#}");
    }
    assert!(lines[2]["passages"].is_array(), "{lines:#?}");
}

#[test]
fn names_of_files_do_not_steer_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a\u{1b}[31m\nb.wav"), b"no sound").unwrap();
    for extra in [&[][..], &["--timeline"]] {
        let complaint = fail(predict(folder.path()).args([".", "--quiet"]).args(extra), 3);
        assert!(complaint.contains("a\\u{1b}[31m\\nb.wav"), "{complaint:?}");
        assert!(!complaint.contains('\u{1b}') && complaint.lines().count() == 1, "{complaint:?}");
    }
}

#[test]
fn limits_that_no_recording_can_be_within_are_refused() {
    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    let clip = test_side(prepared).swap_remove(0);
    for (limits, option) in [
        (&["--max-duration", "nan"][..], "--max-duration"),
        (&["--min-duration", "5", "--max-duration", "1"], "--min-duration"),
        (&["--min-duration=-1"], "--min-duration"),
        (&["--file-timeout", "nan"], "--file-timeout"),
        (&["--file-timeout=-1"], "--file-timeout"),
    ] {
        for extra in [&[][..], &["--timeline"]] {
            let error = fail(predict(folder.path()).arg(&clip).args(limits).args(extra), 2);
            assert!(error.contains(option), "{limits:?}: {error}");
        }
    }
}

#[test]
fn more_jobs_than_machines_have_processors_are_refused() {
    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    let clip = test_side(prepared).swap_remove(0);
    for extra in [&[][..], &["--timeline"]] {
        let error = fail(predict(folder.path()).arg(&clip).args(["--jobs", "100000"]).args(extra), 2);
        assert!(error.contains("--jobs 100000 is far too many; give at most 1024"), "{error}");
    }
}

#[test]
fn a_window_of_which_the_model_would_not_hear_the_end_is_refused() {
    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    let clip = test_side(prepared).swap_remove(0);
    let longest = Model::open(checkpoint(), &ModelOptions::default()).unwrap().about().longest_s;
    let with = |window: &str| {
        let mut command = predict(folder.path());
        command.arg(&clip).args(["--timeline", "--json", "--window", window]);
        command
    };
    let error = fail(&mut with("10"), 2);
    assert!(error.contains(&format!("{longest:.3} s")) && error.contains("--window"), "{error}");
    let timeline = lines(&succeed(&mut with(&format!("{longest:.3}")))).swap_remove(0);
    assert!((timeline["window_s"].as_f64().unwrap() - longest).abs() < 1e-3, "{timeline:#}");
}

#[test]
fn what_is_about_windows_is_refused_where_there_are_none() {
    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    let clip = test_side(prepared).swap_remove(0);
    for option in ["--window", "--hop", "--speech-threshold"] {
        let error = fail(predict(folder.path()).arg(&clip).args([option, "0.5"]), 2);
        assert!(error.contains(option) && error.contains("--timeline"), "{error}");
    }
}

#[test]
fn a_recording_that_is_too_long_is_said_to_be_heard_in_part() {
    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    let sound = clip_of(prepared, "angry").repeat(5);
    std::fs::write(folder.path().join("long.wav"), ser_audio::pcm16_wav(&sound, 16_000)).unwrap();
    let longest = Model::open(checkpoint(), &ModelOptions::default()).unwrap().about().longest_s;
    let said = succeed(predict(folder.path()).args(["long.wav", "long.wav"]));
    assert_eq!(said.matches(&format!("{longest:.2} s of it heard")).count(), 2, "{said}");
    assert!(said.contains(&format!("2 too long, of which the model heard {longest:.2} s")), "{said}");
}

#[test]
fn a_list_that_names_nothing_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("list.txt"), "\n").unwrap();
    for extra in [&[][..], &["--csv", "answers.csv"], &["--timeline"]] {
        let error = fail(predict(folder.path()).args(["list.txt", "--quiet"]).args(extra), 3);
        assert!(error.contains("list.txt: names no recording"), "{error}");
    }
}

#[test]
fn files_whose_names_are_not_utf_8_have_rows_of_their_own() {
    use std::os::unix::ffi::OsStrExt;

    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    let clip = std::fs::read(test_side(prepared).swap_remove(0)).unwrap();
    std::fs::create_dir(folder.path().join("odd")).unwrap();
    for name in [&b"a\xfe.wav"[..], b"a\xff.wav"] {
        std::fs::write(folder.path().join("odd").join(std::ffi::OsStr::from_bytes(name)), &clip).unwrap();
    }
    succeed(predict(folder.path()).args(["odd", "--quiet", "--csv", "answers.csv"]));
    let rows = rows(&folder.path().join("answers.csv"));
    let paths: Vec<&str> = rows.iter().map(|row| row["path"].as_str()).collect();
    assert_eq!(paths, ["odd/a\\xfe.wav", "odd/a\\xff.wav"]);
    succeed(predict(folder.path()).args(["odd", "--quiet", "--csv", "answers.csv", "--resume"]));
}

#[test]
fn a_checkpoint_that_cannot_answer_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("broken.pt"), b"not a checkpoint").unwrap();
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe.pt")).status().unwrap().success());
    for (name, part) in [("broken.pt", "broken.pt"), ("missing.pt", "missing.pt"), ("pipe.pt", "pipe.pt")] {
        let mut command = ser_predict(folder.path());
        let error = fail(command.args(["--checkpoint", name, "clip.wav"]), 1);
        assert!(error.contains(part), "{error}");
    }
    let error = fail(predict(folder.path()).args(["clip.wav", "--coverage", "1.5"]), 2);
    assert!(error.contains("coverage"), "{error}");
    let error = fail(predict(folder.path()).args(["-", "-"]), 2);
    assert!(error.contains("only once"), "{error}");
}
