//! `ser-export` as a program: what it writes, prints and refuses.

use std::path::Path;
use std::process::Command;

use ser_features::FeatureConfig;
use ser_model::FeatureNormalisation;
use ser_model::network::Arch;

use crate::common_fit::{fail, succeed};
use crate::common_python::python_with;
use crate::subject::{LABELS, Subject};

fn ser_export(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ser-export"));
    command.current_dir(folder);
    command
}

fn subject(normalisation: FeatureNormalisation) -> Subject {
    let network = Arch::named("cnn-statistics").unwrap().default_network();
    Subject::new("commands", &network, &FeatureConfig::default(), normalisation, 1)
}

#[test]
fn a_checkpoint_becomes_a_model_with_what_is_known_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    subject(FeatureNormalisation::None).write(&folder.join("best.pt"));
    let text = succeed(ser_export(folder).args(["--onnx", "model.onnx"]));
    assert!(
        text.starts_with("best.pt: cnn-statistics, angry, happy, neutral, sad\n  model.onnx: ONNX model"),
        "{text}"
    );
    let first = std::fs::read(folder.join("model.onnx")).unwrap();

    let text =
        succeed(ser_export(folder).args(["--checkpoint", "best.pt", "--onnx", "model.onnx", "--json"]));
    let said: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(said["labels"], serde_json::json!(LABELS));
    assert_eq!((&said["sample_rate"], &said["longest_s"]), (&16_000.into(), &3.2.into()));
    assert_eq!(said["written"][0]["path"], "model.onnx");
    let digest = ser_cache::Sha::of(&[&std::fs::read(folder.join("best.pt")).unwrap()]).to_string();
    assert_eq!(said["checkpoint_sha256"], digest);
    assert!(first == std::fs::read(folder.join("model.onnx")).unwrap(), "equal checkpoints give equal bytes");

    assert_eq!(succeed(ser_export(folder).args(["--onnx", "model.onnx", "--quiet"])), "");
    let Some(python) = python_with("onnxruntime") else { return };
    let script = "import json, onnxruntime\n\
        session = onnxruntime.InferenceSession('model.onnx')\n\
        shapes = [(value.name, value.type, value.shape) for value in session.get_inputs() + session.get_outputs()]\n\
        print(json.dumps([shapes, session.get_modelmeta().custom_metadata_map]))";
    let text = succeed(Command::new(python).current_dir(folder).args(["-c", script]));
    let said: serde_json::Value = serde_json::from_str(&text).unwrap();
    let shapes = serde_json::json!([
        ["samples", "tensor(float)", [1, "samples"]],
        ["probabilities", "tensor(float)", [1, 4]],
        ["share_as_unusual", "tensor(float)", [1, 1]],
    ]);
    assert_eq!(said[0], shapes);
    assert_eq!(said[1]["labels"], r#"["angry","happy","neutral","sad"]"#);
    assert_eq!((&said[1]["sample_rate"], &said[1]["calibrated"]), (&"16000".into(), &"true".into()));
    assert_eq!(said[1]["checkpoint_sha256"], digest);
    assert_eq!(said[1]["out_of_domain_level"], "0.05");
    assert!(said[1]["temperature"].as_str().unwrap().parse::<f64>().unwrap() > 1.2, "{said}");
    assert!(said[1]["licence"].as_str().unwrap().contains("recordings"), "{said}");
}

#[test]
fn safetensors_hold_what_the_checkpoint_holds() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let subject = subject(FeatureNormalisation::Training);
    subject.write(&folder.join("best.pt"));
    succeed(ser_export(folder).args(["--safetensors", "exports/weights"]));
    let bytes = std::fs::read(folder.join("exports/weights/model.safetensors")).unwrap();
    let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(read.len(), subject.checkpoint.model_state.len() + 2);
    for (name, tensor) in &subject.checkpoint.model_state {
        let stored = read.tensor(name).unwrap();
        assert_eq!((stored.shape(), stored.data()), (tensor.shape(), tensor.bytes()), "{name}");
    }
    assert_eq!(read.tensor("feature_statistics.mean").unwrap().shape(), [3, 40]);
    let config = std::fs::read_to_string(folder.join("exports/weights/config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["labels"], serde_json::json!(LABELS));
    assert_eq!(config["feature_normalisation"], "training");
    assert_eq!(config["features"]["hop_length"], 256);
    assert_eq!(config["model"]["arch"], "cnn-statistics");
    assert!(config["temperature"].as_f64().unwrap() > 1.2);
    // A second time replaces it.
    succeed(ser_export(folder).args(["--safetensors", "exports/weights"]));
    assert_eq!(std::fs::read_dir(folder.join("exports")).unwrap().count(), 1);
}

#[test]
fn what_cannot_be_exported_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    subject(FeatureNormalisation::Speaker).write(&folder.join("speaker.pt"));
    let text = fail(ser_export(folder).args(["--checkpoint", "speaker.pt", "--onnx", "model.onnx"]), 1);
    assert!(text.starts_with("ser-export: speaker.pt: normalises its features by speaker"), "{text}");
    std::fs::write(folder.join("other.pt"), b"not a checkpoint").unwrap();
    let text = fail(ser_export(folder).args(["--checkpoint", "other.pt", "--onnx", "model.onnx"]), 1);
    assert!(text.starts_with("ser-export: other.pt: "), "{text}");
    let text = fail(ser_export(folder).args(["--onnx", "model.onnx"]), 1);
    assert!(text.starts_with("ser-export: best.pt: cannot be read"), "{text}");
    fail(ser_export(folder).args(["--checkpoint", "other.pt"]), 2);
    fail(ser_export(folder).args(["--runtime", "x", "--onnx", "model.onnx"]), 2);
    assert!(!folder.join("model.onnx").exists());

    subject(FeatureNormalisation::None).write(&folder.join("best.pt"));
    let text = fail(ser_export(folder).args(["--web", "page", "--runtime", "nowhere"]), 1);
    let said = "nowhere/ort.wasm.min.mjs: is missing, a file of onnxruntime-web 1.30.0 that the page needs; give a \
                folder that holds it as --runtime";
    assert!(text.contains(said), "{text}");
    assert!(!folder.join("page").exists());

    // A folder of somebody else's is never replaced.
    std::fs::create_dir(folder.join("mine")).unwrap();
    std::fs::write(folder.join("mine/notes.txt"), b"mine").unwrap();
    let text = fail(ser_export(folder).args(["--safetensors", "mine"]), 2);
    assert!(text.contains("mine: is a folder that holds something else"), "{text}");
    assert_eq!(std::fs::read(folder.join("mine/notes.txt")).unwrap(), b"mine");
}

#[test]
fn only_an_earlier_model_is_replaced_by_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    subject(FeatureNormalisation::None).write(&folder.join("best.pt"));
    let checkpoint = std::fs::read(folder.join("best.pt")).unwrap();
    let text = fail(ser_export(folder).args(["--onnx", "best.pt"]), 2);
    assert!(text.starts_with("ser-export: best.pt: is the checkpoint itself"), "{text}");
    assert!(checkpoint == std::fs::read(folder.join("best.pt")).unwrap());

    std::fs::write(folder.join("notes.txt"), "mine").unwrap();
    let text = fail(ser_export(folder).args(["--onnx", "notes.txt", "--safetensors", "weights"]), 2);
    assert!(text.starts_with("ser-export: notes.txt: is a file that is no ONNX model by ser"), "{text}");
    assert_eq!(std::fs::read_to_string(folder.join("notes.txt")).unwrap(), "mine");
    assert!(!folder.join("weights").exists(), "all targets are checked before anything is written");

    std::os::unix::fs::symlink("nowhere", folder.join("link")).unwrap();
    let text = fail(ser_export(folder).args(["--onnx", "link"]), 2);
    assert!(text.starts_with("ser-export: link: is no regular file"), "{text}");
    assert_eq!(folder.join("link").read_link().unwrap(), Path::new("nowhere"));
}

#[test]
fn a_folder_loses_nothing_but_an_earlier_export_of_its_kind() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    subject(FeatureNormalisation::None).write(&folder.join("best.pt"));
    write_runtime(&folder.join("runtime"));
    let text = fail(
        ser_export(folder).args(["--safetensors", "same", "--web", "./same/", "--runtime", "runtime"]),
        2,
    );
    assert!(text.contains("same: is to hold two different exports"), "{text}");
    assert!(!folder.join("same").exists());

    succeed(ser_export(folder).args(["--safetensors", "st", "--web", "page", "--runtime", "runtime"]));
    for (option, path) in [("--web", "st"), ("--safetensors", "page")] {
        let mut command = ser_export(folder);
        command.args([option, path]);
        if option == "--web" {
            command.args(["--runtime", "runtime"]);
        }
        let text = fail(&mut command, 2);
        assert!(text.contains(&format!("{path}: holds an earlier export of another kind")), "{text}");
    }
    succeed(ser_export(folder).args(["--safetensors", "st", "--web", "page", "--runtime", "runtime"]));
    succeed(ser_export(folder).args(["--onnx", "st/model.onnx"]));
    let text = fail(ser_export(folder).args(["--safetensors", "st"]), 2);
    assert!(text.contains("st: holds something that the earlier export did not write: model.onnx"), "{text}");
    for kept in ["st/model.onnx", "st/model.safetensors", "page/index.html"] {
        assert!(folder.join(kept).is_file(), "{kept}");
    }
}

/// Files with the names of the runtime's.
fn write_runtime(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    for name in ser_export::RUNTIME_FILES {
        std::fs::write(folder.join(name), name).unwrap();
    }
}

#[test]
fn the_page_is_whole_and_asks_nothing_of_other_servers() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    subject(FeatureNormalisation::None).write(&folder.join("best.pt"));
    write_runtime(&folder.join("runtime"));
    let text = succeed(ser_export(folder).args(["--web", "page", "--runtime", "runtime"]));
    assert!(text.contains("python3 -m http.server --directory page"), "{text}");
    let read = |name: &str| std::fs::read_to_string(folder.join("page").join(name)).unwrap();
    for name in ["index.html", "page.js", "worker.js", "listener.js", "resample.js", "doubt.js", "style.css"]
    {
        assert!(!read(name).contains("//cdn") && !read(name).contains("://"), "{name} names another server");
    }
    let card: serde_json::Value = serde_json::from_str(&read("model.json")).unwrap();
    assert_eq!(card["labels"], serde_json::json!(LABELS));
    assert_eq!(card["calibration"]["utterances"], 4);
    assert!(read("runtime/LICENSE").contains("Microsoft"));
    assert!(folder.join("page/model.onnx").metadata().unwrap().len() > 100_000);
}

#[test]
fn what_the_page_is_tested_with_is_what_is_fetched() {
    let script = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/web/fetch")).unwrap();
    assert!(script.contains(&format!("\nversion={} ", ser_export::RUNTIME_VERSION)), "{script}");
    assert!(script.contains(&format!("\nfiles='{}'\n", ser_export::RUNTIME_FILES.join(" "))), "{script}");
}
