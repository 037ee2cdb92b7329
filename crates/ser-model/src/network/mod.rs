//! Networks as data: an architecture a file, with the sizes that a recipe gives it and the layers that follow from them.
//!
//! | `arch` | in short |
//! |---|---|
//! | `cnn-bilstm` | two convolutions, a bidirectional LSTM, the mean over real frames |
//! | `cnn-statistics` | three convolutions and one over time, mean and standard deviation over real frames |
//! | `cnn-transformer` | two convolutions, a transformer's encoder, the mean over real frames |
//! | `encoder-head` | a weighted sum of channels, pooling over real frames, two linear layers: for an encoder's states |
//! | `finetune` | a pretrained encoder, trained in part, the mean over real frames, two linear layers: for waveforms |
//!
//! Features are `[channel, band, frame]`, where a band is a row of them: an MFCC, or a mel band.
//!
//! A new architecture is a file here that implements [`Sizes`] and a line in the registry (`arch.rs`); another crate
//! adds its own with [`Arch::register`]. Names of weights are PyTorch's, so that a plain `nn.Module` loads them;
//! `docs/architectures.md` holds those classes.

mod arch;
mod architecture;
mod carried;
pub mod checks;
mod cnn_bilstm;
mod cnn_statistics;
mod cnn_transformer;
mod config;
mod description;
mod encoder_head;
mod finetune;
mod flow;
mod lay_out;
mod layer;

pub use arch::{Arch, Sizes};
pub use architecture::Architecture;
pub use cnn_bilstm::CnnBilstmConfig;
pub use cnn_statistics::{CnnStatisticsConfig, Views};
pub use cnn_transformer::CnnTransformerConfig;
pub use config::NetworkConfig;
pub use description::{Branch, Description, Layout, Padding, RunningStatistics, Start, View, Weight};
pub use encoder_head::{EncoderHeadConfig, HeadPooling};
pub use finetune::{FinetuneConfig, LoraTarget, Tune, TunedEncoder, layer_of};
pub use layer::{Activation, Layer, LowRank};
