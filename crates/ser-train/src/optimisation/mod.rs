//! How a network learns from one batch after another: the optimiser, its learning rate, and the weights kept at the end.

pub mod adam;
pub mod averaging;
pub mod learner;
#[cfg(test)]
pub(crate) mod parity;
pub mod schedule;

pub use learner::{Learner, StepResult};
