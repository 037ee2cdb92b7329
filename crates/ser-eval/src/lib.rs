//! Metrics, tables and pages: what a classifier's answers for a test set say about it, and what they do not.
//!
//! - [`metrics`] turns true and predicted classes into numbers, defined as in scikit-learn.
//! - An [`Evaluation`] holds everything that a report on one checkpoint shows, and [`protocol_in_words`] says what the
//!   split makes of its numbers. A [`RunRecord`] tells of the run behind it.
//! - [`runs`] makes one table of many runs, [`compare`] compares checkpoints on the same test set.
//! - [`render`] shows all of these: as text, page, figures, card, table or CSV. Serialised, they are JSON.
//!
//! ```
//! use ser_eval::{Evaluation, Prediction, Provenance, SplitSide, protocol_in_words, render};
//!
//! let labels = vec!["angry".to_owned(), "sad".to_owned()];
//! let predictions = [
//!     Prediction::most_probable("YAF_bar_angry.wav", 0, vec![0.9, 0.1])?,
//!     Prediction::most_probable("YAF_bar_sad.wav", 1, vec![0.2, 0.8])?,
//! ];
//! let train = SplitSide::of([(Some("OAF"), Some("bar"))]);
//! let test = SplitSide::of([(Some("YAF"), Some("bar")), (Some("YAF"), Some("bar"))]);
//! let evaluation = Evaluation::new(labels, &predictions, Provenance {
//!     checkpoint: "best.pt".into(),
//!     epoch: 1,
//!     seed: 0,
//!     members: vec![],
//!     cache: "cache".into(),
//!     protocol: "speaker-YAF".into(),
//!     protocol_in_words: protocol_in_words("speaker-YAF", &train, &SplitSide::default(), &test),
//! })?;
//! assert_eq!(evaluation.accuracy, 1.0);
//! println!("{}", render::text::evaluation(&evaluation, 80)?);
//! # Ok::<(), ser_core::Error>(())
//! ```

pub mod compare;
mod evaluation;
pub mod metrics;
pub mod render;
pub mod runs;

pub use evaluation::{
    Answers, COVERAGES, CommandLine, DEFAULT_COVERAGE, DEFINITIONS, Definitions, DomainRates, Doubt,
    Evaluation, History, LabelledClass, OtherCorpus, OutOfDomain, Prediction, Provenance, RawAnswers,
    Resampled, RunFigures, RunRecord, Sharpness, SplitSide, TestSide, TestUtterance, TrainingSettings,
    Uncertainty, Unit, Voices, WrongPrediction, corpora_of, protocol_in_words, training_in_words,
    wrong_predictions,
};

/// The example of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
