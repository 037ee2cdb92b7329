//! What encoders are made of, each a file: it loads its weights and applies them.

mod activation;
mod attention;
mod convolution;
mod convolutions;
mod frames;
mod layer;
mod linear;
mod norm;
mod positions;
mod time_masks;

pub(crate) use activation::Activation;
pub(crate) use attention::{Attention, SelfAttention, heads_of};
pub(crate) use convolution::{Convolution, Layout};
pub(crate) use convolutions::{Convolutions, Normalisation};
pub(crate) use frames::Frames;
pub(crate) use layer::{Layer, LayerNames, LayerSizes};
pub(crate) use linear::Linear;
pub(crate) use norm::LayerNorm;
pub(crate) use positions::{Positions, StackedPositions, WeightNormedPositions};
pub(crate) use time_masks::TimeMasks;
