//! Weights and a description that any program reads: `model.safetensors` and `config.json`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::Dtype as Stored;
use safetensors::tensor::TensorView;
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result};
use ser_model::checkpoint::{Dtype, Tensor};
use serde::Serialize;

use crate::features::Normalisation;
use crate::json::{not_json, to_json};
use crate::mark::Kind;
use crate::{Model, ModelCard, folder};

/// The files of its folder.
pub(crate) const FILES: [&str; 2] = ["model.safetensors", "config.json"];

/// `config.json`
#[derive(Debug, Serialize)]
struct Config<'a> {
    #[serde(flatten)]
    card: ModelCard,
    /// How features are normalised before they go into the network: `none`, `utterance`, or `training`, by the tensors
    /// `feature_statistics.mean` and `feature_statistics.standard_deviation`.
    feature_normalisation: &'static str,
    /// The network: its architecture and sizes.
    model: &'a ser_model::network::Architecture,
    /// The feature configuration.
    features: serde_json::Value,
}

impl Model {
    /// Writes `model.safetensors` (every tensor of the state dict under its PyTorch name, and those of a pretrained encoder as
    /// `encoder.<name>`) and `config.json` into the folder `path`, which is made, or replaced if it holds an earlier export of
    /// this kind and nothing else.
    ///
    /// # Errors
    /// When there is another folder, or writing fails.
    pub fn write_safetensors(&self, storage: &Storage, path: &Path) -> Result<()> {
        let (weights, config) = (self.weights()?, to_json(&self.description()?)?);
        let [weights_file, config_file] = FILES;
        let files = [(weights_file, weights.as_slice()), (config_file, config.as_bytes())];
        folder::replace(storage, path, Kind::Safetensors, &files)
    }

    /// The bytes of `model.safetensors`.
    fn weights(&self) -> Result<Vec<u8>> {
        let cannot =
            |error: safetensors::SafeTensorError| Error::new(ErrorKind::Unsupported, error.to_string());
        let statistics = self.statistics()?;
        let own = self.checkpoint.model_state.iter().chain(&statistics);
        let mut tensors: BTreeMap<Cow<'_, str>, &Tensor> =
            own.map(|(name, tensor)| (name.as_str().into(), tensor)).collect();
        // What was trained of an encoder is in the place of what it was before.
        let states = self.states_encoder()?.map(|encoder| encoder.carried);
        for (name, tensor) in self.encoder()?.into_iter().chain(states).flat_map(|encoder| encoder.tensors) {
            tensors.entry(format!("encoder.{name}").into()).or_insert(tensor);
        }
        let views: Vec<(&str, TensorView<'_>)> = (tensors.iter())
            .map(|(name, tensor)| {
                let view = TensorView::new(stored(tensor.dtype()), tensor.shape().to_vec(), tensor.bytes());
                Ok((name.as_ref(), view.map_err(cannot)?))
            })
            .collect::<Result<_>>()?;
        // As PyTorch's own writers say it.
        let about = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize(views, Some(about)).map_err(cannot)
    }

    /// What features are normalised by, if that was learnt in training.
    fn statistics(&self) -> Result<Vec<(String, Tensor)>> {
        let Normalisation::Training(statistics) = &self.normalisation else { return Ok(Vec::new()) };
        let [channels, rows, _] = self.config.model.input_shape;
        let named = [
            ("feature_statistics.mean", &statistics.mean),
            ("feature_statistics.standard_deviation", &statistics.standard_deviation),
        ];
        let tensors = named.into_iter().map(|(name, values)| {
            Tensor::from_f32(&[channels, rows], values).map(|tensor| (name.to_owned(), tensor))
        });
        tensors.collect()
    }

    /// What `config.json` says.
    fn description(&self) -> Result<Config<'_>> {
        Ok(Config {
            card: self.card(),
            feature_normalisation: match self.normalisation {
                Normalisation::None => "none",
                Normalisation::Utterance => "utterance",
                Normalisation::Training(_) => "training",
            },
            model: &self.config.model,
            features: self.features_json()?,
        })
    }

    fn features_json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.features.to_canonical_json()).map_err(not_json)
    }
}

fn stored(kind: Dtype) -> Stored {
    match kind {
        Dtype::F32 => Stored::F32,
        Dtype::F64 => Stored::F64,
        Dtype::F16 => Stored::F16,
        Dtype::BF16 => Stored::BF16,
        Dtype::I64 => Stored::I64,
        Dtype::I32 => Stored::I32,
        Dtype::U8 => Stored::U8,
        Dtype::Bool => Stored::BOOL,
    }
}
