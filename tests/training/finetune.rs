//! Fine-tuning of pretrained encoders through the commands: trained, resumed, reported, asked, moved and refused. The encoders
//! are the tiny ones with random weights in `tests/fixtures/encoders`; that gradients are those of `transformers` is tested in
//! `crates/ser-train`.

use std::path::Path;
use std::process::Command;

use ser_audio::Limits;
use ser_features::FeatureConfig;
use ser_model::FitConfig;
use ser_model::checkpoint::Checkpoint;
use ser_prepare::RecordingReader;
use serde_json::Value;

use crate::common::speech;
use crate::common_encoder::{assert_answers_are_reported, fixture, json, test_side};
use crate::common_fit::training::{Ended, Stop, resume, train, train_and_stop};
use crate::common_fit::{copy_folder, fail, ser_fit, ser_predict, ser_prep, ser_report, succeed};

/// A corpus, its waveforms in `cache`, cut to half a second, and the encoder `name` in `encoder`, all in `folder`.
fn prepared(folder: &Path, name: &str) {
    speech(&folder.join("corpus"), 4);
    copy_folder(&fixture(name), &folder.join("encoder"));
    let mut prep = ser_prep(folder);
    prep.args(["--data", "corpus", "--out", "cache", "--preset", "waveform", "--max-frames", "8000"]);
    succeed(prep.arg("--quiet"));
}

fn fit(folder: &Path, options: &[&str]) -> Command {
    let mut fit = ser_fit(folder);
    fit.args(["--cache", "cache", "--device", "cpu", "--threads", "1"]);
    fit.args(["--arch", "finetune", "--encoder", "encoder"]).args(options);
    fit
}

/// The same, trained for a moment into `run`.
fn trained(folder: &Path, name: &str, options: &[&str]) {
    prepared(folder, name);
    let mut fit =
        fit(folder, &["--run", "run", "--quiet", "--epochs", "2", "--lr", "0.01", "--batch-size", "8"]);
    succeed(fit.args(options));
}

#[test]
fn lora_learns_and_its_checkpoint_holds_only_what_was_trained() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    prepared(folder, "hubert-large");
    let run = |name: &str, options: &[&str]| {
        let mut fit = fit(folder, &["--run", name, "--epochs", "18", "--lr", "0.005", "--batch-size", "4"]);
        fit.args(["--dropout", "0"]);
        let summary = json(fit.args(options));
        let history = summary["history"].as_array().unwrap().clone();
        let of = |epoch: usize, name: &str| history[epoch][name].as_f64().unwrap();
        let last = history.len() - 1;
        let (first, end) = (of(0, "train_loss"), of(last, "train_loss"));
        eprintln!("{name}: loss {first:.3} to {end:.3}, accuracy {:.2}", of(last, "train_accuracy"));
        let checkpoint = Checkpoint::read(folder.join(name).join("best.pt")).unwrap();
        let names: Vec<String> = checkpoint.model_state.into_iter().map(|(name, _)| name).collect();
        (first, end, of(last, "train_accuracy"), names)
    };
    let lora = ["--tune", "lora", "--lora-rank", "4", "--lora-targets", "query,value,inner"];
    let (first, end, accuracy, names) = run("lora", &lora);
    assert!(end < 0.8 * first, "{first} {end}");
    // Chance is one in seven.
    assert!(accuracy > 0.45, "{accuracy}");
    // Two layers of three targets, two matrices each, and the head.
    assert_eq!(names.len(), 2 * 3 * 2 + 4, "{names:?}");
    assert!(names.contains(&"encoder.encoder.layers.1.attention.q_proj.lora_a".to_owned()), "{names:?}");
    let (_, head_end, _, names) = run("head", &["--tune", "head"]);
    assert_eq!(names, ["head.0.bias", "head.0.weight", "head.3.bias", "head.3.weight"]);
    assert!(end < head_end, "matrices of low rank make no difference: {end} {head_end}");
    let size = |path: &str| std::fs::metadata(folder.join(path)).unwrap().len() as i64;
    // Of layers of 16 units: 4 · (16 + 16) numbers twice and 4 · (16 + 24) once, in f32, and their names.
    let (numbers, added) = (2 * (2 * 128 + 160) * 4, size("lora/best.pt") - size("head/best.pt"));
    assert!((numbers..numbers + 20_000).contains(&added), "{added} bytes for {numbers}");
    // The folder is as it was.
    let weights = |folder: &Path| std::fs::read(folder.join("model.safetensors")).unwrap();
    assert_eq!(weights(&folder.join("encoder")), weights(&fixture("hubert-large")));
    let recipe = std::fs::read_to_string(folder.join("lora/config.toml")).unwrap();
    for part in ["encoder = \"encoder\"", "arch = \"finetune\"", "lora_rank = 4", "[network.encoder]"] {
        assert!(recipe.contains(part), "{part}: {recipe}");
    }
}

#[test]
fn a_run_resumes_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let frugal = ["--gradient-accumulation", "3", "--gradient-checkpointing", "--layer-lr-decay", "0.8"];
    let top = [&["--tune", "top", "--top-layers", "1"][..], &frugal].concat();
    for (name, options) in [("wav2vec2-base", &["--tune", "lora"][..]), ("whisper", &top)] {
        let folder = folder.join(name);
        std::fs::create_dir(&folder).unwrap();
        let folder = folder.as_path();
        trained(folder, name, &[options, &["--averaging", "ema", "--average-from", "1"]].concat());
        let config = FitConfig::read(&folder.join("run/config.toml")).unwrap();
        let config = FitConfig {
            cache: folder.join("cache"),
            encoder: Some(folder.join("encoder")),
            publish: None,
            ..config
        };
        let whole = folder.join("whole");
        let whole = Ended::of(train(&config, &whole).unwrap(), &whole);
        assert_eq!(whole.best, Ended::at(&folder.join("run")).best, "another run of the same recipe");
        for step in [2, 7] {
            let run = folder.join(step.to_string());
            train_and_stop(&config, &run, Stop::AfterStep(step)).unwrap_err();
            assert_eq!(Ended::of(resume(&config, &run).unwrap(), &run), whole, "{name} after step {step}");
        }
        // As the command does it, from the folder alone, with the encoder somewhere else.
        std::fs::rename(folder.join("encoder"), folder.join("moved")).unwrap();
        let longer = |options: &[&str]| {
            let mut fit = ser_fit(folder);
            fit.args(["--resume", "run", "--epochs", "3", "--quiet"]).args(options);
            fit
        };
        let complaint = fail(&mut longer(&[]), 1);
        assert!(complaint.contains("encoder: is not a folder"), "{complaint}");
        succeed(&mut longer(&["--encoder", "moved"]));
        assert_eq!(Ended::at(&folder.join("run")).history.len(), 3);
    }
}

#[test]
fn answers_for_recordings_are_those_of_the_report_to_the_last_digit() {
    for (name, options) in [
        ("wavlm-base", &["--tune", "lora", "--lora-targets", "query,key,value,output,inner,outer"][..]),
        ("wav2vec2-large", &["--tune", "top", "--top-layers", "1"]),
        ("whisper", &["--tune", "all", "--members", "2", "--embed-encoder"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        trained(folder, name, options);
        assert_answers_are_reported(folder);
    }
}

#[test]
fn an_encoder_that_has_moved_is_named_and_another_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    trained(folder, "wavlm-base", &[]);
    let clip = test_side(folder).swap_remove(0);
    let predict = |options: &[&str]| {
        let mut command = ser_predict(folder);
        command.args(["--checkpoint", "run/best.pt", "--device", "cpu", "--json", &clip]).args(options);
        command
    };
    let report = |options: &[&str]| {
        let mut command = ser_report(folder);
        command.args(["--checkpoint", "run/best.pt", "--device", "cpu", "--json"]).args(options);
        command
    };
    let said = succeed(&mut predict(&[]));
    let reported = |said: String| serde_json::from_str::<Value>(&said).unwrap()["cross_entropy"].clone();
    let measured = reported(succeed(&mut report(&[])));
    std::fs::rename(folder.join("encoder"), folder.join("moved")).unwrap();
    for complaint in [fail(&mut predict(&[]), 1), fail(&mut report(&[]), 1)] {
        for part in ["run/best.pt", "begins with a wavlm encoder with digest", "/encoder", "--encoder"] {
            assert!(complaint.contains(part), "{part}: {complaint}");
        }
    }
    assert_eq!(succeed(&mut predict(&["--encoder", "moved"])), said);
    assert_eq!(reported(succeed(&mut report(&["--encoder", "moved"]))), measured);
    let hubert = fixture("hubert-base");
    for complaint in [
        fail(&mut predict(&["--encoder", hubert.to_str().unwrap()]), 1),
        fail(&mut report(&["--encoder", hubert.to_str().unwrap()]), 1),
    ] {
        assert!(complaint.contains("hubert-base: holds a hubert encoder with digest"), "{complaint}");
        assert!(complaint.contains("not the wavlm encoder with digest"), "{complaint}");
    }
    let embedded = |name: &str| std::fs::metadata(folder.join(name).join("best.pt")).unwrap().len() as usize;
    let whole = std::fs::metadata(folder.join("moved/model.safetensors")).unwrap().len() as usize;
    let mut again = ser_fit(folder);
    again.args(["--config", "run/config.toml", "--encoder", "moved", "--embed-encoder", "--run", "embedded"]);
    succeed(again.arg("--quiet"));
    assert!(embedded("embedded") > embedded("run") + whole / 10 * 9, "{whole}");
    std::fs::rename(folder.join("moved"), folder.join("gone")).unwrap();
    let mut alone = ser_predict(folder);
    alone.args(["--checkpoint", "embedded/best.pt", "--device", "cpu", "--json", &clip]);
    let probabilities = |said: &str| -> Value {
        serde_json::from_str::<Value>(said.lines().next().unwrap()).unwrap()["probabilities"].clone()
    };
    assert_eq!(probabilities(&succeed(&mut alone)), probabilities(&said));
    let mut alone = ser_report(folder);
    alone.args(["--checkpoint", "embedded/best.pt", "--device", "cpu", "--json"]);
    assert_eq!(reported(succeed(&mut alone)), measured);
    let export = |run: &str, options: &[&str]| {
        let mut export = Command::new(env!("CARGO_BIN_EXE_ser-export"));
        export.current_dir(folder).args(["--checkpoint", &format!("{run}/best.pt"), "--quiet"]).args(options);
        export
    };
    let complaint = fail(&mut export("run", &["--onnx", "a.onnx"]), 1);
    assert!(
        complaint.contains("which the checkpoint does not carry") && complaint.contains("--embed-encoder"),
        "{complaint}"
    );
    succeed(&mut export("embedded", &["--onnx", "a.onnx", "--safetensors", "weights"]));
    let weights = std::fs::read(folder.join("weights/model.safetensors")).unwrap();
    let weights = safetensors::SafeTensors::deserialize(&weights).unwrap();
    for name in ["encoder.feature_projection.projection.weight", "head.3.bias"] {
        weights.tensor(name).unwrap();
    }
}

#[test]
fn another_corpus_and_a_long_recording_go_through_the_encoder() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    trained(folder, "hubert-large", &["--tune", "top", "--top-layers", "1"]);
    let options = ser_synth::SynthOptions { words: 3, sample_rate: 16_000, seed: 9, ..Default::default() };
    ser_synth::SynthCorpus::new(options).unwrap().write(&folder.join("other")).unwrap();
    let report = json(ser_report(folder).args([
        "--checkpoint",
        "run/best.pt",
        "--device",
        "cpu",
        "--data",
        "other",
        "--encoder",
        "encoder",
    ]));
    assert_eq!(report["n_utterances"].as_u64(), Some(42), "{report:#}");
    let mut reader = RecordingReader::new(&FeatureConfig::default(), Limits::default());
    let mut samples = vec![0.0; 16_000];
    for path in test_side(folder).iter().take(3) {
        reader.read(&folder.join(path)).unwrap();
        samples.extend(reader.load(None).unwrap().samples);
        samples.extend(vec![0.0; 16_000]);
    }
    std::fs::write(folder.join("talk.wav"), ser_audio::pcm16_wav(&samples, 16_000)).unwrap();
    let mut predict = ser_predict(folder);
    predict.args(["--checkpoint", "run/best.pt", "--device", "cpu", "--json", "talk.wav"]);
    let said = succeed(predict.args(["--timeline", "--speech-threshold", "0.3"]));
    let timeline: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert!(!timeline["passages"].as_array().unwrap().is_empty(), "{timeline:#}");
    // Half a second of every recording is kept.
    assert!((timeline["window_s"].as_f64().unwrap() - 0.5).abs() < 0.01, "{timeline:#}");
}

#[test]
fn what_does_not_go_together_is_refused_before_there_is_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    prepared(folder, "whisper");
    let refuse = |options: &[&str], code: i32, says: &[&str]| {
        let mut command = ser_fit(folder);
        command.args(["--cache", "cache", "--device", "cpu", "--quiet", "--run", "run"]).args(options);
        let complaint = fail(&mut command, code);
        assert!(says.iter().all(|part| complaint.contains(part)), "{says:?}: {complaint}");
        assert!(!folder.join("run").exists());
    };
    let tuned =
        |options: &[&'static str]| [&["--arch", "finetune", "--encoder", "encoder"], options].concat();
    refuse(&["--arch", "finetune"], 2, &["none is given", "--encoder"]);
    refuse(
        &["--encoder", "encoder"],
        2,
        &["cnn-bilstm network begins with no pretrained", "--arch finetune"],
    );
    refuse(&["--tune", "head"], 2, &["no encoder to tune", "--arch finetune"]);
    refuse(&["--embed-encoder"], 2, &["begins with no pretrained", "--arch finetune"]);
    refuse(&["--arch", "finetune", "--encoder", "corpus"], 1, &["corpus: lacks config.json"]);
    refuse(&tuned(&["--lora-targets", "query,gate"]), 2, &["gate", "output"]);
    refuse(&tuned(&["--lora-rank", "99"]), 2, &["lora_rank 99 is above", "give at most 16"]);
    refuse(&tuned(&["--tune", "top", "--top-layers", "3"]), 2, &["top_layers 3", "has 2 layers"]);
    refuse(&tuned(&["--top-layers", "1"]), 2, &["changes nothing with --tune lora", "give --tune top"]);
    refuse(&tuned(&["--tune", "top", "--lora-rank", "4"]), 2, &["--lora-rank changes nothing"]);
    refuse(&tuned(&["--tune", "head", "--encoder-lr-scale", "0.5"]), 2, &["give --tune top or --tune all"]);
    refuse(&tuned(&["--feature-normalisation", "training"]), 2, &["--feature-normalisation none"]);
    for option in ["--precision", "--validation-precision"] {
        refuse(&tuned(&[option, "bf16"]), 2, &["learns and is validated in f32", "leave the precision out"]);
    }
    refuse(&["--arch", "encoder-head"], 1, &["holds waveforms", "--arch finetune"]);
    let prep = |options: &[&str]| {
        let mut prep = ser_prep(folder);
        succeed(prep.args(["--data", "corpus", "--out", "cache", "--quiet"]).args(options));
    };
    // The tiny Whisper hears 1 s at once.
    prep(&["--preset", "waveform", "--max-frames", "20000"]);
    refuse(&tuned(&[]), 1, &["hears 16000 at once", "--max-frames 16000"]);
    prep(&["--preset", "waveform", "--max-frames", "4000", "--sample-rate", "8000"]);
    refuse(&tuned(&[]), 1, &["waveforms at 8000 Hz", "takes 16000 Hz"]);
    prep(&["--preset", "coarse-log-mel"]);
    refuse(&tuned(&[]), 1, &["holds no waveforms", "--preset waveform"]);
    let mut wrong = ser_prep(folder);
    wrong.args(["--data", "corpus", "--out", "cache", "--preset", "waveform", "--n-mels", "40"]);
    let complaint = fail(&mut wrong, 2);
    assert!(complaint.contains("a waveform has no other parameters"), "{complaint}");
}

#[test]
fn protocols_and_searches_tune_encoders() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    trained(folder, "data2vec-audio", &[]);
    let options = ["--epochs", "1", "--quiet", "--protocols", "random,word", "--runs", "runs"];
    succeed(&mut fit(folder, &options));
    let table = json(ser_report(folder).args(["--runs", "runs", "--cache", "cache", "--device", "cpu"]));
    assert!(table.to_string().contains("\"word\""), "{table}");
    std::fs::write(folder.join("space.toml"), "\"network.lora_rank\" = { int = [1, 4] }\n").unwrap();
    let mut tune = Command::new(env!("CARGO_BIN_EXE_ser-tune"));
    tune.current_dir(folder).args(["--study", "study", "--space", "space.toml", "--trials", "2", "--quiet"]);
    std::fs::copy(folder.join("run/config.toml"), folder.join("recipe.toml")).unwrap();
    succeed(tune.args(["--config", "recipe.toml", "--cache", "cache"]));
    assert!(folder.join("study/best.toml").exists());
}

#[cfg(feature = "serve")]
#[test]
fn a_server_answers_as_the_command_does() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    trained(folder, "wavlm-large", &["--tune", "lora"]);
    std::fs::rename(folder.join("encoder"), folder.join("moved")).unwrap();
    let (checkpoint, encoder) = (folder.join("run/best.pt"), folder.join("moved"));
    let encoder = encoder.to_str().unwrap();
    let server =
        crate::common_serve::Serving::start(&[&checkpoint], &["--encoder", encoder, "--device", "cpu"]);
    for path in test_side(folder).iter().take(3) {
        let mut predict = ser_predict(folder);
        predict.args([
            "--checkpoint",
            "run/best.pt",
            "--threads",
            "1",
            "--device",
            "cpu",
            "--encoder",
            encoder,
        ]);
        let said = succeed(predict.args(["--json", path]));
        let expected: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
        let answer = server.predict(&std::fs::read(folder.join(path)).unwrap()).json();
        assert_eq!(answer["label"], expected["label"], "{answer:#} {expected:#}");
        assert_eq!(answer["probabilities"], expected["probabilities"], "{answer:#} {expected:#}");
    }
}
