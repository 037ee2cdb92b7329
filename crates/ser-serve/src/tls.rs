//! HTTPS, by rustls.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ser_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// The files that HTTPS needs, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those that lead to its issuer.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Makes TLS of a connection.
#[derive(Clone)]
pub(crate) struct Tls(TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(…)")
    }
}

impl Tls {
    /// # Errors
    /// When a file cannot be read or they do not fit each other.
    pub(crate) fn new(files: &TlsFiles) -> Result<Self> {
        let certificates = CertificateDer::pem_file_iter(&files.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .and_then(|all| if all.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(all) })
            .map_err(|error| unreadable(&files.certificate, "certificate", error))?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|error| unreadable(&files.key, "private key", error))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(files, &error))?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(|error| unusable(files, &error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(crate) async fn accept<S>(&self, stream: S) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.0.accept(stream).await
    }
}

/// Why there is no `what` in the file at `path`.
fn unreadable(path: &Path, what: &str, error: pem::Error) -> Error {
    let error = match error {
        pem::Error::Io(error) => Error::io("cannot be read", path, error),
        pem::Error::NoItemsFound => Error::new(ErrorKind::Damaged, format!("holds no {what}")).at(path),
        error => Error::new(ErrorKind::Damaged, format!("holds no {what} in PEM: {error}")).at(path),
    };
    error.help(format!("name the file that holds the {what}, in PEM"))
}

/// Why a certificate and a key that can be read cannot be used.
fn unusable(files: &TlsFiles, error: &rustls::Error) -> Error {
    let certificate = files.certificate.display();
    match error {
        rustls::Error::InconsistentKeys(_) => {
            let what = format!("is not the private key of the certificate in {certificate}");
            Error::new(ErrorKind::Mismatch, what).at(&files.key).help("name the key that belongs to it")
        }
        _ => {
            let what = format!("cannot be used for HTTPS with the certificate in {certificate}: {error}");
            Error::new(ErrorKind::Mismatch, what).at(&files.key)
        }
    }
}
