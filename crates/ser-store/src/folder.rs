//! Requests to a store: listing, reading, writing.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload};
use ser_core::storage::objects::{Object, ObjectFolder};
use ser_core::{Error, ErrorKind, Result};

use crate::ahead::{Ahead, Fetch};
use crate::clients::Clients;
use crate::failure::{changed, status};
use crate::place::{Kind, Place};
use crate::runtime;

/// How often an object is asked for of which not all came, where the store has no ETags, and the first pause between repeats.
const REPEATS_OF_BODIES: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// How often a write to a web server is made again for which a folder has to be made, before the last try.
const REPEATS_OF_WRITES: usize = 4;

/// An object is read in parts of this size, several at once.
const PART: u64 = 8 << 20;
const PARTS_AT_ONCE: usize = 4;

/// So many small reads are made at once.
const SMALL_READS_AT_ONCE: usize = 32;

/// A folder in a store.
#[derive(Debug)]
pub(crate) struct Folder {
    requests: Arc<Requests>,
    ahead: Ahead,
}

/// Requests about objects below a folder.
#[derive(Debug)]
struct Requests {
    place: Place,
    clients: Arc<Clients>,
}

impl Folder {
    pub(crate) fn new(place: Place, clients: Arc<Clients>) -> Self {
        Self { requests: Arc::new(Requests { place, clients }), ahead: Ahead::default() }
    }
}

impl ObjectFolder for Folder {
    fn url(&self) -> &str {
        &self.requests.place.url
    }

    fn list(&self) -> Result<Vec<Object>> {
        let requests = &self.requests;
        requests.clients.check(self.url())?;
        let listed = runtime()?.block_on(requests.list()).map_err(|error| requests.cannot_list(&error))?;
        let mut objects: Vec<Object> = listed.into_iter().filter_map(|meta| requests.object(meta)).collect();
        objects.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(objects)
    }

    fn find(&self, path: &str) -> Result<Option<Object>> {
        let at = self.requests.shown(path);
        self.requests.clients.check(&at)?;
        let location = self.requests.location(path)?;
        match runtime()?.block_on(self.requests.clients.lists.head(&location)) {
            Ok(meta) => Ok(self.requests.object(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.requests.clients.failed(&error, &at)),
        }
    }

    fn read(&self, object: &Object, range: Range<u64>) -> Result<Vec<u8>> {
        if range == (0..object.size)
            && let Some(fetched) = self.ahead.take(object)
        {
            return fetched;
        }
        runtime()?.block_on(self.requests.read(object, range))
    }

    fn beginnings(&self, objects: &[&Object], most: u64) -> Vec<Result<Vec<u8>>> {
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => return objects.iter().map(|_| Err(error.repeated())).collect(),
        };
        let reads = objects.iter().map(|object| self.requests.read(object, 0..most.min(object.size)));
        runtime.block_on(futures_util::stream::iter(reads).buffered(SMALL_READS_AT_ONCE).collect())
    }

    fn read_ahead(&self, objects: &[&Object]) {
        if let Ok(runtime) = runtime() {
            self.ahead.begin(&self.requests, objects, runtime);
        }
    }

    fn write(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        let at = self.requests.shown(path);
        self.requests.clients.check(&at)?;
        let location = self.requests.location(path)?;
        let payload = PutPayload::from(bytes);
        let put = self.requests.put(&location, &payload);
        runtime()?.block_on(put).map_err(|error| self.requests.clients.failed(&error, &at))
    }
}

impl Fetch for Requests {
    async fn fetch(&self, object: &Object) -> Result<Vec<u8>> {
        self.read(object, 0..object.size).await
    }
}

impl Requests {
    /// How an object is named to people.
    fn shown(&self, path: &str) -> String {
        format!("{}/{path}", self.place.url)
    }

    /// Where an object is in its bucket.
    fn location(&self, path: &str) -> Result<Path> {
        let prefix = self.place.prefix.as_ref();
        let whole = if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") };
        Path::parse(whole)
            .map_err(|_| Error::new(ErrorKind::Unusable, "is no name of an object").at(self.shown(path)))
    }

    /// What is listed, by its name below the folder; nothing for the folder itself.
    fn object(&self, meta: ObjectMeta) -> Option<Object> {
        let whole = meta.location.as_ref();
        let path = match self.place.prefix.as_ref() {
            "" => whole,
            prefix => whole.strip_prefix(prefix)?.strip_prefix('/')?,
        };
        Some(Object {
            path: path.to_owned(),
            size: meta.size,
            etag: meta.e_tag,
            modified_ns: i128::from(meta.last_modified.timestamp()) * 1_000_000_000
                + i128::from(meta.last_modified.timestamp_subsec_nanos()),
        })
    }

    async fn list(&self) -> object_store::Result<Vec<ObjectMeta>> {
        let store = &self.clients.lists;
        if self.place.kind != Kind::Web {
            return store.list(Some(&self.place.prefix)).try_collect().await;
        }
        // Few web servers answer for a whole tree at once.
        let (mut found, mut folders) = (Vec::new(), vec![self.place.prefix.clone()]);
        while let Some(folder) = folders.pop() {
            let listed = store.list_with_delimiter(Some(&folder)).await?;
            // A server may list the folder itself under another spelling.
            folders.extend(listed.common_prefixes.into_iter().filter(|inner| {
                inner.as_ref().len() > folder.as_ref().len() && inner.prefix_matches(&folder)
            }));
            found.extend(listed.objects);
        }
        Ok(found)
    }

    async fn put(&self, location: &Path, payload: &PutPayload) -> object_store::Result<()> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..REPEATS_OF_WRITES {
            match self.clients.reads.put(location, payload.clone()).await {
                // Another write is making the same folder, which may be made once: RFC 4918, 9.3.1.
                Err(error) if self.place.kind == Kind::Web && status(&error) == Some(405) => {
                    tokio::time::sleep(pause).await;
                }
                done => return done.map(|_| ()),
            }
            pause *= 2;
        }
        self.clients.reads.put(location, payload.clone()).await.map(|_| ())
    }

    fn cannot_list(&self, error: &object_store::Error) -> Error {
        match (self.place.kind, status(error)) {
            (Kind::Web, Some(status @ (400 | 403 | 405 | 501))) => {
                let what = format!(
                    "cannot be listed: the server has no WebDAV there (it answers {status} to PROPFIND)"
                );
                Error::new(ErrorKind::Unsupported, what)
                    .at(&self.place.url)
                    .help("copy what is there into a folder or a bucket, or let the server answer PROPFIND")
            }
            _ => self.clients.failed(error, &self.place.url),
        }
    }

    /// Bytes of an object that is as it was listed.
    async fn read(&self, object: &Object, range: Range<u64>) -> Result<Vec<u8>> {
        self.clients.check(&self.shown(&object.path))?;
        let ends = |start: u64| (start + PART).min(range.end);
        let parts: Vec<Range<u64>> = (range.start..range.end)
            .step_by(usize::try_from(PART).unwrap_or(usize::MAX))
            .map(|start| start..ends(start))
            .collect();
        if let [only] = &parts[..] {
            return self.read_part(object, only.clone()).await;
        }
        let reads = parts.into_iter().map(|part| self.read_part(object, part));
        let parts: Vec<Vec<u8>> =
            futures_util::stream::iter(reads).buffered(PARTS_AT_ONCE).try_collect().await?;
        Ok(parts.concat())
    }

    async fn read_part(&self, object: &Object, range: Range<u64>) -> Result<Vec<u8>> {
        let at = self.shown(&object.path);
        let mut pause = FIRST_PAUSE;
        for _ in 0..REPEATS_OF_BODIES {
            match self.read_once(object, range.clone(), &at).await? {
                Some(bytes) => return Ok(bytes),
                None => tokio::time::sleep(pause).await,
            }
            pause *= 2;
        }
        let what = format!(
            "is cut short again and again: the store does not send all {} bytes",
            range.end - range.start
        );
        Err(Error::new(ErrorKind::Unreachable, what).at(at).help("try again; what was done is kept"))
    }

    /// The bytes of an object, or nothing where not all of them came.
    async fn read_once(&self, object: &Object, range: Range<u64>, at: &str) -> Result<Option<Vec<u8>>> {
        let length = usize::try_from(range.end - range.start)
            .map_err(|_| Error::new(ErrorKind::Limit, "is too large for memory").at(at))?;
        let is_whole = range == (0..object.size);
        let options = GetOptions {
            // Web servers write ETags in more than one way; theirs are compared below.
            if_match: object.strong_etag().filter(|_| self.place.kind != Kind::Web).map(str::to_owned),
            // Whole objects are asked for without a range, which not every web server knows.
            range: (!is_whole).then_some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let location = self.location(&object.path)?;
        let got = self.clients.reads.get_opts(&location, options).await;
        let got = got.map_err(|error| self.clients.failed(&error, at))?;
        let plain = |etag: &str| etag.trim_matches('"').to_owned();
        let etags =
            object.strong_etag().zip(got.meta.e_tag.as_deref().filter(|etag| !etag.starts_with("W/")));
        if got.meta.size != object.size || etags.is_some_and(|(then, now)| plain(then) != plain(now)) {
            return Err(changed(at));
        }
        let mut bytes = Vec::with_capacity(length);
        let mut stream = got.into_stream();
        while let Some(piece) = stream.next().await {
            // Where the store knows ETags, what is missing has been asked for again already.
            let Ok(piece) = piece else { return Ok(None) };
            bytes.extend_from_slice(&piece);
            if bytes.len() > length {
                return Err(changed(at));
            }
        }
        Ok((bytes.len() == length).then_some(bytes))
    }
}
