//! What another runtime answers with an exported model.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::json;

/// Probabilities; not a number where the model refuses a recording.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Answer {
    pub(crate) probabilities: Vec<Option<f64>>,
    /// How unusual it finds the recording.
    pub(crate) share_as_unusual: Option<f64>,
}

/// Writes samples as little-endian f32.
pub(crate) fn write_samples(path: &Path, samples: &[f32]) {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    std::fs::write(path, bytes).unwrap();
}

/// What onnxruntime answers for each of `clips` with each of `models`, `[model][clip]`.
pub(crate) fn answers(python: &Path, models: &[PathBuf], clips: &[PathBuf]) -> Vec<Vec<Answer>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export/answers.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = json!({"models": models, "clips": clips}).to_string();
    child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
