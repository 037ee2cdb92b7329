//! The settings of wav2vec 2.0 and its kin that decide how the graph looks.

use ser_core::{Error, ErrorKind, Result};
use ser_model::CarriedEncoder;
use serde::Deserialize;

use super::parsed;
use crate::nodes::gelu;
use crate::onnx::{Graph, Value};

/// Families whose parts there are graphs of.
const FAMILIES: [&str; 4] = ["wav2vec2", "hubert", "wavlm", "data2vec-audio"];

/// `config.json`, which was checked when the encoder was tuned. Defaults are those of `transformers`.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    pub(super) model_type: String,
    pub(super) hidden_size: usize,
    pub(super) num_attention_heads: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) intermediate_size: usize,
    pub(super) layer_norm_eps: f64,
    pub(super) hidden_act: String,
    do_stable_layer_norm: bool,
    pub(super) conv_dim: Vec<usize>,
    pub(super) conv_kernel: Vec<usize>,
    pub(super) conv_stride: Vec<usize>,
    pub(super) conv_bias: bool,
    feat_extract_norm: String,
    feat_extract_activation: String,
    feat_proj_layer_norm: bool,
    pub(super) num_conv_pos_embeddings: Option<usize>,
    pub(super) num_conv_pos_embedding_groups: usize,
    pub(super) conv_pos_kernel_size: usize,
    pub(super) conv_pos_batch_norm: bool,
    pub(super) num_buckets: usize,
    pub(super) max_bucket_distance: usize,
    /// `do_normalize` of the preprocessor.
    #[serde(skip)]
    pub(super) normalises: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model_type: String::new(),
            hidden_size: 768,
            num_attention_heads: 12,
            num_hidden_layers: 12,
            intermediate_size: 3072,
            layer_norm_eps: 1e-5,
            hidden_act: "gelu".to_owned(),
            do_stable_layer_norm: false,
            conv_dim: vec![512; 7],
            conv_kernel: vec![10, 3, 3, 3, 3, 2, 2],
            conv_stride: vec![5, 2, 2, 2, 2, 2, 2],
            conv_bias: false,
            feat_extract_norm: "group".to_owned(),
            feat_extract_activation: "gelu".to_owned(),
            feat_proj_layer_norm: true,
            num_conv_pos_embeddings: None,
            num_conv_pos_embedding_groups: 16,
            conv_pos_kernel_size: 19,
            conv_pos_batch_norm: false,
            num_buckets: 320,
            max_bucket_distance: 800,
            normalises: true,
        }
    }
}

/// A preprocessor, or a processor's file with one in it.
#[derive(Debug, Deserialize)]
struct Preprocessor {
    do_normalize: Option<bool>,
    feature_extractor: Option<Box<Preprocessor>>,
}

impl Settings {
    /// # Errors
    /// When the family cannot be expressed, or the settings are damaged.
    pub(super) fn of(carried: &CarriedEncoder<'_>) -> Result<Self> {
        let mut settings: Self = parsed(carried.config)?;
        let preprocessor: Preprocessor = parsed(carried.preprocessor)?;
        let preprocessor =
            preprocessor.feature_extractor.map_or(preprocessor.do_normalize, |own| own.do_normalize);
        settings.normalises = preprocessor.unwrap_or(true);
        if !FAMILIES.contains(&settings.model_type.as_str()) {
            let what = format!("needs a {} encoder, of which there is no ONNX graph", settings.model_type);
            let known = format!("export a model on one of {}, whisper or ge2e", FAMILIES.join(", "));
            return Err(Error::new(ErrorKind::Unsupported, what).help(known));
        }
        let convolutions = [settings.conv_dim.len(), settings.conv_kernel.len(), settings.conv_stride.len()];
        let sizes = [
            settings.hidden_size,
            settings.num_attention_heads,
            settings.num_conv_pos_embedding_groups,
            settings.num_conv_pos_embeddings.unwrap_or(1),
            settings.conv_pos_kernel_size,
        ];
        let all =
            sizes.iter().chain(&settings.conv_dim).chain(&settings.conv_kernel).chain(&settings.conv_stride);
        let fit = convolutions == [settings.conv_dim.len(); 3]
            && (1..=256).contains(&settings.num_hidden_layers)
            && settings.num_buckets >= 4
            && all.clone().all(|size| (1..=1 << 20).contains(size))
            && settings.hidden_size.is_multiple_of(settings.num_attention_heads)
            && settings.hidden_size.is_multiple_of(settings.num_conv_pos_embedding_groups);
        match fit {
            true => Ok(settings),
            false => {
                Err(Error::new(ErrorKind::Damaged, "carries an encoder whose sizes do not fit together"))
            }
        }
    }

    fn is(&self, family: &str) -> bool {
        self.model_type == family
    }

    /// Whether attention scores have WavLM's relative positions.
    pub(super) fn has_relative_positions(&self) -> bool {
        self.is("wavlm")
    }

    /// Whether several convolutions one after the other tell positions.
    pub(super) fn stacks_positions(&self) -> bool {
        self.is("data2vec-audio")
    }

    /// Whether frames are normalised before they are projected.
    pub(super) fn projection_norm(&self) -> bool {
        !self.is("hubert") || self.feat_proj_layer_norm
    }

    /// Whether what goes into each part of a layer is normalised, instead of what comes out.
    pub(super) fn pre_norm(&self) -> bool {
        self.do_stable_layer_norm && !self.is("data2vec-audio")
    }

    /// Whether each channel of the first convolution is normalised over time, instead of each frame of all over channels.
    pub(super) fn group_norm(&self) -> bool {
        self.feat_extract_norm == "group" && !self.is("data2vec-audio")
    }

    /// The fewest samples of which there is a frame.
    pub(super) fn samples_of_a_frame(&self) -> usize {
        let convolutions = self.conv_kernel.iter().zip(&self.conv_stride).rev();
        convolutions.fold(1, |frames, (kernel, stride)| {
            frames.saturating_sub(1).saturating_mul(*stride).saturating_add(*kernel)
        })
    }

    /// Frames of so many samples, at least one.
    pub(super) fn frames_of(&self, samples: usize) -> usize {
        let of = |length: usize, (kernel, stride): (&usize, &usize)| {
            length.checked_sub(*kernel).map_or(0, |rest| rest / stride + 1)
        };
        self.conv_kernel.iter().zip(&self.conv_stride).fold(samples, of).max(1)
    }

    /// The activation after convolutions.
    pub(super) fn activate_convolution(&self, graph: &mut Graph, x: &Value) -> Result<Value> {
        activate(graph, &self.feat_extract_activation, x)
    }
}

/// The activation that `transformers` calls `name`.
pub(super) fn activate(graph: &mut Graph, name: &str, x: &Value) -> Result<Value> {
    Ok(match name {
        "gelu" => gelu(graph, x),
        "gelu_new" | "gelu_pytorch_tanh" => {
            let [cubic, root, one, half] =
                [0.044_715, (2.0 / std::f32::consts::PI).sqrt(), 1.0, 0.5].map(|number| graph.float(number));
            let square = graph.op("Mul", &[x, x]);
            let cube = graph.op("Mul", &[&square, x]);
            let cube = graph.op("Mul", &[&cube, &cubic]);
            let sum = graph.op("Add", &[x, &cube]);
            let scaled = graph.op("Mul", &[&sum, &root]);
            let tangent = graph.op("Tanh", &[&scaled]);
            let twice = graph.op("Add", &[&tangent, &one]);
            let x = graph.op("Mul", &[x, &twice]);
            graph.op("Mul", &[&x, &half])
        }
        "relu" => graph.op("Relu", &[x]),
        "silu" | "swish" => {
            let gate = graph.op("Sigmoid", &[x]);
            graph.op("Mul", &[x, &gate])
        }
        "selu" => graph.op("Selu", &[x]),
        other => {
            let what = format!("carries an encoder with the activation {other}, which is not known");
            return Err(Error::new(ErrorKind::Unsupported, what));
        }
    })
}
