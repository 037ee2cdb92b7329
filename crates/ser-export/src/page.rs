//! A page that listens and answers in a browser: static files, the ONNX model, and onnxruntime-web to run it.

use std::io::Read;
use std::path::Path;

use ser_core::remedy::Setting;
use ser_core::storage::{Storage, open_regular};
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::json::to_json;
use crate::mark::Kind;
use crate::{Model, folder};

/// The version of onnxruntime-web that the page is tested with.
pub const RUNTIME_VERSION: &str = "1.30.0";

/// The files of onnxruntime-web that the page needs: those of its folder `dist` that run on the processor alone.
pub const RUNTIME_FILES: [&str; 3] =
    ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"];

/// Far more than any of them has.
const MOST_RUNTIME_BYTES: u64 = 256 << 20;

/// The page itself.
const FILES: [(&str, &str); 7] = [
    ("index.html", include_str!("../web/index.html")),
    ("style.css", include_str!("../web/style.css")),
    ("page.js", include_str!("../web/page.js")),
    ("worker.js", include_str!("../web/worker.js")),
    ("listener.js", include_str!("../web/listener.js")),
    ("resample.js", include_str!("../web/resample.js")),
    ("doubt.js", include_str!("../web/doubt.js")),
];

/// The licence of onnxruntime-web, whose package does not hold it.
const RUNTIME_LICENCE: &str = include_str!("../web/onnxruntime-LICENSE.txt");

/// The model, what is known of it, and the licence, beside the page and the runtime.
const MODEL: &str = "model.onnx";
const CARD: &str = "model.json";
const LICENCE: &str = "runtime/LICENSE";

/// The files of its folder.
pub(crate) fn files() -> Vec<String> {
    let own = FILES.iter().map(|(name, _)| *name).chain([MODEL, CARD, LICENCE]).map(str::to_owned);
    own.chain(RUNTIME_FILES.map(in_runtime)).collect()
}

fn in_runtime(name: &str) -> String {
    format!("runtime/{name}")
}

impl Model {
    /// Writes a page that runs the model in a browser into the folder `path`, which is made, or replaced if it holds an
    /// earlier export of this kind and nothing else. Any server of files serves it. `runtime` is a folder with [`RUNTIME_FILES`].
    ///
    /// # Errors
    /// When a file of the runtime is missing, there is another folder at `path`, or writing fails; and those of
    /// [`Model::to_onnx`].
    pub fn write_page(&self, storage: &Storage, path: &Path, runtime: &Path) -> Result<()> {
        let runtime = RUNTIME_FILES.map(|name| read_runtime(&runtime.join(name)).map(|bytes| (name, bytes)));
        let runtime = runtime.into_iter().collect::<Result<Vec<_>>>()?;
        let (onnx, card) = (self.to_onnx()?, to_json(&self.card())?);
        let names: Vec<String> = runtime.iter().map(|(name, _)| in_runtime(name)).collect();
        let mut files: Vec<(&str, &[u8])> = FILES.map(|(name, text)| (name, text.as_bytes())).to_vec();
        files.push((MODEL, &onnx));
        files.push((CARD, card.as_bytes()));
        files.push((LICENCE, RUNTIME_LICENCE.as_bytes()));
        files.extend(names.iter().zip(&runtime).map(|(name, (_, bytes))| (name.as_str(), bytes.as_slice())));
        folder::replace(storage, path, Kind::Page, &files)
    }
}

fn read_runtime(path: &Path) -> Result<Vec<u8>> {
    let cannot = "cannot be read";
    if !path.exists() {
        let what = format!("is missing, a file of onnxruntime-web {RUNTIME_VERSION} that the page needs");
        return Err(Error::new(ErrorKind::Missing, what).at(path).help(remedy![
            "give a folder that holds it as ",
            Setting::Runtime,
            ": dist of the npm package onnxruntime-web, or what ./just web-runtime fetches"
        ]));
    }
    let mut bytes = Vec::new();
    let read = open_regular(path, cannot)?.take(MOST_RUNTIME_BYTES).read_to_end(&mut bytes);
    read.map_err(|error| Error::io(cannot, path, error))?;
    Ok(bytes)
}
