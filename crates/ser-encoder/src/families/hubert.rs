//! HuBERT (W.-N. Hsu et al., "HuBERT: self-supervised speech representation learning by masked prediction of hidden units",
//! IEEE/ACM TASLP 29, 2021).

use ser_torch::Result;

use crate::families::speech::{Builder, Choices};
use crate::families::{Model, Source};
use crate::parts::{Normalisation, WeightNormedPositions};

pub(crate) fn build(source: Source<'_>) -> Result<Box<dyn Model>> {
    let config = source.config;
    let builder = Builder::new(source, "hubert.")?;
    let choices = Choices {
        normalisation: Normalisation::of(config)?,
        projection_norm: config.flag("feat_proj_layer_norm", true)?,
        pre_norm: config.flag("do_stable_layer_norm", false)?,
    };
    let batch_norm = config.flag("conv_pos_batch_norm", false)?;
    let (size, heads) = (builder.size, builder.heads);
    builder.build(
        &choices,
        |config, weights, size| Ok(Box::new(WeightNormedPositions::load(config, weights, size, batch_norm)?)),
        None,
        |weights, at| Ok(Box::new(Builder::plain_attention(weights, at, size, heads)?)),
    )
}
