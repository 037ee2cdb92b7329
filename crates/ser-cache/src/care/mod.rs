//! Looking after a cache: what is in it, whether it is whole, and what can go.

pub mod collect;
pub mod difference;
pub mod listing;
pub mod survey;
pub mod usage;
pub mod verify;
