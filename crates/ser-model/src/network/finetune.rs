//! `finetune`: a pretrained encoder in front of a small head, both trained from waveforms.
//!
//! ```text
//! [B, 1, 1, sample] → the encoder's last states → mean over real frames → Linear → ReLU → Dropout → Linear → [B, class]
//! ```
//!
//! Of the encoder, whose weights lie in its folder, only what is trained is a weight of the network: matrices of low rank
//! that are added to its own (E. J. Hu et al., "LoRA: low-rank adaptation of large language models", ICLR 2022), or whole
//! layers of its transformer.

use std::collections::BTreeMap;

use ser_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::checks::{depth, invalid_size, share, units};
use super::{Description, Layer, LowRank, Sizes};

/// Sizes of `finetune`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FinetuneConfig {
    /// What of the encoder is trained.
    pub tune: Tune,
    /// Rank of the matrices that are added with [`Tune::Lora`].
    pub lora_rank: u32,
    /// α: their product is multiplied by α / rank.
    pub lora_alpha: f64,
    /// The matrices of each layer that they are added to.
    pub lora_targets: Vec<LoraTarget>,
    /// How many layers are trained with [`Tune::Top`].
    pub top_layers: u32,
    /// What the learning rate is multiplied by for the encoder's own tensors, not for matrices that are added to them.
    pub encoder_lr_scale: f64,
    /// What it is multiplied by once more for each layer below the last one: "layer-wise learning-rate decay" (K. Clark et al.,
    /// "ELECTRA: pre-training text encoders as discriminators rather than generators", ICLR 2020).
    pub layer_lr_decay: f64,
    /// In how many parts a batch is learnt from, one after the other; their gradients are added. Memory is that of a part.
    pub gradient_accumulation: u32,
    /// Whether values inside of the encoder's layers are computed again in the backward pass instead of being kept.
    pub gradient_checkpointing: bool,
    /// Whether frames are hidden from the transformer in training, as the encoder's settings say.
    pub time_masks: bool,
    /// Units of the dense layer.
    pub dense: u32,
    /// Share of dense units dropped in training.
    pub dropout: f64,
    /// The encoder and which of its tensors are trained, which follows from its folder and the above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<TunedEncoder>,
}

/// What of an encoder is trained. Its convolutions never are.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Tune {
    /// Matrices of low rank, added to some of those of every layer.
    #[default]
    Lora,
    /// The last layers of the transformer, whole.
    Top,
    /// All layers of the transformer.
    All,
    /// Nothing: only the head learns.
    Head,
}

/// A matrix of a transformer's layer.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum LoraTarget {
    /// Queries of the attention.
    Query,
    /// Its keys.
    Key,
    /// Its values.
    Value,
    /// What follows the attention.
    Output,
    /// The first of the feed-forward network.
    Inner,
    /// The second.
    Outer,
}

/// A pretrained encoder, and the tensors of it that are trained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunedEncoder {
    /// Its family, such as `wav2vec2`.
    pub family: String,
    /// SHA-256 over its files, hexadecimal.
    pub digest: String,
    /// Rate of the recordings it takes, Hz.
    pub sample_rate: u32,
    /// The most samples that it hears at once.
    pub most_samples: usize,
    /// Numbers of a state.
    pub dimension: u32,
    /// Names, as in its folder, and shapes of the tensors that are trained or that a product of low rank is added to.
    pub tensors: BTreeMap<String, Vec<usize>>,
}

impl Default for FinetuneConfig {
    fn default() -> Self {
        Self {
            tune: Tune::Lora,
            lora_rank: 8,
            lora_alpha: 16.0,
            lora_targets: vec![LoraTarget::Query, LoraTarget::Value],
            top_layers: 4,
            encoder_lr_scale: 0.1,
            layer_lr_decay: 1.0,
            gradient_accumulation: 1,
            gradient_checkpointing: false,
            time_masks: true,
            dense: 256,
            dropout: 0.3,
            encoder: None,
        }
    }
}

impl Sizes for FinetuneConfig {
    const NAME: &'static str = "finetune";
    const SUMMARY: &'static str =
        "A pretrained encoder, trained in part or frozen, the mean over frames, two linear layers";

    fn validate(&self) -> Result<()> {
        units("lora_rank", &[self.lora_rank])?;
        if !(self.lora_alpha > 0.0 && self.lora_alpha <= 1e4) {
            return Err(invalid_size(
                "lora_alpha",
                &self.lora_alpha.to_string(),
                "a positive number up to 10000",
            ));
        }
        let mut targets = self.lora_targets.clone();
        targets.sort_unstable();
        targets.dedup();
        if targets.is_empty() || targets.len() != self.lora_targets.len() {
            let given = format!("{:?}", self.lora_targets);
            let allowed = "some of query, key, value, output, inner and outer, each once";
            return Err(invalid_size("lora_targets", &given, allowed));
        }
        depth("top_layers", self.top_layers)?;
        for (name, factor) in
            [("encoder_lr_scale", self.encoder_lr_scale), ("layer_lr_decay", self.layer_lr_decay)]
        {
            if !(factor > 0.0 && factor <= 1.0) {
                return Err(invalid_size(name, &factor.to_string(), "a number above 0, up to 1"));
            }
        }
        if !(1..=65_536).contains(&self.gradient_accumulation) {
            let given = self.gradient_accumulation.to_string();
            return Err(invalid_size("gradient_accumulation", &given, "a number from 1 to 65536"));
        }
        units("dense", &[self.dense])?;
        share("dropout", self.dropout)?;
        self.encoder.as_ref().map_or(Ok(()), TunedEncoder::validate)
    }

    fn describe(&self, classes: u32) -> Description {
        let none = TunedEncoder::none();
        let encoder = self.encoder.as_ref().unwrap_or(&none);
        let low_rank = LowRank { rank: self.lora_rank, alpha: self.lora_alpha };
        let mut layers = vec![Layer::Encoder {
            name: "encoder".to_owned(),
            units: encoder.dimension,
            tensors: encoder.tensors.clone(),
            time_masks: self.time_masks,
            checkpointing: self.gradient_checkpointing,
            low_rank: (self.tune == Tune::Lora).then_some(low_rank),
        }];
        layers.extend(Layer::head(self.dense, self.dropout, classes));
        Description::new(layers)
    }

    fn dropout(&mut self) -> &mut f64 {
        &mut self.dropout
    }
}

impl FinetuneConfig {
    /// What the learning rate of the encoder's own tensor `name` is multiplied by.
    pub fn share_of_learning_rate(&self, name: &str) -> f64 {
        let layers = self.encoder.iter().flat_map(|encoder| encoder.tensors.keys());
        let last = layers.filter_map(|tensor| layer_of(tensor)).max().unwrap_or_default();
        let below = layer_of(name).map_or(0, |layer| last.saturating_sub(layer));
        self.encoder_lr_scale * self.layer_lr_decay.powi(below as i32)
    }
}

/// The layer of an encoder's transformer that its tensor `name` belongs to, from 0; none for what is in front of it.
pub fn layer_of(name: &str) -> Option<usize> {
    let rest = name.strip_prefix("encoder.layers.").or_else(|| name.strip_prefix("layers."))?;
    rest.split('.').next()?.parse().ok()
}

impl TunedEncoder {
    /// Stands for the encoder of a recipe that names none. No network can be built of it.
    fn none() -> Self {
        Self {
            family: String::new(),
            digest: String::new(),
            sample_rate: 0,
            most_samples: 0,
            dimension: 0,
            tensors: BTreeMap::new(),
        }
    }

    fn validate(&self) -> Result<()> {
        let is_digest = self.digest.len() == 64 && self.digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_digest {
            return Ok(());
        }
        let what = format!("network.encoder.digest {:?} is not valid", self.digest);
        Err(Error::new(ErrorKind::Usage, what).help("give 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Architecture, NetworkConfig, Start};

    fn encoder(tensors: &[(&str, &[usize])]) -> TunedEncoder {
        TunedEncoder {
            family: "wav2vec2".to_owned(),
            digest: "ab".repeat(32),
            sample_rate: 16_000,
            most_samples: 960_000,
            dimension: 16,
            tensors: tensors.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect(),
        }
    }

    fn architecture(sizes: FinetuneConfig) -> Result<Architecture> {
        Architecture::new(&NetworkConfig::new(sizes), [1, 1, 96_000], 7)
    }

    #[test]
    fn the_learning_rate_falls_by_a_factor_for_each_layer_below_the_last() {
        let tensors: &[(&str, &[usize])] =
            &[("encoder.layers.2.a.weight", &[2, 2]), ("encoder.layers.4.a.weight", &[2, 2])];
        let encoder = Some(encoder(tensors));
        let sizes =
            FinetuneConfig { layer_lr_decay: 0.5, encoder_lr_scale: 0.2, encoder, ..Default::default() };
        assert_eq!(sizes.share_of_learning_rate("encoder.layers.4.a.weight"), 0.2);
        assert_eq!(sizes.share_of_learning_rate("encoder.layers.2.a.weight"), 0.05);
        assert_eq!(layer_of("layers.11.fc1.bias"), Some(11));
        assert_eq!(layer_of("feature_projection.projection.weight"), None);
    }

    #[test]
    fn only_what_is_trained_is_a_weight() {
        let tensors: &[(&str, &[usize])] = &[("layers.0.q.weight", &[16, 24])];
        let of = |tune: Tune| {
            let sizes = FinetuneConfig { tune, encoder: Some(encoder(tensors)), ..FinetuneConfig::default() };
            architecture(sizes).unwrap().layout().unwrap()
        };
        let names = |tune: Tune| -> Vec<(String, Vec<usize>)> { of(tune).shapes().collect() };
        let head = [
            ("head.0.weight".to_owned(), vec![256, 16]),
            ("head.0.bias".to_owned(), vec![256]),
            ("head.3.weight".to_owned(), vec![7, 256]),
            ("head.3.bias".to_owned(), vec![7]),
        ];
        let lora = names(Tune::Lora);
        assert_eq!(lora[0], ("encoder.layers.0.q.lora_a".to_owned(), vec![8, 24]));
        assert_eq!(lora[1], ("encoder.layers.0.q.lora_b".to_owned(), vec![16, 8]));
        assert_eq!(lora[2..], head);
        assert_eq!(of(Tune::Lora).weights[1].start, Start::Constant(0.0));
        let whole = names(Tune::Top);
        assert_eq!(whole[0], ("encoder.layers.0.q.weight".to_owned(), vec![16, 24]));
        assert_eq!(whole[1..], head);
        assert_eq!(of(Tune::All).weights[0].start, Start::Given);
    }

    #[test]
    fn a_recipe_reads_back_and_one_without_an_encoder_is_no_network() {
        let tensors: &[(&str, &[usize])] = &[("layers.0.q.weight", &[16, 16]), ("layers.0.q.bias", &[16])];
        let sizes = FinetuneConfig { tune: Tune::All, encoder: Some(encoder(tensors)), ..Default::default() };
        let config = crate::FitConfig { network: NetworkConfig::new(sizes), ..Default::default() };
        let text = toml::to_string(&config).unwrap();
        assert_eq!(crate::FitConfig::from_toml(&text).unwrap(), config, "{text}");
        let error = architecture(FinetuneConfig::default()).unwrap_err().to_string();
        assert!(error.contains("no encoder"), "{error}");
        let lora = FinetuneConfig { encoder: Some(encoder(tensors)), ..Default::default() };
        assert!(architecture(lora).unwrap_err().to_string().contains("not a matrix"));
        for wrong in [
            "lora_targets = []",
            "lora_targets = ['key', 'key']",
            "lora_rank = 0",
            "lora_alpha = 0.0",
            "top_layers = 65",
            "encoder_lr_scale = 1.5",
            "layer_lr_decay = 0.0",
            "gradient_accumulation = 0",
        ] {
            let text = format!("[network]\narch = 'finetune'\n{wrong}\n");
            let error = crate::FitConfig::from_toml(&text).unwrap_err().to_string();
            assert!(error.contains(wrong.split(' ').next().unwrap()), "{error}");
        }
    }
}
