//! The sections of the page, a file each.

mod calibration;
mod classes;
mod definitions;
mod errors;
mod head;
mod parts;
mod reproduction;
mod split;
mod training;
mod uncertainty;

pub(super) use calibration::calibration;
pub(super) use classes::{classes, confusion};
pub(super) use definitions::definitions;
pub(super) use errors::errors;
pub(super) use head::head;
pub(super) use reproduction::reproduction;
pub(super) use split::split;
pub(super) use training::training;
pub(super) use uncertainty::uncertainty;
