//! Disks that watch, lose or refuse what a cache writes, and what a cache must be afterwards.
#![allow(dead_code, unused_imports, reason = "no test file uses all of it")]

mod failing;
mod model;
mod recording;
mod side_by_side;
mod small_cache;

pub(crate) use failing::{After, Failing, Failure};
pub(crate) use model::{Blobs, Contents, Node, PowerLoss, Tree, is_scratch};
pub(crate) use recording::{Operation, Recording};
pub(crate) use side_by_side::side_by_side;
pub(crate) use small_cache::*;
