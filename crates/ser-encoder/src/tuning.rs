//! An encoder of which something is trained: its own tensors, some of them replaced or added to.
//!
//! The encoder is built anew from its tensors for every change, which costs little beside running it: a family's code does
//! not know that it is trained. What is not changed needs no gradients, so libtorch keeps nothing of those parts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use ser_cache::Sha;
use ser_core::{Error, ErrorKind};
use ser_features::EncoderPrecision;
use ser_model::network::{FinetuneConfig, LoraTarget, Tune, TunedEncoder, layer_of};
use ser_torch::Result;
use tch::{Device, Tensor};

use crate::Encoder;
use crate::families::{Family, Source, named};
use crate::folder::Folder;
use crate::parts::TimeMasks;
use crate::settings::Settings;
use crate::weights::{Taken, Tensors};

/// A pretrained speech encoder with its tensors at hand.
#[derive(Debug)]
pub struct Tunable {
    folder: Folder,
    family: &'static Family,
    digest: Sha,
    config: Settings,
    preprocessor: Settings,
    device: Device,
    tensors: Tensors,
    sizes: Sizes,
}

#[derive(Debug, Clone, Copy)]
struct Sizes {
    sample_rate: u32,
    dimension: usize,
    layers: usize,
    most_samples: usize,
}

/// What takes the place of one of an encoder's tensors.
#[derive(Debug)]
pub enum Change {
    /// This tensor, of the same shape.
    Whole(Tensor),
    /// The tensor W `[output, input]` itself and `scale`·B·A.
    LowRank {
        /// A, `[rank, input]`.
        a: Tensor,
        /// B, `[output, rank]`.
        b: Tensor,
        /// What their product is multiplied by.
        scale: f64,
    },
}

impl Tunable {
    /// Reads the encoder in a Hugging Face folder.
    ///
    /// # Errors
    /// As [`Encoder::open`].
    pub fn open(path: &Path, device: Device) -> ser_core::Result<Self> {
        let folder = Folder::find(path)?;
        let config = Settings::read(&folder.config)?;
        let preprocessor = Settings::read(&folder.preprocessor)?;
        let digest = folder.digest()?;
        Self::built(folder, config, preprocessor, digest, None, device)
    }

    /// The encoder with these settings and `tensors`, which were taken from a folder of this `digest` before.
    ///
    /// # Errors
    /// When a tensor is missing or does not fit the settings.
    pub(crate) fn held(
        folder: Folder,
        config: Settings,
        preprocessor: Settings,
        digest: Sha,
        tensors: Tensors,
        device: Device,
    ) -> ser_core::Result<Self> {
        Self::built(folder, config, preprocessor, digest, Some(tensors), device)
    }

    fn built(
        folder: Folder,
        config: Settings,
        preprocessor: Settings,
        digest: Sha,
        held: Option<Tensors>,
        device: Device,
    ) -> ser_core::Result<Self> {
        let family = named(&config)?;
        TimeMasks::of(&config)?;
        let taken = Taken::default();
        let source = Source {
            folder: &folder,
            config: &config,
            preprocessor: preprocessor.clone(),
            device,
            held: held.as_ref(),
            taken: Some(Arc::clone(&taken)),
            precision: EncoderPrecision::F32,
            frozen: false,
        };
        let model = tch::no_grad(|| (family.build)(source))?;
        let sizes = Sizes {
            sample_rate: model.sample_rate(),
            dimension: model.dimension(),
            layers: model.layers(),
            most_samples: model.most_samples(),
        };
        drop(model);
        let taken = std::mem::take(&mut *taken.lock().unwrap_or_else(PoisonError::into_inner));
        let tensors = held.unwrap_or(taken);
        Ok(Self { folder, family, digest, config, preprocessor, device, tensors, sizes })
    }

    /// The same encoder for another network: it shares the tensors and has nothing else in common.
    #[must_use]
    pub fn share(&self) -> Self {
        Self {
            folder: self.folder.clone(),
            config: self.config.clone(),
            preprocessor: self.preprocessor.clone(),
            tensors: shared(&self.tensors),
            ..*self
        }
    }

    /// Its tensors, as they are in the folder but in f32.
    pub(crate) fn tensors(&self) -> &Tensors {
        &self.tensors
    }

    /// The settings in `config.json`.
    pub(crate) fn config(&self) -> &Settings {
        &self.config
    }

    /// Those of the preprocessor.
    pub(crate) fn preprocessor(&self) -> &Settings {
        &self.preprocessor
    }

    /// The most samples of a recording that it hears at once.
    pub(crate) fn most_samples(&self) -> usize {
        self.sizes.most_samples
    }

    /// SHA-256 over the folder's files.
    pub fn digest(&self) -> Sha {
        self.digest
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The tensor called `name`, as it is in the folder.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// This encoder with those of its tensors that are trained as `config` says, or added to.
    ///
    /// # Errors
    /// When it has fewer layers than are to be trained, or smaller matrices than the rank of what is added to them.
    pub fn tuned(&self, config: &FinetuneConfig) -> ser_core::Result<TunedEncoder> {
        let usage = |what: String, remedy: String| Error::new(ErrorKind::Usage, what).help(remedy);
        let layers = self.sizes.layers;
        let top = config.top_layers as usize;
        if config.tune == Tune::Top && top > layers {
            let what = format!("top_layers {top} is more than the encoder has, which has {layers} layers");
            return Err(usage(what, format!("give at most {layers}")).at(self.folder()));
        }
        let is_tuned = |name: &str| match (config.tune, layer_of(name)) {
            (_, None) | (Tune::Head, _) => false,
            (Tune::Lora, _) => config.lora_targets.iter().any(|target| is_of(name, *target)),
            (Tune::Top, Some(layer)) => layer >= layers - top,
            (Tune::All, _) => true,
        };
        let mut tensors = BTreeMap::new();
        for (name, tensor) in self.tensors.iter().filter(|(name, _)| is_tuned(name)) {
            let shape: Vec<usize> = tensor.size().iter().map(|size| *size as usize).collect();
            let most = shape.iter().copied().min().unwrap_or_default();
            if config.tune == Tune::Lora && config.lora_rank as usize > most {
                let what = format!(
                    "lora_rank {} is above the smaller side of {name}, which has shape {shape:?}",
                    config.lora_rank
                );
                return Err(usage(what, format!("give at most {most}")).at(self.folder()));
            }
            tensors.insert(name.clone(), shape);
        }
        if tensors.is_empty() && config.tune != Tune::Head {
            let what = format!("holds a {} encoder, which has no layers of a transformer", self.family.name);
            let error = Error::new(ErrorKind::Unsupported, what).at(self.folder());
            return Err(error.help("train the head alone, with tune = \"head\", or name another encoder"));
        }
        Ok(TunedEncoder {
            family: self.family.name.to_owned(),
            digest: self.digest.to_string(),
            sample_rate: self.sizes.sample_rate,
            most_samples: self.sizes.most_samples,
            dimension: self.sizes.dimension as u32,
            tensors,
        })
    }

    /// The encoder with `changes` of its tensors, by their names. Gradients flow back to the changes.
    ///
    /// # Errors
    /// When there is no such tensor, or a change is of another shape.
    pub fn with(&self, changes: BTreeMap<String, Change>) -> Result<Encoder> {
        let mut held = shared(&self.tensors);
        for (name, change) in changes {
            let Some(tensor) = held.get_mut(&name) else {
                let what = format!("has no tensor {name} that could be trained");
                return Err(Error::new(ErrorKind::Mismatch, what).at(self.folder()).into());
            };
            *tensor = match change {
                Change::Whole(other) => other,
                Change::LowRank { a, b, scale } => tensor.f_add(&b.f_matmul(&a)?.f_mul_scalar(scale)?)?,
            };
        }
        self.encoder_of(&held, EncoderPrecision::F32, false)
    }

    /// The encoder as it is, of which nothing learns, computing in `precision`.
    ///
    /// # Errors
    /// When its family does not compute in that.
    pub(crate) fn frozen(&self, precision: EncoderPrecision) -> Result<Encoder> {
        tch::no_grad(|| self.encoder_of(&self.tensors, precision, true))
    }

    fn encoder_of(&self, held: &Tensors, precision: EncoderPrecision, frozen: bool) -> Result<Encoder> {
        let source = Source {
            folder: &self.folder,
            config: &self.config,
            preprocessor: self.preprocessor.clone(),
            device: self.device,
            held: Some(held),
            taken: None,
            precision,
            frozen,
        };
        let model = (self.family.build)(source)?;
        Ok(Encoder::of(
            self.folder.path.clone(),
            self.family.name,
            self.digest,
            precision,
            self.device,
            model,
        ))
    }
}

/// Finds the folder of `folders` whose files have this SHA-256; the others by what they hold.
///
/// # Errors
/// When one of them is no folder of an encoder.
pub(crate) fn find(folders: &[PathBuf], digest: &str) -> ser_core::Result<Found> {
    let mut others = Vec::new();
    for path in folders {
        let folder = Folder::find(path)?;
        let found = folder.digest()?.to_string();
        if found == digest {
            return Ok(Found::There(path.clone()));
        }
        let family = Settings::read(&folder.config)?.text("model_type", "unknown")?;
        others.push((found, family));
    }
    Ok(Found::Others(others))
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Found {
    /// The encoder, in this folder.
    There(PathBuf),
    /// Encoders with these digests, of these families.
    Others(Vec<(String, String)>),
}

fn shared(tensors: &Tensors) -> Tensors {
    tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
}

/// Whether the tensor `name` is the matrix `target` of its layer, in any family.
fn is_of(name: &str, target: LoraTarget) -> bool {
    let ends: &[&str] = match target {
        LoraTarget::Query => &[".q_proj.weight"],
        LoraTarget::Key => &[".k_proj.weight"],
        LoraTarget::Value => &[".v_proj.weight"],
        LoraTarget::Output => &[".out_proj.weight"],
        LoraTarget::Inner => &[".intermediate_dense.weight", ".fc1.weight"],
        LoraTarget::Outer => &[".output_dense.weight", ".fc2.weight"],
    };
    ends.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tunable(name: &str) -> Tunable {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/encoders").join(name);
        Tunable::open(&folder, Device::Cpu).unwrap()
    }

    const FAMILIES: [&str; 5] = ["wav2vec2-base", "hubert-large", "wavlm-base", "data2vec-audio", "whisper"];

    fn clip(length: usize) -> Vec<f32> {
        (0..length).map(|n| (n as f32 * n as f32 * 1e-4).sin()).collect()
    }

    fn difference(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).abs().max().double_value(&[])
    }

    #[test]
    fn an_encoder_without_changes_is_the_frozen_one_and_padding_tells_nothing() {
        for name in FAMILIES {
            let tunable = tunable(name);
            let built = tunable.with(BTreeMap::new()).unwrap();
            let mut frozen = Encoder::open(tunable.folder(), Device::Cpu).unwrap();
            assert_eq!(frozen.digest(), tunable.digest());
            let (long, short) = (clip(9_000), clip(5_000));
            let (states, lengths) = built.last_states(&[&long, &short]).unwrap();
            let (alone, alone_lengths) = built.last_states(&[&short]).unwrap();
            assert_eq!(lengths[1..], alone_lengths);
            let padded = states.get(1).narrow(0, 0, lengths[1]);
            assert!(difference(&padded, &alone.get(0).narrow(0, 0, lengths[1])) < 1e-4, "{name}");
            // Where layers normalise what they read, the frozen states are those before the last normalisation.
            if name != "hubert-large" {
                let all = frozen.states(&[&short]).unwrap().remove(0).states;
                let last = all.get(all.size()[0] - 1);
                assert!(difference(&last, &alone.get(0).narrow(0, 0, lengths[1])) < 1e-5, "{name}");
            }
        }
    }

    /// Sums over time are long here, and their mean is far from 0.
    #[test]
    fn half_a_minute_with_an_offset_is_heard_frozen_as_it_is_learnt_from() {
        let tunable = tunable("wav2vec2-pickled");
        let samples: Vec<f32> = clip(480_000).iter().map(|sample| 0.02 * sample + 0.3).collect();
        let (learnt_from, _) = tunable.with(BTreeMap::new()).unwrap().last_states(&[&samples]).unwrap();
        let (frozen, _) = tunable.frozen(EncoderPrecision::F32).unwrap().last_states(&[&samples]).unwrap();
        let off = difference(&learnt_from, &frozen);
        assert!(off < 1e-4, "{off}");
    }

    #[test]
    fn every_target_of_every_layer_is_found_and_gradients_reach_only_what_is_changed() {
        for name in FAMILIES {
            let tunable = tunable(name);
            let layers = tunable.sizes.layers;
            let every = vec![
                LoraTarget::Query,
                LoraTarget::Key,
                LoraTarget::Value,
                LoraTarget::Output,
                LoraTarget::Inner,
                LoraTarget::Outer,
            ];
            let lora = FinetuneConfig { lora_targets: every, lora_rank: 2, ..FinetuneConfig::default() };
            assert_eq!(tunable.tuned(&lora).unwrap().tensors.len(), 6 * layers, "{name}");
            let of = |tune: Tune, top_layers: u32| {
                let config = FinetuneConfig { tune, top_layers, ..FinetuneConfig::default() };
                tunable.tuned(&config).map(|tuned| tuned.tensors)
            };
            assert!(of(Tune::Head, 1).unwrap().is_empty());
            assert_eq!(of(Tune::Top, layers as u32).unwrap(), of(Tune::All, 1).unwrap());
            let top = of(Tune::Top, 1).unwrap();
            assert!(top.keys().all(|name| layer_of(name) == Some(layers - 1)), "{top:?}");
            assert!(of(Tune::Top, layers as u32 + 1).unwrap_err().to_string().contains("top_layers"));
            let leaves: BTreeMap<String, Tensor> = (top.keys())
                .map(|name| (name.clone(), tunable.tensor(name).unwrap().copy().set_requires_grad(true)))
                .collect();
            let changes =
                leaves.iter().map(|(name, leaf)| (name.clone(), Change::Whole(leaf.shallow_clone())));
            let (states, _) = tunable.with(changes.collect()).unwrap().last_states(&[&clip(6_000)]).unwrap();
            states.square().sum(tch::Kind::Float).backward();
            for (tensor, leaf) in &leaves {
                let size = leaf.grad().abs().max().double_value(&[]);
                // What is added to all keys of a query changes nothing.
                assert!(size > 0.0 || tensor.ends_with("k_proj.bias"), "{name}: {tensor}");
            }
            assert!(tunable.tensors.values().all(|tensor| !tensor.requires_grad()));
        }
    }

    #[test]
    fn a_rank_above_a_matrix_is_refused() {
        let config = FinetuneConfig { lora_rank: 17, ..FinetuneConfig::default() };
        let error = tunable("wavlm-base").tuned(&config).unwrap_err().to_string();
        assert!(error.contains("lora_rank 17 is above") && error.contains("give at most 16"), "{error}");
    }

    #[test]
    fn an_encoder_without_a_transformer_trains_its_head_alone() {
        let encoder = tunable("ge2e");
        let of = |tune: Tune| encoder.tuned(&FinetuneConfig { tune, ..FinetuneConfig::default() });
        assert!(of(Tune::Head).unwrap().tensors.is_empty());
        for tune in [Tune::Lora, Tune::All] {
            let error = of(tune).unwrap_err().to_string();
            assert!(error.contains("no layers of a transformer"), "{error}");
        }
    }

    #[test]
    fn a_recording_too_short_for_a_frame_is_filled_up_with_silence() {
        for name in FAMILIES {
            let encoder = tunable(name).with(BTreeMap::new()).unwrap();
            let (states, lengths) = encoder.last_states(&[&[0.5, -0.5]]).unwrap();
            assert_eq!(lengths, [1], "{name}");
            assert!(bool::try_from(states.isfinite().all()).unwrap());
        }
    }
}
