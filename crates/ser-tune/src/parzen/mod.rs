//! Parzen estimators: mixtures with a kernel for each observation and a wide one, the prior.

mod domain;
pub mod estimator;
pub mod joint;
mod kernels;
mod statistics;

pub(super) use estimator::Parzen;
pub(super) use joint::Joint;
