//! The server from its options to its end.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, threads};
use ser_predict::{CheckpointFile, ModelOptions};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::app::{App, Served};
use crate::front_ends::FrontEndPool;
use crate::guard::Guard;
use crate::inference::Inference;
use crate::limits::ServeLimits;
use crate::listen::listen;
use crate::metrics::Metrics;
use crate::routes::router;
use crate::timelines::Timelines;
use crate::tls::{Tls, TlsFiles};
use crate::token::Token;

/// What a server serves, and where.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Checkpoints; the first is asked where a client names none.
    pub checkpoints: Vec<PathBuf>,
    /// How they answer.
    pub model: ModelOptions,
    /// Address and port; port 0 is any free one.
    pub bind: SocketAddr,
    /// Names that clients may call this server by, besides its addresses and `localhost`.
    pub hosts: Vec<String>,
    /// What clients have to show, if anything.
    pub token: Option<Token>,
    /// For HTTPS.
    pub tls: Option<TlsFiles>,
    /// Threads that decode recordings, and as many that compute features of streams; 0 for one per processor.
    pub jobs: usize,
    /// What clients may ask for.
    pub limits: ServeLimits,
}

impl ServeOptions {
    /// Serves `checkpoints` on a free port of this machine alone.
    pub fn new(checkpoints: Vec<PathBuf>) -> Self {
        Self {
            checkpoints,
            model: ModelOptions::default(),
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            hosts: Vec::new(),
            token: None,
            tls: None,
            jobs: 0,
            limits: ServeLimits::default(),
        }
    }
}

/// A server that is bound, with its models loaded.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    guard: Guard,
    tls: Option<Tls>,
    address: SocketAddr,
    options: ServeOptions,
    models: Vec<Arc<Served>>,
    metrics: Arc<Metrics>,
    jobs: usize,
}

impl Server {
    /// Binds the address and loads the models. Who connects from now on is answered once the server runs.
    ///
    /// # Errors
    /// When the address is taken or not this machine's, a host is no name, the limits leave no recording, the files for HTTPS
    /// are unusable, there are absurdly many jobs, and as [`ser_predict::Model::open`].
    pub fn bind(options: ServeOptions) -> Result<Self> {
        options.limits.of_recordings().validate()?;
        options.limits.of_timelines().validate()?;
        let jobs = threads::count(options.jobs, Setting::Jobs)?;
        let cannot = |error| {
            let what = format!("cannot listen on {}: {error}", options.bind);
            Error::new(ErrorKind::Io, what).help("choose another address or port, or end what listens there")
        };
        let listener = TcpListener::bind(options.bind).map_err(cannot)?;
        listener.set_nonblocking(true).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let token = options.token.clone();
        let guard = Guard::new(address, &options.hosts, token, options.limits.requests_per_s)?;
        let tls = options.tls.as_ref().map(Tls::new).transpose()?;
        if options.checkpoints.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "there is no checkpoint to serve"));
        }
        let metrics = Arc::new(Metrics::new());
        let names = names(&options.checkpoints);
        let models = options.checkpoints.iter().zip(names);
        let models = models.map(|(path, name)| load(path, name, &options, jobs, &metrics).map(Arc::new));
        let models = models.collect::<Result<Vec<_>>>()?;
        Ok(Self { listener, guard, tls, address, models, metrics, jobs, options })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The names of its models, the default one first.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|served| served.name.as_str())
    }

    /// Answers until `stop` is raised. Then no more connections are taken, streams are told, and what has begun has ten
    /// seconds to end.
    ///
    /// # Errors
    /// When there can be no threads.
    pub fn run(self, stop: &AtomicBool) -> Result<()> {
        let failed = |error| Error::new(ErrorKind::Io, format!("the server cannot start: {error}"));
        let runtime = Builder::new_multi_thread()
            .worker_threads(self.jobs)
            .max_blocking_threads(2 * self.jobs + 3)
            .enable_all()
            .build()
            .map_err(failed)?;
        let (stopping_sender, stopping) = watch::channel(false);
        let limits = self.options.limits;
        let models = self.models.clone();
        let app = Arc::new(App::new(self.models, limits, self.guard, self.metrics, self.jobs, stopping));
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(self.listener).map_err(failed)?;
            let router = router(Arc::clone(&app));
            let watch = async {
                while !stop.load(Ordering::Relaxed) {
                    sleep(Duration::from_millis(50)).await;
                }
                let _ = stopping_sender.send(true);
            };
            tokio::join!(watch, listen(app, listener, self.tls, router));
            Ok::<(), Error>(())
        })?;
        // Decoding that nobody waits for any more must not hold the end up.
        runtime.shutdown_timeout(Duration::from_secs(1));
        for served in models.into_iter().filter_map(Arc::into_inner) {
            served.inference.join();
        }
        Ok(())
    }
}

/// Opens the checkpoint at `path`, which clients call `name`.
fn load(
    path: &Path,
    name: String,
    options: &ServeOptions,
    jobs: usize,
    metrics: &Arc<Metrics>,
) -> Result<Served> {
    // Read once, so that all answers are those of one model, whatever becomes of the file.
    let checkpoint = CheckpointFile::read(path)?;
    let inference = Inference::start(checkpoint.clone(), options.model.clone(), Arc::clone(metrics))?;
    let limits = options.limits.of_recordings();
    let front_ends = inference.front_ends();
    let recordings = FrontEndPool::new(front_ends.clone(), limits, jobs);
    // A window is as long as it is, whatever limits recordings have.
    let windows = FrontEndPool::new(front_ends.clone(), limits.of_any_duration(), jobs);
    let timelines = Timelines::new(checkpoint, options.model.clone(), options.limits, jobs);
    Ok(Served { name, inference, recordings, windows, timelines })
}

/// A name for each checkpoint: that of its file, with its folder's where two have the same, and a number where that does
/// not help.
fn names(checkpoints: &[PathBuf]) -> Vec<String> {
    let stem = |path: &Path| path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let stems: Vec<String> = checkpoints.iter().map(|path| stem(path)).collect();
    let mut taken = BTreeSet::new();
    let named = checkpoints.iter().zip(&stems).map(|(path, own)| {
        let is_alone = stems.iter().filter(|other| *other == own).count() == 1;
        let folder = path.parent().and_then(Path::file_name).filter(|_| !is_alone);
        let name = folder.map_or_else(|| own.clone(), |folder| format!("{}-{own}", folder.to_string_lossy()));
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| taken.insert(name.clone()));
        free.unwrap_or(name)
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_has_a_name_of_its_own() {
        let paths = ["best.pt", "runs/a/best.pt", "runs/b/best.pt", "other/b/best.pt", "small.pt"];
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        assert_eq!(names(&paths), ["best", "a-best", "b-best", "b-best-2", "small"]);
        assert_eq!(names(&paths[..1]), ["best"]);
    }
}
