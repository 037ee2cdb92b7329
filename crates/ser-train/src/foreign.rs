//! The unsafe calls that training needs, each with the reason why it is sound.
#![expect(unsafe_code, reason = "all calls of this stage that the compiler cannot check are here")]

use std::marker::PhantomData;
use std::ops::Deref;
use std::path::Path;

use ser_core::{Error, ErrorKind};
use tch::{Device, Kind, Tensor};

use ser_torch::Result;

/// A tensor over borrowed memory, such as a mapped shard. It must only be read.
#[derive(Debug)]
pub(super) struct View<'a> {
    tensor: Tensor,
    memory: PhantomData<&'a [f32]>,
}

impl<'a> View<'a> {
    /// Views `values` as a tensor of `shape`, without a copy.
    ///
    /// # Errors
    /// When the shape does not have as many elements as there are values.
    pub(super) fn new(values: &'a [f32], shape: &[i64]) -> Result<Self> {
        if shape.iter().product::<i64>() != values.len() as i64 {
            return Err(Error::new(
                ErrorKind::Mismatch,
                format!("{} values cannot be viewed as {shape:?}", values.len()),
            )
            .into());
        }
        // SAFETY: pointer and length come from one slice, the shape has been compared with it, and the lifetime of
        // the view keeps the slice borrowed. Nothing in this crate writes through a view or keeps a handle to it:
        // `View` gives out `&Tensor` alone.
        let tensor =
            unsafe { Tensor::f_from_blob(values.as_ptr().cast(), shape, &[], Kind::Float, Device::Cpu)? };
        Ok(Self { tensor, memory: PhantomData })
    }

    /// The tensor itself.
    ///
    /// It no longer borrows the memory: the caller must drop it before the memory is freed.
    pub(super) fn into_tensor(self) -> Tensor {
        self.tensor
    }
}

impl Deref for View<'_> {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        &self.tensor
    }
}

impl std::borrow::Borrow<Tensor> for View<'_> {
    fn borrow(&self) -> &Tensor {
        &self.tensor
    }
}

/// Loads a library of libtorch so that all others see its symbols, and keeps it for the life of the process.
///
/// # Errors
/// When it is not there or lacks something.
pub(super) fn load_globally(library: &Path) -> Result<()> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: the only libraries asked for are libtorch's own, whose initialisers register devices and nothing else.
    // It is never unloaded, so that nothing registered can dangle.
    let loaded = unsafe { Library::open(Some(library), RTLD_NOW | RTLD_GLOBAL) };
    let loaded = loaded.map_err(|error| {
        Error::new(ErrorKind::Missing, format!("cannot be loaded: {error}"))
            .at(library)
            .help("run ./just libtorch on a machine with an NVIDIA driver")
    })?;
    std::mem::forget(loaded);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_reads_the_memory_it_was_made_over() {
        let mut values = vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0];
        {
            let view = View::new(&values, &[2, 3]).unwrap();
            assert_eq!(view.double_value(&[1, 0]), 4.0);
            assert_eq!(view.data_ptr().cast_const().cast::<f32>(), values.as_ptr());
        }
        values[3] = 40.0;
        assert_eq!(View::new(&values, &[6]).unwrap().double_value(&[3]), 40.0);
    }

    #[test]
    fn a_view_larger_than_its_memory_is_refused() {
        assert!(View::new(&[0.0; 6], &[2, 4]).is_err());
        assert!(View::new(&[0.0; 6], &[5]).is_err());
    }

    #[test]
    fn a_library_that_is_not_there_is_an_error() {
        let error = load_globally(Path::new("/nonexistent/libtorch_cuda.so")).unwrap_err();
        assert!(error.to_string().contains("libtorch_cuda.so"), "{error}");
    }
}
