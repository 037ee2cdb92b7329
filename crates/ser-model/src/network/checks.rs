//! Checks of sizes that architectures share. Fields are named as in a recipe's `[network]`.

use ser_core::{Error, ErrorKind, Result};

/// Largest number of units or channels of a layer.
const MOST_UNITS: u32 = 8192;
/// Most layers or blocks of an encoder.
const MOST_LAYERS: u32 = 64;

/// Numbers of units or channels are from 1 to 8192.
///
/// # Errors
/// On the first that is not.
pub fn units(field: &str, sizes: &[u32]) -> Result<()> {
    match sizes.iter().find(|size| !(1..=MOST_UNITS).contains(*size)) {
        Some(size) => Err(invalid_size(field, &size.to_string(), &format!("a size from 1 to {MOST_UNITS}"))),
        None => Ok(()),
    }
}

/// The width of self-attention is a number of units, even, and a multiple of its heads.
///
/// # Errors
/// When it is not.
pub fn width_of_heads(width: u32, heads: u32) -> Result<()> {
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

/// Layers or blocks are from 1 to 64.
///
/// # Errors
/// When there are fewer or more.
pub fn depth(field: &str, layers: u32) -> Result<()> {
    match (1..=MOST_LAYERS).contains(&layers) {
        true => Ok(()),
        false => Err(invalid_size(field, &layers.to_string(), &format!("a number from 1 to {MOST_LAYERS}"))),
    }
}

/// A share to drop is from 0 to below 1.
///
/// # Errors
/// When it is not.
pub fn share(field: &str, share: f64) -> Result<()> {
    match (0.0..1.0).contains(&share) {
        true => Ok(()),
        false => Err(invalid_size(field, &share.to_string(), "a number from 0 to below 1")),
    }
}

/// The error of a `field` whose `value` is not what is `allowed`, such as "a number from 1 to 7".
pub fn invalid_size(field: &str, value: &str, allowed: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("network.{field} {value} is not valid"))
        .help(format!("give {allowed}"))
}
