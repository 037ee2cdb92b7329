//! What a recipe may add to the plain one, so that a network understands speakers it has never heard: augmentation while
//! it learns, averages of its weights, schedules, ensembles.

use std::path::Path;

use ser_core::storage::Storage;
use ser_features::augmentation::AugmentationRecipe;
use ser_model::calibration::Calibrator;
use ser_model::checkpoint::{Checkpoint, Tensor, Value};
use ser_model::{Averaging, FeatureNormalisation, FitConfig, LearntFrom, Optimizer, Schedule, Selection};
use ser_train::state::Origin;

use crate::common_fit::training::{Ended, Stop, go, metrics_of, resume, train, train_and_stop};
use crate::common_fit::{Prepared, copy_folder, fail, recipe, ser_fit, ser_prep, ser_report, succeed};

/// A cache of features for unseen speakers, of a corpus where it can be found again.
fn prepared() -> &'static Prepared {
    crate::common_fit::prepared(&["--preset", "log-mel", "--hop-length", "512", "--max-frames", "96"])
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
        augment: AugmentationRecipe::from_toml(AUGMENTATION).unwrap(),
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
    assert_ne!(loss("plain", &FitConfig { augment: AugmentationRecipe::default(), ..config }), first);
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
        let values = |tensor: &ser_model::checkpoint::Tensor| tensor.to_f32().unwrap();
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
    let said = "was begun with another length, over which its learning rate changes (schedule = cosine)";
    assert!(error.to_string().contains(said), "{error}");
}

#[test]
fn an_ensemble_answers_with_the_mean_of_its_members_and_is_one_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let config = FitConfig { members: 3, seed: 2, ..recipe(&prepared().cache, 2) };
    let run = folder.path().join("run");
    let summary = train(&config, &run).unwrap();
    assert_eq!(summary.checkpoint, run.join("best.pt"));
    let printed = serde_json::to_value(&summary).unwrap();
    assert_eq!(keys_of(&printed), ["checkpoint", "members"]);
    let members = printed["members"].as_array().unwrap();
    assert_eq!(members.len(), 3);
    for (member, number) in members.iter().zip(1..) {
        assert_eq!(keys_of(member), ["best_epoch", "checkpoint", "history", "stopped_early", "warning"]);
        let own = run.join(format!("member-{number}"));
        assert_eq!(member["history"], serde_json::to_value(metrics_of(&own)).unwrap());
        assert_eq!(member["checkpoint"], own.join("best.pt").to_str().unwrap());
    }
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
        rows.map(|row| row.iter().skip(3).take(7).map(|p| p.parse::<f64>().unwrap()).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    let temperature = |checkpoint: &Path| {
        Calibrator::of(&Checkpoint::read(checkpoint).unwrap()).unwrap().unwrap().temperature.value()
    };
    let together = answers(&summary.checkpoint);
    // What each said before its temperature: probabilities to its power, which need not sum to 1 for what follows.
    let member = |number: u32| {
        let checkpoint = run.join(format!("member-{number}/best.pt"));
        (answers(&checkpoint), temperature(&checkpoint))
    };
    let members: Vec<_> = (1..=3).map(member).collect();
    let of_all = temperature(&summary.checkpoint);
    for (utterance, together) in together.iter().enumerate() {
        let product = |class: usize| -> f64 {
            let logs = members.iter().map(|(answers, own)| own * answers[utterance][class].ln());
            (logs.sum::<f64>() / 3.0 / of_all).exp()
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
    assert_eq!(Calibrator::of(&joined).unwrap(), Calibrator::of(&whole).unwrap());
    assert_eq!(LearntFrom::of(&joined).unwrap(), LearntFrom::of(&whole).unwrap());
    let mut report = ser_report(folder.path());
    let report = succeed(report.args(["--checkpoint", "joined/best.pt", "--card", "card.md"]));
    assert!(report.contains("ensemble of 3 networks"), "{report}");
    let card = std::fs::read_to_string(folder.path().join("card.md")).unwrap();
    assert!(
        card.contains("This is one ensemble of 3 networks") && card.contains("ser-fit --config"),
        "{card}"
    );
    let stopped = folder.path().join("stopped");
    train_and_stop(&config, &stopped, Stop::AfterStep(13)).unwrap_err();
    resume(&config, &stopped).unwrap();
    assert_eq!(Checkpoint::read(stopped.join("best.pt")).unwrap().model_state, whole.model_state);
}

fn keys_of(object: &serde_json::Value) -> Vec<&String> {
    object.as_object().unwrap().keys().collect()
}

/// Given more epochs only once.
#[test]
fn an_ensemble_resumed_for_longer_stays_so_when_it_is_interrupted_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let ensemble = |epochs: u32| FitConfig { members: 2, ..recipe(&prepared().cache, epochs) };
    let name = |name: &str| folder.path().join(name);
    let (run, whole) = (name("run"), name("whole"));
    train(&ensemble(3), &whole).unwrap();
    train(&ensemble(1), &run).unwrap();
    // Of an epoch's 4 steps each, so in the second member.
    go(&ensemble(3), &run, true, Stop::AfterStep(10)).unwrap_err();
    let said = FitConfig::read(&run.join("config.toml")).unwrap();
    assert_eq!(said, ensemble(3));
    resume(&said, &run).unwrap();
    for member in ["member-1", "member-2"] {
        assert_eq!(metrics_of(&run.join(member)).len(), 3);
        assert_eq!(Ended::at(&run.join(member)), Ended::at(&whole.join(member)));
    }
    let state = |run: &Path| Checkpoint::read(run.join("best.pt")).unwrap().model_state;
    assert!(state(&run) == state(&whole), "the weights differ");

    let error = resume(&ensemble(2), &run).unwrap_err().to_string();
    assert!(error.contains("member-1") && error.contains("trained for 3 epochs"), "{error}");
    assert!(error.contains("epochs = 3"), "{error}");
    let error = resume(&FitConfig { lr: 0.5, ..ensemble(3) }, &run).unwrap_err().to_string();
    assert!(error.contains("started with another recipe"), "{error}");
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
    let both = train("both", &FitConfig { members: 2, ..config.clone() });
    let config = FitConfig { feature_normalisation: FeatureNormalisation::Training, ..config };
    let normalised = train("normalised", &config);
    let other_seed = train("other-seed", &FitConfig { seed: 1, ..config.clone() });
    let by_utterance = train(
        "by-utterance",
        &FitConfig { feature_normalisation: FeatureNormalisation::Utterance, ..config },
    );
    // With a training side other than the digest of its split says.
    let other_statistics = folder.path().join("other-statistics.pt");
    let mut changed = Checkpoint::read(&other_seed).unwrap();
    let shape =
        changed.extra("feature_statistics").unwrap().get("mean").unwrap().as_tensor().unwrap().shape();
    let same = Tensor::from_f32(shape, &vec![1.0; shape.iter().product()]).unwrap();
    let statistics =
        Value::dict([("mean", Value::Tensor(same.clone())), ("standard_deviation", Value::Tensor(same))]);
    changed.extra = vec![("feature_statistics".to_owned(), statistics)];
    changed.write(&Storage::native(), &other_statistics).unwrap();

    let join = |first: &Path, second: &Path, code: i32| {
        let mut fit = ser_fit(folder.path());
        fail(fit.arg("--join").args([first, second]).args(["--run", "joined"]), code)
    };
    for (first, second, what) in [
        (&one, &elsewhere, "elsewhere/best.pt: differs in its split"),
        (&one, &normalised, "normalised/best.pt: differs in its feature normalisation"),
        (&normalised, &by_utterance, "by-utterance/best.pt: differs in its feature normalisation"),
        (&normalised, &other_statistics, "other-statistics.pt: differs in its feature statistics"),
        (&one, &both, "an ensemble itself"),
    ] {
        let said = join(first, second, 1);
        assert!(said.contains(what), "{said}");
    }
    assert!(join(&one, &folder.path().join("none.pt"), 1).contains("none.pt"));
    assert!(!folder.path().join("joined").exists());

    // And what can is: with the statistics that its features are to be normalised with.
    let mut fit = ser_fit(folder.path());
    succeed(fit.arg("--join").args([&normalised, &other_seed]).args(["--run", "joined", "--quiet"]));
    let joined = Checkpoint::read(folder.path().join("joined/best.pt")).unwrap();
    let normalised = Checkpoint::read(&normalised).unwrap();
    for same in ["feature_statistics", "learnt_from", "out_of_domain"] {
        assert!(joined.extra(same).is_some() && joined.extra(same) == normalised.extra(same), "{same}");
    }
    // Its calibration is its own.
    assert!(joined.extra("calibration").is_some());
    assert_ne!(joined.extra("calibration"), normalised.extra("calibration"));
}

#[test]
fn networks_trained_before_and_after_their_cache_moved_are_joined() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    copy_folder(&prepared().cache, &cache);
    let fitted = |name: &str, cache: &Path, seed: u64| {
        let run = folder.path().join(name);
        train(&FitConfig { seed, ..recipe(cache, 1) }, &run).unwrap();
        run.join("best.pt")
    };
    let before = fitted("before", &cache, 0);
    let moved = folder.path().join("moved");
    std::fs::rename(&cache, &moved).unwrap();
    let after = fitted("after", &moved, 1);
    let mut fit = ser_fit(folder.path());
    succeed(fit.arg("--join").args([&before, &after]).args(["--run", "joined", "--quiet"]));
    let joined = folder.path().join("joined/best.pt");
    let origin = Origin::of(&Checkpoint::read(&joined).unwrap()).unwrap();
    assert_eq!(Path::new(&origin.split.cache), moved);
    succeed(ser_report(folder.path()).arg("--quiet").arg("--checkpoint").arg(&joined));
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

    let train = crate::common_fit::manifest(&folder.path().join("cache"), "random", "train");
    let changed = train[0]["path"].as_str().unwrap();
    let path = folder.path().join("elsewhere").join(changed);
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let complaint = fail(&mut fit(&["--data", "elsewhere"]), 1);
    assert!(complaint.contains(changed) && complaint.contains("not the recording"), "{complaint}");
}

/// Accepted by the limits of `ser-prep`, which training does not know.
#[test]
fn recordings_of_any_length_that_the_cache_holds_are_augmented() {
    let folder = tempfile::tempdir().unwrap();
    for (number, class) in ["high", "low"].iter().cycle().take(24).enumerate() {
        let class = folder.path().join("corpus").join(class);
        std::fs::create_dir_all(&class).unwrap();
        let turn = 0.02 * (number + 1) as f32;
        let samples: Vec<i16> = (0..480).map(|n| ((n as f32 * turn).sin() * 9_000.0) as i16).collect();
        std::fs::write(class.join(format!("{number}.wav")), wav(&samples)).unwrap();
    }
    let mut prep = ser_prep(folder.path());
    prep.args(["--data", "corpus", "--out", "cache", "--min-duration", "0.01", "--quiet"]);
    succeed(prep.args(["--preset", "log-mel"]));
    let gain = "[[waveform]]\nkind = 'gain'\ndb = [-3, 3]\n";
    std::fs::write(folder.path().join("augment.toml"), gain).unwrap();
    let mut fit = ser_fit(folder.path());
    fit.arg("--config").arg(&prepared().recipe);
    succeed(fit.args(["--augment", "augment.toml", "--epochs", "1", "--quiet"]));
}

/// 16 kHz, mono.
fn wav(samples: &[i16]) -> Vec<u8> {
    let size = 2 * samples.len() as u32;
    let mut bytes =
        [b"RIFF".as_slice(), &(36 + size).to_le_bytes(), b"WAVEfmt ", &16_u32.to_le_bytes()].concat();
    bytes.extend([1_u16, 1].iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend([16_000_u32, 32_000].iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend([2_u16, 16].iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend([b"data".as_slice(), &size.to_le_bytes()].concat());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
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
    let unheard = FitConfig::read(&recipes.join("unheard.toml")).unwrap();
    assert_eq!(unheard, ser_model::ShippedRecipe::Unheard.recipe().unwrap());
    AugmentationRecipe::read(&recipes.join("augmentation.toml")).unwrap();
}
