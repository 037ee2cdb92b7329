//! The same values for different readers: each rendering is one file or folder.
//!
//! | | [`Evaluation`](crate::Evaluation) | [`RunsReport`](crate::runs::RunsReport) | [`Comparison`](crate::compare::Comparison) |
//! |---|---|---|---|
//! | terminal | [`text::evaluation`] | [`text::runs`] | [`text::comparison`] |
//! | browser | [`html::page`] | | |
//! | pictures | [`svg::figures`], `write_figures` | | |
//! | Markdown | [`model_card`] | [`markdown::runs`] | |
//! | CSV | [`csv::predictions`] | [`csv::runs`] | |
//! | JSON | serialise it | serialise it | serialise it |

mod card;
mod cells;
pub mod csv;
mod escape;
pub mod html;
pub mod markdown;
#[cfg(feature = "png")]
mod png;
pub mod svg;
pub mod text;

pub use card::model_card;
#[cfg(feature = "png")]
pub use png::write_figures;
