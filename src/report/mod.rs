//! Metrics, tables and pages.

pub mod metrics;
