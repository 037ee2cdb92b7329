//! The check that every parameter goes through.

use std::fmt::{Debug, Display};

use ser_core::{Error, ErrorKind, Result};

/// Refuses `value` of parameter `key` unless it `holds`; `allowed` completes "it must be …".
///
/// # Errors
/// [`ErrorKind::Usage`], naming all three.
pub fn require(holds: bool, key: &str, value: impl Debug, allowed: impl Display) -> Result<()> {
    if holds {
        return Ok(());
    }
    let what = format!("{key} = {value:?} is not allowed");
    Err(Error::new(ErrorKind::Usage, what).help(format!("it must be {allowed}")))
}
