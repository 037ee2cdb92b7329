//! The two digests of the cache: SHA-256 for identity, XXH3-128 for damage.

use std::fmt;
use std::io::Read;
use std::str::FromStr;

use ser_core::{Error, ErrorKind};
use ser_features::ValueType;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Bytes read at a time. They fit a processor's cache.
const PIECE: usize = 1 << 18;

/// Bytes of a fixed number, written in lower-case hexadecimal where people read and as bytes elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex<const N: usize>(pub [u8; N]);

/// A SHA-256.
pub type Sha = Hex<32>;

/// An XXH3-128: no protection against malice, but a hundred times faster than the disk it guards.
pub type Checksum = Hex<16>;

impl Sha {
    /// The SHA-256 of `parts`, one after the other.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// The SHA-256 of all that `reader` gives, and how many bytes that is. `told` is called with the number of bytes so
    /// far.
    ///
    /// # Errors
    /// When `reader` fails.
    pub fn of_reader(reader: &mut impl Read, mut told: impl FnMut(u64)) -> std::io::Result<(Self, u64)> {
        let (mut hasher, mut length) = (Sha256::new(), 0);
        let mut piece = vec![0; PIECE];
        loop {
            match reader.read(&mut piece) {
                Ok(0) => return Ok((Self(hasher.finalize().into()), length)),
                Ok(read) => {
                    hasher.update(piece.get(..read).unwrap_or_default());
                    length += read as u64;
                    told(length);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Checksum {
    /// The checksum of a row: of its tensor's bytes as they are stored, then its number of frames as a little-endian `u32`.
    pub fn of_row(features: &[f32], dtype: ValueType, frames: u32) -> Self {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        hasher.update(&dtype.to_bytes(features));
        hasher.update(&frames.to_le_bytes());
        Self(hasher.digest128().to_be_bytes())
    }
}

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // Whole digests at a time: a manifest has two on every line.
        self.0.chunks(32).try_for_each(|bytes| {
            let mut text = [0; 64];
            for (digits, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
                *digits = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
            }
            f.write_str(std::str::from_utf8(&text[..2 * bytes.len()]).map_err(|_| fmt::Error)?)
        })
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> FromStr for Hex<N> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong =
            || Error::new(ErrorKind::Damaged, format!("{text:?} is not {} hexadecimal digits", 2 * N));
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != N || !rest.is_empty() {
            return Err(wrong());
        }
        let mut bytes = [0; N];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high).ok_or_else(wrong)? << 4 | digit(*low).ok_or_else(wrong)?;
        }
        Ok(Self(bytes))
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serde::ser::SerializeTuple::end({
                let mut tuple = serializer.serialize_tuple(N)?;
                for byte in &self.0 {
                    serde::ser::SerializeTuple::serialize_element(&mut tuple, byte)?;
                }
                tuple
            })
        }
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            return text.parse().map_err(serde::de::Error::custom);
        }
        struct Bytes<const N: usize>;
        impl<'de, const N: usize> serde::de::Visitor<'de> for Bytes<N> {
            type Value = [u8; N];
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{N} bytes")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut bytes: A) -> Result<[u8; N], A::Error> {
                let mut array = [0; N];
                for (position, byte) in array.iter_mut().enumerate() {
                    *byte = (bytes.next_element()?)
                        .ok_or_else(|| serde::de::Error::invalid_length(position, &self))?;
                }
                Ok(array)
            }
        }
        deserializer.deserialize_tuple(N, Bytes).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_reads_back_and_nothing_else_is_taken() {
        let sha = Sha::of(&[b"a", b"bc"]);
        assert_eq!(sha.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(sha.to_string().parse::<Sha>().unwrap(), sha);
        let upper = sha.to_string().to_uppercase();
        for wrong in ["", "ba", &sha.to_string()[1..], &upper, &format!("{sha}0"), &"é".repeat(32)] {
            assert!(wrong.parse::<Sha>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_row_is_told_from_one_with_another_value_sign_or_length() {
        let row = [0.0f32, 1.0, 2.0];
        let checksum = Checksum::of_row(&row, ValueType::F32, 3);
        assert_ne!(checksum, Checksum::of_row(&[-0.0, 1.0, 2.0], ValueType::F32, 3));
        assert_ne!(checksum, Checksum::of_row(&row, ValueType::F32, 2));
        assert_eq!(checksum, Checksum::of_row(&row.clone(), ValueType::F32, 3));
    }
}
