//! Training: what a run leaves behind, which epoch it keeps, that it resumes bit for bit, and what it refuses.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use ser_core::storage::Storage;
use ser_core::{ErrorKind, Result};
use ser_model::checkpoint::{Checkpoint, Tensor, Value};
use ser_model::{Averaging, EpochRecord, FitConfig, Precision, Schedule, Selection};
use ser_train::run::{FitSummary, RunFolder};
use ser_train::state::Origin;

use crate::common_fit::training::{Ended, Stop, go, metrics_of, resume, train, train_and_stop};
use crate::common_fit::{
    Prepared, SMALL_FEATURES, copy_folder, damage, fail, recipe, ser_fit, ser_prep, stderr, stdout, succeed,
    synthesise,
};

// What a run leaves behind.

#[test]
fn a_run_leaves_its_recipe_its_checkpoints_and_a_line_for_each_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let config = recipe(&prepared().cache, 3);
    let summary = train(&config, folder.path()).unwrap();
    assert_eq!(
        names_in(folder.path()),
        ["best.pt", "config.toml", "events.out.tfevents.ser", "last.pt", "metrics.jsonl", "previous.pt"]
    );
    assert_eq!(FitConfig::read(&folder.path().join("config.toml")).unwrap(), config);
    assert_eq!(metrics_of(folder.path()), summary.history);
    assert_eq!(summary.history.iter().map(|record| record.epoch).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(summary.checkpoint, folder.path().join("best.pt"));
    assert!(!summary.stopped_early);
    for record in &summary.history {
        assert!((0.0..=1.0).contains(&record.train_accuracy) && (0.0..=1.0).contains(&record.val_uar));
        assert!(record.train_loss > 0.0 && record.val_loss > 0.0 && record.seconds > 0.0);
        assert!(record.samples_per_s > 1.0);
    }

    let best = Checkpoint::read(folder.path().join("best.pt")).unwrap();
    let keys: Vec<&str> = best.extra.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["learnt_from", "out_of_domain", "calibration"]);
    assert_eq!(best.labels, ["angry", "disgust", "fear", "happy", "neutral", "pleasant_surprise", "sad"]);
    let origin = Origin::of(&best).unwrap();
    assert_eq!(origin.fit, config);
    assert_eq!(origin.epoch, summary.best_epoch);
    assert_eq!(origin.metrics.as_ref(), summary.history.get(summary.best_epoch as usize - 1));
    assert_eq!(origin.model.input_shape, [3, 16, 96]);
    assert_eq!(origin.features["n_mfcc"], 16);
    assert!(Path::new(&origin.split.cache).is_absolute());

    let last = Checkpoint::read(folder.path().join("last.pt")).unwrap();
    let keys: Vec<&str> = last.extra.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["learnt_from", "optimizer", "generator", "epoch", "standing"]);
    assert_eq!(last.extra("optimizer").unwrap().get("step"), Some(&Value::Int(12)));
    assert_eq!(last.tensor("cnn.1.num_batches_tracked").unwrap().to_i64().unwrap(), [12]);
}

#[test]
fn the_training_loss_falls() {
    let folder = tempfile::tempdir().unwrap();
    let history = train(&recipe(&prepared().cache, 20), folder.path()).unwrap().history;
    assert!(history[19].train_loss < 0.75 * history[0].train_loss, "{history:?}");
    assert!(history[19].train_accuracy > 2.0 / 7.0, "{history:?}");
    let first = history[0].train_loss;
    assert!((1.0..3.0).contains(&first), "a fresh network should be about as good as a guess, ln 7: {first}");
}

#[test]
fn a_folder_that_holds_a_run_is_not_trained_into_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = recipe(&prepared().cache, 1);
    train(&config, folder.path()).unwrap();
    let before = std::fs::read(folder.path().join("best.pt")).unwrap();
    let error = train(&config, folder.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("resume the run in"), "{error}");
    assert_eq!(std::fs::read(folder.path().join("best.pt")).unwrap(), before);
}

#[test]
fn the_best_checkpoint_is_also_kept_where_it_is_to_be_published() {
    let folder = tempfile::tempdir().unwrap();
    let published = folder.path().join("best.pt");
    let config = FitConfig { publish: Some(published.clone()), ..recipe(&prepared().cache, 2) };
    let run = folder.path().join("run");
    assert_eq!(train(&config, &run).unwrap().checkpoint, published);
    let best = std::fs::read(run.join("best.pt")).unwrap();
    assert_eq!(std::fs::read(&published).unwrap(), best);
    // Another run has published meanwhile; a resumed run's summary names its own.
    std::fs::write(&published, b"another run's").unwrap();
    assert_eq!(resume(&config, &run).unwrap().checkpoint, published);
    assert_eq!(std::fs::read(&published).unwrap(), best);
}

// Which epoch is kept.

#[test]
fn the_epoch_of_best_validation_accuracy_is_kept_and_of_equals_the_one_with_lower_loss() {
    let folder = tempfile::tempdir().unwrap();
    let config = recipe(&prepared().cache, 14);
    let summary = train(&config, folder.path()).unwrap();
    let ties = follow_rule(&summary, |record| record.val_accuracy);
    assert!(ties > 0, "no tie was met: choose another seed\n{:?}", summary.history);
    assert_eq!(epoch_of(folder.path(), "best.pt"), summary.best_epoch);
    assert_eq!(epoch_of(folder.path(), "last.pt"), 14);
}

#[test]
fn the_epoch_of_best_uar_is_kept_if_asked_for() {
    // Classes of different sizes, or else UAR and accuracy are the same.
    let folder = tempfile::tempdir().unwrap();
    let (corpus, cache) = (folder.path().join("corpus"), folder.path().join("cache"));
    synthesise(&corpus, 6);
    for class in ["OAF_angry", "YAF_angry", "OAF_Sad", "YAF_sad", "OAF_sad", "OAF_happy", "YAF_happy"] {
        for file in std::fs::read_dir(corpus.join(class)).into_iter().flatten().skip(2) {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
    succeed(
        ser_prep(folder.path())
            .args(["--quiet", "--data", "corpus", "--val-fraction", "0.3"])
            .args(SMALL_FEATURES),
    );
    let mut told_apart = false;
    for seed in 0..12 {
        let config = FitConfig { seed, select: Selection::Uar, ..recipe(&cache, 10) };
        let run = folder.path().join(seed.to_string());
        let summary = train(&config, &run).unwrap();
        follow_rule(&summary, |record| record.val_uar);
        assert_eq!(epoch_of(&run, "best.pt"), summary.best_epoch);
        let best = &summary.history[summary.best_epoch as usize - 1];
        told_apart |= summary.history.iter().any(|record| record.val_accuracy > best.val_accuracy);
        if told_apart {
            return;
        }
    }
    panic!("in no run did accuracy choose another epoch than UAR");
}

#[test]
fn patience_ends_a_run_that_no_longer_gets_better() {
    let folder = tempfile::tempdir().unwrap();
    let config = FitConfig { patience: 2, lr: 0.5, ..recipe(&prepared().cache, 60) };
    let summary = train(&config, folder.path()).unwrap();
    assert!(summary.stopped_early);
    assert_eq!(summary.history.len() as u32, summary.best_epoch + 2);
    // It is over; resuming changes nothing.
    assert_eq!(resume(&config, folder.path()).unwrap(), summary);
}

// Repeatable.

#[test]
fn a_seed_gives_the_same_weights_twice_and_another_seed_others() {
    let folder = tempfile::tempdir().unwrap();
    let config = recipe(&prepared().cache, 2);
    let weights = |name: &str, config: &FitConfig| {
        train(config, &folder.path().join(name)).unwrap();
        Checkpoint::read(folder.path().join(name).join("last.pt")).unwrap().model_state
    };
    let first = weights("first", &config);
    assert_eq!(weights("second", &config), first);
    assert_ne!(weights("other", &FitConfig { seed: 1, ..config }), first);
}

#[test]
fn a_run_interrupted_after_any_step_resumes_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let config = recipe(&prepared().cache, 3);
    let whole =
        Ended::of(train(&config, &folder.path().join("whole")).unwrap(), &folder.path().join("whole"));
    for step in 1..=12 {
        let run = folder.path().join(step.to_string());
        let error = train_and_stop(&config, &run, Stop::AfterStep(step)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        let (epoch, step) = ((step - 1) / 4 + 1, (step - 1) % 4 + 1);
        let text = error.to_string();
        assert!(text.contains(&format!("after step {step} of epoch {epoch}")), "{text}");
        assert!(text.contains(&format!("resume the run in {}", run.display())), "{text}");
        assert_eq!(
            Ended::of(resume(&config, &run).unwrap(), &run),
            whole,
            "stopped after step {step} of {epoch}"
        );
    }
}

#[test]
fn a_run_interrupted_between_epochs_resumes_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let config = recipe(&prepared().cache, 3);
    let whole =
        Ended::of(train(&config, &folder.path().join("whole")).unwrap(), &folder.path().join("whole"));
    for (name, stop) in [("killed", Stop::KilledAfterEpoch(2)), ("asked", Stop::AfterEpoch(2))] {
        let run = folder.path().join(name);
        train_and_stop(&config, &run, stop).unwrap_err();
        assert_eq!(Ended::of(resume(&config, &run).unwrap(), &run), whole, "{name}");
    }
    // Twice.
    let run = folder.path().join("twice");
    train_and_stop(&config, &run, Stop::AfterStep(2)).unwrap_err();
    go(&config, &run, true, Stop::AfterStep(5)).unwrap_err();
    assert_eq!(Ended::of(resume(&config, &run).unwrap(), &run), whole);
}

#[test]
fn a_run_in_bf16_resumes_bit_for_bit_and_keeps_its_arithmetic() {
    let folder = tempfile::tempdir().unwrap();
    let f32 = recipe(&prepared().cache, 2);
    let bf16 = FitConfig { precision: Precision::Bf16, ..f32.clone() };
    let [f32, whole] = [("f32", &f32), ("bf16", &bf16)].map(|(name, config)| {
        let run = folder.path().join(name);
        Ended::of(train(config, &run).unwrap(), &run)
    });
    assert!(f32.last != whole.last, "bf16 learns what f32 does, to the last bit");
    let losses = f32.history.iter().zip(&whole.history).map(|(a, b)| (a.train_loss - b.train_loss).abs());
    assert!(losses.fold(0.0, f64::max) < 0.05, "{f32:?}, {whole:?}");
    let run = folder.path().join("stopped");
    train_and_stop(&bf16, &run, Stop::AfterStep(5)).unwrap_err();
    // Resumed as instructed: with its own recipe alone.
    let (_, remembered) = RunFolder::open(&Storage::native(), &run).unwrap();
    assert_eq!(remembered.precision, Precision::Bf16);
    assert_eq!(Ended::of(resume(&remembered, &run).unwrap(), &run), whole);
}

#[test]
fn a_run_that_validates_in_bf16_keeps_the_calibration_of_f32() {
    let folder = tempfile::tempdir().unwrap();
    let exact = FitConfig { select: Selection::Last, ..recipe(&prepared().cache, 2) };
    let rough = FitConfig { validation_precision: Precision::Bf16, ..exact.clone() };
    let [exact, rough] = [("f32", &exact), ("bf16", &rough)].map(|(name, config)| {
        let run = folder.path().join(name);
        let history = train(config, &run).unwrap().history;
        (history, Checkpoint::read(run.join("best.pt")).unwrap())
    });
    for (exact, rough) in exact.0.iter().zip(&rough.0) {
        assert_eq!(exact.train_loss, rough.train_loss);
        let off = (exact.val_loss - rough.val_loss).abs();
        assert!(off > 0.0 && off < 0.02, "{exact:?}, {rough:?}");
    }
    assert_eq!(exact.1.model_state, rough.1.model_state);
    assert!(exact.1.extra.iter().any(|(name, _)| name == "calibration"));
    assert_eq!(exact.1.extra, rough.1.extra);
}

#[test]
fn a_run_that_was_stopped_before_it_saved_anything_resumes_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let config = recipe(&prepared().cache, 2);
    let whole =
        Ended::of(train(&config, &folder.path().join("whole")).unwrap(), &folder.path().join("whole"));
    let run = folder.path().join("killed");
    RunFolder::create(&Storage::native(), &run, &config).unwrap();
    assert_eq!(Ended::of(resume(&config, &run).unwrap(), &run), whole);
    // But not one whose state was lost: that would overwrite its results.
    assert_eq!(epoch_of(&run, "best.pt"), 2);
    std::fs::remove_file(run.join("last.pt")).unwrap();
    std::fs::remove_file(run.join("previous.pt")).unwrap();
    let error = resume(&config, &run).unwrap_err();
    assert!(error.to_string().contains("last.pt"), "{error}");
}

#[test]
fn more_epochs_extend_a_run_as_if_it_had_been_given_them_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = &prepared().cache;
    let (short, long) = (recipe(cache, 2), recipe(cache, 4));
    let whole = Ended::of(train(&long, &folder.path().join("whole")).unwrap(), &folder.path().join("whole"));
    let run = folder.path().join("run");
    train(&short, &run).unwrap();
    // Interrupted while it was extended: resuming does not need the number of epochs again.
    go(&long, &run, true, Stop::AfterStep(6)).unwrap_err();
    let (_, remembered) = RunFolder::open(&Storage::native(), &run).unwrap();
    assert_eq!(remembered.epochs, 4);
    assert_eq!(Ended::of(resume(&remembered, &run).unwrap(), &run), whole);
}

#[test]
fn a_run_of_so_many_steps_is_one_of_as_many_epochs_as_they_fill_and_can_be_made_longer() {
    let folder = tempfile::tempdir().unwrap();
    let by_epochs = recipe(&prepared().cache, 3);
    // An epoch has 4 steps.
    let by_steps = |steps| FitConfig { epochs: 0, steps, ..by_epochs.clone() };
    let of = |name: &str, config: &FitConfig| {
        let run = folder.path().join(name);
        Ended::of(train(config, &run).unwrap(), &run)
    };
    let scheduled =
        |config: FitConfig| FitConfig { schedule: Schedule::Cosine, warmup_epochs: 1.0, ..config };
    let warmed_up = FitConfig { warmup_epochs: 0.0, warmup_steps: 4, ..scheduled(by_steps(9)) };
    let whole = of("epochs", &by_epochs);
    assert_eq!(of("steps", &by_steps(9)), whole);
    assert_eq!(of("scheduled steps", &warmed_up), of("scheduled epochs", &scheduled(by_epochs.clone())));
    let steps: Vec<u64> = whole.history.iter().map(|record| record.steps).collect();
    assert_eq!(steps, [4, 8, 12]);
    let run = folder.path().join("longer");
    train(&by_steps(4), &run).unwrap();
    go(&by_steps(12), &run, true, Stop::AfterStep(6)).unwrap_err();
    let (_, remembered) = RunFolder::open(&Storage::native(), &run).unwrap();
    assert_eq!((remembered.epochs, remembered.steps), (0, 12));
    assert_eq!(Ended::of(resume(&remembered, &run).unwrap(), &run), whole);

    let late = FitConfig { averaging: Averaging::Ema, average_from: 3, ..by_steps(8) };
    let error = train(&late, &folder.path().join("late")).unwrap_err().to_string();
    assert!(error.contains("averaging would begin at epoch 3, but steps = 8 are 2 epochs of 4"), "{error}");
}

#[cfg(unix)]
#[test]
fn control_c_finishes_the_step_and_says_how_to_resume() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = self::prepared();
    let start = |run: &str| {
        let mut command = ser_fit(folder.path());
        command.arg("--cache").arg(&prepared.cache).arg("--config").arg(&prepared.recipe);
        command.args(["--epochs", "30", "--run", run]);
        command
    };
    let mut child = start("runs/a").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().trim_start().starts_with("1 ")), "no first epoch was printed");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let rest: Vec<String> = lines.map(|line| line.unwrap()).collect();
    let output = child.wait_with_output().unwrap();
    let complaint = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{rest:?}\n{complaint}");
    assert!(complaint.contains("finishing this step"), "{complaint}");
    assert!(complaint.contains("run: ser-fit --resume runs/a"), "{complaint}");

    let said = succeed(ser_fit(folder.path()).args(["--resume", "runs/a"]));
    assert!(said.contains("best epoch"), "{said}");
    succeed(start("runs/b").arg("--quiet"));
    let [resumed, whole] = ["runs/a", "runs/b"].map(|run| {
        let run = folder.path().join(run);
        Ended::at(&run)
    });
    assert_eq!(resumed, whole);
}

// What cannot be resumed.

#[test]
fn a_run_is_not_resumed_on_another_split() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = self::prepared();
    let cache = folder.path().join("cache");
    copy_folder(&prepared.cache, &cache);
    let run = folder.path().join("run");
    train_and_stop(&recipe(&cache, 2), &run, Stop::AfterStep(3)).unwrap_err();
    let again = |seed: &str| {
        let mut command = ser_prep(folder.path());
        succeed(
            command.args(["--quiet", "--seed", seed, "--data"]).arg(&prepared.corpus).args(SMALL_FEATURES),
        );
    };
    again("9");
    let text = fail(ser_fit(folder.path()).args(["--resume", "run"]), 1);
    assert!(text.contains("run/last.pt: was trained on another split"), "{text}");
    assert!(text.contains("start a new run"), "{text}");
    again("0");
    succeed(ser_fit(folder.path()).args(["--resume", "run", "--quiet"]));
}

#[test]
fn a_run_is_not_resumed_with_fewer_epochs_than_it_has_had_and_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    train(&recipe(&prepared().cache, 3), &run).unwrap();
    let kept = std::fs::read(run.join("config.toml")).unwrap();
    let text = fail(ser_fit(folder.path()).args(["--resume", "run", "--epochs", "2"]), 1);
    let said = "run: was trained for 3 epochs already, and the recipe has 2; continue it with --epochs 3";
    assert!(text.contains(said), "{text}");
    assert_eq!(std::fs::read(run.join("config.toml")).unwrap(), kept);
}

#[test]
fn a_run_whose_best_checkpoint_is_of_an_epoch_that_it_has_not_finished_is_not_called_finished() {
    let folder = tempfile::tempdir().unwrap();
    let [run, longer] = ["run", "longer"].map(|name| folder.path().join(name));
    let config = FitConfig { select: Selection::Last, ..recipe(&prepared().cache, 2) };
    train(&config, &run).unwrap();
    train(&FitConfig { epochs: 3, ..config }, &longer).unwrap();
    // As if it had been killed after its third epoch's best checkpoint and before its newest.
    std::fs::copy(longer.join("best.pt"), run.join("best.pt")).unwrap();
    let text = fail(ser_fit(folder.path()).args(["--resume", "run"]), 1);
    assert!(text.contains("of an epoch that it has not finished; continue it with --epochs 3"), "{text}");
    succeed(ser_fit(folder.path()).args(["--resume", "run", "--epochs", "3", "--quiet"]));
    assert_eq!(epoch_of(&run, "best.pt"), 3);
}

#[test]
fn a_run_goes_on_with_its_features_after_others_were_prepared() {
    let folder = tempfile::tempdir().unwrap();
    let Prepared { corpus, cache, recipe } = prepared();
    copy_folder(cache, &folder.path().join("cache"));
    let fit = |arguments: &[&str]| {
        let mut command = ser_fit(folder.path());
        command.args(arguments).args(["--quiet", "--threads", "1"]);
        command
    };
    let recipe = recipe.to_str().unwrap();
    let whole = ["--config", recipe, "--epochs", "1"];
    succeed(fit(&["--run", "run"]).args(whole));
    succeed(fit(&["--runs", "runs", "--protocols", "random"]).args(whole));
    let mut prep = ser_prep(folder.path());
    let other = ["--n-mfcc", "7", "--hop-length", "512", "--max-frames", "96"];
    succeed(prep.args(["--quiet", "--data"]).arg(corpus).args(other));
    succeed(&mut fit(&["--resume", "run", "--epochs", "2"]));
    succeed(fit(&["--runs", "runs", "--protocols", "random", "--seeds", "2"]).args(whole));
    let sets: Vec<Option<String>> = ["run", "runs/random/seed-0", "runs/random/seed-1"]
        .map(|run| FitConfig::read(&folder.path().join(run).join("config.toml")).unwrap().feature_set)
        .into();
    assert!(sets[0].is_some() && sets.iter().all(|set| *set == sets[0]), "{sets:?}");
}

#[test]
fn a_damaged_last_checkpoint_is_skipped_for_the_one_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = recipe(&prepared().cache, 3);
    let whole = Ended::of(train(&config, &run).unwrap(), &run);
    let last = std::fs::read(run.join("last.pt")).unwrap();
    assert_eq!((epoch_of(&run, "last.pt"), epoch_of(&run, "previous.pt")), (3, 2));

    let mut flipped = last.clone();
    flipped[last.len() / 2] ^= 4;
    for damaged in [flipped, last[..last.len() / 3].to_vec(), Vec::new()] {
        std::fs::write(run.join("last.pt"), &damaged).unwrap();
        let output = ser_fit(folder.path()).args(["--resume", "run"]).output().unwrap();
        let said = stderr(&output);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("run/last.pt") && said.contains("continuing from run/previous.pt"), "{said}");
        assert_eq!(Ended::at(&run), whole);
    }

    // Both: nothing is left to continue from, and nothing is touched.
    for name in ["last.pt", "previous.pt"] {
        std::fs::write(run.join(name), &last[..last.len() / 3]).unwrap();
    }
    let text = fail(ser_fit(folder.path()).args(["--resume", "run"]), 1);
    assert!(text.contains("run/last.pt") && text.contains("start a new run"), "{text}");
    assert!(Checkpoint::read(run.join("best.pt")).unwrap().model_state == whole.best);
}

#[test]
fn a_folder_that_is_not_a_run_is_not_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let text = fail(ser_fit(folder.path()).args(["--resume", "nowhere"]), 1);
    assert!(text.contains("nowhere: holds no run; give the folder of a run"), "{text}");

    let config = recipe(&prepared().cache, 2);
    let run = folder.path().join("run");
    train_and_stop(&config, &run, Stop::AfterStep(5)).unwrap_err();
    let last = std::fs::read(run.join("last.pt")).unwrap();
    std::fs::remove_file(run.join("previous.pt")).unwrap();
    let refuses = |said: &str| {
        let text = fail(ser_fit(folder.path()).args(["--resume", "run"]), 1);
        assert!(text.contains("run/last.pt") && text.contains(said), "{text}");
    };
    // `best.pt` in its place has no optimiser.
    std::fs::copy(run.join("best.pt"), run.join("last.pt")).unwrap();
    refuses("lacks an optimizer");
    let mut damaged = last.clone();
    damaged[last.len() / 2] ^= 4;
    std::fs::write(run.join("last.pt"), damaged).unwrap();
    refuses("");
    std::fs::write(run.join("last.pt"), &last[..last.len() / 3]).unwrap();
    refuses("");

    // Well formed, and impossible.
    let with = |change: &dyn Fn(&mut Checkpoint)| {
        let mut checkpoint = Checkpoint::from_bytes(&last).unwrap();
        change(&mut checkpoint);
        checkpoint.write(&Storage::native(), run.join("last.pt")).unwrap();
    };
    with(&|checkpoint| set_step(checkpoint, i64::MAX));
    refuses("do not add up");
    with(&|checkpoint| set_step(checkpoint, -1));
    refuses("do not add up");
    with(&|checkpoint| change_standing(checkpoint, |standing| standing["epoch"] = 7.into()));
    refuses("do not add up");
    with(&|checkpoint| change_standing(checkpoint, |standing| standing["history"] = "none".into()));
    refuses("cannot be understood");
    with(&|checkpoint| {
        set_tensor(checkpoint, "cnn.1.num_batches_tracked", Tensor::from_i64(&[], &[i64::MAX]))
    });
    succeed(ser_fit(folder.path()).args(["--resume", "run", "--quiet"]));
}

#[test]
fn a_run_that_has_diverged_ends_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let config = recipe(&prepared().cache, 3);
    let diverge = |name: &str, tensor: &str, value: f32, length: usize| {
        let run = folder.path().join(name);
        train_and_stop(&config, &run, Stop::KilledAfterEpoch(1)).unwrap_err();
        let mut checkpoint = Checkpoint::read(run.join("last.pt")).unwrap();
        set_tensor(&mut checkpoint, tensor, Tensor::from_f32(&[length], &vec![value; length]));
        checkpoint.write(&Storage::native(), run.join("last.pt")).unwrap();
        let best = std::fs::read(run.join("best.pt")).unwrap();
        let error = resume(&config, &run).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unusable);
        assert_eq!(std::fs::read(run.join("best.pt")).unwrap(), best);
        error.to_string()
    };
    let text = diverge("weights", "head.3.bias", f32::INFINITY, 7);
    assert!(
        text.contains("the loss became NaN in epoch 2; start a new run with a lower lr, which was 0.01"),
        "{text}"
    );
    // Training goes by the statistics of each batch and does not notice these.
    let text = diverge("statistics", "cnn.5.running_var", f32::NAN, 6);
    assert!(text.contains("answers became NaN in epoch 2; start a new run with a lower lr"), "{text}");
}

// The command.

#[test]
fn a_wrong_value_is_refused_by_the_name_of_its_option() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = self::prepared();
    std::fs::write(folder.path().join("unknown.toml"), "epochs = 3\nlearning_rate = 0.1\n").unwrap();
    std::fs::write(folder.path().join("both.toml"), "epochs = 3\nsteps = 9\n").unwrap();
    std::fs::write(folder.path().join("text.toml"), "epochs = \"three\"\n").unwrap();
    let mut usage: Vec<(&[&str], &str)> = vec![
        (&["--lr", "0"], "--lr 0 is not valid; give a positive number up to 10"),
        (&["--lr", "NaN"], "--lr NaN is not valid"),
        (&["--lr=-0.1"], "--lr -0.1 is not valid"),
        (&["--lr", "fast"], "invalid value 'fast' for '--lr"),
        (&["--epochs", "0"], "--epochs 0 is not valid; give a number from 1"),
        (&["--epochs", "3", "--steps", "9"], "cannot be used with"),
        (&["--steps", "0"], "0 is not in 1.."),
        (&["--warmup-steps", "5", "--warmup-epochs", "1"], "cannot be used with"),
        (&["--steps", "4", "--averaging", "ema"], "--average-from"),
        (&["--config", "both.toml"], "--epochs 3 and --steps 9 both say how long to train; give one of them"),
        (&["--epochs=-1"], "invalid value '-1' for '--epochs"),
        (&["--batch-size", "0"], "--batch-size 0 is not valid"),
        (&["--seed", "18446744073709551615"], "--seed 18446744073709551615 is not valid"),
        (&["--threads", "100000"], "--threads 100000 is not valid"),
        (&["--split", "sentence"], "sentence"),
        (&["--device", "gpu"], "unknown device \"gpu\"; use --device auto, cpu, cuda or cuda:<N>"),
        (&["--select", "loss"], "possible values: accuracy, uar"),
        (&["--precision", "f16"], "possible values: auto, f32, bf16"),
        (&["--verify", "maybe"], "possible values: on, off"),
        (&["--resume", "x", "--lr", "0.1"], "cannot be used with"),
        (&["--resume", "x", "--run", "y"], "cannot be used with"),
        (&["--json", "--quiet"], "cannot be used with"),
        (&["--runs", "elsewhere"], "--protocols"),
        (&["--split", "random", "--runs", "elsewhere"], "cannot be used with"),
        (&["--split", "random", "--seeds", "3"], "cannot be used with"),
        (&["--run", "x", "--runs", "elsewhere"], "cannot be used with"),
        (&["--resume", "x", "--seeds", "3"], "cannot be used with"),
        (&["--config", "unknown.toml"], "unknown field `learning_rate`"),
        (&["--config", "text.toml"], "expected u32"),
        (&["--epoch", "3"], "--epochs"),
    ];
    for (arguments, said) in usage.drain(..) {
        let text = fail(ser_fit(folder.path()).arg("--cache").arg(&prepared.cache).args(arguments), 2);
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
    let missing: [(&[&str], &str); 4] = [
        (
            &["--split", "speaker-XYZ"],
            "no split \"speaker-XYZ\"; choose one of random, speaker-OAF, speaker-YAF, word",
        ),
        (&["--feature-set", "zz"], "no feature set \"zz\"; choose one of "),
        (&["--config", "none.toml"], "none.toml: cannot be read"),
        (
            &["--cache", "nowhere"],
            "nowhere: holds no cache; make one with: ser-prep --data <recordings> --out nowhere",
        ),
    ];
    for (arguments, said) in missing {
        let mut command = ser_fit(folder.path());
        if arguments[0] != "--cache" {
            command.arg("--cache").arg(&prepared.cache);
        }
        let text = fail(command.args(arguments), 1);
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
    assert_eq!(
        names_in(folder.path()),
        ["both.toml", "text.toml", "unknown.toml"],
        "a refused command left something behind"
    );
}

#[test]
fn cuda_asked_for_where_there_is_none_says_what_to_do() {
    if Path::new("/dev/nvidiactl").exists() {
        eprintln!("SKIPPED: this machine has an NVIDIA driver");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for device in ["cuda", "cuda:1"] {
        let mut command = ser_fit(folder.path());
        let text = fail(command.args(["--device", device, "--cache"]).arg(&prepared().cache), 1);
        assert!(text.contains("--device cpu"), "{text}");
        assert!(names_in(folder.path()).is_empty());
    }
}

#[test]
fn a_cache_that_is_read_trains_the_same_network_as_one_that_is_mapped() {
    let folder = tempfile::tempdir().unwrap();
    let mapped = recipe(&prepared().cache, 2);
    let read = FitConfig { mmap: false, ..mapped.clone() };
    let [mapped, read] = [("mapped", mapped), ("read", read)].map(|(name, config)| {
        let run = folder.path().join(name);
        Ended::of(train(&config, &run).unwrap(), &run)
    });
    assert_eq!(mapped, read);
}

#[test]
fn a_damaged_tensor_is_found_when_it_is_first_used() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    for part in ["train", "val"] {
        let _ = std::fs::remove_dir_all(&cache);
        copy_folder(&prepared().cache, &cache);
        let (shard, row) = damage(&cache, part);
        let start = |run: &str| {
            let mut command = ser_fit(folder.path());
            command.args(["--quiet", "--epochs", "1", "--run", run, "--config"]).arg(&prepared().recipe);
            command
        };
        let text = fail(&mut start(&format!("{part}-verified")), 1);
        let name = shard.file_name().unwrap().to_str().unwrap();
        assert!(
            text.contains(name) && text.contains(&format!("row {row} has changed since it was written")),
            "{text}"
        );
        assert!(text.contains("run ser-prep again"), "{text}");
        assert!(!folder.path().join(part).join("best.pt").exists());
        let unmapped = fail(start(&format!("{part}-read")).arg("--no-mmap"), 1);
        assert!(unmapped.contains(&format!("row {row} has changed since it was written")), "{unmapped}");
        succeed(start(&format!("{part}-not-verified")).args(["--verify", "off"]));
    }
    // And the advice works: the shard is made again.
    let (shard, _) = damage(&cache, "val");
    std::fs::remove_file(shard).unwrap();
    let mut prep = ser_prep(folder.path());
    succeed(prep.args(["--quiet", "--data"]).arg(&prepared().corpus).args(SMALL_FEATURES));
    succeed(ser_fit(folder.path()).args(["--quiet", "--run", "mended", "--epochs", "1"]));
}

#[test]
fn the_table_the_object_and_silence() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = self::prepared();
    let command = |arguments: &[&str]| {
        let mut command = ser_fit(folder.path());
        command.arg("--cache").arg(&prepared.cache).arg("--config").arg(&prepared.recipe);
        let output = command.args(["--epochs", "2"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stderr(&output).is_empty(), "{}", stderr(&output));
        stdout(&output)
    };
    let table = command(&["--run", "table"]);
    let history = metrics_of(&folder.path().join("table"));
    assert!(table.contains("split random: 58 utterances to train, 13 to validate, 7 classes"), "{table}");
    assert!(table.contains("3 channels, 16 coefficients, 96 frames"), "{table}");
    assert!(table.contains("cpu, 1 threads, f32; run in table"), "{table}");
    assert!(table.contains("ser-report --checkpoint table/best.pt"), "{table}");
    let epochs: Vec<&str> =
        table.lines().skip_while(|line| !line.contains("train loss")).skip(1).take(2).collect();
    for (line, record) in epochs.iter().zip(&history) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(columns[0], record.epoch.to_string());
        let numbers =
            [record.train_loss, record.train_accuracy, record.val_loss, record.val_accuracy, record.val_uar];
        assert_eq!(columns[1..6], numbers.map(|number| format!("{number:.4}")));
        assert_eq!(columns.last() == Some(&"best"), record.best, "{line}");
    }

    let object: serde_json::Value = serde_json::from_str(&command(&["--json", "--run", "json"])).unwrap();
    assert_eq!(object["history"].as_array().unwrap().len(), 2);
    assert_eq!(object["history"][1]["val_loss"], history[1].val_loss);
    assert_eq!(object["checkpoint"], "json/best.pt");
    assert_eq!(object["stopped_early"], false);
    assert!(object["best_epoch"].is_u64());
    let warning = "the best epoch is the last one: validation was still improving; train longer (--epochs N or --steps N)";
    assert_eq!(object["warning"] == warning, object["best_epoch"] == 2, "{object:#}");
    assert_eq!(table.contains(&format!("\nwarning: {warning}\n")), object["best_epoch"] == 2, "{table}");
    assert_eq!(command(&["--quiet", "--run", "quiet"]), "");

    // Without --run: a folder under runs/, and best.pt here.
    assert!(!folder.path().join("best.pt").exists());
    let table = command(&[]);
    assert!(table.contains("ser-report --checkpoint best.pt"), "{table}");
    let runs = names_in(&folder.path().join("runs"));
    assert_eq!(runs.len(), 1);
    let kept = std::fs::read(folder.path().join("runs").join(&runs[0]).join("best.pt")).unwrap();
    assert_eq!(std::fs::read(folder.path().join("best.pt")).unwrap(), kept);
}

#[test]
fn flags_override_the_recipe_file() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = self::prepared();
    let mut command = ser_fit(folder.path());
    command.arg("--cache").arg(&prepared.cache).arg("--config").arg(&prepared.recipe);
    succeed(command.args([
        "--quiet",
        "--run",
        "run",
        "--epochs",
        "1",
        "--lr",
        "0.002",
        "--split",
        "speaker-YAF",
    ]));
    let (_, config) = RunFolder::open(&Storage::native(), &folder.path().join("run")).unwrap();
    // A run keeps the features that were the newest when it began.
    let feature_set = config.feature_set.clone();
    assert!(feature_set.is_some());
    let split = "speaker-YAF".to_owned();
    let expected = FitConfig { lr: 0.002, split, feature_set, ..recipe(&prepared.cache, 1) };
    assert_eq!(config, expected);
}

#[test]
fn the_doctor_says_which_libtorch_and_devices_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let page = succeed(ser_fit(folder.path()).arg("--doctor"));
    for name in
        ["libtorch", "threads", "oneDNN", "instructions", "NVIDIA driver", "CUDA library", "CUDA devices"]
    {
        let line =
            page.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}\n{page}"));
        assert!(line.len() > 15, "{line}");
    }
    assert!(names_in(folder.path()).is_empty());
}

#[test]
fn features_of_any_sensible_shape_are_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = self::prepared();
    let prep = |arguments: &[&str]| {
        let mut command = ser_prep(folder.path());
        succeed(command.args(["--quiet", "--data"]).arg(&prepared.corpus).args(arguments));
    };
    let train = |run: &str| {
        let mut command = ser_fit(folder.path());
        command.args(["--epochs", "1", "--run", run, "--config"]).arg(&prepared.recipe);
        command
    };
    prep(&["--n-mfcc", "13", "--max-frames", "60", "--delta-order", "0"]);
    let table = succeed(&mut train("small"));
    assert!(table.contains("1 channels, 13 coefficients, 60 frames"), "{table}");
    assert!(table.contains("  seconds  utterances/s\n"), "{table}");
    let best = Checkpoint::read(folder.path().join("small/best.pt")).unwrap();
    assert_eq!(best.tensor("lstm.weight_ih_l0").unwrap().shape(), [48, 6 * 3]);

    prep(&["--preset", "log-mel", "--n-mels", "40", "--max-frames", "60"]);
    let table = succeed(&mut train("bands"));
    assert!(table.contains(" channels, 40 bands, 60 frames"), "{table}");

    prep(&["--n-mfcc", "3"]);
    let text = fail(&mut train("tiny"), 1);
    assert!(
        text.contains("[3, 3, 200] are too small for cnn-bilstm; compute features with at least 4"),
        "{text}"
    );
    assert!(!folder.path().join("tiny").exists());
}

// Helpers.

fn prepared() -> &'static Prepared {
    crate::common_fit::prepared(&SMALL_FEATURES)
}

/// Checks the marks of a history against the rule, and returns how often the loss had to decide.
fn follow_rule(summary: &FitSummary, score: impl Fn(&EpochRecord) -> f64) -> usize {
    let (mut best, mut ties): (Option<&EpochRecord>, usize) = (None, 0);
    for record in &summary.history {
        let better = best.is_none_or(|best| {
            score(record) > score(best) || score(record) == score(best) && record.val_loss < best.val_loss
        });
        ties += usize::from(best.is_some_and(|best| score(record) == score(best) && better));
        assert_eq!(record.best, better, "{record:?} after {best:?}");
        if better {
            best = Some(record);
        }
    }
    assert_eq!(summary.best_epoch, best.unwrap().epoch);
    ties
}

fn epoch_of(run: &Path, name: &str) -> u32 {
    Origin::of(&Checkpoint::read(run.join(name)).unwrap()).unwrap().epoch
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn set_tensor(checkpoint: &mut Checkpoint, name: &str, tensor: Result<Tensor>) {
    checkpoint.model_state.iter_mut().find(|(known, _)| known == name).unwrap().1 = tensor.unwrap();
}

fn set_step(checkpoint: &mut Checkpoint, step: i64) {
    let Value::Dict(entries) = extra(checkpoint, "optimizer") else { panic!("the optimizer is not a dict") };
    entries.iter_mut().find(|(key, _)| *key == "step".into()).unwrap().1 = Value::Int(step);
}

fn change_standing(checkpoint: &mut Checkpoint, change: impl Fn(&mut serde_json::Value)) {
    let standing = extra(checkpoint, "standing");
    let mut value: serde_json::Value = serde_json::from_str(standing.as_text().unwrap()).unwrap();
    change(&mut value);
    *standing = Value::Text(value.to_string());
}

fn extra<'a>(checkpoint: &'a mut Checkpoint, name: &str) -> &'a mut Value {
    &mut checkpoint.extra.iter_mut().find(|(known, _)| known == name).unwrap().1
}
