//! What the numbers of a tensor are stored as.

use std::borrow::Cow;

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use ser_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// The type that the numbers of a tensor are stored as. In memory they are f32 whichever it is.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// IEEE 754 single precision.
    #[default]
    F32,
    /// IEEE 754 half precision: half the space, 11 bits of precision, nothing beyond ±65,504.
    F16,
}

impl ValueType {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }

    /// Rounds values to the nearest that the type has, so that they are what storing and reading them gives.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when one is beyond the type's range.
    pub fn round(self, values: &mut [f32]) -> Result<()> {
        if self == Self::F32 {
            return Ok(());
        }
        for value in values {
            let rounded = f16::from_f32(*value).to_f32();
            if rounded.is_infinite() && value.is_finite() {
                let what = format!("{value} is beyond the range of f16, which ends at 65,504");
                return Err(Error::new(ErrorKind::Unsupported, what));
            }
            *value = rounded;
        }
        Ok(())
    }

    /// The bytes that `values` are stored as, little-endian.
    pub fn to_bytes(self, values: &[f32]) -> Cow<'_, [u8]> {
        match self {
            Self::F32 => Cow::Borrowed(bytemuck::cast_slice(values)),
            Self::F16 => {
                let mut stored = vec![0_u16; values.len()];
                stored.reinterpret_cast_mut::<f16>().convert_from_f32_slice(values);
                Cow::Owned(bytemuck::cast_slice(&stored).to_vec())
            }
        }
    }

    /// The values stored as `bytes` of a whole number of values.
    pub fn from_bytes(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            Self::F16 => {
                let stored: Vec<f16> =
                    bytes.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes)).collect();
                stored.to_f32_vec()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounded_values_are_stored_and_read_without_loss() {
        let values: Vec<f32> = (-3000..3000).map(|n| n as f32 * 0.377 + 1e-6 * (n * n) as f32).collect();
        for (kind, difference) in [(ValueType::F32, 0.0), (ValueType::F16, 1.0 / 2048.0)] {
            let mut rounded = values.clone();
            kind.round(&mut rounded).unwrap();
            let bytes = kind.to_bytes(&rounded);
            assert_eq!(bytes.len(), values.len() * kind.bytes());
            assert_eq!(kind.from_bytes(&bytes), rounded);
            assert!(
                rounded.iter().zip(&values).all(|(a, b)| (a - b).abs() <= difference * b.abs()),
                "{kind}"
            );
        }
    }

    #[test]
    fn half_precision_is_that_of_ieee_754() {
        // 1, −2, the largest number, the smallest above 0, and a tie, which goes to the even neighbour.
        let mut values = [1.0, -2.0, 65_504.0, 5.960_464_5e-8, 1.0 + 1.0 / 2048.0];
        ValueType::F16.round(&mut values).unwrap();
        assert_eq!(values[4], 1.0);
        let bytes = ValueType::F16.to_bytes(&values);
        assert_eq!(*bytes, [0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b, 0x01, 0x00, 0x00, 0x3c]);
    }

    #[test]
    fn a_value_beyond_the_range_is_refused() {
        let error = ValueType::F16.round(&mut [1.0, -70_000.0]).unwrap_err();
        assert_eq!(error.to_string(), "-70000 is beyond the range of f16, which ends at 65,504");
        ValueType::F32.round(&mut [-70_000.0]).unwrap();
    }
}
