//! The one error type: what is wrong, with which file, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::remedy::Remedy;

/// A result with this crate's [`struct@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of thing went wrong, for callers that act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The command line or a configuration asks for something invalid.
    Usage,
    /// The operating system refused to read or write.
    Io,
    /// The bytes are not what their format demands: truncated, altered or foreign.
    Damaged,
    /// Well formed, but of a kind this version does not handle.
    Unsupported,
    /// A size, a duration or a count is above its limit.
    Limit,
    /// Well formed and readable, but useless for the purpose: silence, no samples, a class with one utterance.
    Unusable,
    /// Something that should be there is not.
    Missing,
    /// Two things that must agree do not.
    Mismatch,
    /// A server that holds what is needed does not give it, though it was asked again and again.
    Unreachable,
    /// What computes gave up: libtorch or a GPU, which may lack memory.
    Computation,
    /// The user asked to stop.
    Interrupted,
}

/// An error that reads as one sentence: the file it is about, what is wrong, and how to fix it.
///
/// ```
/// use ser_core::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::Unusable, "holds no samples").at("bar.wav").help("record it again");
/// assert_eq!(error.to_string(), "bar.wav: holds no samples; record it again");
/// ```
#[derive(Debug)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    path: Option<PathBuf>,
    what: String,
    help: Option<Remedy>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `what` completes the sentence "this file …", or stands alone without a file.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { inner: Box::new(Inner { kind, path: None, what: what.into(), help: None, source: None }) }
    }

    /// An operating system error that happened while doing `what` ("cannot read", "cannot create").
    pub fn io(what: impl Into<String>, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        let mut error = Self::new(ErrorKind::Io, format!("{}: {source}", what.into())).at(path);
        error.inner.source = Some(Box::new(source));
        error
    }

    /// Names the file or folder the error is about, unless one is named already.
    #[must_use]
    pub fn at(mut self, path: impl Into<PathBuf>) -> Self {
        self.inner.path.get_or_insert_with(|| path.into());
        self
    }

    /// Adds what the reader can do about it, as an imperative without a final stop; [`remedy!`](crate::remedy!) names
    /// settings and actions in it.
    #[must_use]
    pub fn help(mut self, help: impl Into<Remedy>) -> Self {
        self.inner.help.get_or_insert_with(|| help.into());
        self
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// The same once more, for another that it happens to; of its cause the text is kept.
    #[must_use]
    pub fn repeated(&self) -> Self {
        let Inner { kind, path, what, help, source } = &*self.inner;
        let source = source.as_ref().map(|source| source.to_string().into());
        let inner = Inner { kind: *kind, path: path.clone(), what: what.clone(), help: help.clone(), source };
        Self { inner: Box::new(inner) }
    }

    /// What sort of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The file or folder it is about.
    pub fn path(&self) -> Option<&Path> {
        self.inner.path.as_deref()
    }

    /// What can be done about it, as settings and actions that a front end can make more of than text.
    pub fn remedy(&self) -> Option<&Remedy> {
        self.inner.help.as_ref()
    }

    /// What is wrong, without the path and what to do, for sentences that name the file themselves.
    pub fn what(&self) -> &str {
        &self.inner.what
    }

    /// What is wrong and what to do, without the path, for tables that have a column of paths.
    pub fn reason(&self) -> String {
        match &self.inner.help {
            Some(help) => format!("{}; {help}", self.inner.what),
            None => self.inner.what.clone(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.inner.path {
            write!(f, "{}: ", path.display())?;
        }
        f.write_str(&self.inner.what)?;
        match &self.inner.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_path_and_the_first_remedy_stay() {
        let error = Error::new(ErrorKind::Damaged, "is cut short").at("inner").help("copy it again");
        let error = error.at("outer").help("give up");
        assert_eq!(error.to_string(), "inner: is cut short; copy it again");
        assert_eq!(error.reason(), "is cut short; copy it again");
        assert_eq!(error.kind(), ErrorKind::Damaged);
    }

    #[test]
    fn an_io_error_names_the_file_and_the_cause() {
        let error = Error::io("cannot read", "a.wav", std::io::Error::other("disk on fire"));
        assert_eq!(error.to_string(), "a.wav: cannot read: disk on fire");
        assert!(std::error::Error::source(&error).is_some());
    }
}
