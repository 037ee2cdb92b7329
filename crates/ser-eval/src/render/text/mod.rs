//! Text for a terminal of a given width.

mod classification_report;
mod comparison;
mod confusion_matrix;
mod evaluation;
mod runs;
mod uncertainty;
mod wrong_answers;

pub use classification_report::classification_report;
pub use comparison::comparison;
pub use confusion_matrix::confusion_matrix;
pub use evaluation::evaluation;
pub use runs::runs;
pub use wrong_answers::wrong_predictions;

/// The narrowest useful width of a table, in columns.
const MIN_WIDTH: usize = 40;
