//! Files that lie in an object store instead of a folder: what a library asks of a store, and which program answers.
//!
//! A library names such a place by a path that is a URL, `s3://bucket/folder`, and reads it through an [`ObjectFolder`].
//! What speaks to stores is given once by the program, with [`set_stores`]; a program without it refuses such paths by name.

use std::fmt::Debug;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::{Error, ErrorKind, Result};

/// An object as its store lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name below the folder that was asked, with `/` between its parts.
    pub path: String,
    /// Its size, bytes.
    pub size: u64,
    /// What the store calls this content, in quotes; another content has another one.
    pub etag: Option<String>,
    /// When it was last written, nanoseconds since 1970.
    pub modified_ns: i128,
}

impl Object {
    /// Its ETag, if that stands for its bytes. A weak one stands for what they mean.
    pub fn strong_etag(&self) -> Option<&str> {
        self.etag.as_deref().filter(|etag| !etag.starts_with("W/"))
    }
}

/// A folder in an object store. Every call waits for its answer, and what a store fails to do is tried again before it is an
/// error.
pub trait ObjectFolder: Debug + Send + Sync {
    /// Where it is, as a person may read it: never with anything secret.
    fn url(&self) -> &str;

    /// Everything below it, sorted by path.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses.
    fn list(&self) -> Result<Vec<Object>>;

    /// The object at `path` below it, if there is one.
    ///
    /// # Errors
    /// As [`Self::list`].
    fn find(&self, path: &str) -> Result<Option<Object>>;

    /// Bytes of an object that is as it was listed, exactly as many as asked for.
    ///
    /// # Errors
    /// `Mismatch` if it has changed since, `Missing` if it is gone, `Unreachable` when the store does not give it. Each names
    /// the object.
    fn read(&self, object: &Object, range: Range<u64>) -> Result<Vec<u8>>;

    /// The first bytes of each object, at most `most`: many at once.
    fn beginnings(&self, objects: &[&Object], most: u64) -> Vec<Result<Vec<u8>>> {
        objects.iter().map(|object| self.read(object, 0..most.min(object.size))).collect()
    }

    /// Begins to read whole objects that will be asked for soon, several at once and in bounded memory.
    fn read_ahead(&self, objects: &[&Object]) {
        let _ = objects;
    }

    /// Writes the object at `path` below it. A reader sees all of it or nothing.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses.
    fn write(&self, path: &str, bytes: Vec<u8>) -> Result<()>;
}

/// What speaks to object stores.
pub trait Stores: Debug + Send + Sync {
    /// The folder at `url`.
    ///
    /// # Errors
    /// `Usage` when the URL is of no kind that is known, or holds something secret; then the error does not.
    fn open(&self, url: &str) -> Result<Arc<dyn ObjectFolder>>;
}

static STORES: OnceLock<&'static dyn Stores> = OnceLock::new();

/// Lets this process read object stores. Only the first call counts.
pub fn set_stores(stores: &'static dyn Stores) {
    let _ = STORES.set(stores);
}

/// Whether a path is a URL, such as `s3://bucket/folder`.
pub fn is_url(path: &Path) -> bool {
    let scheme = path.to_str().and_then(|path| Some(path.split_once("://")?.0));
    scheme.is_some_and(|scheme| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
    })
}

/// A URL without what may be secret in it: no user, no password, no query. Other paths stay as they are.
pub fn printable_url(path: &Path) -> PathBuf {
    let Some(text) = path.to_str().filter(|_| is_url(path)) else { return path.to_owned() };
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let end = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let host = host.rsplit('@').next().unwrap_or_default();
    PathBuf::from(format!("{scheme}://{host}{path}"))
}

/// Refuses a URL that holds something which may be secret, before it is printed or kept anywhere. Other paths pass.
///
/// # Errors
/// `Usage`, without the secret.
pub fn check_url(path: &Path) -> Result<()> {
    let printable = printable_url(path);
    if printable.as_os_str() == path.as_os_str() {
        return Ok(());
    }
    let what = "is given with a user, a password or a query, which would be printed and kept with what is made of it";
    Err(Error::new(ErrorKind::Usage, what)
        .at(printable)
        .help("give the URL without, and credentials as environment variables of the store's kind"))
}

/// Opens the folder at `url`, a path for which [`is_url`] holds.
///
/// # Errors
/// Those of [`Stores::open`] and of [`check_url`]; `Unsupported` in a program without object stores.
pub fn open_folder(url: &Path) -> Result<Arc<dyn ObjectFolder>> {
    check_url(url)?;
    let text = url.to_str().unwrap_or_default();
    match STORES.get() {
        Some(stores) => stores.open(text),
        None => {
            Err(Error::new(ErrorKind::Unsupported, "lies in an object store, which this program cannot read")
                .at(url)
                .help("build it with the feature stores, or copy what is there into a folder"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_told_from_a_path_by_its_scheme() {
        for url in ["s3://b/c", "https://host/", "az://c"] {
            assert!(is_url(Path::new(url)), "{url}");
        }
        for path in ["s3:/b", "/a/b://c", "a b://c", "data", "://x", "3s://x"] {
            assert!(!is_url(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn what_may_be_secret_in_a_url_is_refused_and_not_printed() {
        for url in [
            "https://me:hunter2@host/a",
            "https://host/a?sig=hunter2",
            "s3://hunter2@b/c",
            "s3://b/c#hunter2",
        ] {
            let error = check_url(Path::new(url)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(!error.to_string().contains("hunter2"), "{error}");
            assert!(!open_folder(Path::new(url)).unwrap_err().to_string().contains("hunter2"));
        }
        check_url(Path::new("s3://bucket/a b@c")).unwrap();
        check_url(Path::new("data/?x@y")).unwrap();
    }

    #[test]
    fn a_program_without_stores_says_how_to_get_them() {
        let error = open_folder(Path::new("s3://bucket/corpus")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().starts_with("s3://bucket/corpus: lies in an object store"), "{error}");
    }
}
