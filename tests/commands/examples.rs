//! The programs in `examples/` do what they say.

use std::path::Path;
use std::process::Command;

use ser_prepare::{PrepareOptions, prepare};
use ser_synth::{SynthCorpus, SynthOptions};

use crate::common_python::python_with;

/// What an example prints. `cargo test` has built it beside the tests; where a single test was asked for, it is built now.
fn run(example: &str, arguments: &[&Path]) -> String {
    let tests = std::env::current_exe().unwrap();
    let built = tests.parent().unwrap().parent().unwrap().join("examples").join(example);
    let mut command = match built.is_file() {
        true => Command::new(built),
        false => {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["run", "--quiet", "--offline", "--example", example]);
            if !cfg!(feature = "torch") {
                cargo.arg("--no-default-features");
            }
            if !cfg!(debug_assertions) {
                cargo.arg("--release");
            }
            cargo.current_dir(env!("CARGO_MANIFEST_DIR")).arg("--");
            cargo
        }
    };
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn they_compute_features_and_read_a_cache_and_python_reads_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, cache) = (folder.path().join("corpus"), folder.path().join("cache"));
    let options = SynthOptions { words: 8, sample_rate: 16_000, ..SynthOptions::default() };
    SynthCorpus::new(options).unwrap().write(&corpus).unwrap();
    let recording = walkdir::WalkDir::new(&corpus).into_iter().flatten().find(|entry| entry.path().is_file());
    let text = run("features_of_a_file", &[recording.unwrap().path()]);
    assert!(text.contains("frames of 3 channels × 40 MFCC"), "{text}");

    let storage = ser_core::storage::Storage::native();
    prepare(&PrepareOptions::new(&corpus, &cache), &storage, &ser_core::progress::Silent).unwrap();
    let arguments = [cache.as_path(), Path::new("speaker-OAF")];
    let text = run("read_a_cache", &arguments);
    assert!(text.starts_with("speaker-OAF: 56 utterances to test, 7 classes: angry, disgust"), "{text}");

    let Some(python) = python_with("numpy, safetensors") else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/read_a_cache.py");
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
}
