//! What the C++ of this crate says when it fails.

use std::ffi::{CStr, c_char};

use crate::TorchError;

/// Room for a text that the C++ leaves.
pub(crate) struct Message([u8; Self::ROOM]);

impl Message {
    /// The longest text that is passed on, in bytes with its closing zero.
    pub(crate) const ROOM: usize = 1024;

    /// An empty one.
    pub(crate) fn new() -> Self {
        Self([0; Self::ROOM])
    }

    /// Where the C++ may leave [`Self::ROOM`] bytes, of which the last stays zero.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut c_char {
        self.0.as_mut_ptr().cast()
    }

    /// The error that it tells of.
    pub(crate) fn into_error(self) -> TorchError {
        let text = CStr::from_bytes_until_nul(&self.0).unwrap_or_default();
        TorchError::of_libtorch(&text.to_string_lossy())
    }
}
