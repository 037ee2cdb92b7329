//! URLs of folders in object stores.

use std::net::IpAddr;
use std::path::Path as FilePath;

use object_store::path::Path;
use ser_core::storage::objects::{check_url, printable_url};
use ser_core::{Error, ErrorKind, Result};
use url::{Host, Url};

/// Kinds of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Amazon S3, or a server that speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
    /// A web server with WebDAV.
    Web,
}

/// A folder in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    /// Its URL, without a slash at its end.
    pub(crate) url: String,
    /// Scheme and bucket, container or host: what a connection is made to.
    pub(crate) root: String,
    /// The bucket, container or host.
    pub(crate) bucket: String,
    /// Where it is in there.
    pub(crate) prefix: Path,
}

impl Place {
    /// # Errors
    /// `Usage` for a URL that is none of a store, or that holds what may be secret.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        check_url(FilePath::new(url))?;
        let shown = printable_url(FilePath::new(url));
        let wrong = |what: String, help: &str| {
            Err(Error::new(ErrorKind::Usage, what).at(shown.clone()).help(help.to_owned()))
        };
        let Some((scheme, rest)) = url.split_once("://") else {
            return wrong("is no URL".to_owned(), SCHEMES);
        };
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "s3" => Kind::S3,
            "gs" => Kind::Google,
            "az" => Kind::Azure,
            "https" | "http" => Kind::Web,
            "file" => return wrong("is a URL of a file".to_owned(), "give the path of the folder"),
            other => return wrong(format!("is a URL of an unknown kind, {other:?}"), SCHEMES),
        };
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return wrong("names no bucket, container or host".to_owned(), SCHEMES);
        }
        if kind == Kind::Web {
            match Url::parse(url) {
                Err(error) => return wrong(format!("is no URL: {error}"), SCHEMES),
                Ok(parsed) if parsed.scheme() == "http" && !is_here(&parsed) => {
                    let what = "is not encrypted on its way";
                    return wrong(what.to_owned(), "give it as https://");
                }
                Ok(_) => {}
            }
        }
        // A bucket's names are as they are; those of a web server may be written with percent signs.
        let prefix = match kind {
            Kind::Web => Path::from_url_path(folder),
            _ => Path::parse(folder.trim_end_matches('/')),
        };
        let prefix = match prefix {
            Ok(prefix) => prefix,
            Err(_) => return wrong("names a folder with an empty part, or . or ..".to_owned(), SCHEMES),
        };
        let root = format!("{}://{bucket}", scheme.to_ascii_lowercase());
        let url = format!("{root}/{}", folder.trim_end_matches('/')).trim_end_matches('/').to_owned();
        Ok(Self { kind, url, root, bucket: bucket.to_owned(), prefix })
    }
}

const SCHEMES: &str =
    "give s3://bucket/folder, gs://bucket/folder, az://container/folder or https://host/folder/";

/// Whether the host is this machine, to which nothing needs to be encrypted.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_kind_a_bucket_and_a_folder() {
        for (url, kind, shown, prefix) in [
            ("s3://b/a c/d/", Kind::S3, "s3://b/a c/d", "a c/d"),
            ("gs://b", Kind::Google, "gs://b", ""),
            ("az://c/TESS", Kind::Azure, "az://c/TESS", "TESS"),
            ("https://host:8443/a%20b/", Kind::Web, "https://host:8443/a%20b", "a b"),
            ("http://127.0.0.1:80/x", Kind::Web, "http://127.0.0.1:80/x", "x"),
        ] {
            let place = Place::parse(url).unwrap();
            assert_eq!(
                (place.kind, place.url.as_str(), place.prefix.as_ref()),
                (kind, shown, prefix),
                "{url}"
            );
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (url, says) in [
            ("ftp://host/x", "ftp://host/x: is a URL of an unknown kind, \"ftp\"; give s3://"),
            ("s3:///x", "names no bucket"),
            ("s3://b/../x", "names a folder with an empty part, or . or .."),
            ("http://example.org/x", "is not encrypted on its way; give it as https://"),
            ("file:///data", "is a URL of a file; give the path of the folder"),
            ("https://:x/", "is no URL"),
        ] {
            let error = Place::parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{url}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
