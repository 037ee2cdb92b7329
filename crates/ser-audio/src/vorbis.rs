//! Vorbis: the size of the tables that a decoder would expand from a stream's headers.
//!
//! A codebook of 131,072 vectors of 32 values, 17 MB, can be described in 30 bytes, and a stream may have 256 of
//! them. Real ones stay far below a megabyte in total, so their sizes are added up before a decoder builds them.
//! Layout: Vorbis I specification, section 3.2.1; bits come with the least significant first.

use ser_core::{Error, ErrorKind, Result};

use crate::pcm::take;
use crate::refusal::COPY_AGAIN;

/// Values of 4 bytes that all codebooks of a stream may expand to.
const MOST_VALUES: u64 = 1 << 22;

/// Values of 4 bytes that an entry costs besides its vector: its codeword, and its place in a tree.
const VALUES_OF_ENTRY: u64 = 8;

const SETUP: [u8; 7] = *b"\x05vorbis";
const IDENTIFICATION_BYTES: usize = 30;
const SYNC: u32 = 0x56_43_42;

/// Checks the codebooks in `headers`, the identification header and the setup header of a stream.
///
/// # Errors
/// `Limit` where they are too large. Anything that is not a codebook is left to the decoder.
pub(super) fn check_codebooks(headers: &[u8]) -> Result<()> {
    if take(headers, IDENTIFICATION_BYTES) != Some(SETUP) {
        return Ok(());
    }
    let setup = headers.get(IDENTIFICATION_BYTES + SETUP.len()..).unwrap_or_default();
    let mut bits = Bits { bytes: setup, at: 0 };
    let count = bits.read(8).unwrap_or(0) + 1;
    let mut values = 0u64;
    for _ in 0..count {
        let Some((entries, dimensions)) = bits.codebook_size() else { break };
        values += u64::from(entries) * (u64::from(dimensions) + VALUES_OF_ENTRY);
        if values > MOST_VALUES {
            let what = "describes Vorbis codebooks far larger than any encoder writes";
            return Err(Error::new(ErrorKind::Limit, what).help(COPY_AGAIN));
        }
        if bits.skip_codebook(entries, dimensions).is_none() {
            break;
        }
    }
    Ok(())
}

struct Bits<'a> {
    bytes: &'a [u8],
    /// The next bit.
    at: usize,
}

impl Bits<'_> {
    fn read(&mut self, count: u32) -> Option<u32> {
        let mut value = 0u64;
        let first = self.at / 8;
        for (place, byte) in (0..).zip(self.bytes.get(first..)?.iter().take(5)) {
            value |= u64::from(*byte) << (8 * place);
        }
        let end = self.at.checked_add(count as usize)?;
        if end > self.bytes.len().checked_mul(8)? {
            return None;
        }
        let value = value >> (self.at % 8) & ((1 << count) - 1);
        self.at = end;
        u32::try_from(value).ok()
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        let end = self.at.checked_add(usize::try_from(count).ok()?)?;
        self.at = end;
        (end <= self.bytes.len().checked_mul(8)?).then_some(())
    }

    /// Entries and dimensions of the codebook that begins here.
    fn codebook_size(&mut self) -> Option<(u32, u32)> {
        if self.read(24)? != SYNC {
            return None;
        }
        let dimensions = self.read(16)?;
        Some((self.read(24)?, dimensions))
    }

    /// Skips the lengths of its codewords and its vectors.
    fn skip_codebook(&mut self, entries: u32, dimensions: u32) -> Option<()> {
        let ordered = self.read(1)? == 1;
        if ordered {
            self.skip(5)?;
            let mut done = 0;
            while done < entries {
                let width = u32::BITS - (entries - done).leading_zeros();
                done = done.checked_add(self.read(width)?)?;
            }
        } else if self.read(1)? == 1 {
            for _ in 0..entries {
                if self.read(1)? == 1 {
                    self.skip(5)?;
                }
            }
        } else {
            self.skip(5 * u64::from(entries))?;
        }
        let values = match self.read(4)? {
            0 => return Some(()),
            1 => u64::from(vector_root(entries, dimensions)),
            2 => u64::from(entries) * u64::from(dimensions),
            _ => return None,
        };
        self.skip(64)?;
        let width = self.read(4)? + 1;
        self.skip(1 + values * u64::from(width))
    }
}

/// The largest number whose `dimensions`th power is at most `entries`.
fn vector_root(entries: u32, dimensions: u32) -> u32 {
    let fits = |number: u32| number.checked_pow(dimensions).is_some_and(|power| power <= entries);
    let (mut low, mut high) = (0, entries);
    while low < high {
        let middle = high - (high - low) / 2;
        if fits(middle) { low = middle } else { high = middle - 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lattice_is_the_whole_root() {
        for (entries, dimensions, root) in
            [(81, 4, 3), (80, 4, 2), (1, 9, 1), (131_072, 32, 1), (6_561, 8, 3), (7, 1, 7)]
        {
            assert_eq!(vector_root(entries, dimensions), root);
        }
    }

    #[test]
    fn bits_are_read_across_bytes_and_not_beyond() {
        let mut bits = Bits { bytes: &[0b1010_0101, 0xff, 0, 0, 0xf0], at: 0 };
        assert_eq!(
            (bits.read(3), bits.read(6), bits.read(31)),
            (Some(0b101), Some(0b11_0100), Some(0x7800_007f))
        );
        assert_eq!((bits.read(0), bits.read(1)), (Some(0), None));
    }
}
