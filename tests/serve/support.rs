//! A small model, and recordings that it knows and does not know.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ser_audio::Limits;
use ser_predict::{FrontEnd, Model, ModelOptions};

use crate::common_fit::{SMALL_FEATURES, manifest, prepared, ser_fit, succeed};

/// A checkpoint that was trained on a synthetic corpus of 84 utterances until it knew them.
pub(crate) fn checkpoint() -> &'static Path {
    static CHECKPOINT: OnceLock<PathBuf> = OnceLock::new();
    CHECKPOINT.get_or_init(|| {
        let prepared = prepared(&SMALL_FEATURES);
        let folder = prepared.recipe.parent().unwrap();
        let mut fit = ser_fit(folder);
        fit.arg("--config").arg(&prepared.recipe).arg("--cache").arg(&prepared.cache);
        succeed(fit.args(["--epochs", "40", "--run", "run", "--quiet"]));
        folder.join("run/best.pt")
    })
}

/// Recordings of one side of its split with their labels.
pub(crate) fn recordings(part: &str) -> Vec<(PathBuf, String)> {
    checkpoint();
    let prepared = prepared(&SMALL_FEATURES);
    let of = |utterance: serde_json::Value| {
        let text = |field: &str| utterance[field].as_str().unwrap().to_owned();
        (prepared.corpus.join(text("path")), text("label"))
    };
    manifest(&prepared.cache, "random", part).into_iter().map(of).collect()
}

/// The model in this process, to compare with.
pub(crate) fn model() -> (Model, FrontEnd) {
    let options = ModelOptions { device: "cpu".to_owned(), threads: 1, ..ModelOptions::default() };
    let model = Model::open(checkpoint(), &options).unwrap();
    let front_end = model.front_end(Limits::default()).unwrap();
    (model, front_end)
}

/// The samples of a recording at 16,000 Hz, as they are.
pub(crate) fn samples(path: &Path) -> Vec<f32> {
    let (model, mut front_end) = model();
    assert_eq!(model.features().sample_rate, 16_000);
    let (samples, rate) = front_end.long_file(path).unwrap();
    assert_eq!(rate, 16_000);
    samples.to_vec()
}

/// `samples` over and over, `count` of them.
pub(crate) fn repeated(samples: &[f32], count: usize) -> Vec<f32> {
    samples.iter().copied().cycle().take(count).collect()
}
