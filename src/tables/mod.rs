//! Results as tables for a terminal.

mod preparation;

pub use preparation::preparation;
