//! Copies of what a cache holds, in files that other programs read: `.npy` and CSV.

mod csv;
mod numpy;

use std::path::PathBuf;

use serde::Serialize;

pub use csv::export_csv;
pub use numpy::export_numpy;

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// The feature set it is from.
    pub feature_set: String,
    /// The files.
    pub files: Vec<PathBuf>,
    /// Utterances in them.
    pub utterances: usize,
}
