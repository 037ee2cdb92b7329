//! wav2vec 2.0 (A. Baevski et al., "wav2vec 2.0: a framework for self-supervised learning of speech representations", NeurIPS
//! 2020) and XLS-R (A. Babu et al., Interspeech 2022).

use ser_torch::Result;

use crate::families::speech::{Builder, Choices};
use crate::families::{Model, Source};
use crate::parts::{Normalisation, WeightNormedPositions};

pub(crate) fn build(source: Source<'_>) -> Result<Box<dyn Model>> {
    let config = source.config;
    let builder = Builder::new(source, "wav2vec2.")?;
    let choices = Choices {
        normalisation: Normalisation::of(config)?,
        projection_norm: true,
        pre_norm: config.flag("do_stable_layer_norm", false)?,
    };
    let (size, heads) = (builder.size, builder.heads);
    builder.build(
        &choices,
        |config, weights, size| Ok(Box::new(WeightNormedPositions::load(config, weights, size, false)?)),
        None,
        |weights, at| Ok(Box::new(Builder::plain_attention(weights, at, size, heads)?)),
    )
}
