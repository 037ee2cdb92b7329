//! A Hugging Face folder: which files are in it, and the digest of those that decide what the encoder computes.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use ser_cache::Sha;
use ser_core::storage::{open_regular, read_text};
use ser_core::{Error, ErrorKind, Result};

/// The most bytes of an index of shards.
const MAX_INDEX_BYTES: u64 = 16 << 20;

/// The files of an encoder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// Its sizes.
    pub(crate) config: PathBuf,
    /// What is done to a recording before the encoder sees it.
    pub(crate) preprocessor: PathBuf,
    pub(crate) weights: WeightFiles,
}

/// The files of weights.
#[derive(Debug, Clone)]
pub(crate) enum WeightFiles {
    Safetensors(Vec<PathBuf>),
    Pickled(PathBuf),
}

impl Folder {
    /// Finds the files in `path`. Safetensors are preferred to pickles.
    ///
    /// # Errors
    /// When one is missing, or an index cannot be read.
    pub(crate) fn find(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            return Err(Error::new(ErrorKind::Missing, "is not a folder")
                .at(path)
                .help("name a folder with config.json, model.safetensors and preprocessor_config.json"));
        }
        let config = path.join("config.json");
        if !config.is_file() {
            return Err(missing(path, "config.json"));
        }
        let preprocessor = ["preprocessor_config.json", "processor_config.json"];
        let preprocessor = preprocessor.map(|name| path.join(name)).into_iter().find(|path| path.is_file());
        let preprocessor = preprocessor.ok_or_else(|| missing(path, "preprocessor_config.json"))?;
        Ok(Self { path: path.to_owned(), config, preprocessor, weights: find_weights(path)? })
    }

    /// SHA-256 over the names and the contents of all files, in a fixed order.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(crate) fn digest(&self) -> Result<Sha> {
        let weights = match &self.weights {
            WeightFiles::Safetensors(paths) => paths.as_slice(),
            WeightFiles::Pickled(path) => std::slice::from_ref(path),
        };
        let mut parts = Vec::new();
        for path in [&self.config, &self.preprocessor].into_iter().chain(weights) {
            let mut file = BufReader::new(open_regular(path, "cannot be read")?);
            let (content, _) = Sha::of_reader(&mut file, |_| ())
                .map_err(|error| Error::io("cannot be read", path, error))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            parts.push(format!("{name} {content}\n"));
        }
        Ok(Sha::of(&[parts.concat().as_bytes()]))
    }
}

fn find_weights(folder: &Path) -> Result<WeightFiles> {
    let whole = folder.join("model.safetensors");
    if whole.is_file() {
        return Ok(WeightFiles::Safetensors(vec![whole]));
    }
    let index = folder.join("model.safetensors.index.json");
    if index.is_file() {
        return Ok(WeightFiles::Safetensors(read_index(folder, &index)?));
    }
    let pickled = folder.join("pytorch_model.bin");
    if pickled.is_file() {
        return Ok(WeightFiles::Pickled(pickled));
    }
    Err(missing(folder, "model.safetensors"))
}

/// The shards that an index names, sorted, each a file of this folder.
fn read_index(folder: &Path, index: &Path) -> Result<Vec<PathBuf>> {
    let damaged = |what: String| {
        Error::new(ErrorKind::Damaged, what).at(index).help("copy it again from the model's folder")
    };
    let text = read_text(index, "an index of shards", MAX_INDEX_BYTES)?;
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| damaged(format!("is not JSON: {error}")))?;
    let map = json.get("weight_map").and_then(|map| map.as_object());
    let map = map.ok_or_else(|| damaged("has no weight_map".to_owned()))?;
    let mut names = BTreeSet::new();
    for (tensor, name) in map {
        let plain = name.as_str().filter(|name| {
            !name.contains(['/', '\\', '\0'])
                && Path::new(name).extension().is_some_and(|e| e == "safetensors")
        });
        let name = plain.ok_or_else(|| {
            damaged(format!("names no safetensors file of its folder for {tensor}: {name}"))
        })?;
        names.insert(name);
    }
    if names.is_empty() {
        return Err(damaged("names no shards".to_owned()));
    }
    names
        .into_iter()
        .map(|name| {
            let path = folder.join(name);
            if path.is_file() { Ok(path) } else { Err(missing(folder, name)) }
        })
        .collect()
}

fn missing(folder: &Path, name: &str) -> Error {
    Error::new(ErrorKind::Missing, format!("lacks {name}"))
        .at(folder)
        .help("copy the whole folder of the model")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_index_names_files_of_its_own_folder_alone() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join("model.safetensors.index.json");
        for wrong in [
            "[]",
            "{",
            r#"{"weight_map": {}}"#,
            r#"{"weight_map": {"a": "../model.safetensors"}}"#,
            r#"{"weight_map": {"a": "model.bin"}}"#,
            r#"{"weight_map": {"a": 3}}"#,
            r#"{"weight_map": {"a": "absent.safetensors"}}"#,
        ] {
            fs::write(&index, wrong).unwrap();
            assert!(find_weights(folder.path()).is_err(), "{wrong}");
        }
        fs::write(
            &index,
            r#"{"weight_map": {"b": "2.safetensors", "a": "1.safetensors", "c": "2.safetensors"}}"#,
        )
        .unwrap();
        fs::write(folder.path().join("1.safetensors"), "").unwrap();
        fs::write(folder.path().join("2.safetensors"), "").unwrap();
        let WeightFiles::Safetensors(paths) = find_weights(folder.path()).unwrap() else { panic!() };
        let names: Vec<_> = paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["1.safetensors", "2.safetensors"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (present, lacking) in [
            ("", "config.json"),
            ("config.json", "preprocessor_config.json"),
            ("preprocessor_config.json", "model.safetensors"),
        ] {
            if !present.is_empty() {
                fs::write(folder.path().join(present), "{}").unwrap();
            }
            let error = Folder::find(folder.path()).unwrap_err().to_string();
            assert!(error.contains(&format!("lacks {lacking};")), "{error}");
        }
        assert!(Folder::find(&folder.path().join("absent")).is_err());
    }
}
