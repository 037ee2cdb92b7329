//! Metrics, tables and pages: what a classifier's answers for a test set say about it, and what they do not.
//!
//! [`crate::metrics`] turns true and predicted classes into numbers, defined as in scikit-learn. An [`Evaluation`] holds
//! everything a report shows: serialise it for JSON, [`render`] it for a terminal. The tables are there one by one
//! too: [`classification_report`], [`confusion_matrix`], [`wrong_predictions_table`], [`predictions_csv`]; and
//! [`protocol_in_words`] says what the split makes of the numbers. For others to see there are a page for the browser
//! ([`html`]), [`figures`] and a [`model_card`], which also tell of the run ([`run_record`]).
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
//! println!("{}", render(&evaluation, 80)?);
//! # Ok::<(), ser_core::Error>(())
//! ```

mod answers;
mod card;
mod classification_report;
pub mod compare;
mod confusion_table;
mod evaluation;
mod figures;
pub mod html;
mod markup;
pub mod metrics;
mod page;
mod predictions;
mod protocol;
mod recipe;
pub mod run_record;
pub mod runs;
mod training;
mod unit;

pub use answers::{Answers, RunFigures, TestSide, TestUtterance};
pub use card::model_card;
pub use classification_report::classification_report;
pub use confusion_table::confusion_matrix;
pub use evaluation::{DEFINITIONS, Definitions, Evaluation, LabelledClass, Provenance};
#[cfg(feature = "png")]
pub use figures::write_figures;
pub use figures::{Plot, figures};
pub use page::render;
pub use predictions::{
    Prediction, WrongPrediction, predictions_csv, wrong_predictions, wrong_predictions_table,
};
pub use protocol::{SplitSide, protocol_in_words};
pub use recipe::TrainingSettings;
pub use training::training_in_words;
pub use unit::{Resampled, Unit, Voices};
