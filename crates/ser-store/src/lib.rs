//! Object stores behind the blocking calls of [`ser_core::storage::objects`]: S3, Google Cloud Storage, Azure, WebDAV.
//!
//! [`install`] is all that a program calls. A URL is taken apart in `place`, `clients` has what speaks to a store, requests are
//! made in `folder`, whole objects are fetched before they are asked for in `ahead`, and `failure` says what went wrong without
//! repeating what was sent.

mod ahead;
mod clients;
mod failure;
mod folder;
mod place;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use ser_core::storage::objects::{self, ObjectFolder, Stores};
use ser_core::{Error, ErrorKind, Result};
use tokio::runtime::Runtime;

use crate::clients::Clients;
use crate::folder::Folder;
use crate::place::Place;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Lets this process read and write object stores.
pub fn install() {
    static REMOTE: Remote = Remote;
    objects::set_stores(&REMOTE);
}

/// All kinds of stores.
#[derive(Debug)]
struct Remote;

/// The stores that were opened, by scheme and bucket: connections are kept.
static OPENED: LazyLock<Mutex<HashMap<String, Arc<Clients>>>> = LazyLock::new(Mutex::default);

impl Stores for Remote {
    fn open(&self, url: &str) -> Result<Arc<dyn ObjectFolder>> {
        let place = Place::parse(url)?;
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        let clients = match opened.get(&place.root) {
            Some(clients) => clients.clone(),
            None => {
                let clients = Arc::new(Clients::new(&place)?);
                opened.insert(place.root.clone(), clients.clone());
                clients
            }
        };
        Ok(Arc::new(Folder::new(place, clients)))
    }
}

/// What requests run on: two threads that mostly wait.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("ser-store")
            .enable_all()
            .build()
    });
    RUNTIME.as_ref().map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot start threads for requests to object stores: {error}"))
    })
}
