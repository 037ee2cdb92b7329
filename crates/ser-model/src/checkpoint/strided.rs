//! Tensors as PyTorch describes them, a window of strides onto a storage, and their way to a dense copy.

use ser_core::{Error, ErrorKind, Result};

use crate::checkpoint::tensor::{contiguous_strides, element_count};
use crate::checkpoint::{Dtype, Tensor};

/// The elements `offset + Σ index·stride` of a storage, checked to lie within it.
pub(super) struct Strided {
    shape: Vec<usize>,
    strides: Vec<usize>,
    offset: usize,
    count: usize,
}

impl Strided {
    /// Checks a window onto a storage of `stored` elements.
    pub(super) fn new(
        shape: Vec<usize>,
        mut strides: Vec<usize>,
        offset: usize,
        stored: usize,
    ) -> Result<Self> {
        if shape.len() != strides.len() {
            return Err(damaged(format!("holds a tensor of shape {shape:?} with {} strides", strides.len())));
        }
        let count = element_count(&shape)?;
        if count > 0 {
            let mut last = Some(offset);
            for (&length, stride) in shape.iter().zip(&mut strides) {
                let steps = length.saturating_sub(1);
                if steps == 0 {
                    *stride = 0; // never taken, so whatever the file says is harmless
                }
                last = last.and_then(|last| steps.checked_mul(*stride)?.checked_add(last));
            }
            if last.is_none_or(|last| last >= stored) {
                let what = format!(
                    "holds a tensor of shape {shape:?} that reaches beyond its storage of {stored} elements"
                );
                return Err(damaged(what));
            }
        }
        Ok(Self { shape, strides, offset, count })
    }

    /// How many elements the dense tensor has. With a stride of 0 it may be any multiple of the storage.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Copies the elements out of `storage` in row-major order.
    pub(super) fn gather(&self, dtype: Dtype, storage: &[u8]) -> Result<Tensor> {
        let data = match dtype.size() {
            1 => self.gather_elements::<1>(storage),
            2 => self.gather_elements::<2>(storage),
            4 => self.gather_elements::<4>(storage),
            _ => self.gather_elements::<8>(storage),
        };
        Tensor::new(
            dtype,
            &self.shape,
            data.ok_or_else(|| damaged("holds a tensor that reaches beyond its storage"))?,
        )
    }

    fn gather_elements<const N: usize>(&self, storage: &[u8]) -> Option<Vec<u8>> {
        if self.count == 0 {
            return Some(Vec::new());
        }
        let (elements, _) = storage.as_chunks::<N>();
        // An axis of length 1 is never stepped along, so its stride means nothing.
        let dense = contiguous_strides(&self.shape);
        let is_dense =
            |axis: usize| self.shape.get(axis) == Some(&1) || self.strides.get(axis) == dense.get(axis);
        if (0..self.shape.len()).all(is_dense) {
            return Some(elements.get(self.offset..)?.get(..self.count)?.as_flattened().to_vec());
        }
        let mut data = Vec::with_capacity(self.count.checked_mul(N)?);
        let mut index = vec![0_usize; self.shape.len()];
        let mut at = self.offset;
        loop {
            data.extend_from_slice(elements.get(at)?);
            // To the next index, as an odometer does: the innermost axis first, carrying at its end.
            let mut carried = true;
            for ((index, &length), &stride) in index.iter_mut().zip(&self.shape).zip(&self.strides).rev() {
                *index = index.checked_add(1)?;
                if *index < length {
                    at = at.checked_add(stride)?;
                    carried = false;
                    break;
                }
                at = at.checked_sub(stride.checked_mul(length.checked_sub(1)?)?)?;
                *index = 0;
            }
            if carried {
                return Some(data);
            }
        }
    }
}

fn damaged(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Damaged, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(shape: &[usize], strides: &[usize], offset: usize, storage: &[u8]) -> Result<Vec<u8>> {
        let window = Strided::new(shape.to_vec(), strides.to_vec(), offset, storage.len())?;
        assert_eq!(window.count(), shape.iter().product::<usize>());
        window.gather(Dtype::U8, storage)?.to_u8()
    }

    #[test]
    fn windows_are_gathered_in_row_major_order() {
        let storage: Vec<u8> = (0..24).collect();
        assert_eq!(gathered(&[2, 3], &[3, 1], 4, &storage).unwrap(), [4, 5, 6, 7, 8, 9]);
        assert_eq!(gathered(&[3, 2], &[1, 3], 0, &storage).unwrap(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(gathered(&[2, 1, 3], &[12, usize::MAX, 4], 1, &storage).unwrap(), [1, 5, 9, 13, 17, 21]);
        assert_eq!(gathered(&[2, 2], &[0, 0], 23, &storage).unwrap(), [23; 4]);
        assert_eq!(gathered(&[], &[], 7, &storage).unwrap(), [7]);
        assert!(gathered(&[0, 9], &[9, 1], 99, &storage).unwrap().is_empty());
    }

    #[test]
    fn windows_beyond_the_storage_are_refused() {
        let storage = [0; 6];
        assert!(gathered(&[2, 3], &[3, 1], 1, &storage).is_err());
        assert!(gathered(&[2], &[usize::MAX], 1, &storage).is_err());
        assert!(gathered(&[usize::MAX, 2], &[0, 0], 0, &storage).is_err());
        assert!(gathered(&[], &[], 6, &storage).is_err());
        assert!(gathered(&[2, 3], &[3], 0, &storage).is_err());
    }
}
