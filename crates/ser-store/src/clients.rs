//! What speaks to a store: how often it repeats a request, how long it waits, and whether the store was lost.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};
use ser_core::{Error, ErrorKind, Result};

use crate::failure::{failure, innermost};
use crate::place::{Kind, Place};

/// Repeats of a request that lists, and of one that reads or writes: who gives a wrong URL should not wait for long, and
/// who has read for an hour should not lose that to a short fault.
const REPEATS_OF_LISTS: usize = 4;
const REPEATS: usize = 9;

/// How long a request may take as a whole, how long a server may be silent, and how long a connection may take.
const LONGEST: &str = "1 hour";
const SILENCE: &str = "20 seconds";
const CONNECTING: &str = "10 seconds";

/// After a request has failed for good, the others fail at once for so long.
const LOST_FOR: Duration = Duration::from_secs(30);

/// What speaks to one bucket, container or host.
#[derive(Debug)]
pub(crate) struct Clients {
    /// For requests that list, which are repeated less often.
    pub(crate) lists: Arc<dyn ObjectStore>,
    /// For all others.
    pub(crate) reads: Arc<dyn ObjectStore>,
    /// When a request last failed for good, and with what.
    lost: Mutex<Option<(Instant, Error)>>,
}

impl Clients {
    /// Those for `place`.
    ///
    /// # Errors
    /// When the environment does not say what the store needs.
    pub(crate) fn new(place: &Place) -> Result<Self> {
        // The same cryptography as the server's; a program that chose another before keeps that.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let build = |repeats| build(place, repeats);
        Ok(Self { lists: build(REPEATS_OF_LISTS)?, reads: build(REPEATS)?, lost: Mutex::new(None) })
    }

    /// Fails if the store was lost a moment ago.
    pub(crate) fn check(&self, at: &str) -> Result<()> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        match &*lost {
            Some((when, error)) if when.elapsed() < LOST_FOR => {
                Err(Error::new(ErrorKind::Unreachable, error.reason()).at(at))
            }
            _ => Ok(()),
        }
    }

    /// An error for people; a store that is lost is remembered as such.
    pub(crate) fn failed(&self, error: &object_store::Error, at: &str) -> Error {
        let error = failure(error, at);
        if error.kind() == ErrorKind::Unreachable {
            *self.lost.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((Instant::now(), error.repeated()));
        }
        error
    }
}

/// A client for `place` that repeats a request so often.
fn build(place: &Place, repeats: usize) -> Result<Arc<dyn ObjectStore>> {
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(10),
            base: 2.0,
        },
        max_retries: repeats,
        retry_timeout: Duration::from_secs(180),
    };
    let built: object_store::Result<Arc<dyn ObjectStore>> = match place.kind {
        Kind::S3 => {
            let builder = AmazonS3Builder::from_env().with_bucket_name(&place.bucket).with_retry(retry);
            let set = |builder: AmazonS3Builder, key, value| {
                builder.with_config(AmazonS3ConfigKey::Client(key), value)
            };
            within_time_limits(builder, set).build().map(|store| Arc::new(store) as _)
        }
        Kind::Google => {
            let builder =
                GoogleCloudStorageBuilder::from_env().with_bucket_name(&place.bucket).with_retry(retry);
            let set = |builder: GoogleCloudStorageBuilder, key, value| {
                builder.with_config(GoogleConfigKey::Client(key), value)
            };
            within_time_limits(builder, set).build().map(|store| Arc::new(store) as _)
        }
        Kind::Azure => {
            let builder =
                MicrosoftAzureBuilder::from_env().with_container_name(&place.bucket).with_retry(retry);
            let set = |builder: MicrosoftAzureBuilder, key, value| {
                builder.with_config(AzureConfigKey::Client(key), value)
            };
            within_time_limits(builder, set).build().map(|store| Arc::new(store) as _)
        }
        Kind::Web => {
            let set = |options: ClientOptions, key, value| options.with_config(key, value);
            let options = within_time_limits(ClientOptions::new().with_allow_http(true), set);
            let builder = HttpBuilder::new().with_url(&place.root).with_retry(retry);
            builder.with_client_options(options).build().map(|store| Arc::new(store) as _)
        }
    };
    built.map_err(|error| {
        let what = format!("cannot be opened: {}", innermost(&error));
        Error::new(ErrorKind::Usage, what)
            .at(&place.url)
            .help("set what this kind of store needs in the environment, such as AWS_REGION or AZURE_STORAGE_ACCOUNT_NAME")
    })
}

/// Lets `set` set all limits of time. They are set one by one, so that what the environment says of proxies, certificates and
/// HTTP stays.
fn within_time_limits<B>(builder: B, set: impl Fn(B, ClientConfigKey, &'static str) -> B) -> B {
    let limits = [
        (ClientConfigKey::Timeout, LONGEST),
        (ClientConfigKey::ReadTimeout, SILENCE),
        (ClientConfigKey::ConnectTimeout, CONNECTING),
    ];
    limits.into_iter().fold(builder, |builder, (key, limit)| set(builder, key, limit))
}
