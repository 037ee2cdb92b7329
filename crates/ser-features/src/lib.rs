//! Samples to MFCC or a log mel spectrum, with Δ and ΔΔ: pure functions.
//!
//! ```text
//! samples ─▶ frame ─▶ power ─▶ mel ─▶ decibel ─▶ dct ─▶ rows ─▶ delta ─▶ Δ, ΔΔ
//!            (padding, (FFT,    (filter (log,      (DCT-II)
//!             window)   |X|²)    bank)   top_db)
//!                      ╰──────── a feature kind ────────╯
//! ```
//!
//! What the rows are is said by a [`FeatureKind`]: [`Mfcc`] (`mfcc.rs`), or [`LogMel`] (`log_mel.rs`), which leaves out the
//! DCT. Where the configuration says so, what lies before and after the speech is trimmed, and each row's mean is
//! subtracted.
//!
//! Each stage is a file of its own and does what librosa's function of the same purpose does; [`Extractor`] runs
//! them one after the other. [`FeatureConfig`] holds every parameter.
//!
//! ```
//! use ser_features::{Extractor, FeatureConfig};
//!
//! let mut extractor = Extractor::new(&FeatureConfig::default())?;
//! let [channels, rows, max_frames] = extractor.shape();
//! let mut tensor = vec![0.0_f32; channels * rows * max_frames];
//! let one_second: Vec<f32> = (0..16_000).map(|n| (n as f32 * 0.1).sin()).collect();
//! let utterance = extractor.extract(&one_second, &mut tensor)?;
//! assert_eq!((utterance.frames, utterance.cut), (63, 0));
//! # Ok::<(), ser_core::Error>(())
//! ```

pub mod augmentation;
mod config;
mod dct;
mod decibel;
mod delta;
mod encoder_states;
mod extractor;
mod frame;
mod kind;
mod log_mel;
mod mel;
mod mfcc;
mod parameter;
mod power;
mod preset;
mod representation;
mod spectrogram;
mod trim;
mod value_type;
mod waveform;
mod window;

pub use config::{FeatureConfig, MelNorm, MelScale, PadMode, Window};
pub use dct::Dct;
pub use decibel::{Decibels, power_to_db};
pub use delta::Delta;
pub use encoder_states::{EncoderPrecision, EncoderStates, LayerChoice, Pooling};
pub use extractor::{Extraction, Extractor};
pub use frame::FrameLayout;
pub use kind::{FeatureComputation, FeatureKind, FrameLevel, SpectrumRows, UtteranceFrames, Vectorised};
pub use log_mel::LogMel;
pub use mel::{MelFilterBank, hz_to_mel, mel_to_hz};
pub use mfcc::Mfcc;
pub use power::PowerSpectrum;
pub use preset::Preset;
pub use representation::Representation;
pub use spectrogram::MelSpectrogram;
pub use value_type::ValueType;
pub use waveform::Waveform;
pub use window::window;

/// Version of the computation. It goes into every cache key, so it must grow with any change that alters the
/// numbers that the same configuration gives for the same file, be it in decoding or in features.
pub const EXTRACTOR_VERSION: u32 = 4;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
