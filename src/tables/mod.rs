//! Results as tables for a terminal.

pub mod cache;
mod preparation;
mod splits;

pub use preparation::{preparation, preparation_listing};
pub use splits::Listed;
