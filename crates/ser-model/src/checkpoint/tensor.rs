//! A dense tensor as plain bytes, independent of any tensor library.

use ser_core::{Error, ErrorKind, Result};

/// The element type of a [`Tensor`], named as in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// `torch.float32`
    F32,
    /// `torch.float64`
    F64,
    /// `torch.int64`
    I64,
    /// `torch.int32`
    I32,
    /// `torch.uint8`
    U8,
    /// `torch.bool`: one byte, 0 or 1
    Bool,
    /// `torch.bfloat16`
    BF16,
    /// `torch.float16`
    F16,
}

impl Dtype {
    /// Bytes an element takes.
    pub const fn size(self) -> usize {
        match self {
            Self::U8 | Self::Bool => 1,
            Self::BF16 | Self::F16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }

    /// The class of `torch` that stands for a storage of this type in a pickle.
    pub(super) const fn storage_class(self) -> &'static str {
        match self {
            Self::F32 => "FloatStorage",
            Self::F64 => "DoubleStorage",
            Self::I64 => "LongStorage",
            Self::I32 => "IntStorage",
            Self::U8 => "ByteStorage",
            Self::Bool => "BoolStorage",
            Self::BF16 => "BFloat16Storage",
            Self::F16 => "HalfStorage",
        }
    }

    pub(super) const ALL: [Self; 8] =
        [Self::F32, Self::F64, Self::I64, Self::I32, Self::U8, Self::Bool, Self::BF16, Self::F16];
}

/// A tensor in row-major (contiguous) order, its elements little-endian.
///
/// ```
/// use ser_model::checkpoint::Tensor;
/// let weight = Tensor::from_f32(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])?;
/// assert_eq!(weight.shape(), [2, 3]);
/// assert_eq!(weight.to_f32()?[4], 4.0);
/// # Ok::<(), ser_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl Tensor {
    /// The most axes a tensor may have, which is PyTorch's own limit.
    pub const MAX_AXES: usize = 64;

    /// A tensor of `shape` over `data`, little-endian and row-major. An empty shape is a single number.
    ///
    /// # Errors
    /// [`ErrorKind::Mismatch`] when `data` is not as long as `dtype` and `shape` ask for;
    /// [`ErrorKind::Damaged`] when a boolean is neither 0 nor 1.
    pub fn new(dtype: Dtype, shape: &[usize], data: Vec<u8>) -> Result<Self> {
        let wanted = element_count(shape)?.checked_mul(dtype.size());
        if wanted != Some(data.len()) {
            let what = format!("a {dtype:?} tensor of shape {shape:?} cannot have {} bytes", data.len());
            return Err(Error::new(ErrorKind::Mismatch, what));
        }
        // libtorch reads a boolean as it lies in memory; any other byte would be undefined behaviour there.
        if dtype == Dtype::Bool && data.iter().any(|&byte| byte > 1) {
            return Err(Error::new(
                ErrorKind::Damaged,
                "a boolean tensor holds a byte that is neither 0 nor 1",
            ));
        }
        Ok(Self { dtype, shape: shape.to_vec(), data })
    }

    /// A `float32` tensor. Fails where `values` does not fill `shape`.
    pub fn from_f32(shape: &[usize], values: &[f32]) -> Result<Self> {
        Self::new(Dtype::F32, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// A `float64` tensor. Fails where `values` does not fill `shape`.
    pub fn from_f64(shape: &[usize], values: &[f64]) -> Result<Self> {
        Self::new(Dtype::F64, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// An `int64` tensor. Fails where `values` does not fill `shape`.
    pub fn from_i64(shape: &[usize], values: &[i64]) -> Result<Self> {
        Self::new(Dtype::I64, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// An `int32` tensor. Fails where `values` does not fill `shape`.
    pub fn from_i32(shape: &[usize], values: &[i32]) -> Result<Self> {
        Self::new(Dtype::I32, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// A `uint8` tensor. Fails where `values` does not fill `shape`.
    pub fn from_u8(shape: &[usize], values: &[u8]) -> Result<Self> {
        Self::new(Dtype::U8, shape, values.to_vec())
    }

    /// A `bool` tensor. Fails where `values` does not fill `shape`.
    pub fn from_bool(shape: &[usize], values: &[bool]) -> Result<Self> {
        Self::new(Dtype::Bool, shape, values.iter().map(|&value| u8::from(value)).collect())
    }

    /// The element type.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The length of each axis, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements' bytes, little-endian, row-major.
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.data.len() / self.dtype.size()
    }

    /// Whether there is no element, because some axis has length 0.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The elements of a `float32`, `bfloat16` or `float16` tensor, none of them rounded.
    ///
    /// # Errors
    /// [`ErrorKind::Mismatch`] for another type, as for each of these conversions.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        match self.dtype {
            Dtype::F32 => Ok(self.elements().map(f32::from_le_bytes).collect()),
            Dtype::BF16 => Ok(self.elements().map(|half| half::bf16::from_le_bytes(half).to_f32()).collect()),
            Dtype::F16 => Ok(self.elements().map(|half| half::f16::from_le_bytes(half).to_f32()).collect()),
            _ => Err(self.is_not("float32")),
        }
    }

    /// The elements of any floating-point tensor, none of them rounded.
    pub fn to_f64(&self) -> Result<Vec<f64>> {
        match self.dtype {
            Dtype::F64 => Ok(self.elements().map(f64::from_le_bytes).collect()),
            Dtype::F32 | Dtype::BF16 | Dtype::F16 => Ok(self.to_f32()?.into_iter().map(f64::from).collect()),
            _ => Err(self.is_not("float64")),
        }
    }

    /// The elements of an `int64`, `int32` or `uint8` tensor.
    pub fn to_i64(&self) -> Result<Vec<i64>> {
        match self.dtype {
            Dtype::I64 => Ok(self.elements().map(i64::from_le_bytes).collect()),
            Dtype::I32 => Ok(self.elements().map(|bytes| i64::from(i32::from_le_bytes(bytes))).collect()),
            Dtype::U8 => Ok(self.data.iter().map(|&byte| i64::from(byte)).collect()),
            _ => Err(self.is_not("int64")),
        }
    }

    /// The elements of a `uint8` tensor.
    pub fn to_u8(&self) -> Result<Vec<u8>> {
        if self.dtype == Dtype::U8 { Ok(self.data.clone()) } else { Err(self.is_not("uint8")) }
    }

    /// The elements of a `bool` tensor.
    pub fn to_bool(&self) -> Result<Vec<bool>> {
        match self.dtype {
            Dtype::Bool => Ok(self.data.iter().map(|&byte| byte != 0).collect()),
            _ => Err(self.is_not("bool")),
        }
    }

    fn elements<const N: usize>(&self) -> impl Iterator<Item = [u8; N]> + '_ {
        self.data.as_chunks::<N>().0.iter().copied()
    }

    fn is_not(&self, wanted: &str) -> Error {
        Error::new(ErrorKind::Mismatch, format!("a {:?} tensor cannot be read as {wanted}", self.dtype))
    }
}

/// The product of the axes, if it fits in memory's terms.
pub(super) fn element_count(shape: &[usize]) -> Result<usize> {
    if shape.len() > Tensor::MAX_AXES {
        let what = format!("a tensor has {} axes, the maximum is {}", shape.len(), Tensor::MAX_AXES);
        return Err(Error::new(ErrorKind::Limit, what));
    }
    let count = shape.iter().try_fold(1_usize, |count, &length| count.checked_mul(length));
    count.ok_or_else(|| {
        Error::new(ErrorKind::Limit, format!("a tensor of shape {shape:?} does not fit in memory"))
    })
}

/// The steps, in elements, between neighbours along each axis of a row-major tensor.
pub(super) fn contiguous_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    let mut step = 1_usize;
    for (stride, &length) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        // Saturation is met only by tensors without elements, whose strides are never used.
        step = step.saturating_mul(length.max(1));
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_must_fill_the_shape_and_booleans_be_booleans() {
        assert!(Tensor::from_f32(&[2, 2], &[1.0]).is_err());
        assert!(Tensor::from_f32(&[], &[1.0]).is_ok());
        assert!(Tensor::from_f32(&[0, 7], &[]).is_ok());
        assert!(Tensor::new(Dtype::F32, &[usize::MAX, 3], vec![]).is_err());
        assert!(Tensor::new(Dtype::F32, &[1; 65], vec![0; 4]).is_err());
        assert!(Tensor::new(Dtype::Bool, &[1], vec![2]).is_err());
        assert_eq!(contiguous_strides(&[2, 3, 4]), [12, 4, 1]);
    }
}
