//! Reports on trained runs: the numbers against those of the predictions themselves and of Python, and what is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use ser_core::storage::Storage;
use ser_model::LearntFrom;
use ser_model::calibration::Calibrator;
use ser_model::checkpoint::Checkpoint;
use ser_synth::{SynthCorpus, SynthOptions};
use serde_json::Value;

use crate::common_fit::{
    SMALL_FEATURES, copy_folder, damage, fail, manifest, prepared, ser_fit, ser_prep, ser_report, succeed,
};
use crate::common_python::python_with;

// The numbers.

#[test]
fn the_numbers_follow_from_the_predictions() {
    let folder = tempfile::tempdir().unwrap();
    let object = json(report(folder.path()).args(["--json", "--errors", "--csv", "predictions.csv"]));
    let csv = Predictions::read(&folder.path().join("predictions.csv"));
    assert_eq!(object["labels"], serde_json::to_value(&csv.labels).unwrap());
    let n = csv.rows.len();
    let correct = csv.rows.iter().filter(|row| row.truth == row.predicted).count();
    assert!(
        (1..n).contains(&correct),
        "a run that is always right, or never, tests little: {correct} of {n}"
    );
    assert_eq!(object["n_utterances"], n);
    assert_eq!(object["n_correct"], correct);
    assert_eq!(object["accuracy"], correct as f64 / n as f64);

    let count = |of: &dyn Fn(&Row) -> bool| csv.rows.iter().filter(|row| of(row)).count() as f64;
    let (mut recalls, mut f1s) = (Vec::new(), Vec::new());
    for (index, label) in csv.labels.iter().enumerate() {
        let right = count(&|row| row.truth == *label && row.predicted == *label);
        let (of_class, said) = (count(&|row| row.truth == *label), count(&|row| row.predicted == *label));
        let recall = right / of_class;
        let precision = if said > 0.0 { right / said } else { 0.0 };
        let f1 = 2.0 * right / (of_class + said);
        let class = &object["classes"][index];
        assert_eq!(class["label"], *label);
        for (name, expected) in
            [("recall", recall), ("precision", precision), ("f1", f1), ("support", of_class)]
        {
            assert!(
                (class[name].as_f64().unwrap() - expected).abs() < 1e-12,
                "{label}: {name} {}",
                class[name]
            );
        }
        recalls.push(recall);
        f1s.push(f1);
        for (other, name) in csv.labels.iter().enumerate() {
            let expected = count(&|row| row.truth == *label && row.predicted == *name);
            assert_eq!(object["confusion_matrix"][index][other].as_f64(), Some(expected), "{object:#}");
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    assert!((object["uar"].as_f64().unwrap() - mean(&recalls)).abs() < 1e-12);
    assert!((object["macro_f1"].as_f64().unwrap() - mean(&f1s)).abs() < 1e-12);
    let loss = csv.rows.iter().map(|row| -row.probabilities[&row.truth].ln());
    assert!((object["cross_entropy"].as_f64().unwrap() - mean(&loss.collect::<Vec<_>>())).abs() < 1e-9);
    let (low, high) =
        (object["accuracy_interval"]["lower"].as_f64(), object["accuracy_interval"]["upper"].as_f64());
    assert!(low < object["accuracy"].as_f64() && high > object["accuracy"].as_f64());

    let errors = object["errors"].as_array().unwrap();
    assert_eq!(errors.len(), n - correct);
    for error in errors {
        let row = csv.rows.iter().find(|row| row.path == error["path"]).unwrap();
        assert_eq!(
            (&error["true"], &error["predicted"]),
            (&row.truth.clone().into(), &row.predicted.clone().into())
        );
    }
    let confidence = |error: &Value| error["probability_predicted"].as_f64().unwrap();
    assert!(errors.windows(2).all(|pair| confidence(&pair[0]) >= confidence(&pair[1])));
}

#[test]
fn the_predictions_are_those_of_the_test_side_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(succeed(report(folder.path()).args(["--quiet", "--csv", "predictions.csv"])), "");
    let csv = Predictions::read(&folder.path().join("predictions.csv"));
    let test = manifest(&prepared(&[]).cache, "random", "test");
    assert_eq!(csv.rows.len(), test.len());
    for (row, utterance) in csv.rows.iter().zip(&test) {
        assert_eq!(
            (&row.path.clone().into(), &row.truth.clone().into()),
            (&utterance["path"], &utterance["label"])
        );
        let sum: f64 = row.probabilities.values().sum();
        assert!((sum - 1.0).abs() < 1e-6, "{}: {sum}", row.path);
        let most = row.probabilities.values().fold(0f64, |most, &value| most.max(value));
        assert_eq!(row.probabilities[&row.predicted], most);
    }
}

#[test]
fn the_page_says_what_the_object_says() {
    let folder = tempfile::tempdir().unwrap();
    let object = json(report(folder.path()).arg("--json"));
    assert!(object.get("errors").is_none());
    let page = succeed(report(folder.path()).arg("--errors"));
    for metric in ["accuracy", "uar", "macro_f1", "cross_entropy"] {
        let number = format!("{:.4}", object[metric].as_f64().unwrap());
        assert!(page.contains(&number), "{metric} {number}\n{page}");
    }
    for words in [
        "weighted avg",
        "Confusion matrix",
        "both test speakers (OAF",
        "every test word were also in training",
    ] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    let wrong = object["n_utterances"].as_u64().unwrap() - object["n_correct"].as_u64().unwrap();
    let listed = page.lines().filter(|line| line.ends_with(".wav")).count() as u64;
    assert_eq!(listed, wrong, "{page}");
    assert!(!succeed(&mut report(folder.path())).lines().any(|line| line.ends_with(".wav")));
}

#[test]
fn pytorch_and_scikit_learn_say_the_same_of_the_checkpoint() {
    let Some(python) = python_with("torch, safetensors, sklearn") else { return };
    let folder = tempfile::tempdir().unwrap();
    let object = json(report(folder.path()).args(["--json", "--csv", "predictions.csv"]));
    let page = succeed(&mut report(folder.path()));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fit/assess.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).arg(checkpoint()).arg(&prepared(&[]).cache).arg("random");
    let theirs = json(&mut command);
    assert_eq!(theirs["accuracy"], object["accuracy"]);
    assert_eq!(theirs["correct"], object["n_correct"]);

    let csv = Predictions::read(&folder.path().join("predictions.csv"));
    let mut largest = 0f64;
    for (index, row) in csv.rows.iter().enumerate() {
        assert_eq!(theirs["truth"][index], *row.truth);
        assert_eq!(theirs["predicted"][index], *row.predicted, "{}", row.path);
        for (class, label) in csv.labels.iter().enumerate() {
            let theirs = theirs["probabilities"][index][class].as_f64().unwrap();
            largest = largest.max((theirs - row.probabilities[label]).abs());
        }
    }
    eprintln!("largest difference of a probability: {largest:.1e}");
    assert!(largest <= 1e-5, "{largest}");
    let table = theirs["report"].as_str().unwrap();
    assert!(page.contains(table), "{table}\nis not in\n{page}");
}

#[test]
fn the_page_the_figures_and_the_card_tell_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = report(folder.path());
    command.args(["--json", "--html", "report.html", "--figures", "figures", "--card", "card.md"]);
    let object = json(&mut command);
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    let card = std::fs::read_to_string(folder.path().join("card.md")).unwrap();
    let checkpoint = Checkpoint::read(checkpoint()).unwrap();
    let config: Value = serde_json::from_str(&checkpoint.config).unwrap();
    let digest = config["split"]["digest"].as_str().unwrap();
    for number in [&object["accuracy"], &object["macro_f1"], &object["calibration"]["ece"]] {
        let number = format!("{:.4}", number.as_f64().unwrap());
        assert!(page.contains(&number) && card.contains(&number), "{number}");
    }
    assert!(page.contains(digest) && card.contains(digest));
    // The history is beside the checkpoint, the recordings where ser-prep found them.
    assert!(page.contains("8 epochs; the checkpoint is of epoch"), "{page}");
    let wrong = object["n_utterances"].as_u64().unwrap() - object["n_correct"].as_u64().unwrap();
    assert_eq!(page.matches("<audio ").count() as u64, wrong.min(24));
    assert!(page.contains("ser-report --threads 1 --checkpoint"), "{page}");
    for name in ["confusion-matrix", "loss-curve", "accuracy-curve", "reliability-diagram"] {
        for ending in ["svg", "png"] {
            assert!(folder.path().join(format!("figures/{name}.{ending}")).is_file());
        }
    }
    let text = fail(report(folder.path()).args(["--html", "no/such/folder.html"]), 1);
    assert!(text.contains("no/such"), "{text}");
}

#[test]
fn another_speaker_is_reported_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = prepared(&[]);
    let mut fit = ser_fit(folder.path());
    fit.arg("--cache").arg(&prepared.cache).arg("--config").arg(&prepared.recipe);
    succeed(fit.args(["--quiet", "--epochs", "1", "--split", "speaker-YAF"]));
    let object = json(ser_report(folder.path()).arg("--json"));
    assert_eq!(object["protocol"], "speaker-YAF");
    assert_eq!(object["n_utterances"], 42);
    assert_eq!(object["epoch"], 1);
    let words = object["protocol_in_words"].as_str().unwrap();
    assert!(words.contains("YAF"), "{words}");
    // The last checkpoint serves as well.
    let run = std::fs::read_dir(folder.path().join("runs")).unwrap().next().unwrap().unwrap().path();
    let last = json(ser_report(folder.path()).arg("--json").arg("--checkpoint").arg(run.join("last.pt")));
    assert_eq!(last["accuracy"], object["accuracy"]);
}

// Uncertainty.

#[test]
fn a_calibrated_checkpoint_reports_what_its_probabilities_and_sets_are_worth() {
    let folder = tempfile::tempdir().unwrap();
    let carried = Checkpoint::read(checkpoint()).unwrap();
    let calibrator = Calibrator::of(&carried).unwrap().unwrap();
    let mut command = report(folder.path());
    command.args([
        "--json",
        "--coverage",
        "0.85",
        "--csv",
        "answers.csv",
        "--html",
        "report.html",
        "--card",
        "card.md",
    ]);
    let object = json(&mut command);
    let found = &object["uncertainty"];
    assert_eq!(found["temperature"].as_f64(), Some(calibrator.temperature.value()));
    assert_eq!(found["n_validation"].as_u64(), Some(calibrator.scores.n()));
    assert!(found["validation_speakers"].is_null(), "its voices are those of the training");
    // The figures of the report are those with the temperature.
    assert_eq!(found["calibrated"]["ece"], object["calibration"]["ece"]);
    assert_eq!(found["calibrated"]["brier"], object["calibration"]["brier"]);
    assert_eq!(found["calibrated"]["cross_entropy"], object["cross_entropy"]);

    let sets = found["sets"].as_array().unwrap();
    let promised: Vec<f64> = sets.iter().map(|set| set["coverage"].as_f64().unwrap()).collect();
    assert_eq!(promised, [0.8, 0.85, 0.9, 0.95]);
    let mut csv = csv::Reader::from_path(folder.path().join("answers.csv")).unwrap();
    let columns = csv.headers().unwrap().len();
    let (mut n, mut covered, mut classes) = (0, 0, 0);
    for row in csv.records().map(Result::unwrap) {
        let set: Vec<&str> = row[columns - 2].split('|').collect();
        let unusual: f64 = row[columns - 1].parse().unwrap();
        assert_eq!(set[0], &row[2], "the most probable class is in it, and first");
        assert!(unusual > 0.0 && unusual <= 1.0);
        n += 1;
        covered += usize::from(set.contains(&&row[1]));
        classes += set.len();
    }
    assert_eq!(sets[1]["measured"].as_f64(), Some(covered as f64 / n as f64));
    assert_eq!(sets[1]["mean_size"].as_f64(), Some(classes as f64 / n as f64));

    let page = succeed(&mut report(folder.path()));
    let html = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    let card = std::fs::read_to_string(folder.path().join("card.md")).unwrap();
    for what in [&page, &html, &card] {
        assert!(what.contains(&format!("{:.4}", calibrator.temperature.value())), "{what}");
        assert!(what.contains("validation utterances") && what.contains("AUROC"), "{what}");
    }
    assert!(page.contains("0.9 promised") && !page.contains("0.85 promised"), "{page}");
    assert!(card.contains("| 0.85 promised |"), "{card}");
    let text = fail(report(folder.path()).args(["--coverage", "1"]), 2);
    assert!(text.contains("--coverage 1 is not valid"), "{text}");
}

#[test]
fn where_validation_speakers_are_new_each_of_them_counts_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = SynthOptions { words: 2, speakers: 9, sample_rate: 16_000, ..SynthOptions::default() };
    SynthCorpus::new(corpus).unwrap().write(&folder.path().join("corpus")).unwrap();
    let mut prep = ser_prep(folder.path());
    succeed(prep.args(["--quiet", "--data", "corpus", "--val-fraction", "0.25"]).args(SMALL_FEATURES));
    let splits = std::fs::read_dir(folder.path().join("cache/splits")).unwrap();
    let mut splits = splits.map(|split| split.unwrap().file_name().into_string().unwrap());
    let split = splits.find(|name| name.starts_with("speaker-")).unwrap();
    let mut fit = ser_fit(folder.path());
    fit.arg("--config").arg(&prepared(&[]).recipe);
    succeed(fit.args(["--cache", "cache", "--quiet", "--epochs", "1", "--split", &split]));
    let object = json(ser_report(folder.path()).arg("--json"));
    let validation = manifest(&folder.path().join("cache"), &split, "val");
    let speakers: BTreeSet<&str> = validation.iter().map(|u| u["speaker"].as_str().unwrap()).collect();
    assert!(speakers.len() > 1, "{validation:?}");
    assert_eq!(object["uncertainty"]["validation_speakers"], speakers.len());
    let page = succeed(&mut ser_report(folder.path())).replace('\n', " ");
    assert!(page.contains("who are not in training, each counting the same"), "{page}");
}

#[test]
fn a_checkpoint_says_what_it_has_heard() {
    let learnt = LearntFrom::of(&Checkpoint::read(checkpoint()).unwrap()).unwrap().unwrap();
    let cache = &prepared(&[]).cache;
    for (heard, part) in [(&learnt.training, "train"), (&learnt.validation, "val")] {
        assert_eq!(heard.sounds.len(), manifest(cache, "random", part).len());
        assert_eq!(heard.speakers.iter().collect::<Vec<_>>(), ["OAF", "YAF"]);
    }
    assert!(learnt.training.sounds.is_disjoint(&learnt.validation.sounds));
}

#[test]
fn a_checkpoint_from_before_is_reported_as_not_calibrated() {
    let folder = tempfile::tempdir().unwrap();
    let mut older = Checkpoint::read(checkpoint()).unwrap();
    older.extra.clear();
    older.write(&Storage::native(), folder.path().join("older.pt")).unwrap();
    let older = |arguments: &[&str]| {
        let mut command = ser_report(folder.path());
        command.args(["--threads", "1", "--checkpoint", "older.pt"]).args(arguments);
        command
    };
    let object = json(&mut older(&["--json"]));
    let calibrated = json(report(folder.path()).arg("--json"));
    assert!(object.get("uncertainty").is_none());
    let why = object["not_calibrated"].as_str().unwrap();
    assert!(why.starts_with("trained before ser kept a calibration"), "{why}");
    assert_eq!(object["accuracy"], calibrated["accuracy"], "a temperature changes no answer");
    let without = calibrated["uncertainty"]["uncalibrated"]["cross_entropy"].as_f64().unwrap();
    assert!((object["cross_entropy"].as_f64().unwrap() - without).abs() < 1e-6);
    let page = succeed(&mut older(&[]));
    assert!(page.contains("Not calibrated: trained before"), "{page}");
    assert!(page.contains("out of its domain is not known: trained before"), "{page}");
    let cache = prepared(&[]).cache.display().to_string();
    let text = fail(&mut older(&["--other-corpus", &cache]), 1);
    assert!(text.contains("older.pt: has nothing to compare another corpus with: trained before"), "{text}");
    assert!(text.contains("leave --other-corpus out"), "{text}");
}

#[test]
fn a_checkpoint_with_a_calibration_alone_says_why_nothing_is_out_of_its_domain() {
    let folder = tempfile::tempdir().unwrap();
    let mut older = Checkpoint::read(checkpoint()).unwrap();
    older.extra.retain(|(name, _)| name != "out_of_domain");
    older.write(&Storage::native(), folder.path().join("older.pt")).unwrap();
    let mut command = ser_report(folder.path());
    let arguments = ["--json", "--threads", "1", "--checkpoint", "older.pt", "--csv", "older.csv"];
    let object = json(command.args(arguments));
    let newer = json(report(folder.path()).arg("--json"));
    assert_eq!(object["uncertainty"], newer["uncertainty"]);
    assert!(object.get("out_of_domain").is_none() && newer.get("no_domain_reference").is_none());
    let why = object["no_domain_reference"].as_str().unwrap();
    assert!(why.starts_with("trained before ser kept a reference"), "{why}");
    let head = std::fs::read_to_string(folder.path().join("older.csv")).unwrap();
    assert!(head.lines().next().unwrap().ends_with(",set"), "{head}");
}

#[test]
fn another_corpus_is_measured_and_what_was_heard_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let other = SynthOptions { words: 6, sample_rate: 16_000, seed: 99, ..SynthOptions::default() };
    SynthCorpus::new(other).unwrap().write(&folder.path().join("other")).unwrap();
    succeed(ser_prep(folder.path()).args(["--quiet", "--data", "other", "--out", "other-cache"]));
    let object = json(report(folder.path()).args(["--json", "--other-corpus", "other-cache"]));
    let found = &object["out_of_domain"]["other_corpus"];
    assert_eq!((found["cache"].as_str(), found["n_heard"].as_u64()), (Some("other-cache"), Some(0)));
    assert_eq!(
        found["n_utterances"].as_u64().unwrap() as usize,
        manifest(&folder.path().join("other-cache"), "random", "test").len()
    );
    for share in ["flagged", "auroc"] {
        assert!((0.0..=1.0).contains(&found[share].as_f64().unwrap()), "{found}");
    }
    // Its own test side is none of what it has heard.
    let own = prepared(&[]).cache.display().to_string();
    let object = json(report(folder.path()).args(["--json", "--other-corpus", &own]));
    let (own, other) = (&object["out_of_domain"], &object["out_of_domain"]["other_corpus"]);
    assert_eq!(other["n_heard"], 0);
    assert!(own["flagged"] == other["flagged"] && own["auroc"] == other["auroc"], "{own}");
}

#[test]
fn recordings_of_another_kind_are_out_of_domain_and_own_test_clips_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = |name: &str, options: SynthOptions| {
        SynthCorpus::new(SynthOptions { words: 10, ..options })
            .unwrap()
            .write(&folder.path().join(name))
            .unwrap();
        let mut prep = ser_prep(folder.path());
        let cache = format!("{name}-cache");
        succeed(prep.args(["--quiet", "--data", name, "--out", &cache]).args(SMALL_FEATURES));
    };
    // Other takes of the same words by the same voices, over a telephone.
    corpus("own", SynthOptions { sample_rate: 16_000, ..SynthOptions::default() });
    corpus("telephone", SynthOptions { sample_rate: 8_000, seed: 7, ..SynthOptions::default() });
    let mut fit = ser_fit(folder.path());
    fit.arg("--config").arg(&prepared(&[]).recipe);
    succeed(fit.args(["--cache", "own-cache", "--quiet", "--epochs", "1"]));
    let mut report = ser_report(folder.path());
    let object = json(report.args(["--json", "--other-corpus", "telephone-cache", "--csv", "own.csv"]));
    let (own, other) = (&object["out_of_domain"], &object["out_of_domain"]["other_corpus"]);
    assert!(own["flagged"].as_f64().unwrap() <= 0.25, "{own}");
    assert!(other["flagged"].as_f64().unwrap() >= 0.75, "{other}");
    assert!(other["auroc"].as_f64().unwrap() >= 0.9, "{other}");
    assert_eq!(
        own["n_validation"].as_u64().unwrap() as usize,
        manifest(&folder.path().join("own-cache"), "random", "val").len()
    );
    // What the reference says of each utterance adds up to it.
    let mut csv = csv::Reader::from_path(folder.path().join("own.csv")).unwrap();
    let last = csv.headers().unwrap().len() - 1;
    let shares: Vec<f64> = csv.records().map(|row| row.unwrap()[last].parse().unwrap()).collect();
    let flagged = shares.iter().filter(|share| **share <= 0.05).count() as f64 / shares.len() as f64;
    assert_eq!(own["flagged"].as_f64(), Some(flagged));
}

// Where the data is.

#[test]
fn a_cache_that_has_moved_is_asked_for_and_found() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = prepared(&[]);
    let (old, new) = (folder.path().join("cache"), folder.path().join("moved"));
    copy_folder(&prepared.cache, &old);
    let mut fit = ser_fit(folder.path());
    succeed(fit.args(["--quiet", "--epochs", "2", "--config"]).arg(&prepared.recipe));
    let before = json(ser_report(folder.path()).arg("--json"));
    std::fs::rename(&old, &new).unwrap();
    let text = fail(&mut ser_report(folder.path()), 1);
    assert!(text.contains("best.pt: was trained from a cache that cannot be opened now"), "{text}");
    assert!(text.contains("say where it is with --cache"), "{text}");
    let after = json(ser_report(folder.path()).args(["--json", "--cache", "moved"]));
    assert_eq!(after["accuracy"], before["accuracy"]);
    assert_eq!(after["cross_entropy"], before["cross_entropy"]);
    let text = fail(ser_report(folder.path()).args(["--cache", "elsewhere"]), 1);
    assert!(text.contains("elsewhere: holds no cache"), "{text}");
}

#[test]
fn a_cache_of_other_features_is_refused_and_the_difference_named() {
    let folder = tempfile::tempdir().unwrap();
    let prep = |arguments: &[&str]| {
        let mut command = ser_prep(folder.path());
        succeed(command.args(["--quiet", "--data"]).arg(&prepared(&[]).corpus).args(arguments));
    };
    prep(&["--n-mfcc", "20", "--hop-length", "128"]);
    let text = fail(report(folder.path()).args(["--cache", "cache"]), 1);
    assert!(text.contains("holds features other than those the checkpoint was trained on"), "{text}");
    for part in ["n_mfcc", "40", "20", "hop_length", "256", "128"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("n_mels"), "{text}");
    // The advice works: several feature sets are side by side, and the right one is found.
    prep(&[]);
    prep(&["--n-mfcc", "20"]);
    let ours = json(report(folder.path()).args(["--json", "--cache", "cache"]));
    assert_eq!(ours["accuracy"], json(report(folder.path()).arg("--json"))["accuracy"]);
}

#[test]
fn a_split_that_has_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&prepared(&[]).cache, &folder.path().join("cache"));
    let mut prep = ser_prep(folder.path());
    succeed(prep.args(["--quiet", "--seed", "4", "--data"]).arg(&prepared(&[]).corpus));
    let text = fail(report(folder.path()).args(["--cache", "cache"]), 1);
    assert!(text.contains("has redrawn its random split since this checkpoint was trained"), "{text}");
    assert!(text.contains("run ser-fit again"), "{text}");
}

#[test]
fn what_tensors_leave_out_is_said_when_training_begins_and_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = prepared(&[]);
    let mut prep = ser_prep(folder.path());
    succeed(prep.args(["--quiet", "--max-frames", "20", "--data"]).arg(&prepared.corpus));
    let begun = succeed(ser_fit(folder.path()).args(["--epochs", "1", "--config"]).arg(&prepared.recipe));
    assert!(begun.contains("84 of 84 recordings lose their end, "), "{begun}");
    let told = succeed(&mut ser_report(folder.path()));
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("Of the test side, ") && told.contains("lose their end, "), "{told}");
    // Where nothing is left out, nothing is said.
    let told = succeed(&mut report(folder.path()));
    assert!(!told.contains("lose their end"), "{told}");
}

#[test]
fn a_cache_of_another_corpus_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut synth = std::process::Command::new(env!("CARGO_BIN_EXE_ser-synth"));
    let other = folder.path().join("other");
    succeed(synth.args(["--quiet", "--words", "8", "--seed", "99", "--out"]).arg(&other));
    let mut prep = ser_prep(folder.path());
    succeed(prep.args(["--quiet", "--data"]).arg(&other));
    let text = fail(report(folder.path()).args(["--cache", "cache"]), 1);
    assert!(text.contains("holds another corpus"), "{text}");
    assert!(!text.contains("has redrawn"), "{text}");
}

#[test]
fn a_damaged_tensor_is_found_before_it_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&prepared(&[]).cache, &folder.path().join("cache"));
    let (_, row) = damage(&folder.path().join("cache"), "test");
    let text = fail(report(folder.path()).args(["--cache", "cache"]), 1);
    assert!(text.contains(&format!("row {row} has changed since it was written")), "{text}");
    succeed(report(folder.path()).args(["--cache", "cache", "--verify", "off"]));
}

// The checkpoint.

#[test]
fn files_that_are_not_checkpoints_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(checkpoint()).unwrap();
    let mut altered = bytes.clone();
    altered[bytes.len() / 3] ^= 16;
    let torch = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoint/torch.pt");
    let cases: [(&str, &[u8], &str); 5] = [
        ("altered.pt", &altered, ""),
        ("cut.pt", &bytes[..bytes.len() / 2], ""),
        ("empty.pt", b"", ""),
        ("text.pt", b"these are not weights", ""),
        ("foreign.pt", &std::fs::read(torch).unwrap(), "not a checkpoint of ser"),
    ];
    for (name, content, said) in cases {
        std::fs::write(folder.path().join(name), content).unwrap();
        let text = fail(ser_report(folder.path()).args(["--checkpoint", name]), 1);
        assert!(text.contains(name) && text.contains(said), "{text}");
    }
    let text = fail(&mut ser_report(folder.path()), 1);
    assert!(text.contains("best.pt"), "{text}");
    let text = fail(ser_report(folder.path()).args(["--checkpoint", "."]), 2);
    assert!(text.contains("ser-report: .: is not a file; name a checkpoint"), "{text}");
}

#[test]
fn a_checkpoint_that_contradicts_itself_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.pt");
    let refuses = |change: &dyn Fn(&mut Value, &mut Checkpoint), said: &str| {
        let mut checkpoint = Checkpoint::read(checkpoint()).unwrap();
        let mut config: Value = serde_json::from_str(&checkpoint.config).unwrap();
        change(&mut config, &mut checkpoint);
        checkpoint.config = config.to_string();
        checkpoint.write(&Storage::native(), &path).unwrap();
        let text = fail(ser_report(folder.path()).args(["--checkpoint", "made.pt"]), 1);
        assert!(text.contains(said), "{said}: {text}");
    };
    refuses(
        &|config, _| config["model"]["hidden"] = 8192.into(),
        "made.pt: holds head.0.weight of shape [16, 24]",
    );
    refuses(&|config, _| config["model"]["arch"] = "vgg".into(), "unknown architecture \"vgg\"");
    refuses(
        &|config, _| config["model"]["input_shape"][2] = 40.into(),
        "takes utterances of shape [3, 40, 40]",
    );
    refuses(
        &|config, _| config["split"]["protocol"] = "../../x".into(),
        "made.pt: its configuration cannot be understood",
    );
    refuses(&|config, _| config["split"]["protocol"] = "speaker-../../../x".into(), "cannot be understood");
    refuses(&|config, _| config["feature_set"] = "0123".into(), "holds features other than");
    refuses(&|config, _| config["epoch"] = (-1).into(), "cannot be understood");
    refuses(&|_, checkpoint| checkpoint.labels.swap(0, 1), "holds the classes");
    refuses(&|_, checkpoint| drop(checkpoint.labels.pop()), "names 6 labels for 7 classes");
    refuses(&|_, checkpoint| drop(checkpoint.model_state.pop()), "");
}

#[test]
fn a_wrong_option_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[&str], i32, &str); 4] = [
        (&["--device", "tpu"], 2, "unknown device \"tpu\""),
        (&["--json", "--quiet"], 2, "cannot be used with"),
        (&["--verify", "maybe"], 2, "possible values: on, off"),
        (&["--csv", "no/such/folder.csv"], 1, "no/such/folder.csv: cannot be written"),
    ];
    for (arguments, code, said) in cases {
        let text = fail(report(folder.path()).args(arguments), code);
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}

// Helpers.

/// A checkpoint trained for a few epochs, so that it is right sometimes.
fn checkpoint() -> &'static Path {
    static CHECKPOINT: OnceLock<PathBuf> = OnceLock::new();
    CHECKPOINT.get_or_init(|| {
        let prepared = prepared(&[]);
        let folder = prepared.recipe.parent().unwrap();
        let mut fit = ser_fit(folder);
        fit.arg("--cache").arg(&prepared.cache).arg("--config").arg(&prepared.recipe);
        succeed(fit.args(["--quiet", "--epochs", "8", "--run", "run"]));
        folder.join("run/best.pt")
    })
}

fn report(folder: &Path) -> Command {
    let mut command = ser_report(folder);
    command.args(["--threads", "1", "--checkpoint"]).arg(checkpoint());
    command
}

fn json(command: &mut Command) -> Value {
    serde_json::from_str(&succeed(command)).unwrap()
}

/// A file of predictions.
struct Predictions {
    labels: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    path: String,
    truth: String,
    predicted: String,
    probabilities: BTreeMap<String, f64>,
}

impl Predictions {
    fn read(path: &Path) -> Self {
        let mut csv = csv::Reader::from_path(path).unwrap();
        let head = csv.headers().unwrap().clone();
        assert_eq!(head.iter().take(3).collect::<Vec<_>>(), ["path", "true", "predicted"]);
        let label = |column: &str| column.strip_prefix("probability_").map(str::to_owned);
        let labels: Vec<String> = head.iter().filter_map(label).collect();
        let further: Vec<&str> = head.iter().skip(3 + labels.len()).collect();
        assert!(further.is_empty() || further == ["set", "share_as_unusual"], "{further:?}");
        let row = |record: csv::StringRecord| Row {
            path: record[0].to_owned(),
            truth: record[1].to_owned(),
            predicted: record[2].to_owned(),
            // As f32, which is what was computed.
            probabilities: (labels.iter().cloned())
                .zip(record.iter().skip(3).map(|field| f64::from(field.parse::<f32>().unwrap())))
                .collect(),
        };
        let rows = csv.records().map(|record| row(record.unwrap())).collect();
        Self { labels, rows }
    }
}
