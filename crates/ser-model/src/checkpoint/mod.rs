//! Checkpoints: PyTorch files, written and read without executing anything.
//!
//! A [`Checkpoint`] is a trained network with all it takes to use it. On disk it is what `torch.save` would have
//! written of a dict, so that `torch.load("best.pt", weights_only=True)` opens it:
//!
//! | key | value |
//! |---|---|
//! | `format` | `"ser"` |
//! | `version` | 1 |
//! | `model_state_dict` | dict: parameter's name → tensor |
//! | `labels` | list of str, in the order of the logits |
//! | `config` | str: a JSON object |
//!
//! and in a checkpoint to resume from, further keys that the training loop chooses. [`read`] and [`write()`] handle
//! any tree of plain values and tensors, whoever saved it.
//!
//! # What is promised
//! * Reading executes nothing and never panics, whatever the bytes; memory stays in proportion to the file's size.
//! * A file of ours with any byte changed, added or missing is refused.
//! * Writing replaces a file atomically; equal contents give equal bytes.

mod archive;
mod arena;
mod cursor;
mod file;
mod opcode;
mod pickle;
mod strided;
mod tensor;
mod unpickle;
mod value;

use std::collections::HashSet;
use std::path::Path;

use ser_core::remedy::Action;
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result, remedy};
use serde::de::DeserializeOwned;

pub use file::{MAX_FILE_BYTES, read, read_bytes, to_bytes, write};
pub use tensor::{Dtype, Tensor};
pub use value::{DictKey, Value};

const FORMAT: &str = "ser";
/// Raised when a reader of the old version would misunderstand the new one.
const VERSION: i64 = 1;
const RESERVED: [&str; 5] = ["format", "version", "model_state_dict", "labels", "config"];

/// The tensor called `name` in a state dict.
///
/// # Errors
/// When there is none.
pub fn find<'a>(state: &'a [(String, Tensor)], name: &str) -> Result<&'a Tensor> {
    state.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor).ok_or_else(|| {
        Error::new(ErrorKind::Mismatch, format!("the checkpoint holds no tensor {name:?}"))
            .help("use a checkpoint of this network")
    })
}

/// A trained network, and what is needed to use it or to continue training it.
///
/// ```
/// use ser_model::checkpoint::{Checkpoint, Tensor, Value};
/// let checkpoint = Checkpoint {
///     labels: vec!["angry".into(), "sad".into()],
///     config: r#"{"model": {"arch": "cnn-bilstm"}}"#.into(),
///     model_state: vec![("head.3.bias".into(), Tensor::from_f32(&[2], &[0.5, -0.5])?)],
///     extra: vec![("epoch".into(), Value::Int(12))],
/// };
/// let bytes = checkpoint.to_bytes()?;
/// assert_eq!(Checkpoint::from_bytes(&bytes)?, checkpoint);
/// # Ok::<(), ser_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The classes, in the order of the logits. At least one; none twice.
    pub labels: Vec<String>,
    /// A JSON object: the model, the features, the split, the seed, the epoch, the metrics.
    pub config: String,
    /// Every parameter and buffer of the network under its PyTorch name. No name comes twice.
    pub model_state: Vec<(String, Tensor)>,
    /// What else the training loop keeps: statistics for feature normalisation, and the state to resume from.
    pub extra: Vec<(String, Value)>,
}

impl Checkpoint {
    /// Reads a checkpoint.
    ///
    /// # Errors
    /// As [`read`]; [`ErrorKind::Unsupported`] for a PyTorch file that is not a checkpoint of ser, or one written by a
    /// newer version; [`ErrorKind::Damaged`] where a key is missing or of the wrong type.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_value(read(path)?).map_err(|error| error.at(path))
    }

    /// As [`Checkpoint::read`], from bytes in memory.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::from_value(read_bytes(bytes)?)
    }

    /// Writes the checkpoint, replacing `path` atomically, as [`write()`] does.
    ///
    /// # Errors
    /// As [`Checkpoint::to_bytes`], and [`ErrorKind::Io`].
    pub fn write(&self, storage: &Storage, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        storage.replace_file(path, &[&self.to_bytes().map_err(|error| error.at(path))?])
    }

    /// The bytes of the file. Equal checkpoints give equal bytes.
    ///
    /// # Errors
    /// As [`to_bytes`]; [`ErrorKind::Usage`] for labels, a configuration or names that
    /// [`Checkpoint::from_bytes`] would refuse.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        check_labels(&self.labels)
            .and_then(|()| check_config(&self.config))
            .map_err(|what| Error::new(ErrorKind::Usage, format!("a checkpoint {what}")))?;
        to_bytes(&self.to_value())
    }

    /// The tensor of the network's state under `name`.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.model_state.iter().find(|(key, _)| key == name).map(|(_, tensor)| tensor)
    }

    /// The further value under `name`.
    pub fn extra(&self, name: &str) -> Option<&Value> {
        self.extra.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// What its `config` says, as far as `T` asks.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] where that is missing or of another kind.
    pub fn parse_config<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.config).map_err(|error| {
            damaged(format!("its configuration cannot be understood: {error}")).caused_by(error)
        })
    }

    fn to_value(&self) -> Value {
        let labels = self.labels.iter().map(|label| Value::from(label.as_str())).collect();
        let state = self.model_state.iter().map(|(name, tensor)| (name.as_str(), tensor.clone().into()));
        // A further value under one of our own names makes a dict with that key twice, which is refused.
        let own: [(&str, Value); 5] = [
            ("format", FORMAT.into()),
            ("version", VERSION.into()),
            ("model_state_dict", Value::dict(state)),
            ("labels", Value::List(labels)),
            ("config", self.config.as_str().into()),
        ];
        let extra = self.extra.iter().map(|(name, value)| (name.as_str(), value.clone()));
        Value::dict(own.into_iter().chain(extra))
    }

    fn from_value(value: Value) -> Result<Self> {
        let foreign = || Error::new(ErrorKind::Unsupported, "is a PyTorch file, but not a checkpoint of ser");
        if value.get("format").and_then(Value::as_text) != Some(FORMAT) {
            return Err(foreign());
        }
        match value.get("version").and_then(Value::as_int) {
            Some(VERSION) => {}
            Some(newer) if newer > VERSION => {
                let what = format!("was written by a newer ser (version {newer}; this one reads {VERSION})");
                return Err(Error::new(ErrorKind::Unsupported, what).help(remedy![
                    "update ser, or ",
                    Action::Train,
                    " again"
                ]));
            }
            _ => return Err(damaged("has no valid `version`")),
        }
        let Value::Dict(entries) = value else { return Err(foreign()) };
        let mut checkpoint =
            Self { labels: vec![], config: String::new(), model_state: vec![], extra: vec![] };
        let mut found = HashSet::new();
        for (key, value) in entries {
            let DictKey::Text(key) = key else { return Err(damaged("has a key that is not a string")) };
            match (key.as_str(), value) {
                ("format" | "version", _) => {}
                ("model_state_dict", Value::Dict(state)) => checkpoint.model_state = named_tensors(state)?,
                ("labels", Value::List(labels)) => checkpoint.labels = texts(labels)?,
                ("config", Value::Text(config)) => checkpoint.config = config,
                ("model_state_dict" | "labels" | "config", _) => {
                    return Err(damaged(format!("has a `{key}` of the wrong type")));
                }
                (_, value) => checkpoint.extra.push((key.clone(), value)),
            }
            found.insert(key);
        }
        if let Some(missing) = RESERVED.iter().find(|key| !found.contains(**key)) {
            return Err(damaged(format!("lacks `{missing}`")));
        }
        check_labels(&checkpoint.labels).and_then(|()| check_config(&checkpoint.config)).map_err(damaged)?;
        Ok(checkpoint)
    }
}

fn named_tensors(state: Vec<(DictKey, Value)>) -> Result<Vec<(String, Tensor)>> {
    let named = |entry| match entry {
        (DictKey::Text(name), Value::Tensor(tensor)) => Ok((name, tensor)),
        (key, _) => {
            Err(damaged(format!("has an entry in `model_state_dict`, {key:?}, that is not a named tensor")))
        }
    };
    state.into_iter().map(named).collect()
}

fn texts(values: Vec<Value>) -> Result<Vec<String>> {
    let text = |value| {
        if let Value::Text(text) = value {
            Ok(text)
        } else {
            Err(damaged("has a label that is not a string"))
        }
    };
    values.into_iter().map(text).collect()
}

fn check_labels(labels: &[String]) -> Result<(), String> {
    let mut seen = HashSet::new();
    match labels.iter().find(|label| !seen.insert(*label)) {
        _ if labels.is_empty() => Err("has no labels".to_owned()),
        Some(label) => Err(format!("has the label {label:?} twice")),
        None => Ok(()),
    }
}

fn check_config(config: &str) -> Result<(), String> {
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(config) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("has a `config` that is not a JSON object: {error}")),
    }
}

fn damaged(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Damaged, what)
}
