//! Reporting progress.

/// Receives the progress of a piece of work. Every long stage takes one.
pub trait Progress: Sync {
    /// Work on `total` units begins.
    fn start(&self, total: u64, unit: &str);
    /// `count` more units are done.
    fn advance(&self, count: u64);
    /// The work is over.
    fn finish(&self);
}

/// Reports nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _total: u64, _unit: &str) {}
    fn advance(&self, _count: u64) {}
    fn finish(&self) {}
}
