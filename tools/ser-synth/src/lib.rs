//! A TESS-shaped corpus of synthetic speech, for demonstrations and tests that need no licence and no download.
//!
//! ```text
//! word ──▶ phones ──▶ formant movements ┐
//! emotion ┐                             ├──▶ glottal pulses and noise ──▶ cascade of resonators ──▶ room ──▶ WAV
//! speaker ┴▶ expression ──▶ prosody ────┘
//! ```
//!
//! An utterance depends on its seed, speaker, word and emotion alone, so it is the same in a corpus of any size and
//! with any number of threads. Only exactly rounded arithmetic is used, and libm's functions instead of the system's, so the
//! bytes should be the same on every machine that follows IEEE 754; a test holds them to a digest made on x86-64 Linux.
//!
//! Speakers share the published tendencies of each emotion, but each overdoes some cues and leaves out others, so an
//! unseen speaker is harder than an unseen utterance, as with real actors. What it cannot stand in for is the variety
//! of real speech: numbers measured on it say that a pipeline works, not how well it recognises emotion.
//!
//! ```
//! use ser_synth::{SynthCorpus, Oddity, SynthOptions};
//! # let folder = std::env::temp_dir().join(format!("ser-synth-doc-{}", std::process::id()));
//! let options =
//!     SynthOptions { words: 1, speakers: 1, oddities: vec![Oddity::Aiff], ..SynthOptions::default() };
//! let summary = SynthCorpus::new(options)?.write(&folder)?;
//! assert_eq!(summary.files, 7);
//! assert_eq!(summary.oddities[&Oddity::Aiff].len(), 2);
//! # std::fs::remove_dir_all(&folder).ok();
//! # Ok::<(), ser_core::Error>(())
//! ```

mod articulation;
mod corpus;
mod emotion;
mod oddity;
mod phone;
mod prosody;
mod source;
mod speaker;
mod tract;
mod utterance;
mod words;

pub use corpus::{Summary, SynthCorpus, SynthOptions};
pub use emotion::Emotion;
pub use oddity::Oddity;
pub use speaker::{MAX_SPEAKERS, speakers};
pub use utterance::{SAMPLE_RATES, utterance};
pub use words::{WORD_COUNT, words};

/// The example of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
