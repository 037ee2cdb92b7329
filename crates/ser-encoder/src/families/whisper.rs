//! Whisper's encoder (A. Radford et al., "Robust speech recognition via large-scale weak supervision", ICML 2023): a log mel
//! spectrum of a fixed length, two convolutions, and a transformer. The decoder is not read.

use ser_core::ErrorKind;
use ser_torch::Result;
use tch::Tensor;

use crate::families::{Inputs, Model, Receiver, Source, Transformer, transformer};
use crate::log_mel::LogMel;
use crate::parts::{
    Activation, Attention, Convolution, Frames, Layer, LayerNames, LayerNorm, LayerSizes, Layout, heads_of,
};
use crate::preprocessor::{feature_extractor, sample_rate};
use crate::weights::Weight;

/// What the names of the encoder's tensors begin with, in the order of preference.
const PREFIXES: &[&str] = &["model.encoder.", "encoder.", ""];
/// The tensor that tells which.
const ANCHOR: &str = "conv1.weight";
/// Frames of the spectrum that become one state.
const FRAMES_OF_A_STATE: i64 = 2;

const NAMES: LayerNames = LayerNames {
    attention_norm: "self_attn_layer_norm",
    inner: "fc1",
    outer: "fc2",
    final_norm: "final_layer_norm",
};

pub(crate) fn build(source: Source<'_>) -> Result<Box<dyn Model>> {
    let mut weights = source.weights(PREFIXES, ANCHOR)?;
    let Source { config, preprocessor, device, .. } = source;
    let preprocessor = feature_extractor(preprocessor, "WhisperFeatureExtractor")?;
    let size = config.whole("d_model", 384, 1..=8192)?;
    let heads = heads_of(config, "encoder_attention_heads", 6, size)?;
    let bands = config.whole("num_mel_bins", 80, 1..=1024)?;
    let positions = config.whole("max_source_positions", 1500, 1..=6000)?;
    let sample_rate = sample_rate(&preprocessor)?;
    let log_mel = LogMel::load(&preprocessor, bands, sample_rate, device)?;
    if log_mel.frames() != FRAMES_OF_A_STATE * positions {
        let expected = format!("{}, half of the frames that the preprocessor gives", log_mel.frames() / 2);
        return Err(config.refuse(ErrorKind::Mismatch, "max_source_positions", &expected).into());
    }
    let over_three = |stride| Layout { padding: 1, stride, groups: 1 };
    let first = Convolution::load(&mut weights, "conv1", [size, bands, 3], over_three(1), true)?;
    let second =
        Convolution::load(&mut weights, "conv2", [size, size, 3], over_three(FRAMES_OF_A_STATE), true)?;
    let positions = weights.take("embed_positions.weight", &[positions, size])?;
    let sizes = LayerSizes {
        size,
        inner: config.whole("encoder_ffn_dim", 1536, 1..=65_536)?,
        epsilon: 1e-5,
        activation: Activation::named(config, "activation_function")?,
        pre_norm: true,
    };
    let count = config.whole("encoder_layers", 4, 1..=256)?;
    let mut layers = Vec::new();
    for number in 0..count {
        let at = format!("layers.{number}");
        let attention = Attention::load(&mut weights, &format!("{at}.self_attn"), size, heads, false)?;
        layers.push(Layer::load(&mut weights, &at, NAMES, sizes, Box::new(attention))?);
    }
    let norm = LayerNorm::load_usual(&mut weights, "layer_norm", size)?;
    weights.finish(&[])?;
    Ok(Box::new(Whisper { sample_rate, log_mel, first, second, positions, layers, norm, size }))
}

/// An encoder of this family.
#[derive(Debug)]
struct Whisper {
    sample_rate: u32,
    log_mel: LogMel,
    first: Convolution,
    second: Convolution,
    /// `[state, D]`
    positions: Weight,
    layers: Vec<Layer>,
    /// After the last layer, whose states are those after it.
    norm: LayerNorm,
    size: i64,
}

impl Model for Whisper {
    /// States that any of the recording's samples belongs to: the others are of the silence that it is filled up with.
    fn frames_of(&self, samples: usize) -> usize {
        samples.div_ceil(self.hop())
    }

    fn most_samples(&self) -> usize {
        self.log_mel.most_samples()
    }

    fn hop(&self) -> usize {
        (self.log_mel.hop() * FRAMES_OF_A_STATE) as usize
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
            log_mel: self.log_mel.clone(),
            first: self.first.clone(),
            second: self.second.clone(),
            positions: self.positions.clone(),
            layers: self.layers.iter().map(Layer::share).collect(),
            norm: self.norm.clone(),
            ..*self
        })
    }

    fn run(&self, batch: &[&[f32]], last: usize, each: &mut Receiver<'_>) -> Result<()> {
        transformer::run(self, batch, last, each)
    }

    fn transformer(&self) -> Option<&dyn Transformer> {
        Some(self)
    }
}

impl Transformer for Whisper {
    fn inputs(&self, batch: &[&[f32]]) -> Result<Inputs> {
        let spectra: Vec<Tensor> =
            batch.iter().map(|samples| self.log_mel.apply(samples)).collect::<Result<_>>()?;
        let spectra = Tensor::f_stack(&spectra, 0)?; // [B, band, frame]
        let x = self.first.activated(&spectra, Activation::Gelu)?;
        let x = self.second.activated(&x, Activation::Gelu)?.f_transpose(1, 2)?;
        let x = x.f_add(&self.positions)?; // [B, state, D]
        // Attention sees the silence too, as it did in training.
        let all = x.size().get(1).copied().unwrap_or_default();
        let seen = Frames::new(vec![all; batch.len()], x.device())?;
        let real = batch.iter().map(|samples| (self.frames_of(samples.len()) as i64).min(all)).collect();
        let real = Frames::new(real, x.device())?;
        Ok(Inputs { x, real, seen: Some(seen), positions: None })
    }

    fn depth(&self) -> usize {
        self.layers.len()
    }

    fn layer(&self, number: usize, inputs: &Inputs, x: &Tensor) -> Result<Tensor> {
        match self.layers.get(number) {
            Some(layer) => layer.apply(x, inputs.seen(), None),
            None => Ok(x.shallow_clone()),
        }
    }

    fn last_states(&self, x: &Tensor) -> Result<Tensor> {
        self.norm.apply(x)
    }
}
