//! Errors of computations with libtorch.

use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, remedy};

/// A result of a function that calls libtorch.
pub type Result<T, E = TorchError> = std::result::Result<T, E>;

/// An error of a function that calls libtorch: libtorch's own, or one of ours on the way. `?` turns it into an [`Error`].
#[derive(Debug)]
pub struct TorchError(Error);

impl TorchError {
    /// Names the file that the computation is about, unless one is named already.
    pub fn at(self, path: impl Into<PathBuf>) -> Error {
        self.0.at(path)
    }

    /// The one that libtorch tells of in `text`.
    pub(crate) fn of_libtorch(text: &str) -> Self {
        /// What it says of a GPU, and of main memory.
        const SHORT_OF_MEMORY: [&str; 3] = ["out of memory", "not enough memory", "can't allocate memory"];
        // libtorch appends a C++ stack trace, which is of no use here.
        let first = text.lines().next().unwrap_or("unknown");
        let error = Error::new(ErrorKind::Computation, format!("libtorch: {first}"));
        Self(match SHORT_OF_MEMORY.iter().any(|words| text.contains(words)) {
            true if text.contains("CUDA") => {
                error.help(remedy!["give a smaller ", Setting::BatchSize, ", or ", Setting::Device.to("cpu")])
            }
            true => error.help(remedy!["give a smaller ", Setting::BatchSize]),
            false => error,
        })
    }
}

impl From<tch::TchError> for TorchError {
    fn from(error: tch::TchError) -> Self {
        Self(Self::of_libtorch(&error.to_string()).0.caused_by(error))
    }
}

impl From<Error> for TorchError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<TorchError> for Error {
    fn from(error: TorchError) -> Self {
        error.0
    }
}

impl Deref for TorchError {
    type Target = Error;

    fn deref(&self) -> &Error {
        &self.0
    }
}

impl fmt::Display for TorchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for TorchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    #[test]
    fn an_error_of_libtorch_is_one_line_without_its_stack() {
        let sum = |a: &Tensor, b: &Tensor| -> Result<Tensor> { Ok(a.f_add(b)?) };
        let error = sum(&Tensor::from_slice(&[1.0f32, 2.0]), &Tensor::from_slice(&[1.0f32; 3])).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("libtorch: ") && text.contains("The size of tensor a (2) must match"),
            "{text}"
        );
        assert!(!text.contains('\n'), "{text}");
    }
}
