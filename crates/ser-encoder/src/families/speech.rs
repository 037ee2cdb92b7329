//! What wav2vec 2.0 and those after it share: convolutions over the waveform, a projection, positions by convolution, and a
//! transformer.

use std::ops::Range;

use ser_torch::Result;
use tch::{Kind, Tensor};

use crate::families::{Inputs, Model, Receiver, Source, Transformer, transformer};
use crate::parts::{
    Activation, Attention, Convolutions, Frames, Layer, LayerNames, LayerNorm, LayerSizes, Linear,
    Normalisation, Positions, SelfAttention, TimeMasks, heads_of,
};
use crate::preprocessor::{feature_extractor, normalised, normalises, sample_rate};
use crate::settings::Settings;
use crate::weights::{Weight, Weights};

/// The tensor that tells under which prefix an encoder's weights are.
const ANCHOR: &str = "feature_projection.projection.weight";

/// What stands for a hidden frame, which not every folder has.
const MASKED: &str = "masked_spec_embed";

/// Weights that nothing here needs.
const UNUSED: &[&str] = &["encoder.pos_conv_embed.batch_norm.num_batches_tracked"];

/// The longest recording, in seconds. Attention takes time in proportion to its square.
const MOST_SECONDS: usize = 60;

/// The most numbers that one convolution may give, 2 GiB of them.
const LARGEST_OUTPUT: usize = 1 << 29;

const NAMES: LayerNames = LayerNames {
    attention_norm: "layer_norm",
    inner: "feed_forward.intermediate_dense",
    outer: "feed_forward.output_dense",
    final_norm: "final_layer_norm",
};

/// An encoder under construction.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    pub(crate) config: &'a Settings,
    pub(crate) weights: Weights,
    pub(crate) size: i64,
    pub(crate) heads: i64,
    sample_rate: u32,
    normalises: bool,
}

/// What the families differ in.
#[derive(Debug)]
pub(crate) struct Choices {
    pub(crate) normalisation: Normalisation,
    /// Whether frames are normalised before they are projected.
    pub(crate) projection_norm: bool,
    /// Whether what goes into each part of a layer is normalised, instead of what comes out.
    pub(crate) pre_norm: bool,
}

/// What is shared by the layers of their positions, `[1, head, query, key]`, for so many frames.
pub(crate) trait SharedPositions: std::fmt::Debug + Send {
    fn of(&self, frames: i64) -> Result<Tensor>;

    /// The same, sharing its weights.
    fn share(&self) -> Box<dyn SharedPositions>;
}

impl<'a> Builder<'a> {
    /// Reads the settings that all have, and opens the weights, whose names begin with `prefix` or with nothing.
    pub(crate) fn new(source: Source<'a>, prefix: &str) -> Result<Self> {
        let weights = source.weights(&[prefix, ""], ANCHOR)?;
        let Source { config, preprocessor, .. } = source;
        config.without("add_adapter", "an adapter")?;
        config.without("adapter_attn_dim", "an adapter in each layer")?;
        let preprocessor = feature_extractor(preprocessor, "Wav2Vec2FeatureExtractor")?;
        let size = config.whole("hidden_size", 768, 1..=8192)?;
        let heads = heads_of(config, "num_attention_heads", 12, size)?;
        Ok(Self {
            config,
            weights,
            size,
            heads,
            sample_rate: sample_rate(&preprocessor)?,
            normalises: normalises(&preprocessor)?,
        })
    }

    /// Plain attention for each layer.
    pub(crate) fn plain_attention(
        weights: &mut Weights,
        at: &str,
        size: i64,
        heads: i64,
    ) -> Result<Attention> {
        Attention::load(weights, &format!("{at}.attention"), size, heads, true)
    }

    /// Builds the encoder; `attention` loads that of a layer, given the weights and the layer's name.
    pub(crate) fn build(
        mut self,
        choices: &Choices,
        positions: impl FnOnce(&Settings, &mut Weights, i64) -> Result<Box<dyn Positions>>,
        shared: Option<Box<dyn SharedPositions>>,
        attention: impl Fn(&mut Weights, &str) -> Result<Box<dyn SelfAttention>>,
    ) -> Result<Box<dyn Model>> {
        let Self { config, ref mut weights, size, .. } = self;
        let epsilon = config.number("layer_norm_eps", 1e-5, 1e-12..=0.1)?;
        let convolutions = Convolutions::load(config, weights, choices.normalisation)?;
        let channels = convolutions.channels();
        let projection_norm = match choices.projection_norm {
            true => Some(LayerNorm::load(weights, "feature_projection.layer_norm", channels, epsilon)?),
            false => None,
        };
        let projection = Linear::load(weights, "feature_projection.projection", channels, size)?;
        let positions = positions(config, weights, size)?;
        let masked = match weights.has(MASKED) {
            true => weights.take(MASKED, &[size])?,
            false => Tensor::f_zeros([size], (Kind::Float, projection.device()))?.into(),
        };
        let norm = LayerNorm::load(weights, "encoder.layer_norm", size, epsilon)?;
        let sizes = LayerSizes {
            size,
            inner: config.whole("intermediate_size", 3072, 1..=65_536)?,
            epsilon,
            activation: Activation::named(config, "hidden_act")?,
            pre_norm: choices.pre_norm,
        };
        let count = config.whole("num_hidden_layers", 12, 1..=256)?;
        let mut layers = Vec::new();
        for number in 0..count {
            let at = format!("encoder.layers.{number}");
            let attention = attention(weights, &at)?;
            layers.push(Layer::load(weights, &at, NAMES, sizes, attention)?);
        }
        self.weights.finish(UNUSED)?;
        let pre_norm = choices.pre_norm;
        let Self { sample_rate, normalises, .. } = self;
        Ok(Box::new(SpeechModel {
            sample_rate,
            normalises,
            convolutions,
            projection_norm,
            projection,
            positions,
            shared,
            // One that is only listened to needs no valid ones.
            time_masks: TimeMasks::of(config).ok().flatten(),
            masked,
            hidden: Vec::new(),
            last_norm: pre_norm.then(|| norm.clone()),
            norm: (!pre_norm).then_some(norm),
            layers,
            size,
        }))
    }
}

/// An encoder of any of these families.
#[derive(Debug)]
struct SpeechModel {
    sample_rate: u32,
    normalises: bool,
    convolutions: Convolutions,
    projection_norm: Option<LayerNorm>,
    projection: Linear,
    positions: Box<dyn Positions>,
    shared: Option<Box<dyn SharedPositions>>,
    time_masks: Option<TimeMasks>,
    /// What stands for a hidden frame, `[D]`: nothing in folders that do not say.
    masked: Weight,
    /// The frames of each recording that are hidden.
    hidden: Vec<Vec<Range<i64>>>,
    /// Before the first layer. Where layers normalise what goes into them, it comes after the last one instead, and
    /// `transformers` leaves it out of the hidden states.
    norm: Option<LayerNorm>,
    last_norm: Option<LayerNorm>,
    layers: Vec<Layer>,
    size: i64,
}

impl SpeechModel {
    /// Frames `[1, frame, D]` of one recording, before positions.
    fn projected(&self, samples: &[f32]) -> Result<Tensor> {
        let device = self.projection.device();
        let samples = match self.normalises {
            true => Tensor::f_from_slice(&normalised(samples))?,
            false => Tensor::f_from_slice(samples)?,
        };
        let mut frames = self.convolutions.apply(&samples.f_to_device(device)?)?;
        if let Some(norm) = &self.projection_norm {
            frames = norm.apply(&frames)?;
        }
        // What layers add to is in f32.
        Ok(self.projection.apply(&frames)?.f_to_kind(Kind::Float)?)
    }

    /// `x` `[B, frame, D]` with what stands for them in the place of hidden frames.
    fn without_hidden(&self, x: Tensor) -> Result<Tensor> {
        if self.hidden.iter().all(Vec::is_empty) {
            return Ok(x);
        }
        let frames = x.size().get(1).copied().unwrap_or_default();
        let is_hidden = |row: usize| {
            let spans = self.hidden.get(row).map(Vec::as_slice).unwrap_or_default();
            (0..frames).map(move |frame| spans.iter().any(|span| span.contains(&frame)))
        };
        let rows = x.size().first().copied().unwrap_or_default();
        let hidden: Vec<bool> = (0..rows as usize).flat_map(is_hidden).collect();
        let hidden = Tensor::f_from_slice(&hidden)?.f_to_device(x.device())?.f_view([rows, frames, 1])?;
        Ok(self.masked.f_where_self(&hidden, &x)?)
    }
}

impl Model for SpeechModel {
    fn frames_of(&self, samples: usize) -> usize {
        self.convolutions.frames_of(samples)
    }

    fn most_samples(&self) -> usize {
        let mut most = MOST_SECONDS * self.sample_rate as usize;
        while most > 0 && self.convolutions.largest_output(most) > LARGEST_OUTPUT {
            most /= 2;
        }
        most
    }

    fn hop(&self) -> usize {
        self.convolutions.hop()
    }

    fn layers(&self) -> usize {
        self.layers.len()
    }

    fn dimension(&self) -> usize {
        self.size as usize
    }

    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    fn share(&self) -> Box<dyn Model> {
        Box::new(Self {
            convolutions: self.convolutions.clone(),
            projection_norm: self.projection_norm.clone(),
            projection: self.projection.clone(),
            positions: self.positions.share(),
            shared: self.shared.as_ref().map(|shared| shared.share()),
            masked: self.masked.clone(),
            hidden: self.hidden.clone(),
            norm: self.norm.clone(),
            last_norm: self.last_norm.clone(),
            layers: self.layers.iter().map(Layer::share).collect(),
            ..*self
        })
    }

    fn time_masks(&self) -> Option<TimeMasks> {
        self.time_masks
    }

    fn hide(&mut self, frames: Vec<Vec<Range<i64>>>) {
        self.hidden = frames;
    }

    fn last(&self, states: &Tensor) -> Result<Tensor> {
        self.last_norm.as_ref().map_or_else(|| Ok(states.shallow_clone()), |norm| norm.apply(states))
    }

    fn run(&self, batch: &[&[f32]], last: usize, each: &mut Receiver<'_>) -> Result<()> {
        transformer::run(self, batch, last, each)
    }

    fn transformer(&self) -> Option<&dyn Transformer> {
        Some(self)
    }
}

impl Transformer for SpeechModel {
    fn inputs(&self, batch: &[&[f32]]) -> Result<Inputs> {
        let projected =
            batch.iter().map(|samples| self.projected(samples)?.f_squeeze_dim(0).map_err(Into::into));
        let projected: Vec<Tensor> = projected.collect::<Result<_>>()?; // each [frame, D]
        let lengths = projected.iter().map(|frames| frames.size().first().copied().unwrap_or_default());
        let real = Frames::new(lengths.collect(), self.projection.device())?;
        let mut x = Tensor::f_pad_sequence(&projected, true, 0.0, "right")?; // [B, frame, D]
        drop(projected);
        x = self.without_hidden(x)?;
        x = x.f_add(&self.positions.of(&x, &real)?)?;
        if let Some(norm) = &self.norm {
            x = norm.apply(&x)?;
        }
        let length = x.size().get(1).copied().unwrap_or_default();
        let positions = self.shared.as_ref().map(|shared| shared.of(length)).transpose()?;
        Ok(Inputs { x, real, seen: None, positions })
    }

    fn depth(&self) -> usize {
        self.layers.len()
    }

    fn layer(&self, number: usize, inputs: &Inputs, x: &Tensor) -> Result<Tensor> {
        match self.layers.get(number) {
            Some(layer) => layer.apply(x, inputs.seen(), inputs.positions.as_ref()),
            None => Ok(x.shallow_clone()),
        }
    }
}
