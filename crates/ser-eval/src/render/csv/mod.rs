//! CSV: the answer for each utterance, and the table over runs.

mod predictions;
mod runs;

pub use predictions::predictions;
pub use runs::runs;
