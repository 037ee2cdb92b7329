//! WavLM (S. Chen et al., "WavLM: large-scale self-supervised pre-training for full stack speech processing", IEEE JSTSP 16,
//! 2022): attention scores have a bias that depends on how far apart frames are, and that each frame gates.

use ser_torch::Result;
use tch::{Kind, Tensor};

use crate::families::speech::{Builder, Choices, SharedPositions};
use crate::families::{Model, Source};
use crate::parts::{Attention, Frames, Linear, Normalisation, SelfAttention, WeightNormedPositions};
use crate::settings::Settings;
use crate::weights::{Weight, Weights};

pub(crate) fn build(source: Source<'_>) -> Result<Box<dyn Model>> {
    let config = source.config;
    let mut builder = Builder::new(source, "wavlm.")?;
    let choices = Choices {
        normalisation: Normalisation::of(config)?,
        projection_norm: true,
        pre_norm: config.flag("do_stable_layer_norm", false)?,
    };
    let (size, heads) = (builder.size, builder.heads);
    let shared = RelativePositions::load(config, &mut builder.weights, heads)?;
    builder.build(
        &choices,
        |config, weights, size| Ok(Box::new(WeightNormedPositions::load(config, weights, size, false)?)),
        Some(Box::new(shared)),
        |weights, at| Ok(Box::new(GatedAttention::load(weights, at, size, heads)?)),
    )
}

/// The bias of attention scores by the distance between two frames, which is layer 0's and serves all layers.
///
/// Distances up to a quarter of the buckets have a bucket each, in either direction; farther ones share buckets that grow
/// logarithmically up to the largest distance (C. Raffel et al., "Exploring the limits of transfer learning with a unified
/// text-to-text transformer", JMLR 21, 2020).
#[derive(Debug, Clone)]
struct RelativePositions {
    /// `[bucket, head]`
    embedding: Weight,
    buckets: i64,
    most: i64,
}

impl RelativePositions {
    fn load(config: &Settings, weights: &mut Weights, heads: i64) -> Result<Self> {
        let buckets = config.whole("num_buckets", 320, 4..=65_536)?;
        let most = config.whole("max_bucket_distance", 800, buckets / 4 + 1..=1_000_000)?;
        let name = "encoder.layers.0.attention.rel_attn_embed.weight";
        Ok(Self { embedding: weights.take(name, &[buckets, heads])?, buckets, most })
    }

    /// The bucket of each distance in frames from a query to a key. The same operations as those of `transformers`, so that
    /// distances on the border of two buckets fall into the same one.
    fn buckets(&self, distances: &Tensor) -> Result<Tensor> {
        let half = self.buckets / 2;
        let exact = half / 2;
        let direction = distances.f_gt(0)?.f_to_kind(Kind::Int64)?.f_mul_scalar(half)?;
        let far = distances.f_abs()?;
        let ratio = far.f_to_kind(Kind::Float)?.f_div_scalar(exact as f64)?.f_log()?;
        let ratio = ratio.f_div_scalar((self.most as f64 / exact as f64).ln())?;
        let large = ratio.f_mul_scalar(half - exact)?.f_add_scalar(exact)?;
        // The logarithm of 0 is not used.
        let large = large.f_clamp(0.0, (half - 1) as f64)?.f_to_kind(Kind::Int64)?;
        Ok(far.f_where_self(&far.f_lt(exact)?, &large)?.f_add(&direction)?)
    }
}

impl SharedPositions for RelativePositions {
    fn of(&self, frames: i64) -> Result<Tensor> {
        let device = self.embedding.device();
        // The bucket depends on the distance alone, of which there are 2·T − 1.
        let distances = Tensor::f_arange_start(1 - frames, frames, (Kind::Int64, device))?;
        let buckets = self.buckets(&distances)?;
        let by_distance = self.embedding.f_index_select(0, &buckets)?.f_transpose(0, 1)?; // [head, distance]
        let key = Tensor::f_arange(frames, (Kind::Int64, device))?.f_unsqueeze(0)?;
        let query = Tensor::f_arange(frames, (Kind::Int64, device))?.f_unsqueeze(1)?;
        let places = key.f_sub(&query)?.f_add_scalar(frames - 1)?.f_view([-1])?;
        let bias = by_distance.f_index_select(1, &places)?; // [head, query · key]
        Ok(bias.f_view([1, -1, frames, frames])?)
    }

    fn share(&self) -> Box<dyn SharedPositions> {
        Box::new(self.clone())
    }
}

/// Attention with the shared bias times a gate that each query's state gives (Chen et al., section III.B).
#[derive(Debug, Clone)]
struct GatedAttention {
    attention: Attention,
    gate: Linear,
    /// `[1, head, 1, 1]`
    factor: Weight,
    heads: i64,
}

impl GatedAttention {
    fn load(weights: &mut Weights, at: &str, size: i64, heads: i64) -> Result<Self> {
        let attention = Builder::plain_attention(weights, at, size, heads)?;
        let at = format!("{at}.attention");
        let gate = Linear::load(weights, &format!("{at}.gru_rel_pos_linear"), size / heads, 8)?;
        let factor = weights.take(&format!("{at}.gru_rel_pos_const"), &[1, heads, 1, 1])?;
        Ok(Self { attention, gate, factor, heads })
    }

    /// `[B, head, query, 1]`
    fn gates(&self, x: &Tensor) -> Result<Tensor> {
        let &[batch, frames, size] = x.size().as_slice() else {
            let what = "attention takes [B, frame, D]";
            return Err(ser_core::Error::new(ser_core::ErrorKind::Mismatch, what).into());
        };
        let by_head = x.f_view([batch, frames, self.heads, size / self.heads])?.f_transpose(1, 2)?;
        let projected = self.gate.apply(&by_head)?.f_view([batch, self.heads, frames, 2, 4])?;
        let gates = projected.f_sum_dim_intlist([4i64].as_slice(), false, Kind::Float)?.f_sigmoid()?;
        let (a, b) = (gates.f_narrow(3, 0, 1)?, gates.f_narrow(3, 1, 1)?);
        // a · (b · factor − 1) + 2
        Ok(b.f_mul(&self.factor)?.f_sub_scalar(1.0)?.f_mul(&a)?.f_add_scalar(2.0)?)
    }
}

impl SelfAttention for GatedAttention {
    fn attend(&self, x: &Tensor, frames: &Frames, positions: Option<&Tensor>) -> Result<Tensor> {
        let Some(positions) = positions else { return self.attention.attend(x, frames, None) };
        let mut bias = self.gates(x)?.f_mul(positions)?; // [B, head, query, key]
        if let Some(mask) = frames.attention() {
            bias = bias.f_add(mask)?;
        }
        self.attention.attend_with(x, Some(&bias))
    }

    fn share(&self) -> Box<dyn SelfAttention> {
        Box::new(self.clone())
    }
}
