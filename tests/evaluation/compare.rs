//! `ser-report` over many runs and over several checkpoints, on runs that were really trained.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::common_fit::{SMALL_FEATURES, fail, prepared, ser_fit, ser_prep, ser_report, stderr, succeed};
use crate::common_python::python_with;

const PROTOCOLS: [&str; 3] = ["random", "speaker-OAF", "speaker-YAF"];

/// Two seeds of each protocol, trained once for all tests.
fn runs() -> &'static Path {
    static RUNS: OnceLock<PathBuf> = OnceLock::new();
    RUNS.get_or_init(|| {
        let folder = prepared(&SMALL_FEATURES).recipe.parent().unwrap();
        for protocol in PROTOCOLS {
            for seed in 0..2 {
                fit(folder, protocol, seed, &format!("runs/{protocol}/seed-{seed}"));
            }
        }
        folder.join("runs")
    })
}

fn fit(folder: &Path, protocol: &str, seed: u32, run: &str) {
    let prepared = prepared(&SMALL_FEATURES);
    let mut fit = ser_fit(folder);
    fit.arg("--cache").arg(&prepared.cache).arg("--config").arg(&prepared.recipe);
    succeed(fit.args([
        "--quiet",
        "--epochs",
        "4",
        "--split",
        protocol,
        "--run",
        run,
        "--seed",
        &seed.to_string(),
    ]));
}

fn report(arguments: &[&str]) -> Command {
    let mut command = ser_report(runs().parent().unwrap());
    command.args(["--threads", "1", "--device", "cpu"]).args(arguments);
    command
}

fn json(command: &mut Command) -> Value {
    serde_json::from_str(&succeed(command)).unwrap()
}

#[test]
fn the_table_is_the_mean_of_what_each_run_reports_by_itself() {
    let object =
        json(report(&["--runs", "runs", "--json", "--resamples", "500"]).args(["--csv", "table.csv"]));
    let rows = object["recipes"][0]["rows"].as_array().unwrap();
    assert_eq!(object["recipes"].as_array().unwrap().len(), 1);
    let names: Vec<&str> = rows.iter().map(|row| row["protocol"].as_str().unwrap()).collect();
    assert_eq!(names, ["random", "speaker-OAF", "speaker-YAF", "speaker-independent"]);
    for row in &rows[..3] {
        let alone = |seed: u32| {
            let checkpoint = format!("runs/{}/seed-{seed}/best.pt", row["protocol"].as_str().unwrap());
            json(&mut report(&[&checkpoint, "--json"]))
        };
        let both = [alone(0), alone(1)];
        for metric in ["accuracy", "uar", "macro_f1"] {
            let values = both.each_ref().map(|one| one[metric].as_f64().unwrap());
            let mean = row[metric]["mean"].as_f64().unwrap();
            assert!((mean - (values[0] + values[1]) / 2.0).abs() < 1e-12, "{metric}: {mean} of {values:?}");
            let deviation = (values[0] - values[1]).abs() / 2f64.sqrt();
            assert!((row[metric]["deviation"].as_f64().unwrap() - deviation).abs() < 1e-12, "{row:#}");
        }
        assert_eq!(row["n_utterances"], both[0]["n_utterances"]);
        for (seed, one) in both.iter().enumerate() {
            let runs = object["runs"].as_array().unwrap();
            let run =
                runs.iter().find(|run| run["protocol"] == row["protocol"] && run["seed"] == seed).unwrap();
            assert_eq!(run["sets"]["coverage"], 0.9);
            assert_eq!(run["sets"], one["uncertainty"]["sets"][1], "{run:#}");
        }
    }
    assert_eq!(object["runs"].as_array().unwrap().len(), 6);
    assert_eq!(std::fs::read_to_string(runs().with_file_name("table.csv")).unwrap().lines().count(), 5);
    let words = object["recipes"][0]["gap"]["in_words"].as_str().unwrap();
    let markdown = succeed(&mut report(&["--runs", "runs", "--markdown", "--resamples", "500"]));
    assert!(words.starts_with("UAR is ") && markdown.contains(words), "{words}\n{markdown}");
    // The same from anywhere and with any number of threads.
    let again =
        report(&["--runs", "runs", "--json", "--resamples", "500"]).env("RAYON_NUM_THREADS", "3").output();
    assert_eq!(serde_json::from_slice::<Value>(&again.unwrap().stdout).unwrap(), object);
}

#[test]
fn unfinished_and_damaged_runs_are_listed_and_the_exit_code_says_so() {
    let folder = tempfile::tempdir().unwrap();
    crate::common_fit::copy_folder(&runs().join("random"), folder.path());
    crate::common_fit::copy_folder(&runs().join("random/seed-0"), &folder.path().join("cut"));
    crate::common_fit::copy_folder(&runs().join("random/seed-0"), &folder.path().join("damaged"));
    let metrics = folder.path().join("cut/metrics.jsonl");
    let text = std::fs::read_to_string(&metrics).unwrap();
    std::fs::write(&metrics, text.lines().take(3).map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();
    let best = folder.path().join("damaged/best.pt");
    let mut bytes = std::fs::read(&best).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&best, bytes).unwrap();
    let output = report(&["--resamples", "200", "--runs"]).arg(folder.path()).output().unwrap();
    let page = crate::common_fit::stdout(&output);
    assert_eq!(output.status.code(), Some(3), "{page}{}", stderr(&output));
    let unwrapped = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        unwrapped.contains("is unfinished after 3 of 4 epochs; finish it with: ser-fit --resume"),
        "{page}"
    );
    assert!(unwrapped.contains("damaged/best.pt: "), "{page}");
    assert!(page.contains("random                  2  0."), "{page}");
    std::fs::remove_dir_all(folder.path().join("seed-0")).unwrap();
    std::fs::remove_dir_all(folder.path().join("seed-1")).unwrap();
    let text = fail(report(&["--runs"]).arg(folder.path()), 1);
    assert!(text.contains("holds 2 runs, none of which can be used; the first: "), "{text}");
}

#[test]
fn checkpoints_are_compared_on_the_test_set_they_share() {
    let (a, b) = ("runs/random/seed-0/best.pt", "runs/random/seed-1/best.pt");
    let object = json(&mut report(&[a, b, "--json", "--resamples", "500"]));
    let pair = &object["pairs"][0];
    let uar = |index: usize| object["checkpoints"][index]["uar"].as_f64().unwrap();
    assert!((pair["uar"]["value"].as_f64().unwrap() - (uar(1) - uar(0))).abs() < 1e-12);
    assert_eq!(uar(0), json(&mut report(&[a, "--json"]))["uar"].as_f64().unwrap());
    let counts = ["only_first", "only_second"].map(|side| pair["mcnemar"][side].as_u64().unwrap());
    let both = ["both_right", "both_wrong"].map(|side| pair[side].as_u64().unwrap());
    assert_eq!(counts.iter().chain(&both).sum::<u64>(), object["n_utterances"].as_u64().unwrap());
    let page = succeed(&mut report(&[a, b]));
    assert!(page.contains("McNemar p = ") && page.contains("seeds differ is not covered"), "{page}");

    let text = fail(&mut report(&[a, "runs/speaker-OAF/seed-0/best.pt"]), 1);
    assert!(text.contains("is tested on 42 utterances of speaker-OAF"), "{text}");
    fail(&mut report(&[a, b, "--csv", "x.csv"]), 2);
    fail(&mut report(&[a, "--checkpoint", b]), 2);
    fail(&mut report(&["--runs", "runs", "--resamples", "5"]), 2);
    fail(&mut report(&["--runs", "runs", "--errors"]), 2);
}

#[test]
fn checkpoints_on_other_features_of_the_same_recordings_are_comparable() {
    let prepared = prepared(&SMALL_FEATURES);
    let folder = tempfile::tempdir().unwrap();
    let mut prep = ser_prep(folder.path());
    prep.arg("--data").arg(&prepared.corpus).args(["--quiet", "--n-mfcc", "12", "--hop-length", "512"]);
    succeed(prep.args(["--max-frames", "96"]));
    let mut fit = ser_fit(folder.path());
    succeed(fit.args(["--quiet", "--epochs", "1", "--run", "run", "--config"]).arg(&prepared.recipe));
    let other = folder.path().join("run/best.pt");
    let object = json(report(&["runs/random/seed-0/best.pt", "--json", "--resamples", "200"]).arg(&other));
    let settings = object["settings"].to_string();
    assert!(settings.contains("features.n_mfcc 12") && settings.contains("features.n_mfcc 16"), "{settings}");
}

/// TensorBoard's own reader finds every number of `metrics.jsonl`, at its epoch and its time.
#[test]
fn tensorboard_reads_every_scalar() {
    let Some(python) = python_with("tensorboard.backend.event_processing.event_accumulator") else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fit/tensorboard_events.py");
    let said = succeed(Command::new(python).arg("-B").arg(script).arg(runs().join("random/seed-0")));
    assert_eq!(said.trim(), "24 scalars");
}
