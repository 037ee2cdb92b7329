//! The command `ser-tune`: it finds good recipes, never loses a trial, and Optuna reads its journal.
//!
//! Most tests train with a stand-in for ser-fit, tests/fixtures/tune/ser-fit, which computes its metrics by a formula.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

mod common;
mod common_python;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ser_core::random::Random;
use ser_model::FitConfig;
use ser_model::network::CnnBilstmConfig;
use ser_tune::{BaseRecipe, Direction, Journal, Pruner, Space, Trial, TrialState};
use serde_json::{Value, json};
use tempfile::TempDir;

use common::{Ran, plain_corpus, ser_prep};
use common_python::python_with;

const SPACE: &str = r#"
lr = { log_float = [1e-5, 1e-1] }
batch_size = { int = [8, 64], step = 8 }
network.dropout = { float = [0.0, 0.6] }
network.channels = { categorical = [[8, 16], [16, 32]] }
select = { categorical = ["accuracy", "uar"] }
"#;

/// A folder with a search space, beside a cache that no test changes.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(place.path("space.toml"), SPACE).unwrap();
        fs::write(place.path("base.toml"), "epochs = 6\n").unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command on the study `name`, with the stand-in.
    fn tune(&self, name: &str) -> Command {
        self.tune_on(cache(), name)
    }

    fn tune_on(&self, cache: &Path, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ser-tune"));
        command.current_dir(self.folder.path()).stdin(Stdio::null()).arg("--cache").arg(cache);
        command.args(["--space", "space.toml", "--config", "base.toml", "--study", name, "--ser-fit"]);
        command.arg(fixture("ser-fit"));
        command
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tune").join(name)
}

/// A small cache, which the stand-in does not even read.
fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tuned");
        let _ = fs::remove_dir_all(&folder);
        plain_corpus(&folder.join("corpus"), &["calm", "loud"], 10);
        let (corpus, cache) = (folder.join("corpus"), folder.join("cache"));
        ser_prep([Path::new("--quiet"), "--data".as_ref(), &corpus, "--out".as_ref(), &cache]).ends(0);
        cache
    })
}

fn run(command: &mut Command) -> Ran {
    let ran = Ran::of(&command.output().unwrap());
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    ran
}

/// Runs a search that must succeed, and returns its JSON.
fn outcome(command: &mut Command) -> Value {
    serde_json::from_str(&run(command.arg("--json")).ends(0).stdout).unwrap()
}

fn trials(outcome: &Value) -> &[Value] {
    outcome["trials"].as_array().unwrap()
}

fn count(outcome: &Value, state: &str) -> usize {
    trials(outcome).iter().filter(|trial| trial["state"] == state).count()
}

/// Every trial is there once, in order.
fn assert_numbered(outcome: &Value, count: u64) {
    let numbers: Vec<u64> = trials(outcome).iter().map(|trial| trial["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..count).collect::<Vec<_>>());
}

/// What the stand-ins for the trials of a study wrote down: process, whether it resumed, threads.
fn processes(study: &Path) -> Vec<(u32, bool, u32)> {
    let mut processes = Vec::new();
    for trial in fs::read_dir(study.join("trials")).unwrap() {
        let text = fs::read_to_string(trial.unwrap().path().join("processes")).unwrap_or_default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            processes.push((words[0].parse().unwrap(), words[1] == "yes", words[2].parse().unwrap()));
        }
    }
    processes
}

/// How many epochs the trials of a study have been trained.
fn epochs_in(study: &Path) -> usize {
    let Ok(trials) = fs::read_dir(study.join("trials")) else { return 0 };
    let metrics = trials.map(|trial| fs::read_to_string(trial.unwrap().path().join("metrics.jsonl")));
    metrics.map(|text| text.unwrap_or_default().lines().count()).sum()
}

fn is_alive(process: u32) -> bool {
    // A process that has not been waited for yet is dead too.
    let state = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    state.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

// What a search finds.

#[test]
fn a_search_finds_a_good_recipe_and_writes_it_down_for_ser_fit() {
    let place = Place::new();
    let found = outcome(place.tune("study").args(["--trials", "40", "--seed", "1"]));
    assert_numbered(&found, 40);
    assert_eq!(count(&found, "COMPLETE") + count(&found, "PRUNED"), 40);
    assert!(count(&found, "PRUNED") >= 10 && count(&found, "COMPLETE") >= 5, "{found:#}");
    let best = &found["best"];
    let values = trials(&found).iter().filter(|trial| trial["state"] == "COMPLETE");
    let largest = values.map(|trial| trial["value"].as_f64().unwrap()).fold(f64::MIN, f64::max);
    assert_eq!(best["value"].as_f64(), Some(largest));
    assert!(largest > 0.9, "{best}");
    assert_eq!(best["epochs"], 6);
    assert_eq!(best["seconds"], 3.0);

    let recipe = FitConfig::read(&place.path("study/best.toml")).unwrap();
    recipe.validate().unwrap();
    assert_eq!(recipe.lr, best["params"]["lr"].as_f64().unwrap());
    assert_eq!(u64::from(recipe.batch_size), best["params"]["batch_size"].as_u64().unwrap());
    let network = recipe.network.sizes::<CnnBilstmConfig>().unwrap();
    assert_eq!(network.dropout, best["params"]["network.dropout"].as_f64().unwrap());
    assert_eq!(format!("{:?}", network.channels), best["params"]["network.channels"].as_str().unwrap());
    assert_eq!((recipe.epochs, recipe.cache.as_path()), (6, cache()));

    // The learning rate decides nearly everything in the stand-in's formula.
    let importance = found["importance"].as_object().unwrap();
    assert!(importance["lr"].as_f64().unwrap() > importance["select"].as_f64().unwrap());
    assert!((importance.values().map(|value| value.as_f64().unwrap()).sum::<f64>() - 1.0).abs() < 1e-9);

    let shown = run(Command::new(env!("CARGO_BIN_EXE_ser-tune"))
        .arg("--study")
        .arg(place.path("study"))
        .arg("--show"));
    let shown = shown.ends(0).stdout;
    assert!(shown.contains("PRUNED") && shown.contains("importance of the options"), "{shown}");
    assert!(shown.contains(&format!("best: trial {} with val_uar", best["number"])), "{shown}");
}

#[test]
fn the_same_seed_gives_the_same_search_and_it_can_be_made_longer() {
    let place = Place::new();
    let stripped = |mut outcome: Value| {
        for trial in outcome["trials"].as_array_mut().unwrap() {
            trial["folder"].take();
        }
        outcome["trials"].take()
    };
    let whole = stripped(outcome(place.tune("whole").args(["--trials", "24"])));
    outcome(place.tune("parts").args(["--trials", "9"]));
    let parts = stripped(outcome(place.tune("parts").args(["--trials", "24"])));
    assert_eq!(whole, parts);
    let other = stripped(outcome(place.tune("other").args(["--trials", "9", "--seed", "2"])));
    assert_ne!(whole[0]["params"], other[0]["params"]);
}

#[test]
fn a_loss_is_made_small() {
    let place = Place::new();
    let arguments = ["--trials", "12", "--objective", "val_loss", "--pruner", "none"];
    let found = outcome(place.tune("study").args(arguments));
    assert_eq!((count(&found, "COMPLETE"), found["direction"].as_str()), (12, Some("minimize")));
    let values = trials(&found).iter().map(|trial| trial["value"].as_f64().unwrap());
    assert_eq!(found["best"]["value"].as_f64().unwrap(), values.fold(f64::MAX, f64::min));
}

/// The most trials that the journal of a study has running at once.
fn most_at_once(study: &Path) -> usize {
    let (mut running, mut most) = (0, 0);
    for line in fs::read_to_string(study.join("journal.log")).unwrap().lines() {
        let operation: Value = serde_json::from_str(line).unwrap();
        match operation["op_code"].as_u64().unwrap() {
            4 => running += 1,
            6 => running -= 1,
            _ => {}
        }
        most = most.max(running);
    }
    most
}

#[test]
fn workers_share_the_processors() {
    let place = Place::new();
    let found =
        outcome(place.tune("study").args(["--trials", "8", "--workers", "2"]).env("FAKE_DELAY", "0.02"));
    assert_numbered(&found, 8);
    let study = place.path("study");
    assert_eq!(most_at_once(&study), 2);
    let half = (std::thread::available_parallelism().unwrap().get() as u32 / 2).max(1);
    let threads: Vec<u32> = processes(&study).iter().map(|process| process.2).collect();
    assert_eq!(threads, [half; 8]);
}

#[test]
fn options_of_an_architecture_are_searched_over_where_a_trial_has_it() {
    let place = Place::new();
    let space = r#"
        lr = { log_float = [1e-5, 1e-1] }
        [network]
        arch = { categorical = ["cnn-bilstm", "cnn-transformer", "cnn-statistics"] }
        dropout = { float = [0.0, 0.6] }
        hidden = { categorical = [64, 128], when = { "network.arch" = "cnn-bilstm" } }
        dense = { categorical = [64, 128], when = { "network.arch" = ["cnn-transformer", "cnn-statistics"] } }
        frame_channels = { int = [64, 256], when = { "network.arch" = "cnn-statistics" } }
    "#;
    fs::write(place.path("space.toml"), space).unwrap();
    let found = outcome(place.tune("study").args(["--trials", "40", "--pruner", "none"]));
    assert_eq!(count(&found, "COMPLETE"), 40, "{found:#}");
    let mut seen = BTreeMap::new();
    for trial in trials(&found) {
        let arch = trial["params"]["network.arch"].as_str().unwrap();
        *seen.entry(arch.to_owned()).or_insert(0) += 1;
        let own = |key: &str| trial["params"].get(format!("network.{key}")).is_some();
        let expected = match arch {
            "cnn-bilstm" => [true, false, false],
            "cnn-transformer" => [false, true, false],
            _ => [false, true, true],
        };
        assert_eq!(["hidden", "dense", "frame_channels"].map(own), expected, "{trial}");
        // The recipe is one that ser-fit takes, with that architecture.
        let recipe = Path::new(trial["folder"].as_str().unwrap()).join("recipe.toml");
        let config = FitConfig::read(&place.path("").join(recipe)).unwrap();
        assert_eq!(config.network.arch().name(), arch);
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(found["importance"].as_object().unwrap().len(), 6, "{found:#}");

    fs::write(
        place.path("space.toml"),
        space.replace(r#""network.arch" = "cnn-statistics""#, r#""network.arch" = ["cnn-statistics"]"#),
    )
    .unwrap();
    assert_numbered(&outcome(place.tune("study").args(["--pruner", "none", "--trials", "41"])), 41);
    fs::write(place.path("space.toml"), space.replace(r#", when = { "network.arch" = "cnn-bilstm" }"#, ""))
        .unwrap();
    let ran = run(&mut place.tune("other")).ends(2);
    let said =
        "space.toml: network.hidden = 64 is refused together with network.arch = \"cnn-transformer\": ";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    fs::write(
        place.path("space.toml"),
        space.replace(r#"= ["cnn-transformer", "cnn-statistics"] }"#, r#"= "cnn-statistics" }"#),
    )
    .unwrap();
    let ran = run(place.tune("study").args(["--pruner", "none"])).ends(1);
    let said = "the when of network.dense in the space was network.arch = \"cnn-transformer\" or \"cnn-statistics\", and is now";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);

    let Some(python) = python_with("optuna") else { return };
    let seen = in_optuna(&python, &place.path("study"), &[]);
    for (seen, told) in seen["trials"].as_array().unwrap().iter().zip(trials(&found)) {
        assert_eq!((&seen["state"], &seen["params"]), (&told["state"], &told["params"]));
    }
    let shown = run(place.tune("study").args(["--show", "--json"])).ends(0).stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let theirs = seen["importance"].as_object().unwrap();
    assert_eq!(theirs.len(), 6, "{theirs:?}");
    for (option, importance) in theirs {
        let ours = shown["importance"][option].as_f64().unwrap();
        assert!((importance.as_f64().unwrap() - ours).abs() < 1e-9, "{option}: {importance} and {ours}");
    }
}

#[test]
fn after_the_time_given_no_trial_is_begun_and_those_begun_are_finished() {
    let place = Place::new();
    let arguments = ["--trials", "1000", "--timeout", "2s", "--pruner", "none"];
    // Six epochs of 0.1 s: a few trials fit, and hardly a hundredth of those asked for.
    let found = outcome(place.tune("study").args(arguments).env("FAKE_DELAY", "0.1"));
    let begun = trials(&found).len();
    assert!((1..100).contains(&begun), "{begun}");
    assert_eq!(count(&found, "COMPLETE"), begun, "{found:#}");
    let longer =
        outcome(place.tune("study").args(["--pruner", "none", "--trials"]).arg((begun + 1).to_string()));
    assert_numbered(&longer, begun as u64 + 1);
    for wrong in ["-1s", "1d", "s", "1e300h", "NaN"] {
        let ran = run(place.tune("other").arg(format!("--timeout={wrong}"))).ends(2);
        assert!(ran.stderr.contains("give a "), "{}", ran.stderr);
    }
}

// Over several splits.

/// A small cache of two speakers, which the stand-in does not even read.
fn cache_of_speakers() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tuned-speakers");
        let _ = fs::remove_dir_all(&folder);
        let (corpus, cache) = (folder.join("corpus"), folder.join("cache"));
        common::speech(&corpus, 3);
        ser_prep([Path::new("--quiet"), "--data".as_ref(), &corpus, "--out".as_ref(), &cache]).ends(0);
        cache
    })
}

const SPEAKERS: [&str; 2] = ["speaker-OAF", "speaker-YAF"];

fn tune_on_speakers(place: &Place, study: &str, trials: &str) -> Command {
    let mut command = place.tune_on(cache_of_speakers(), study);
    command.args(["--splits", "speaker-*", "--trials", trials]);
    command
}

#[test]
fn the_value_of_a_trial_on_several_splits_is_their_mean_and_poor_trials_end_after_the_first() {
    let place = Place::new();
    let found = outcome(&mut tune_on_speakers(&place, "study", "20"));
    assert_numbered(&found, 20);
    assert_eq!(found["splits"], json!(SPEAKERS));
    assert!(count(&found, "PRUNED") >= 3 && count(&found, "COMPLETE") >= 3, "{found:#}");
    let journal = Journal::read(&place.path("study")).unwrap();
    for (trial, told) in journal.trials(journal.studies()[0].id).zip(trials(&found)) {
        let [first, second] =
            SPEAKERS.map(|split| told["splits"].get(split).map(|value| value.as_f64().unwrap()));
        let (first, done) = (first.unwrap(), if second.is_some() { 2 } else { 1 });
        assert_eq!(told["state"] == "COMPLETE", second.is_some(), "{told}");
        let mean = second.map_or(first, |second| (first + second) / 2.0);
        assert!((told["value"].as_f64().unwrap() - mean).abs() < 1e-12, "{told}");
        assert_eq!((&told["epochs"], &told["seconds"]), (&json!(6 * done), &json!(3.0 * f64::from(done))));
        // After each split: the mean so far; and what each gave, as remarks.
        let steps: Vec<u64> = trial.intermediate_values.keys().copied().collect();
        assert_eq!(steps, (1..=done as u64).collect::<Vec<_>>());
        assert_eq!(trial.intermediate_values[&1], first);
        assert_eq!(trial.user_attrs["val_uar speaker-OAF"], json!(first));
        assert_eq!(trial.user_attrs["best_epoch speaker-OAF"], json!(6));
        for (split, trained) in SPEAKERS.into_iter().zip([true, second.is_some()]) {
            let recipe = place.path(&format!("study/trials/{:04}/{split}/config.toml", trial.number));
            assert_eq!(recipe.exists(), trained);
            if trained {
                assert_eq!(FitConfig::read(&recipe).unwrap().split, split);
            }
        }
    }
    let best = FitConfig::read(&place.path("study/best.toml")).unwrap();
    assert_eq!(best.lr, found["best"]["params"]["lr"].as_f64().unwrap());
    let text = fs::read_to_string(place.path("study/best.toml")).unwrap();
    assert!(text.contains("the mean over the validation sides of speaker-OAF, speaker-YAF"), "{text}");
    let shown = run(place.tune("study").arg("--show")).ends(0).stdout;
    assert!(shown.contains("--protocols speaker-OAF,speaker-YAF --runs runs"), "{shown}");

    let Some(python) = python_with("optuna") else { return };
    let seen = in_optuna(&python, &place.path("study"), &[]);
    assert_eq!(seen["best"], found["best"]["number"]);
    for (seen, told) in seen["trials"].as_array().unwrap().iter().zip(trials(&found)) {
        for key in ["number", "state", "value", "params"] {
            assert_eq!(seen[key], told[key], "{key}");
        }
        assert_eq!(seen["user_attrs"]["val_uar speaker-OAF"], told["splits"]["speaker-OAF"]);
    }
}

#[test]
fn a_search_over_several_splits_continues_with_the_split_it_was_killed_in() {
    let place = Place::new();
    let command = || {
        let mut command = tune_on_speakers(&place, "study", "2");
        command.args(["--pruner", "none"]);
        command
    };
    let mut first = command();
    let mut first = first.arg("--quiet").env("FAKE_DELAY", "0.1").stderr(Stdio::null()).spawn().unwrap();
    let second = place.path("study/trials/0000/speaker-YAF/metrics.jsonl");
    let begun = Instant::now();
    while !second.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let found = outcome(&mut command());
    assert_numbered(&found, 2);
    assert_eq!(count(&found, "COMPLETE"), 2, "{found:#}");
    // Started once, and started and resumed.
    let starts = |split: &str| {
        fs::read_to_string(place.path(&format!("study/trials/0000/{split}/processes")))
            .unwrap()
            .lines()
            .count()
    };
    assert_eq!((starts("speaker-OAF"), starts("speaker-YAF")), (1, 2));
    let whole = outcome(tune_on_speakers(&place, "whole", "2").args(["--pruner", "none"]));
    for (trial, whole) in trials(&found).iter().zip(trials(&whole)) {
        for key in ["value", "splits", "epochs", "seconds"] {
            assert_eq!(trial[key], whole[key], "{key}");
        }
    }
    // Another choice of splits is another search.
    let mut other = place.tune_on(cache_of_speakers(), "study");
    let ran = run(other.args(["--splits", "random,word", "--trials", "3", "--pruner", "none"])).ends(1);
    let said = "the split was speaker-OAF, speaker-YAF, and is now random, word";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[test]
fn splits_that_the_cache_does_not_have_are_refused_before_any_trial() {
    let place = Place::new();
    let refused = |arguments: &[&str], said: &str| {
        let ran = run(place.tune_on(cache_of_speakers(), "study").args(arguments)).ends(2);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    };
    refused(
        &["--splits", "speakers-*"],
        "there is no protocol \"speakers-*\" in the cache; choose among random, ",
    );
    refused(&["--splits", "random", "--split", "word"], "cannot be used with");
    refused(&["--splits", "random", "--min-epochs", "3"], "cannot be used with");
    refused(&["--min-splits", "2"], "--splits");
    assert!(!place.path("study").exists());
}

#[test]
fn trials_of_so_many_steps_are_trained_to_their_end() {
    let place = Place::new();
    fs::write(place.path("base.toml"), "steps = 22\n").unwrap();
    let found = outcome(place.tune("study").args(["--trials", "8"]));
    assert_numbered(&found, 8);
    let complete: Vec<_> = trials(&found).iter().filter(|trial| trial["state"] == "COMPLETE").collect();
    assert!(!complete.is_empty());
    assert!(complete.iter().all(|trial| trial["epochs"] == 6), "{found:#}");
    assert_eq!(FitConfig::read(&place.path("study/best.toml")).unwrap().steps, 22);
    // A length in the space beside another in the base recipe.
    fs::write(place.path("space.toml"), "epochs = { int = [2, 9] }").unwrap();
    let ran = run(&mut place.tune("other")).ends(2);
    assert!(ran.stderr.contains("both say how long to train"), "{}", ran.stderr);
}

// What goes wrong.

#[test]
fn a_search_space_that_ser_fit_does_not_take_is_refused_before_any_trial() {
    let place = Place::new();
    for (space, said) in [
        ("learning_rate = { float = [0.1, 0.2] }", "unknown field `learning_rate`, expected one of `cache`"),
        (
            "network.dropout = { float = [0.0, 1.5] }",
            "network.dropout 1.5 is not valid; give a number from 0",
        ),
        ("epochs = { float = [1.0, 2.0] }", "epochs = 1.0 is refused: invalid type"),
        (
            "lr = { normal = [1.0, 2.0] }",
            "lr has \"normal\", which is not a kind of distribution; write { float",
        ),
    ] {
        fs::write(place.path("space.toml"), space).unwrap();
        let ran = run(place.tune("study").args(["--trials", "3"])).ends(2);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        assert!(!place.path("study").exists());
    }
}

#[test]
fn an_ensemble_is_refused_before_any_trial_since_a_trial_is_one_network() {
    let place = Place::new();
    fs::write(place.path("base.toml"), "epochs = 6\nmembers = 3\n").unwrap();
    let ran = run(place.tune("study").args(["--trials", "3"])).ends(2);
    let said =
        "base.toml: members = 3 makes an ensemble, but a trial is one network; search without it, then train";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    fs::write(place.path("base.toml"), "epochs = 6\n").unwrap();
    fs::write(place.path("space.toml"), "members = { int = [1, 5] }").unwrap();
    let ran = run(place.tune("study").args(["--trials", "3"])).ends(2);
    let said = "space.toml: members cannot be searched over: a trial is one network";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    assert!(!place.path("study").exists());
}

#[test]
fn a_base_recipe_that_ser_fit_does_not_take_is_refused_by_its_name() {
    let place = Place::new();
    for (recipe, said) in [
        ("epochs = ", "base.toml: is not TOML: "),
        ("learning_rate = 1", "base.toml: unknown field `learning_rate`, expected one of `cache`"),
        ("[network]\nhiden = 3", "base.toml: network cnn-bilstm: unknown field `hiden`"),
        ("epochs = 0", "base.toml: --epochs 0 is not valid"),
    ] {
        fs::write(place.path("base.toml"), recipe).unwrap();
        let ran = run(place.tune("study").args(["--trials", "3"])).ends(2);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
}

#[test]
fn no_metric_of_the_test_side_can_be_chosen() {
    let place = Place::new();
    for objective in ["test_uar", "uar", "test_accuracy"] {
        run(place.tune("study").args(["--objective", objective])).ends(2);
    }
    let help = run(Command::new(env!("CARGO_BIN_EXE_ser-tune")).arg("--help")).ends(0).stdout;
    assert!(help.contains("No option chooses by the test side"), "{help}");
}

#[test]
fn a_failed_trial_is_recorded_with_its_error_and_the_search_continues() {
    let place = Place::new();
    let found = outcome(place.tune("study").args(["--trials", "20", "--seed", "4"]).env("FAKE_FAIL", "0.3"));
    assert_numbered(&found, 20);
    assert!(count(&found, "FAIL") >= 3 && count(&found, "COMPLETE") >= 3, "{found:#}");
    for trial in trials(&found) {
        let failed = trial["params"]["network.dropout"].as_f64().unwrap() > 0.3;
        assert_eq!(trial["state"] == "FAIL", failed);
        assert_eq!(
            trial["error"].as_str().is_some_and(|error| error.starts_with("the loss became NaN")),
            failed
        );
    }
}

#[test]
fn when_the_first_trials_all_fail_the_search_stops_with_the_first_error() {
    let place = Place::new();
    let ran = run(place.tune("study").args(["--trials", "20"]).env("FAKE_FAIL", "-1")).ends(1);
    assert!(
        ran.stderr.contains("the first 3 trials failed, the first with: the loss became NaN"),
        "{}",
        ran.stderr
    );
    // Once the cause is fixed, the same command continues, and those trials count.
    let found = outcome(place.tune("study").args(["--trials", "20"]));
    assert_eq!((trials(&found).len(), count(&found, "FAIL")), (20, 3));
}

#[test]
fn another_search_in_the_same_folder_is_refused_with_the_difference() {
    let place = Place::new();
    outcome(place.tune("study").args(["--trials", "2"]));
    let journal = fs::read(place.path("study/journal.log")).unwrap();
    let refused = |arguments: &[&str], said: &str| {
        let ran = run(place.tune("study").args(["--trials", "4"]).args(arguments)).ends(1);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    };
    refused(&["--objective", "val_loss"], "the objective was val_uar, and is now val_loss");
    refused(&["--seed", "1"], "the seed was 0, and is now 1");
    refused(&["--split", "random", "--pruner", "none"], "the pruner was Asha");
    fs::write(place.path("base.toml"), "epochs = 7\n").unwrap();
    refused(&[], "epochs in the base recipe was 6, and is now 7");
    fs::write(place.path("base.toml"), "epochs = 6\nthreads = 1\n").unwrap();
    fs::write(place.path("space.toml"), SPACE.replace("0.6", "0.5")).unwrap();
    refused(&[], "network.dropout in the space was");
    assert_eq!(fs::read(place.path("study/journal.log")).unwrap(), journal);
    fs::write(place.path("space.toml"), SPACE).unwrap();
    assert_numbered(&outcome(place.tune("study").args(["--trials", "3"])), 3);
}

#[test]
fn a_search_does_not_go_on_with_another_split_or_other_features_of_its_cache() {
    let place = Place::new();
    let [corpus, own] = ["corpus", "cache"].map(|name| place.path(name));
    plain_corpus(&corpus, &["calm", "loud"], 10);
    let prepare = |arguments: &[&str]| {
        let data = ["--quiet", "--data", corpus.to_str().unwrap(), "--out", own.to_str().unwrap()];
        ser_prep([&data[..], arguments].concat()).ends(0);
    };
    let tune = |trials: &str| {
        let mut command = place.tune_on(&own, "study");
        command.args(["--trials", trials]);
        command
    };
    prepare(&[]);
    outcome(&mut tune("2"));
    let journal = fs::read(place.path("study/journal.log")).unwrap();
    let refused = |said: &str| {
        let ran = run(&mut tune("4")).ends(1);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    };
    prepare(&["--n-mfcc", "13"]);
    refused("feature_set in the base recipe was");
    prepare(&["--seed", "5"]);
    refused("the split random of the cache was");
    assert_eq!(fs::read(place.path("study/journal.log")).unwrap(), journal);
    prepare(&[]);
    assert_numbered(&outcome(&mut tune("3")), 3);
}

// What interrupts it.

#[test]
fn a_search_killed_at_any_moment_continues_with_the_same_command_and_leaves_no_process() {
    let place = Place::new();
    let command = || {
        let mut command = place.tune("study");
        command.args(["--trials", "12", "--workers", "2", "--quiet"]).env("FAKE_DELAY", "0.03");
        command
    };
    let mut random = Random::new(&["kills of a search"]);
    let mut kills = 0;
    for _ in 0..6 {
        let mut child = command().stderr(Stdio::null()).spawn().unwrap();
        // Counted in epochs, not in time, since starting takes long on a busy machine.
        let enough = epochs_in(&place.path("study")) + 1 + random.below(6) as usize;
        while epochs_in(&place.path("study")) < enough && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_millis(random.below(30)));
        child.kill().unwrap();
        kills += u32::from(child.wait().unwrap().code().is_none());
        // The operating system kills the trials with it; it may take a moment.
        let started = Instant::now();
        let trials =
            || if place.path("study/trials").exists() { processes(&place.path("study")) } else { vec![] };
        while trials().iter().any(|process| is_alive(process.0)) {
            assert!(started.elapsed() < Duration::from_secs(5), "a trial outlives its search");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    assert!(kills >= 3, "only {kills} kills");
    run(&mut command()).ends(0);
    let found = outcome(place.tune("study").args(["--trials", "12"]));
    assert_numbered(&found, 12);
    assert_eq!(count(&found, "COMPLETE") + count(&found, "PRUNED"), 12, "{found:#}");
    assert!(processes(&place.path("study")).iter().any(|process| process.1), "no trial was resumed");
    for trial in Journal::read(&place.path("study")).unwrap().trials(0) {
        let epochs: Vec<u64> = trial.intermediate_values.keys().copied().collect();
        assert_eq!(epochs, (1..=epochs.len() as u64).collect::<Vec<_>>(), "{trial:?}");
    }
}

#[test]
fn ctrl_c_lets_the_trials_save_their_state_and_the_same_command_continues() {
    let place = Place::new();
    let command = || {
        let mut command = place.tune("study");
        command.args(["--trials", "4", "--workers", "2", "--pruner", "none"]).env("FAKE_DELAY", "0.05");
        command
    };
    let child = command().stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    while !place.path("study/trials/0001/metrics.jsonl").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ran = Ran::of(&child.wait_with_output().unwrap()).ends(130);
    assert!(ran.stderr.contains("continue with the same command"), "{}", ran.stderr);
    let left = Journal::read(&place.path("study")).unwrap();
    assert!(left.trials(0).any(|trial| trial.state == TrialState::Running));
    assert!(processes(&place.path("study")).iter().all(|process| !is_alive(process.0)));
    assert_eq!(fs::read_to_string(place.path("study/trials/0000/output.txt")).unwrap(), "ser-fit: stopped\n");

    let found = outcome(&mut command());
    assert_numbered(&found, 4);
    assert_eq!(count(&found, "COMPLETE"), 4);
    assert_eq!(processes(&place.path("study")).iter().filter(|process| process.1).count(), 2);
}

#[test]
fn several_processes_search_in_one_study_and_no_trial_is_lost_or_there_twice() {
    let place = Place::new();
    let start = || {
        let mut command = place.tune("study");
        command
            .args(["--trials", "18", "--workers", "2", "--quiet"])
            .env("FAKE_DELAY", "0.01")
            .spawn()
            .unwrap()
    };
    let mut searches = [start(), start(), start()];
    // One of them is killed before the end.
    std::thread::sleep(Duration::from_millis(150));
    searches[0].kill().unwrap();
    searches[0].wait().unwrap();
    for search in &mut searches[1..] {
        assert!(search.wait().unwrap().success());
    }
    let found = outcome(place.tune("study").args(["--trials", "18"]));
    assert_numbered(&found, 18);
    assert_eq!(count(&found, "COMPLETE") + count(&found, "PRUNED"), 18);
}

#[test]
fn a_torn_line_and_a_lock_left_behind_do_no_harm() {
    let place = Place::new();
    outcome(place.tune("study").args(["--trials", "3"]));
    let journal = place.path("study/journal.log");
    let before = fs::read(&journal).unwrap();
    fs::OpenOptions::new().append(true).open(&journal).unwrap().write_all(b"{\"op_code\":4,\"study").unwrap();
    // As a killed ser-tune leaves it.
    std::os::unix::fs::symlink("./././journal.log", place.path("study/journal.log.lock")).unwrap();
    let started = Instant::now();
    let found = outcome(place.tune("study").args(["--trials", "4"]));
    assert!(started.elapsed() < Duration::from_secs(20), "it waited for a lock that is not held");
    assert_numbered(&found, 4);
    assert!(fs::read(&journal).unwrap().starts_with(&before));
    assert!(!place.path("study/journal.log.lock").exists());

    let mut lines: Vec<String> = fs::read_to_string(&journal).unwrap().lines().map(str::to_owned).collect();
    lines[2] = "not JSON".to_owned();
    fs::write(&journal, lines.join("\n") + "\n").unwrap();
    let ran = run(place.tune("study").args(["--trials", "5"])).ends(1);
    assert!(ran.stderr.contains("journal.log: line 3 is not a journal operation"), "{}", ran.stderr);
    assert!(ran.stderr.contains("put the journal back as it was"), "{}", ran.stderr);
}

#[test]
fn a_journal_with_a_distribution_that_no_option_can_have_is_refused_by_its_line_and_left_alone() {
    let place = Place::new();
    outcome(place.tune("study").args(["--trials", "3", "--pruner", "none"]));
    let journal = place.path("study/journal.log");
    let whole = fs::read_to_string(&journal).unwrap();
    let steps = r#"\"step\": 8"#;
    assert!(whole.contains(steps), "{whole}");
    let line = 1 + whole.lines().position(|line| line.contains("\"op_code\":4")).unwrap();
    for (step, said) in [("0", "whose step is not above 0"), ("-8", "whose step is not above 0")] {
        let broken = whole.replace(steps, &steps.replace('8', step));
        // That does not make the last line a torn one.
        let last = broken.lines().take(line).collect::<Vec<_>>().join("\n") + "\n";
        for journaled in [&broken, &last] {
            fs::write(&journal, journaled).unwrap();
            for arguments in [&["--show"][..], &["--trials", "5", "--pruner", "none"]] {
                let ran = run(place.tune("study").args(arguments)).ends(1);
                let place = format!("journal.log: line {line} holds the distribution ");
                assert!(ran.stderr.contains(&place) && ran.stderr.contains(said), "{}", ran.stderr);
            }
            assert_eq!(&fs::read_to_string(&journal).unwrap(), journaled);
        }
    }
}

// Optuna.

#[test]
fn the_best_trial_may_be_one_that_was_trained_elsewhere() {
    let place = Place::new();
    let arguments = ["--pruner", "none", "--trials"];
    outcome(place.tune("study").args(arguments).arg("4"));
    let journal = place.path("study/journal.log");
    let text = fs::read_to_string(&journal).unwrap();
    let created = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut best = created.into_iter().find(|line| line["op_code"] == 4).unwrap();
    best["state"] = json!(1);
    best["values"] = json!([2.0]);
    best["datetime_complete"] = best["datetime_start"].clone();
    best["params"]["lr"] = json!(0.0125);
    best["user_attrs"] = json!({});
    fs::write(&journal, format!("{text}{best}\n")).unwrap();
    let found = outcome(place.tune("study").args(arguments).arg("6"));
    assert_eq!((&found["best"]["number"], &found["best"]["value"]), (&json!(4), &json!(2.0)));
    let recipe = FitConfig::read(&place.path("study/best.toml")).unwrap();
    assert_eq!((recipe.lr, recipe.epochs), (0.0125, 6));
}

#[test]
fn trials_continue_where_the_cache_is_now() {
    let place = Place::new();
    let moved = place.path("moved");
    std::os::unix::fs::symlink(cache(), &moved).unwrap();
    let mut first = place.tune("study");
    first.args(["--trials", "1", "--pruner", "none"]).env("FAKE_DELAY", "0.3");
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while epochs_in(&place.path("study")) < 1 {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let found = outcome(place.tune_on(&moved, "study").args(["--trials", "1", "--pruner", "none"]));
    assert_eq!(count(&found, "COMPLETE"), 1, "{found:#}");
    let caches = fs::read_to_string(place.path("study/trials/0000/caches")).unwrap();
    assert_eq!(caches.trim_end(), moved.to_str().unwrap());
}

#[test]
fn a_run_left_by_another_study_is_not_mistaken_for_a_trial() {
    let place = Place::new();
    outcome(place.tune("study").args(["--trials", "2"]));
    fs::remove_file(place.path("study/journal.log")).unwrap();
    let ran = run(place.tune("study").args(["--trials", "2"])).ends(1);
    let said = "study/trials/0000: holds a run that is unknown to the journal of its study; put the journal";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    assert!(place.path("study/trials/0000/metrics.jsonl").exists());
}

/// What Optuna sees in a study.
fn in_optuna(python: &Path, study: &Path, options: &[&str]) -> Value {
    let mut command = Command::new(python);
    command.arg(fixture("read_study.py")).arg(study.join("journal.log")).args(options);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn optuna_and_its_dashboard_see_what_ser_tune_says_and_optuna_can_continue() {
    let Some(python) = python_with("optuna, optuna_dashboard") else { return };
    let place = Place::new();
    let tune = |trials: &str| {
        let mut command = place.tune("my study");
        command.args(["--trials", trials, "--workers", "2", "--seed", "4"]).env("FAKE_FAIL", "0.5");
        command
    };
    let found = outcome(&mut tune("30"));
    let study = place.path("my study");
    let seen = in_optuna(&python, &study, &["--dashboard"]);
    assert_eq!((seen["name"].as_str(), seen["direction"].as_str()), (Some("my study"), Some("MAXIMIZE")));
    assert_eq!(seen["user_attrs"]["objective"], "val_uar");
    assert_eq!(seen["best"], found["best"]["number"]);
    assert_eq!(seen["trials"].as_array().unwrap().len(), 30);
    for (seen, told) in seen["trials"].as_array().unwrap().iter().zip(trials(&found)) {
        for key in ["number", "state", "value", "params"] {
            assert_eq!(seen[key], told[key], "{key} of {seen}");
        }
        assert_eq!(
            seen["intermediate_values"].as_object().unwrap().len() as u64,
            told["epochs"].as_u64().unwrap()
        );
        assert_eq!(seen["user_attrs"]["folder"], format!("trials/{:04}", told["number"].as_u64().unwrap()));
        assert_eq!(seen["user_attrs"]["error"], told["error"]);
        if seen["state"] == "PRUNED" {
            let last = seen["intermediate_values"].as_object().unwrap().len().to_string();
            assert_eq!(seen["value"], seen["intermediate_values"][&last]);
        }
    }
    let written = fs::read_to_string(study.join("journal.log")).unwrap();
    let create = written.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let create = create.into_iter().find(|line| line["op_code"] == 4).unwrap();
    // Word for word what Optuna itself would have written.
    assert_eq!(create["distributions"], seen["trials"][0]["distributions"]);
    for (option, importance) in seen["importance"].as_object().unwrap() {
        let ours = found["importance"][option].as_f64().unwrap();
        assert!((importance.as_f64().unwrap() - ours).abs() < 1e-9, "{option}: {importance} and {ours}");
    }
    assert_eq!(seen["dashboard"]["studies"][0]["study_name"], "my study");
    assert_eq!(seen["dashboard"]["detail"]["trials"].as_array().unwrap().len(), 30);

    // Optuna's own sampler adds trials; ours continues after them, and they count.
    let seen = in_optuna(&python, &study, &["--go-on", "3"]);
    assert_eq!(seen["trials"].as_array().unwrap().len(), 33);
    let found = outcome(&mut tune("36"));
    assert_numbered(&found, 36);
    assert_eq!((&found["trials"][32]["value"], &found["trials"][32]["epochs"]), (&json!(0.25), &json!(1)));
    assert_eq!(in_optuna(&python, &study, &[])["trials"].as_array().unwrap().len(), 36);
}

/// How many epochs each trial lasts when `pruner` judges it; a trial begins when the one before has ended.
fn judged(pruner: Pruner, direction: Direction, curves: &[Vec<Option<f64>>]) -> Vec<usize> {
    let mut trials: Vec<Trial> = Vec::new();
    for (id, curve) in (0..).zip(curves) {
        let mut trial = Trial {
            id,
            number: id,
            state: TrialState::Complete,
            value: curve.last().copied().flatten(),
            params: BTreeMap::new(),
            intermediate_values: BTreeMap::new(),
            user_attrs: BTreeMap::new(),
            system_attrs: BTreeMap::new(),
        };
        for (epoch, value) in (1..).zip(curve) {
            trial.intermediate_values.insert(epoch, value.unwrap_or(f64::NAN));
            let verdict = pruner.judge(&trial, direction, trials.iter());
            trial.system_attrs.extend(verdict.remarks.into_iter().map(|(key, value)| (key, json!(value))));
            if verdict.stop {
                trial.state = TrialState::Pruned;
                break;
            }
        }
        trials.push(trial);
    }
    trials.iter().map(|trial| trial.intermediate_values.len()).collect()
}

/// Curves that rise to different heights, some with a gap.
fn curves(epochs: usize) -> Vec<Vec<Option<f64>>> {
    let mut random = Random::new(&["curves"]);
    let curve = |index: usize, random: &mut Random| {
        let height = random.between(0.1, 1.0);
        let at = |epoch: usize, random: &mut Random| {
            // The last one is a number, or Optuna would not take it.
            let is_gap = index % 7 == 3 && epoch % 5 == 4 && epoch + 1 < epochs;
            (!is_gap).then(|| height * (1.0 - 0.7f64.powi(epoch as i32 + 1)) + random.between(-0.1, 0.1))
        };
        (0..epochs).map(|epoch| at(epoch, random)).collect()
    };
    (0..40).map(|index| curve(index, &mut random)).collect()
}

#[test]
fn the_pruners_stop_the_trials_that_optunas_stop_after_the_same_epoch() {
    let curves = curves(12);
    let asha = Pruner::Asha { min_epochs: 2, reduction_factor: 3 };
    let median = Pruner::Median { min_epochs: 3, startup_trials: 4 };
    let lasted = judged(asha, Direction::Maximize, &curves);
    assert_eq!(lasted[0], 12, "with nothing to compare it to, a trial continues");
    assert!(lasted.iter().all(|epochs| [2, 6, 12].contains(epochs)), "{lasted:?}");
    assert!(judged(median, Direction::Maximize, &curves)[..4].iter().all(|epochs| *epochs == 12));
    let Some(python) = python_with("optuna") else { return };
    for direction in [Direction::Maximize, Direction::Minimize] {
        for (name, pruner) in [("asha", asha), ("median", median)] {
            let (min_epochs, reduction_factor, startup_trials) = match pruner {
                Pruner::Asha { min_epochs, reduction_factor } => (min_epochs, reduction_factor, 0),
                Pruner::Median { min_epochs, startup_trials } => (min_epochs, 0, startup_trials),
                Pruner::None => (0, 0, 0),
            };
            // A metric to minimise falls.
            let sign = if direction == Direction::Minimize { -1.0 } else { 1.0 };
            let turn = |curve: &Vec<Option<f64>>| {
                curve.iter().map(|value| value.map(|value| sign * value)).collect()
            };
            let curves: Vec<Vec<Option<f64>>> = curves.iter().map(turn).collect();
            let case = json!({
                "pruner": name, "min_epochs": min_epochs, "reduction_factor": reduction_factor,
                "startup_trials": startup_trials, "direction": direction, "curves": curves,
            });
            let mut command = Command::new(&python);
            command.arg(fixture("prune.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(case.to_string().as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            let theirs: Vec<usize> = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(judged(pruner, direction, &curves), theirs, "{name} {direction:?}");
            assert!(theirs.iter().any(|epochs| *epochs < 12) && theirs.contains(&12), "{theirs:?}");
        }
    }
}

// The real ser-fit.

#[test]
fn the_search_space_that_comes_with_ser_is_one_for_its_default_recipe() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/search-space.toml");
    let space = Space::read(&path).unwrap();
    assert!(space.iter().count() >= 4);
    BaseRecipe::parse("").unwrap().check(&space).unwrap();
}

#[cfg(feature = "torch")]
#[test]
fn trials_of_the_real_ser_fit_are_trained_pruned_resumed_and_the_best_can_be_trained_again() {
    let place = Place::new();
    let corpus = place.path("corpus");
    common::speech(&corpus, 6);
    let mut arguments = ["--n-mfcc", "16", "--hop-length", "512", "--max-frames", "96", "--quiet"]
        .map(PathBuf::from)
        .to_vec();
    arguments.extend(["--data".into(), corpus, "--out".into(), place.path("cache")]);
    ser_prep(arguments).ends(0);
    let base = "epochs = 6\nbatch_size = 16\nlr = 0.01\nthreads = 1\ndevice = \"cpu\"\nprecision = \"f32\"\n\
                [network]\nchannels = [4, 6]\nhidden = 12\ndense = 16\n";
    fs::write(place.path("base.toml"), base).unwrap();
    fs::write(
        place.path("space.toml"),
        "lr = { log_float = [1e-4, 1e-1] }\nnetwork.hidden = { int = [8, 16] }\n",
    )
    .unwrap();
    let tune = |trials: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ser-tune"));
        command.current_dir(place.folder.path()).args(["--study", "study", "--space", "space.toml"]);
        command.args(["--config", "base.toml", "--workers", "2", "--trials", trials]);
        command
    };
    let mut child = tune("4").arg("--quiet").spawn().unwrap();
    while !place.path("study/trials/0000/metrics.jsonl").exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let found = outcome(&mut tune("4"));
    assert_numbered(&found, 4);
    assert_eq!(count(&found, "COMPLETE") + count(&found, "PRUNED"), 4, "{found:#}");
    for trial in trials(&found).iter().filter(|trial| trial["state"] == "COMPLETE") {
        let folder = place.path(trial["folder"].as_str().unwrap());
        assert!(folder.join("best.pt").exists());
        let lines = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
        let epochs: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let kept = epochs.iter().rev().find(|epoch| epoch["best"] == true).unwrap();
        assert_eq!(trial["value"], kept["val_uar"]);
    }
    let mut again = Command::new(env!("CARGO_BIN_EXE_ser-fit"));
    again.current_dir(place.folder.path());
    again.args(["--config", "study/best.toml", "--run", "again", "--quiet"]);
    run(&mut again).ends(0);
    let lines = |folder: PathBuf| fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let scores = |text: String| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["val_loss"].clone()).collect()
    };
    let best = place.path(found["best"]["folder"].as_str().unwrap());
    assert_eq!(
        scores(lines(place.path("again"))),
        scores(lines(best)),
        "the same recipe gives the same training"
    );
}
