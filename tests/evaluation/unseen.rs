//! A checkpoint on a labelled corpus that it was not made for: what counts, what is left out, and what may be called unseen.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use ser_synth::{SynthCorpus, SynthOptions};
use serde_json::Value;

use crate::common_fit::{
    Prepared, SMALL_FEATURES, copy_folder, fail, manifest, ser_fit, ser_prep, ser_report, stderr, stdout,
    succeed,
};

fn prepared() -> &'static Prepared {
    crate::common_fit::prepared(&SMALL_FEATURES)
}

fn checkpoint() -> &'static Path {
    static CHECKPOINT: OnceLock<PathBuf> = OnceLock::new();
    CHECKPOINT.get_or_init(|| {
        let Prepared { cache, recipe, .. } = prepared();
        let folder = cache.parent().unwrap();
        let mut fit = ser_fit(folder);
        fit.arg("--config").arg(recipe).arg("--cache").arg(cache);
        succeed(fit.args(["--epochs", "8", "--run", "run", "--quiet"]));
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

/// Another take of the synthetic corpus, its speakers called `A…` and `B…` instead of OAF and YAF.
fn other_corpus(folder: &Path) {
    let options = SynthOptions { words: 5, sample_rate: 16_000, seed: 99, ..SynthOptions::default() };
    SynthCorpus::new(options).unwrap().write(&folder.join("written")).unwrap();
    for entry in std::fs::read_dir(folder.join("written")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let (speaker, label) = name.split_once('_').unwrap();
        let speaker = if speaker == "OAF" { "Anna" } else { "Bert" };
        let label = label.to_lowercase().replace("surprised", "surprise");
        let to = folder.join(format!("other/{speaker}_{label}"));
        std::fs::create_dir_all(&to).unwrap();
        for clip in std::fs::read_dir(folder.join("written").join(&name)).unwrap() {
            let clip = clip.unwrap();
            let parts: Vec<String> =
                clip.file_name().into_string().unwrap().split('_').map(str::to_owned).collect();
            std::fs::copy(clip.path(), to.join(format!("{speaker}_{}", parts[1..].join("_")))).unwrap();
        }
    }
}

#[test]
fn an_unseen_corpus_is_evaluated_whole_over_the_labels_of_both() {
    let folder = tempfile::tempdir().unwrap();
    other_corpus(folder.path());
    // Two classes under other names, one of which the checkpoint does not know.
    let map = "[labels]\nsad = \"gloomy\"\n";
    std::fs::write(folder.path().join("map.toml"), map).unwrap();
    let object = json(report(folder.path()).args(["--data", "other", "--map", "map.toml", "--json"]));
    assert_eq!(object["protocol"], "unseen corpus", "{object:#}");
    assert_eq!((object["n_utterances"].as_u64(), object["cache"].as_str()), (Some(60), Some("other")));
    let labels: Vec<&str> =
        object["labels"].as_array().unwrap().iter().map(|label| label.as_str().unwrap()).collect();
    assert_eq!(labels.len(), 6);
    assert!(!labels.contains(&"sad") && !labels.contains(&"gloomy"), "{labels:?}");
    let words = object["protocol_in_words"].as_str().unwrap();
    for part in
        ["10 recordings with other labels (gloomy)", "also knows sad", "Neither a sound nor a speaker's name"]
    {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert!(object["out_of_domain"]["flagged"].is_number(), "{object:#}");
    // Better than a guess: the take is another, the synthesiser the same.
    assert!(object["uar"].as_f64().unwrap() > 0.25, "{}", object["uar"]);
    assert!(!folder.path().join("cache").exists());

    let said = succeed(report(folder.path()).args(["--data", "other", "--html", "page.html"]));
    assert!(said.contains("of 70 utterances") && said.contains("of 2 speakers"), "{said}");
    assert!(std::fs::read_to_string(folder.path().join("page.html")).unwrap().contains("unseen corpus"));

    // From a cache that was prepared apart, the same.
    let mut prep = ser_prep(folder.path());
    succeed(prep.args(["--quiet", "--data", "other", "--out", "prepared"]).args(SMALL_FEATURES));
    let prepared = json(report(folder.path()).args(["--cache", "prepared", "--unseen", "--json"]));
    let direct = json(report(folder.path()).args(["--data", "other", "--cache", "kept", "--json"]));
    assert!(folder.path().join("kept/index.bin").exists());
    assert_eq!(prepared["confusion_matrix"], direct["confusion_matrix"]);
    assert_eq!(prepared["cross_entropy"], direct["cross_entropy"]);
}

#[test]
fn classes_are_the_same_in_any_case_and_a_corpus_without_speakers_is_not_called_unseen() {
    let folder = tempfile::tempdir().unwrap();
    other_corpus(folder.path());
    for entry in std::fs::read_dir(folder.path().join("other")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let (speaker, label) = name.split_once('_').unwrap();
        if speaker == "Anna" {
            let (first, rest) = label.split_at(1);
            let to = folder.path().join("classes").join(format!("{}{rest}", first.to_uppercase()));
            copy_folder(&folder.path().join("other").join(&name), &to);
        }
    }
    let of = |labels: &[&str]| {
        let mut command = report(folder.path());
        command.args(["--data", "classes", "--labels", "folder"]).args(labels);
        command
    };
    let object = json(of(&["--json"]).args(["--exclude", "Happy"]));
    assert_eq!(object["n_utterances"].as_u64(), Some(30), "{object:#}");
    assert_eq!(object["protocol"], "other corpus");
    let words = object["protocol_in_words"].as_str().unwrap();
    assert!(words.contains("30 recordings do not name their speaker"), "{words}");

    std::fs::write(folder.path().join("map.toml"), "[labels]\nHappy = \"one\"\nSad = \"two\"\n").unwrap();
    let excluded = ["Angry", "Disgust", "Fear", "Neutral", "Pleasant_surprise"];
    let mut others = of(&["--map", "map.toml"]);
    excluded.iter().for_each(|label| _ = others.args(["--exclude", label]));
    let said = fail(&mut others, 1);
    assert!(said.contains("classes: has the labels one, two"), "{said}");
}

#[test]
fn what_was_heard_in_training_is_left_out_and_nothing_is_called_unseen() {
    let (folder, prepared) = (tempfile::tempdir().unwrap(), prepared());
    // Under other names and in other places, the recordings are the same.
    copy_folder(&prepared.corpus, &folder.path().join("copy"));
    let object = json(report(folder.path()).args(["--data", "copy", "--json"]));
    assert_eq!(object["protocol"], "other corpus");
    let test = manifest(&prepared.cache, "random", "test").len();
    assert_eq!(object["n_utterances"].as_u64(), Some(test as u64));
    let words = object["protocol_in_words"].as_str().unwrap();
    assert!(
        words.contains("not an unseen corpus") && words.contains("not called unseen: speakers"),
        "{words}"
    );
    // What remains is the test side.
    let usual = json(report(folder.path()).arg("--json"));
    assert_eq!(object["uar"], usual["uar"]);
    assert!(
        (object["cross_entropy"].as_f64().unwrap() - usual["cross_entropy"].as_f64().unwrap()).abs() < 1e-6
    );
    assert_eq!(object["uncertainty"]["sets"], usual["uncertainty"]["sets"]);
}

#[test]
fn speakers_are_normalised_over_all_their_recordings_however_these_are_split() {
    let folder = tempfile::tempdir().unwrap();
    other_corpus(folder.path());
    let Prepared { cache, recipe, .. } = prepared();
    let mut fit = ser_fit(folder.path());
    fit.arg("--config").arg(recipe).arg("--cache").arg(cache);
    succeed(fit.args(["--epochs", "2", "--run", "run", "--quiet", "--feature-normalisation", "speaker"]));
    let said = ["0", "1"].map(|seed| {
        let mut prep = ser_prep(folder.path());
        prep.args(["--quiet", "--data", "other", "--seed", seed, "--out"]).arg(format!("cache-{seed}"));
        succeed(prep.args(SMALL_FEATURES));
        let mut report = ser_report(folder.path());
        report.args(["--checkpoint", "run/best.pt", "--threads", "1", "--unseen", "--json", "--cache"]);
        let object = json(report.arg(format!("cache-{seed}")));
        (object["accuracy"].as_f64().unwrap(), object["cross_entropy"].as_f64().unwrap())
    });
    assert_eq!(said[0].0, said[1].0);
    assert!((said[0].1 - said[1].1).abs() < 1e-5, "{said:?}");
}

#[test]
fn another_corpus_does_not_take_the_place_of_the_one_that_was_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    other_corpus(folder.path());
    copy_folder(&prepared().cache, &folder.path().join("cache"));
    let error = fail(report(folder.path()).args(["--data", "other", "--cache", "cache"]), 2);
    assert!(error.contains("cache: holds the corpus that the checkpoint was trained on"), "{error}");
    // Into a cache of its own, and into the same one again.
    for _ in 0..2 {
        json(report(folder.path()).args(["--data", "other", "--cache", "elsewhere", "--json"]));
    }
}

#[test]
fn what_cannot_be_evaluated_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    other_corpus(folder.path());
    let at = |name: &str| folder.path().join(name);
    let all = ["angry", "disgust", "fear", "happy", "neutral", "sad"];
    let map: String = all.iter().map(|label| format!("{label} = \"x{label}\"\n")).collect();
    std::fs::write(at("map.toml"), format!("[labels]\n{map}")).unwrap();
    let error = fail(report(folder.path()).args(["--data", "other", "--map", "map.toml"]), 1);
    assert!(error.contains("fewer than two are in both") && error.contains("--map"), "{error}");
    let error = fail(report(folder.path()).args(["--data", "nowhere"]), 1);
    assert!(error.contains("nowhere"), "{error}");
    let error = fail(report(folder.path()).args(["--data", "other", "--card", "card.md"]), 2);
    assert!(error.contains("card.md"), "{error}");
    let other_features = ["--quiet", "--data", "other", "--out", "cache", "--n-mfcc", "13"];
    succeed(ser_prep(folder.path()).args(other_features));
    let error = fail(report(folder.path()).args(["--cache", "cache", "--unseen"]), 1);
    assert!(error.contains("features other than those"), "{error}");
    // A recording that cannot be used is named, and the rest counts.
    std::fs::write(at("other/Anna_angry/Anna_broken_angry.wav"), b"RIFF").unwrap();
    let output = report(folder.path()).args(["--data", "other", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("Anna_broken_angry.wav"), "{}", stderr(&output));
    let object: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(object["n_utterances"], 70);
}
