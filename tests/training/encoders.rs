//! A pretrained encoder through the commands: its states prepared, trained on, reported, killed, damaged and refused. The
//! encoders are the tiny ones with random weights in `tests/fixtures/encoders`; that they compute what `transformers` does is
//! tested in `crates/ser-encoder`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ser_audio::Limits;
use ser_cache::{Cache, FeatureSet, Sha, shard_path, shards_folder};
use ser_corpus::split::Side;
use ser_encoder::Encoder;
use ser_features::{FeatureConfig, Pooling, ValueType};
use ser_prepare::RecordingReader;
use serde_json::Value;
use tch::Device;

use crate::common::{noise, put, speech, wav};
use crate::common_disk::{assert_same, kept};
use crate::common_encoder::{assert_answers_are_reported, fixture, json, test_side};
use crate::common_fit::{copy_folder, fail, ser_fit, ser_predict, ser_prep, ser_report, succeed};

/// Preparation of `corpus` into `cache`, both in `folder`, with an encoder.
fn prep(folder: &Path, encoder: &str, options: &[&str]) -> Command {
    let mut command = ser_prep(folder);
    command.args(["--data", "corpus", "--out", "cache", "--encoder"]).arg(fixture(encoder)).args(options);
    command
}

#[test]
fn the_states_of_an_encoder_are_prepared_trained_on_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    speech(&folder.join("corpus"), 4);
    let first = json(&mut prep(folder, "wavlm-base", &[]));
    assert_eq!((first["computed"].as_u64(), first["reused"].as_u64()), (Some(56), Some(0)), "{first}");
    let again = json(&mut prep(folder, "wavlm-base", &["--device", "auto"]));
    assert_eq!((again["computed"].as_u64(), again["reused"].as_u64()), (Some(0), Some(56)), "{again}");

    let cache = Cache::open(&folder.join("cache")).unwrap();
    let set = cache.feature_set(None).unwrap();
    let config: FeatureConfig = serde_json::from_str(&set.configuration).unwrap();
    let mut encoder = Encoder::open(&fixture("wavlm-base"), Device::Cpu).unwrap();
    assert_eq!(config.encoder.as_ref().unwrap().digest, encoder.digest().to_string());
    assert_eq!(config.shape(), [4, 16, 1]);
    let split = cache.split(set, &"random".parse().unwrap()).unwrap();
    let dataset = cache.side(set, &split, Side::Test).unwrap();
    let stored = dataset.stretches(&(0..dataset.len()).collect::<Vec<_>>()).unwrap().concat();
    let mut reader = RecordingReader::new(&config, Limits::default());
    for (utterance, stored) in split.side(Side::Test).iter().zip(stored.chunks_exact(64)) {
        reader.read(&folder.join("corpus").join(&utterance.path)).unwrap();
        let samples = reader.load(None).unwrap().samples.to_vec();
        let pooled = encoder.pooled(&[&samples], &[0, 1, 2, 3], Pooling::Mean).unwrap();
        let difference = pooled[0].iter().zip(stored).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference < 1e-5, "{}: {difference}", utterance.path);
    }

    let fit =
        ["--arch", "encoder-head", "--epochs", "40", "--lr", "0.01", "--batch-size", "8", "--threads", "1"];
    let summary =
        json(ser_fit(folder).args(["--cache", "cache", "--run", "run", "--device", "cpu"]).args(fit));
    let losses: Vec<f64> =
        summary["history"].as_array().unwrap().iter().map(|e| e["train_loss"].as_f64().unwrap()).collect();
    eprintln!("{losses:.2?}");
    assert!(losses[39] < 0.9 * losses[0], "{losses:?}");
    let report = json(ser_report(folder).args(["--checkpoint", "run/best.pt", "--device", "cpu"]));
    assert!(report.to_string().contains("\"uar\""), "{report}");

    // Other layers, another pooling, another encoder and MFCC are sets beside it.
    for (encoder, options, shape) in [
        ("wavlm-base", &["--layers", "last", "--pool", "statistics"][..], [1, 32, 1]),
        ("wavlm-base", &["--layers", "last", "--pool", "statistics", "--dtype", "f16"], [1, 32, 1]),
        ("wavlm-base", &["--layers", "last", "--precision", "bf16"], [1, 16, 1]),
        ("hubert-large", &["--layers", "2,0"], [2, 16, 1]),
        ("wavlm-base", &["--layers", "last", "--pool", "none", "--encoder-frames", "40"], [1, 16, 40]),
    ] {
        let report = json(&mut prep(folder, encoder, options));
        assert_eq!(report["computed"].as_u64(), Some(56), "{report}");
        let cache = Cache::open(&folder.join("cache")).unwrap();
        assert_eq!(cache.feature_set(None).unwrap().shape, shape.map(|size: u32| size));
    }
    assert_half_precision(&folder.join("cache"));
    json(ser_prep(folder).args(["--data", "corpus", "--out", "cache", "--preset", "coarse-log-mel"]));
    let cache_command = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ser-cache"));
        command.current_dir(folder).args(arguments);
        command
    };
    let verified = succeed(&mut cache_command(&["verify", "cache"]));
    assert!(verified.contains("everything is as it was written"), "{verified}");

    // What is trained on one set is not reported on another.
    let complaint = fail(
        ser_report(folder).args(["--checkpoint", "run/best.pt", "--cache", "elsewhere", "--device", "cpu"]),
        1,
    );
    assert!(!complaint.is_empty());

    // A damaged shard cannot be repaired without the encoder, but prepared again with it.
    let shards = folder.join("cache/shards");
    let of_set = shards.join(format!("{}.safetensors", set.shards[0]));
    let mut bytes = std::fs::read(&of_set).unwrap();
    let intact = bytes.clone();
    let end = bytes.len() - 300;
    bytes[end] ^= 1;
    std::fs::write(&of_set, bytes).unwrap();
    let repair = cache_command(&["verify", "cache", "--repair"]).output().unwrap();
    assert_eq!(repair.status.code(), Some(1));
    let said = String::from_utf8_lossy(&repair.stdout).into_owned();
    assert!(said.contains("not repaired shards/"), "{said}");
    json(&mut prep(folder, "wavlm-base", &[]));
    assert_eq!(std::fs::read(&of_set).unwrap(), intact);
}

/// Of the two feature sets of statistics, one holds what the other does, rounded to f16 and in half the space.
fn assert_half_precision(root: &Path) {
    let cache = Cache::open(root).unwrap();
    let tensors = |dtype: ValueType| {
        let is_wanted = |set: &&FeatureSet| set.shape == [1, 32, 1] && set.dtype() == dtype;
        let set = cache.feature_sets().iter().find(is_wanted).unwrap();
        let split = cache.split(set, &"random".parse().unwrap()).unwrap();
        let dataset = cache.side(set, &split, Side::Train).unwrap();
        dataset.check().unwrap();
        let values = dataset.stretches(&(0..dataset.len()).collect::<Vec<_>>()).unwrap().concat();
        let size = |name: &Sha| std::fs::metadata(shard_path(&shards_folder(root), name)).unwrap().len();
        (values, set.shards.iter().map(size).sum::<u64>())
    };
    let ((mut single, whole), (half, stored)) = (tensors(ValueType::F32), tensors(ValueType::F16));
    ValueType::F16.round(&mut single).unwrap();
    assert_eq!(half, single);
    assert_eq!(whole - stored, 56 * 32 * 2);
}

#[test]
fn a_preparation_with_an_encoder_that_is_killed_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    speech(&folder.join("corpus"), 6);
    // A few utterances in a shard, so that there are many.
    let options = ["--quiet", "--shard-bytes", "4096", "--pool", "statistics", "--dtype", "f16"];
    let command = |jobs: &str| {
        let mut command = prep(folder, "data2vec-audio", &options);
        command.args(["--jobs", jobs]);
        command
    };
    let started = Instant::now();
    succeed(&mut command("1"));
    let whole = started.elapsed();
    let expected = kept(&folder.join("cache"));
    std::fs::remove_dir_all(folder.join("cache")).unwrap();
    let mut killed = 0;
    for part in 1..8 {
        let mut child = command(if part % 2 == 0 { "1" } else { "3" }).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(0.12 * f64::from(part)).max(Duration::from_millis(5)));
        child.kill().unwrap();
        killed += usize::from(child.wait().unwrap().code().is_none());
    }
    assert!(killed > 0);
    succeed(&mut command("2"));
    assert_same(&kept(&folder.join("cache")), &expected, "killed and run again");
}

#[test]
fn what_an_encoder_cannot_do_is_said_before_anything_is_prepared() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    speech(&folder.join("corpus"), 1);
    for (options, code, says) in [
        (&["--layers", "9"][..], 2, "there is no layer 9 in an encoder of 3 layers"),
        (&["--layers", "1,1"], 2, "are no layers of an encoder"),
        (&["--pool", "max"], 2, "possible values: mean, statistics"),
        (&["--dtype", "f64"], 2, "possible values: f32, f16"),
        (&["--precision", "f16"], 2, "possible values: f32, bf16"),
        (&["--device", "gpu"], 2, "unknown device \"gpu\"; use --device auto, cpu, cuda or cuda:<N>"),
        (&["--device", "cuda:99"], 1, "CUDA"),
        (&["--n-mfcc", "20"], 2, "cannot be used with"),
    ] {
        let complaint = fail(&mut prep(folder, "wavlm-base", options), code);
        assert!(complaint.contains(says), "{complaint}");
    }
    let complaint = fail(&mut prep(folder, "ge2e", &["--precision", "bf16"]), 1);
    assert!(complaint.contains("computes in f32 alone; leave --precision out"), "{complaint}");
    let complaint = fail(ser_prep(folder).args(["--data", "corpus", "--layers", "all"]), 2);
    assert!(complaint.contains("--encoder"), "{complaint}");
    let complaint = fail(ser_prep(folder).args(["--data", "corpus", "--encoder", "corpus"]), 1);
    assert!(
        complaint.contains("corpus: lacks config.json; copy the whole folder of the model"),
        "{complaint}"
    );
    assert!(!folder.join("cache").exists());
}

#[test]
fn recordings_that_an_encoder_does_not_take_are_named_and_the_others_used() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let corpus = folder.join("corpus");
    crate::common::plain_corpus(&corpus, &["calm", "loud"], 6);
    put(&corpus, "calm/short.wav", &wav(16_000, &noise(99, 12)));
    let options = ["--json", "--min-duration", "0.0001"];
    let report = prep(folder, "wav2vec2-base", &options).output().unwrap();
    assert_eq!(report.status.code(), Some(3));
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report["computed"].as_u64(), Some(12));
    let failed = report["failed"][0].to_string();
    assert!(failed.contains("calm/short.wav") && failed.contains("too short for a frame"), "{failed}");
}

/// A head on the states of the encoder in `encoder` of `folder`, trained on `corpus` there: `run/best.pt`.
fn trained(folder: &Path, name: &str, options: &[&str]) {
    trained_as(folder, name, options, "encoder-head", "8");
}

/// As [`trained`], with another network on the states, and for so many epochs.
fn trained_as(folder: &Path, name: &str, options: &[&str], arch: &str, epochs: &str) {
    speech(&folder.join("corpus"), 4);
    copy_folder(&fixture(name), &folder.join("encoder"));
    let mut prep = ser_prep(folder);
    prep.args(["--data", "corpus", "--out", "cache", "--quiet", "--encoder", "encoder"]).args(options);
    succeed(&mut prep);
    let mut fit = ser_fit(folder);
    fit.args(["--cache", "cache", "--run", "run", "--device", "cpu", "--quiet", "--arch", arch]);
    fit.args(["--epochs", epochs, "--lr", "0.01", "--batch-size", "8", "--threads", "1"]);
    succeed(fit.args(["--feature-normalisation", "training"]));
}

#[test]
fn answers_for_recordings_are_those_of_the_report_to_the_last_digit() {
    // Of frames, some utterances have fewer and some more than are kept.
    let frames = ["--pool", "none", "--layers", "1,2", "--encoder-frames", "1200"];
    let half = [&frames[..], &["--dtype", "f16"]].concat();
    for (name, options, arch, epochs) in [
        ("wavlm-base", &["--pool", "statistics"][..], "encoder-head", "8"),
        ("wav2vec2-base", &["--layers", "0,2"], "encoder-head", "8"),
        ("whisper", &["--precision", "bf16"], "encoder-head", "8"),
        ("ge2e", &["--layers", "last"], "encoder-head", "8"),
        ("wavlm-base", &frames, "encoder-head", "2"),
        ("hubert-base", &half, "cnn-bilstm", "1"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        trained_as(folder, name, options, arch, epochs);
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
    let said = succeed(&mut predict(&[]));
    std::fs::rename(folder.join("encoder"), folder.join("moved")).unwrap();
    let complaint = fail(&mut predict(&[]), 1);
    for part in ["run/best.pt", "a wavlm encoder with digest", "/encoder", "--encoder"] {
        assert!(complaint.contains(part), "{part}: {complaint}");
    }
    assert_eq!(succeed(&mut predict(&["--encoder", "moved"])), said);
    let hubert = fixture("hubert-base");
    let complaint = fail(&mut predict(&["--encoder", hubert.to_str().unwrap()]), 1);
    assert!(complaint.contains("hubert-base: holds a hubert encoder with digest"), "{complaint}");
    assert!(complaint.contains("not the wavlm encoder with digest"), "{complaint}");
    // One of the same family with other weights or settings is another.
    let settings = folder.join("moved/preprocessor_config.json");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text + "\n").unwrap();
    let complaint = fail(&mut predict(&["--encoder", "moved"]), 1);
    assert!(complaint.contains("moved: holds a wavlm encoder with digest"), "{complaint}");
}

#[test]
fn a_checkpoint_that_carries_the_encoder_of_its_states_needs_no_folder() {
    for (name, options, exported) in [
        ("wavlm-base", &["--layers", "1,2", "--pool", "statistics", "--dtype", "f16"][..], true),
        ("whisper", &["--precision", "bf16"], false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        trained(folder, name, options);
        let again = |run: &str, options: &[&str]| {
            let mut fit = ser_fit(folder);
            fit.args(["--config", "run/config.toml", "--quiet", "--run", run]).args(options);
            fit
        };
        let export = |run: &str| {
            let mut export = Command::new(env!("CARGO_BIN_EXE_ser-export"));
            export.current_dir(folder).args(["--checkpoint", &format!("{run}/best.pt"), "--quiet"]);
            export.args(["--onnx", "model.onnx"]);
            export
        };
        let complaint = fail(&mut export("run"), 1);
        let says = if exported { "--embed-encoder" } else { "computed in bf16" };
        assert!(complaint.contains(says), "{complaint}");

        let (moved, hubert) = (folder.join("moved"), fixture("hubert-base"));
        std::fs::rename(folder.join("encoder"), &moved).unwrap();
        let complaint = fail(&mut again("lost", &["--embed-encoder"]), 1);
        assert!(complaint.contains("cache: holds the states of a"), "{complaint}");
        let complaint = fail(&mut again("lost", &["--encoder", hubert.to_str().unwrap()]), 1);
        assert!(complaint.contains("hubert-base: holds a hubert encoder with digest"), "{complaint}");
        succeed(&mut again("embedded", &["--embed-encoder", "--encoder", "moved"]));
        succeed(&mut again("other", &["--seed", "5"]));
        let answer = |options: &[&str]| {
            let mut predict = ser_predict(folder);
            let clip = test_side(folder).swap_remove(0);
            predict.args(["--device", "cpu", "--json", "--threads", "1", &clip]).args(options);
            let said = succeed(&mut predict);
            serde_json::from_str::<Value>(said.lines().next().unwrap()).unwrap()["probabilities"].clone()
        };
        let expected = answer(&["--checkpoint", "run/best.pt", "--encoder", "moved"]);
        std::fs::rename(&moved, folder.join("gone")).unwrap();
        assert_eq!(answer(&["--checkpoint", "embedded/best.pt"]), expected);
        std::fs::rename(folder.join("run"), folder.join("trained")).unwrap();
        std::fs::rename(folder.join("embedded"), folder.join("run")).unwrap();
        assert_answers_are_reported(folder);
        // One member that carries it is enough.
        let members = ["--join", "other/best.pt", "run/best.pt", "--run", "joined", "--quiet"];
        succeed(ser_fit(folder).args(members));
        assert!(answer(&["--checkpoint", "joined/best.pt"]) != expected);
        if exported {
            succeed(&mut export("joined"));
        } else {
            assert!(fail(&mut export("joined"), 1).contains("computed in bf16"));
        }
    }
}

#[test]
fn a_normalisation_that_leaves_nothing_of_states_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    speech(&folder.join("corpus"), 2);
    let refused = |network: &str, normalisation: &str, says: &[&str]| {
        let recipe = format!("feature_normalisation = \"{normalisation}\"\n[network]\n{network}\n");
        std::fs::write(folder.join("recipe.toml"), recipe).unwrap();
        let mut fit = ser_fit(folder);
        fit.args(["--cache", "cache", "--config", "recipe.toml", "--run", "run"]);
        let complaint = fail(&mut fit, 2);
        assert!(says.iter().all(|part| complaint.contains(part)), "{complaint}");
        assert!(!folder.join("run").exists());
    };
    let remedy = ["--feature-normalisation utterance", "--feature-normalisation training"];
    succeed(prep(folder, "hubert-base", &["--layers", "last"]).arg("--quiet"));
    refused("arch = \"cnn-statistics\"", "utterance", &[&remedy[..], &["they have one frame each"]].concat());
    for pooling in ["statistics", "attention"] {
        let head = format!("arch = \"encoder-head\"\npooling = \"{pooling}\"");
        refused(&head, "training", &["one frame for each utterance", "network.pooling = \"mean\""]);
    }
    succeed(prep(folder, "hubert-base", &["--pool", "none", "--encoder-frames", "40"]).arg("--quiet"));
    for pooling in ["mean", "statistics"] {
        let head = format!("arch = \"encoder-head\"\npooling = \"{pooling}\"");
        refused(&head, "utterance", &[&remedy[..], &["reads means and deviations"]].concat());
    }
}

#[test]
fn another_corpus_is_reported_on_through_the_encoder() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    trained(folder, "hubert-large", &[]);
    let options = ser_synth::SynthOptions { words: 3, sample_rate: 16_000, seed: 9, ..Default::default() };
    ser_synth::SynthCorpus::new(options).unwrap().write(&folder.join("other")).unwrap();
    let report = |options: &[&str]| {
        json(ser_report(folder).args(["--checkpoint", "run/best.pt", "--device", "cpu"]).args(options))
    };
    let direct = report(&["--data", "other"]);
    assert_eq!(direct["n_utterances"].as_u64(), Some(42), "{direct:#}");
    let mut prep = ser_prep(folder);
    succeed(prep.args(["--data", "other", "--out", "apart", "--quiet", "--encoder", "encoder"]));
    let apart = report(&["--cache", "apart", "--unseen"]);
    assert_eq!(direct["confusion_matrix"], apart["confusion_matrix"]);
    assert_eq!(direct["cross_entropy"], apart["cross_entropy"]);
    std::fs::rename(folder.join("encoder"), folder.join("moved")).unwrap();
    let complaint = fail(
        ser_report(folder).args(["--checkpoint", "run/best.pt", "--data", "other", "--device", "cpu"]),
        1,
    );
    assert!(complaint.contains("--encoder"), "{complaint}");
    let moved = report(&["--data", "other", "--encoder", "moved"]);
    assert_eq!(direct["cross_entropy"], moved["cross_entropy"]);
}

#[test]
fn protocols_and_searches_train_heads_on_states() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    trained(folder, "data2vec-audio", &[]);
    let mut fit = ser_fit(folder);
    fit.args(["--cache", "cache", "--arch", "encoder-head", "--epochs", "2", "--threads", "1", "--quiet"]);
    succeed(fit.args(["--protocols", "random,word", "--seeds", "2", "--runs", "runs", "--device", "cpu"]));
    let table = json(ser_report(folder).args(["--runs", "runs", "--cache", "cache", "--device", "cpu"]));
    assert!(table.to_string().contains("\"word\""), "{table}");
    std::fs::write(folder.join("space.toml"), "lr = { log_float = [1e-3, 1e-1] }\n").unwrap();
    let mut tune = Command::new(env!("CARGO_BIN_EXE_ser-tune"));
    tune.current_dir(folder).args(["--study", "study", "--space", "space.toml", "--trials", "2", "--quiet"]);
    let recipe = std::fs::read_to_string(folder.join("run/config.toml")).unwrap();
    std::fs::write(folder.join("recipe.toml"), recipe).unwrap();
    succeed(tune.args(["--config", "recipe.toml", "--cache", "cache"]));
    assert!(folder.join("study/best.toml").exists());
}

#[test]
fn a_long_recording_has_a_timeline_and_an_answer_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    trained(folder, "whisper", &["--pool", "statistics"]);
    let mut reader = RecordingReader::new(&FeatureConfig::default(), Limits::default());
    let mut samples = vec![0.0; 16_000];
    for path in test_side(folder).iter().take(4) {
        reader.read(&folder.join(path)).unwrap();
        samples.extend(reader.load(None).unwrap().samples);
        samples.extend(vec![0.0; 16_000]);
    }
    std::fs::write(folder.join("talk.wav"), ser_audio::pcm16_wav(&samples, 16_000)).unwrap();
    let predict = |options: &[&str]| {
        let mut command = ser_predict(folder);
        command.args(["--checkpoint", "run/best.pt", "--device", "cpu", "--json", "talk.wav"]).args(options);
        let said = succeed(&mut command);
        serde_json::from_str::<Value>(said.lines().next().unwrap()).unwrap()
    };
    let timeline = predict(&["--timeline", "--speech-threshold", "0.3"]);
    assert!(!timeline["passages"].as_array().unwrap().is_empty(), "{timeline:#}");
    // As long as a typical utterance of the training, not as the one frame that is kept of it.
    assert!(timeline["window_s"].as_f64().unwrap() > 0.5, "{timeline:#}");
    // The tiny encoder hears 1 s at once.
    let whole = predict(&[]);
    assert!(whole["error"].is_null() && whole.to_string().contains("probabilities"), "{whole:#}");
}

#[cfg(feature = "serve")]
#[test]
fn a_server_answers_through_the_encoder_as_the_command_does() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    trained(folder, "wavlm-large", &[]);
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
