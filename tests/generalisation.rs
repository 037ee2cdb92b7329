//! What a recipe may add to the plain one, so that a network understands speakers it has never heard: augmentation while
//! it learns, averages of its weights, schedules, ensembles.
#![cfg(feature = "torch")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test stops at the first surprise"
)]

mod common_fit;

use std::path::Path;

use common_fit::training::{Ended, Stop, resume, train, train_and_stop};
use common_fit::{Prepared, copy_folder, fail, recipe, ser_fit, ser_prep, ser_report, succeed};
use ser::augmentation::Recipe;
use ser::fit::checkpoint::Checkpoint;
use ser::fit::{Averaging, FitConfig, Optimizer, Schedule, Selection};

/// A cache of features for unseen speakers, of a corpus where it can be found again.
fn prepared() -> &'static Prepared {
    common_fit::prepared(
        "generalisation",
        &["--preset", "log-mel", "--hop-length", "512", "--max-frames", "96"],
    )
}

/// Some of every kind, with babble, which needs other utterances.
const AUGMENTATION: &str = r#"
[[waveform]]
kind = "pitch-shift"
semitones = [-3, 3]
[[waveform]]
kind = "time-stretch"
factor = [0.8, 1.25]
[[waveform]]
kind = "noise"
colour = "babble"
snr_db = [5, 20]
probability = 0.5
[features]
time_masks = 1
time_mask_frames = 8
frequency_masks = 1
frequency_mask_bands = 4
mixup_alpha = 0.4
"#;

/// Everything at once.
fn strong_recipe(epochs: u32) -> FitConfig {
    FitConfig {
        optimizer: Optimizer::Adamw,
        weight_decay: 0.01,
        schedule: Schedule::Cosine,
        warmup_epochs: 0.5,
        gradient_clip: 5.0,
        label_smoothing: 0.1,
        averaging: Averaging::Ema,
        average_from: 1,
        ema_decay: 0.8,
        select: Selection::Last,
        augment: Recipe::from_toml(AUGMENTATION).unwrap(),
        ..recipe(&prepared().cache, epochs)
    }
}

fn ended(config: &FitConfig, run: &Path) -> Ended {
    Ended::of(train(config, run).unwrap(), run)
}

#[test]
fn an_augmented_run_interrupted_after_any_step_resumes_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    for averaging in [Averaging::Ema, Averaging::Swa] {
        let config = FitConfig { averaging, ..strong_recipe(3) };
        let name = |name: &str| folder.path().join(format!("{averaging:?}-{name}"));
        let whole = ended(&config, &name("whole"));
        for step in [1, 4, 6, 8] {
            let run = name(&step.to_string());
            train_and_stop(&config, &run, Stop::AfterStep(step)).unwrap_err();
            assert_eq!(Ended::of(resume(&config, &run).unwrap(), &run), whole, "stopped after step {step}");
        }
    }
}

#[test]
fn what_is_augmented_follows_from_the_seed() {
    let folder = tempfile::tempdir().unwrap();
    let config = strong_recipe(1);
    let loss =
        |name: &str, config: &FitConfig| ended(config, &folder.path().join(name)).history[0].train_loss;
    let first = loss("first", &config);
    assert_eq!(loss("again", &config), first);
    assert_ne!(loss("other", &FitConfig { seed: 1, ..config.clone() }), first);
    assert_ne!(loss("plain", &FitConfig { augment: Recipe::default(), ..config }), first);
}

#[test]
fn an_average_lies_between_the_weights_it_is_of() {
    let folder = tempfile::tempdir().unwrap();
    let swa = FitConfig {
        averaging: Averaging::Swa,
        average_from: 1,
        select: Selection::Last,
        ..recipe(&prepared().cache, 2)
    };
    let plain = FitConfig { averaging: Averaging::None, ..swa.clone() };
    let after = |epochs: u32| {
        let config = FitConfig { epochs, ..plain.clone() };
        ended(&config, &folder.path().join(format!("plain-{epochs}")))
    };
    let (first, second) = (after(1), after(2));
    let average = ended(&swa, &folder.path().join("swa"));
    // Averaging changes what is kept, not what is learnt.
    assert_eq!(average.last, second.last);
    for ((name, kept), ((_, one), (_, two))) in average.best.iter().zip(first.last.iter().zip(&second.last)) {
        if name.ends_with("num_batches_tracked") {
            continue;
        }
        let values = |tensor: &ser::fit::checkpoint::Tensor| tensor.to_f32().unwrap();
        for ((kept, one), two) in values(kept).iter().zip(values(one)).zip(values(two)) {
            assert!((kept - (one + two) / 2.0).abs() < 1e-6, "{name}: {kept} of {one} and {two}");
        }
    }
}

#[test]
fn a_fixed_length_keeps_its_last_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let config = FitConfig { select: Selection::Last, ..recipe(&prepared().cache, 4) };
    let summary = train(&config, folder.path()).unwrap();
    assert_eq!(summary.best_epoch, 4);
    assert!(summary.history.iter().all(|record| record.best));
}

#[test]
fn a_schedule_is_not_stretched_by_more_epochs() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = FitConfig { schedule: Schedule::Cosine, ..recipe(&prepared().cache, 2) };
    train(&config, &run).unwrap();
    let error = resume(&FitConfig { epochs: 3, ..config }, &run).unwrap_err();
    assert!(error.to_string().contains("another recipe"), "{error}");
}

#[test]
fn an_ensemble_answers_with_the_mean_of_its_members_and_is_one_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let config = FitConfig { members: 3, seed: 2, ..recipe(&prepared().cache, 2) };
    let run = folder.path().join("run");
    let summary = train(&config, &run).unwrap();
    assert_eq!(summary.checkpoint, run.join("best.pt"));
    // Seeds of their own, which no ensemble with another seed has.
    let seeds: Vec<u64> = (1..=3)
        .map(|member| FitConfig::read(&run.join(format!("member-{member}/config.toml"))).unwrap().seed)
        .collect();
    assert_eq!(seeds, [6, 7, 8]);

    let answers = |checkpoint: &Path| {
        let csv = folder.path().join("answers.csv");
        let mut report = ser_report(folder.path());
        succeed(report.arg("--checkpoint").arg(checkpoint).arg("--csv").arg(&csv).arg("--quiet"));
        let mut reader = csv::Reader::from_path(&csv).unwrap();
        let rows = reader.records().map(|row| row.unwrap());
        rows.map(|row| row.iter().skip(3).map(|p| p.parse::<f64>().unwrap()).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    let together = answers(&summary.checkpoint);
    let members: Vec<_> =
        (1..=3).map(|member| answers(&run.join(format!("member-{member}/best.pt")))).collect();
    for (utterance, together) in together.iter().enumerate() {
        let product = |class: usize| -> f64 {
            let logs = members.iter().map(|answers| answers[utterance][class].ln());
            (logs.sum::<f64>() / 3.0).exp()
        };
        let total: f64 = (0..7).map(product).sum();
        for (class, probability) in together.iter().enumerate() {
            let expected = product(class) / total;
            assert!((probability - expected).abs() < 1e-4, "{utterance}, {class}: {probability}, {expected}");
        }
    }

    let whole = Checkpoint::read(&summary.checkpoint).unwrap();
    // The same of networks that were trained before.
    let mut fit = ser_fit(folder.path());
    fit.arg("--join").args((1..=3).map(|member| run.join(format!("member-{member}/best.pt"))));
    succeed(fit.args(["--run", "joined", "--quiet"]));
    let joined = Checkpoint::read(folder.path().join("joined/best.pt")).unwrap();
    assert_eq!(joined.model_state, whole.model_state);
    let stopped = folder.path().join("stopped");
    train_and_stop(&config, &stopped, Stop::AfterStep(13)).unwrap_err();
    resume(&config, &stopped).unwrap();
    assert_eq!(Checkpoint::read(stopped.join("best.pt")).unwrap().model_state, whole.model_state);
}

#[test]
fn what_cannot_answer_together_is_not_joined() {
    let folder = tempfile::tempdir().unwrap();
    let train = |name: &str, config: &FitConfig| {
        let run = folder.path().join(name);
        train(config, &run).unwrap();
        run.join("best.pt")
    };
    let config = recipe(&prepared().cache, 1);
    let one = train("one", &config);
    let elsewhere = train("elsewhere", &FitConfig { split: "word".to_owned(), ..config.clone() });
    let both = train("both", &FitConfig { members: 2, ..config });
    let join = |second: &Path, code: i32| {
        let mut fit = ser_fit(folder.path());
        fail(fit.arg("--join").args([&one, second]).args(["--run", "joined"]), code)
    };
    assert!(join(&elsewhere, 1).contains("differ in their network, features, split or classes"));
    assert!(join(&both, 1).contains("an ensemble itself"));
    assert!(join(&folder.path().join("none.pt"), 1).contains("none.pt"));
    assert!(!folder.path().join("joined").exists());
}

#[test]
fn the_table_over_runs_has_an_ensemble_once_and_its_members_not() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = prepared();
    let mut fit = ser_fit(folder.path());
    fit.arg("--cache").arg(&prepared.cache).arg("--config").arg(&prepared.recipe);
    succeed(fit.args([
        "--members",
        "2",
        "--epochs",
        "1",
        "--protocols",
        "speaker-*",
        "--runs",
        "runs",
        "--quiet",
    ]));
    let table = succeed(ser_report(folder.path()).args(["--runs", "runs", "--json", "--resamples", "100"]));
    let table: serde_json::Value = serde_json::from_str(&table).unwrap();
    assert!(table["unusable"].as_array().unwrap().is_empty(), "{table}");
    let rows = table["recipes"][0]["rows"].as_array().unwrap().iter();
    let rows = rows.filter(|row| row["protocol"] != "speaker-independent");
    let runs: usize = rows.map(|row| row["seeds"].as_array().unwrap().len()).sum();
    assert_eq!(runs, 2, "{table}");
}

#[test]
fn recordings_that_are_gone_or_were_changed_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = folder.path().join("corpus");
    copy_folder(&prepared().corpus, &corpus);
    let mut prep = ser_prep(folder.path());
    succeed(prep.args(["--data", "corpus", "--out", "cache", "--preset", "log-mel", "--quiet"]));
    std::fs::write(folder.path().join("augment.toml"), AUGMENTATION).unwrap();
    let fit = |extra: &[&str]| {
        let mut fit = ser_fit(folder.path());
        fit.arg("--config").arg(&prepared().recipe);
        fit.args(["--augment", "augment.toml", "--feature-set", "log-mel", "--epochs", "1", "--quiet"])
            .args(extra);
        fit
    };
    succeed(&mut fit(&[]));
    std::fs::rename(&corpus, folder.path().join("elsewhere")).unwrap();
    let complaint = fail(&mut fit(&[]), 1);
    assert!(complaint.contains("corpus") && complaint.contains("--data"), "{complaint}");
    succeed(&mut fit(&["--data", "elsewhere"]));

    let train = common_fit::manifest(&folder.path().join("cache"), "random", "train");
    let changed = train[0]["path"].as_str().unwrap();
    let path = folder.path().join("elsewhere").join(changed);
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let complaint = fail(&mut fit(&["--data", "elsewhere"]), 1);
    assert!(complaint.contains(changed) && complaint.contains("not the recording"), "{complaint}");
}

#[test]
fn a_preset_that_the_cache_does_not_hold_is_asked_for_with_its_command() {
    let folder = tempfile::tempdir().unwrap();
    let mut fit = ser_fit(folder.path());
    fit.arg("--cache").arg(&prepared().cache).args(["--feature-set", "log-mel", "--epochs", "1"]);
    let complaint = fail(&mut fit, 1);
    assert!(complaint.contains("run ser-prep with --preset log-mel"), "{complaint}");
}

#[test]
fn the_recipes_that_are_shipped_are_recipes() {
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
    let shipped = FitConfig::read(&recipes.join("speaker-independent.toml")).unwrap();
    shipped.validate().unwrap();
    assert_eq!(shipped.augment, Recipe::read(&recipes.join("augmentation.toml")).unwrap());
}
