//! Reading little-endian fields off a byte slice, with an error instead of a panic at its end.

use ser_core::{Error, ErrorKind, Result};

/// What is left to read of a part of the file; `part` names it in errors.
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    length: usize,
    part: &'static str,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], part: &'static str) -> Self {
        Self { rest: bytes, length: bytes.len(), part }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes have been read.
    pub(super) fn consumed(&self) -> usize {
        self.length.saturating_sub(self.rest.len())
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.ends_early(length))?;
        self.rest = rest;
        Ok(taken)
    }

    /// The bytes up to the next line feed, which is consumed but not returned.
    pub(super) fn line(&mut self) -> Result<&'a [u8]> {
        let length = self.rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| self.ends_early(1))?;
        let line = self.take(length)?;
        self.take(1)?;
        Ok(line)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.ends_early(N))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A 32-bit length or offset as a size in memory.
    pub(super) fn size(&mut self) -> Result<usize> {
        let size = self.u32()?;
        usize::try_from(size).map_err(|_| self.ends_early(usize::MAX))
    }

    fn ends_early(&self, wanted: usize) -> Error {
        let (part, left) = (self.part, self.rest.len());
        Error::new(
            ErrorKind::Damaged,
            format!("{part} is cut short: {wanted} more bytes wanted, {left} left"),
        )
    }
}
