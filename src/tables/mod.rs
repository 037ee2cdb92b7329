//! Results as tables for a terminal.

pub mod cache;
mod preparation;

pub use preparation::preparation;
