//! The network, its training loop and its checkpoints.
//!
//! Recipes and checkpoints are pure Rust; all else needs libtorch and the feature `torch`.

pub mod checkpoint;
mod choices;
pub mod config;
mod member;
pub mod network_config;

#[cfg(feature = "torch")]
pub mod batches;
#[cfg(feature = "torch")]
pub mod device;
#[cfg(feature = "torch")]
pub mod ensemble;
#[cfg(feature = "torch")]
pub mod evaluate;
#[cfg(feature = "torch")]
mod foreign;
#[cfg(feature = "torch")]
pub mod matrix;
#[cfg(feature = "torch")]
pub mod network;
#[cfg(feature = "torch")]
pub mod optimisation;
#[cfg(feature = "torch")]
pub mod run;
#[cfg(feature = "torch")]
pub mod state;
#[cfg(feature = "torch")]
pub mod train;

pub use choices::{
    Averaging, ClassWeights, Normalisation, Optimizer, Precision, Sampling, Schedule, Selection,
};
pub use config::FitConfig;
pub use member::MemberOrigin;
pub use network_config::{Arch, NetworkConfig};

#[cfg(feature = "torch")]
impl From<tch::TchError> for crate::Error {
    fn from(error: tch::TchError) -> Self {
        let text = error.to_string();
        // libtorch appends a C++ stack, which helps nobody here.
        let first = text.lines().next().unwrap_or("unknown").to_owned();
        let wrapped = Self::new(crate::ErrorKind::Io, format!("libtorch: {first}")).caused_by(error);
        match text.contains("out of memory") || text.contains("not enough memory") {
            true => wrapped.mend("give a smaller --batch-size, or --device cpu"),
            false => wrapped,
        }
    }
}
