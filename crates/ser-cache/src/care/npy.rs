//! The header of NumPy's array files, format version 1.0:
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::fmt::Write;

use ser_core::{Error, ErrorKind, Result};

/// The header of an array of `shape` in C order, little-endian, of type `f4`, `i4` or `i8`. Its values follow.
pub(super) fn header(kind: &str, shape: &[usize]) -> Result<Vec<u8>> {
    let mut sizes = String::new();
    for size in shape {
        // A comma after each, so that a single one is a tuple in Python too.
        let _ = write!(sizes, "{size}, ");
    }
    let text = format!("{{'descr': '<{kind}', 'fortran_order': False, 'shape': ({}), }}", sizes.trim_end());
    let mut header = b"\x93NUMPY\x01\x00\0\0".to_vec();
    header.extend(text.as_bytes());
    // The data starts at a multiple of 64 bytes, after a line break.
    header.resize((header.len() + 1).next_multiple_of(64) - 1, b' ');
    header.push(b'\n');
    let length = u16::try_from(header.len() - 10)
        .map_err(|_| Error::new(ErrorKind::Limit, "an array of so many dimensions cannot be written"))?;
    header[8..10].copy_from_slice(&length.to_le_bytes());
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_what_numpy_writes() {
        let header = header("f4", &[5, 3, 40, 200]).unwrap();
        assert_eq!(header.len(), 128);
        assert_eq!(header[..10], *b"\x93NUMPY\x01\x00\x76\x00");
        let text = std::str::from_utf8(&header[10..]).unwrap();
        assert!(text.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (5, 3, 40, 200,), }"));
        assert!(text.ends_with(" \n"));
    }
}
