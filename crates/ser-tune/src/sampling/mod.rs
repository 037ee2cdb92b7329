//! Which options to try next, by those that were tried.

pub(crate) mod distribution;
pub(crate) mod importance;
pub(crate) mod parzen;
pub(crate) mod tpe;
