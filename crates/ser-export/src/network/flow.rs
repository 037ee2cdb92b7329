//! What goes from one layer to the next.

use crate::onnx::Value;

/// A value with what is known of it when the graph is made.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    pub(super) x: Value,
    pub(super) form: Form,
    /// Positions, real and padding.
    pub(super) positions: usize,
    /// Frames that became one of them.
    pub(super) stride: usize,
}

/// Axes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `[1, channel, band, position]`; zero at padding, where that is masked.
    Image { channels: usize, bands: usize },
    /// `[1, position, unit]`; what is at padding means nothing.
    Sequence { units: usize },
    /// `[1, unit]`
    Vector { units: usize },
}
