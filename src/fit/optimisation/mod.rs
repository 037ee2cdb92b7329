//! How a network learns from one batch after another: the optimiser, its learning rate, and the weights kept at the end.

pub(super) mod adam;
pub(super) mod averaging;
pub(super) mod learner;
#[cfg(test)]
pub(super) mod parity;
pub(super) mod schedule;

pub use learner::{Learner, Learnt};
