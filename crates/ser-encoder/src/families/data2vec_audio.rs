//! data2vec for audio (A. Baevski et al., "data2vec: a general framework for self-supervised learning in speech, vision and
//! language", ICML 2022): layer normalisation in all convolutions, and several convolutions for positions.

use ser_torch::Result;

use crate::families::speech::{Builder, Choices};
use crate::families::{Model, Source};
use crate::parts::{Normalisation, StackedPositions};

pub(crate) fn build(source: Source<'_>) -> Result<Box<dyn Model>> {
    let builder = Builder::new(source, "data2vec_audio.")?;
    let choices = Choices { normalisation: Normalisation::Layer, projection_norm: true, pre_norm: false };
    let (size, heads) = (builder.size, builder.heads);
    builder.build(
        &choices,
        |config, weights, size| Ok(Box::new(StackedPositions::load(config, weights, size)?)),
        None,
        |weights, at| Ok(Box::new(Builder::plain_attention(weights, at, size, heads)?)),
    )
}
