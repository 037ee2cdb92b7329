//! What every architecture says of its sizes, and the checks they share.

use ser_core::{Error, ErrorKind, Result};

use crate::network::Arch;

/// Largest number of units or channels of a layer.
const MOST_UNITS: u32 = 8192;
/// Most layers or blocks of an encoder.
const MOST_LAYERS: u32 = 64;

/// The sizes of one architecture.
#[cfg_attr(not(feature = "torch"), expect(dead_code, reason = "some is asked only by networks"))]
pub trait Sizes {
    /// The architecture.
    fn arch(&self) -> Arch;

    /// Checks that every value is valid.
    ///
    /// # Errors
    /// On the first that does not, naming its field and what is allowed.
    fn validate(&self) -> Result<()>;

    /// The fewest bands and the fewest frames of an utterance of which its layers leave something.
    fn least_bands_and_frames(&self) -> [usize; 2];

    /// Inputs that its widest layer has at a position, for utterances of so many `bands`.
    fn widest_layer(&self, bands: usize) -> usize;

    /// Share of the head's units that are dropped in training.
    fn dropout(&mut self) -> &mut f64;
}

pub(super) fn units(field: &str, sizes: &[u32]) -> Result<()> {
    match sizes.iter().find(|size| !(1..=MOST_UNITS).contains(*size)) {
        Some(size) => Err(invalid_size(field, &size.to_string(), &format!("a size from 1 to {MOST_UNITS}"))),
        None => Ok(()),
    }
}

pub(super) fn width_of_heads(width: u32, heads: u32) -> Result<()> {
    units("width", &[width])?;
    units("heads", &[heads])?;
    match width.is_multiple_of(2) && width.is_multiple_of(heads) {
        true => Ok(()),
        false => Err(invalid_size(
            "width",
            &width.to_string(),
            &format!("an even size that is a multiple of network.heads, which is {heads}"),
        )),
    }
}

pub(super) fn depth(field: &str, layers: u32) -> Result<()> {
    match (1..=MOST_LAYERS).contains(&layers) {
        true => Ok(()),
        false => Err(invalid_size(field, &layers.to_string(), &format!("a number from 1 to {MOST_LAYERS}"))),
    }
}

pub(super) fn share(field: &str, share: f64) -> Result<()> {
    match (0.0..1.0).contains(&share) {
        true => Ok(()),
        false => Err(invalid_size(field, &share.to_string(), "a number from 0 to below 1")),
    }
}

pub(super) fn invalid_size(field: &str, value: &str, allowed: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("network.{field} {value} is not valid"))
        .help(format!("give {allowed}"))
}
