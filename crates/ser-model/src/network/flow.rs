//! What goes from one layer to the next, and of which sizes it may be.

/// Most units, channels or inputs of anything, and the longest kernel: far above what is useful, and low enough that
/// no product of three overflows.
pub(super) const MOST: usize = 1 << 20;

/// What goes from one layer to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Image { channels: usize, bands: usize },
    Sequence { units: usize },
    Vector { units: usize },
}

impl Flow {
    fn name(self) -> &'static str {
        match self {
            Self::Image { .. } => "an image",
            Self::Sequence { .. } => "a sequence",
            Self::Vector { .. } => "a vector",
        }
    }

    /// Channels and bands of an image.
    pub(super) fn image(self) -> Result<(usize, usize), String> {
        match self {
            Self::Image { channels, bands } => Ok((channels, bands)),
            _ => Err(format!("reads an image, but is given {}", self.name())),
        }
    }

    /// Units at a position.
    pub(super) fn sequence(self) -> Result<usize, String> {
        match self {
            Self::Image { channels, bands } => within("the inputs of a layer", channels * bands),
            Self::Sequence { units } => Ok(units),
            Self::Vector { .. } => Err("reads a sequence, but is given a vector".to_owned()),
        }
    }

    /// Units of a vector, or at a position, and how to make the same of other units.
    pub(super) fn units(self) -> Result<(usize, WithUnits), String> {
        match self {
            Self::Vector { units } => Ok((units, |units| Self::Vector { units })),
            _ => Ok((self.sequence()?, |units| Self::Sequence { units })),
        }
    }
}

/// Makes a vector or a sequence of so many units.
pub(super) type WithUnits = fn(usize) -> Flow;

/// `size`, if it is from 1 to [`MOST`]; `what` names it in the error.
pub(super) fn within(what: &str, size: usize) -> Result<usize, String> {
    match (1..=MOST).contains(&size) {
        true => Ok(size),
        false => Err(format!("{what}: {size} is not from 1 to {MOST}")),
    }
}
