//! The memory of tensors as slices.
#![expect(unsafe_code, reason = "the memory of tensors, which the compiler knows nothing of")]

use ser_core::{Error, ErrorKind};
use tch::{Device, Kind, Tensor};

use crate::Result;

/// A word of a tensor's memory.
pub trait Word: Copy + Send + Sync + 'static {
    /// What libtorch calls the numbers in it.
    const KIND: Kind;
    /// How many they are.
    const NUMBERS: usize;
}

impl Word for f32 {
    const KIND: Kind = Kind::Float;
    const NUMBERS: usize = 1;
}

/// Two numbers of bf16, of which the first is the lower half.
#[cfg(target_endian = "little")]
impl Word for u32 {
    const KIND: Kind = Kind::BFloat16;
    const NUMBERS: usize = 2;
}

/// The words of `tensor`, which lies on the CPU without gaps, in the order of its axes.
///
/// # Errors
/// When it is of another type, not on the CPU, not contiguous, or ends or begins within a word.
pub fn words<W: Word>(tensor: &Tensor) -> Result<&[W]> {
    let (start, length) = extent::<W>(tensor)?;
    // SAFETY: the tensor owns so many words of this type side by side, in which any bits are a number, and is borrowed for as
    // long as they are; that no other handle to its memory writes meanwhile is for the caller as with every tensor that is read.
    Ok(unsafe { std::slice::from_raw_parts(start, length) })
}

/// A new tensor `shape` on the CPU, whose words `fill` sets: it is given all of them, in the order of the axes. What they are
/// before is not defined.
///
/// # Errors
/// When there is not enough memory, when it ends within a word, and those of `fill`.
pub fn filled<W: Word>(shape: &[i64], fill: impl FnOnce(&mut [W]) -> Result<()>) -> Result<Tensor> {
    let tensor = Tensor::f_empty(shape, (W::KIND, Device::Cpu))?;
    let (start, length) = extent::<W>(&tensor)?;
    // SAFETY: as above; the tensor is new, so that there is no other handle to its memory. That comes from libtorch's
    // allocator, into which the compiler does not see.
    fill(unsafe { std::slice::from_raw_parts_mut(start.cast_mut(), length) })?;
    Ok(tensor)
}

/// Where the words of a tensor begin, and how many they are, if they can be a slice.
fn extent<W: Word>(tensor: &Tensor) -> Result<(*const W, usize)> {
    let refuse = |what: String| Err(Error::new(ErrorKind::Unsupported, what).into());
    if tensor.kind() != W::KIND {
        return refuse(format!("a tensor of {:?} where one of {:?} is needed", tensor.kind(), W::KIND));
    }
    if tensor.device() != Device::Cpu || tensor.is_sparse() || !tensor.is_contiguous() {
        return refuse("a tensor whose numbers do not lie side by side on the CPU".to_owned());
    }
    let start = tensor.data_ptr().cast_const().cast::<W>();
    match tensor.numel() {
        // Of no numbers there need not be a place.
        0 => Ok((std::ptr::NonNull::dangling().as_ptr(), 0)),
        numbers if start.is_aligned() && numbers.is_multiple_of(W::NUMBERS) => {
            Ok((start, numbers / W::NUMBERS))
        }
        numbers => {
            refuse(format!("{numbers} numbers that do not begin and end with words of {}", W::NUMBERS))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_the_tensor_s_memory() {
        let tensor = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]).view([2, 3]);
        assert_eq!(words::<f32>(&tensor).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(words::<f32>(&tensor.get(1)).unwrap(), [4.0, 5.0, 6.0]);
        assert_eq!(words::<f32>(&tensor.narrow(0, 0, 0)).unwrap(), [0.0f32; 0]);
        let halves = Tensor::from_slice(&[1.0f32, -2.0, 0.5, 0.0]).to_kind(Kind::BFloat16);
        assert_eq!(words::<u32>(&halves).unwrap(), [0xc000_3f80, 0x0000_3f00]);
    }

    #[test]
    fn what_cannot_be_a_slice_is_refused() {
        let tensor = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0]).view([2, 2]);
        for (refused, why) in [
            (words::<f32>(&tensor.tr()), "side by side"),
            (words::<f32>(&tensor.narrow(1, 0, 1)), "side by side"),
            (words::<f32>(&tensor.to_sparse(None, None::<&[i64]>, None)), "side by side"),
            (words::<f32>(&tensor.to_kind(Kind::Double)), "Double"),
        ] {
            let text = refused.unwrap_err().to_string();
            assert!(text.contains(why), "{text}");
        }
        let halves = tensor.to_kind(Kind::BFloat16).view(-1);
        for (from, count) in [(0, 3), (1, 2)] {
            let text = words::<u32>(&halves.narrow(0, from, count)).unwrap_err().to_string();
            assert!(text.contains("do not begin and end with words"), "{text}");
        }
    }

    #[test]
    fn a_filled_tensor_holds_what_was_put_there() {
        let fill = |words: &mut [u32]| {
            words.copy_from_slice(&[0xc000_3f80, 0x0000_3f00]);
            Ok(())
        };
        let tensor = filled(&[2, 2], fill).unwrap();
        assert_eq!(tensor.kind(), Kind::BFloat16);
        assert_eq!(
            Vec::<f32>::try_from(tensor.to_kind(Kind::Float).view(-1)).unwrap(),
            [1.0, -2.0, 0.5, 0.0]
        );
        assert!(filled::<u32>(&[3], |_| Ok(())).is_err());
        let failed = filled::<f32>(&[3], |_| Err(Error::new(ErrorKind::Mismatch, "no").into()));
        assert_eq!(failed.unwrap_err().to_string(), "no");
    }
}
